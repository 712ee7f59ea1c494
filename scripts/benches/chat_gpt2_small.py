"""The same bench with a GPT-2 small (124 M, random weights) as everybody's generator.

`chat` says what is measured. The weights are random, so texts are words without sense; what they
cost is not.
"""

from __future__ import annotations

from typing import Any

from scripts.benches import chat, gpt2_small
from scripts.benches.charts import Chart

TITLE = "The whole service with GPT-2 small"
NAIVE_GOAL = 10.0


def show(result: dict[str, Any]) -> str:
    """The tables of a result."""
    return chat.show(result, NAIVE_GOAL)


def charts(result: dict[str, Any]) -> list[Chart]:
    """Throughput by people."""
    return chat.charts(result)


def main() -> int:
    """Run, print, save."""
    return chat.main("chat-gpt2-small", gpt2_small.folder(), NAIVE_GOAL)
