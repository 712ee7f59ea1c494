"""What simulated people say: lines of people in the project's own dialogs and prompts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random


class Lines:
    """Scripts of one or more lines; a conversation follows one."""

    def __init__(self, scripts: list[tuple[str, ...]]) -> None:
        if not scripts:
            raise ValueError("there is nothing that a simulated person could say")
        self.scripts = scripts

    @classmethod
    def read(cls, data: Path) -> Lines:
        """From `data/dialogs/*.jsonl` (the person's turns) and `data/bench/prompts.txt`."""
        scripts = [_of_person(line) for path in _dialogs(data) for line in _lines(path)]
        prompts = data / "bench" / "prompts.txt"
        scripts += [(line,) for line in _lines(prompts)] if prompts.exists() else []
        return cls([script for script in scripts if script])

    def conversation(self, luck: Random) -> Iterator[str]:
        """The lines of one conversation, the first one first."""
        return iter(luck.choice(self.scripts))


def bank_pairs(data: Path) -> list[tuple[str, str]]:
    """(a message that it answers, reply) of every reply of the bank."""
    pairs = []
    for path in sorted((data / "bank").glob("*.jsonl")):
        for line in _lines(path):
            entry = json.loads(line)
            pairs += [(entry["contexts"][0], reply) for reply in entry["replies"]]
    return pairs


def _dialogs(data: Path) -> list[Path]:
    return sorted((data / "dialogs").glob("*.jsonl"))


def _of_person(line: str) -> tuple[str, ...]:
    turns = json.loads(line)["turns"]
    return tuple(turn["text"] for turn in turns if turn["speaker"] == "person")


def _lines(path: Path) -> list[str]:
    return [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
