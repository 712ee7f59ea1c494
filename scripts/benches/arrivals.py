"""When requests come in an open loop, and what they say. Pure, and the same for the same seed."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """So many requests a second for so many seconds."""

    rate: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request is meant to start `at` seconds after the beginning, in step number `step`."""

    at: float
    step: int


def poisson(steps: Sequence[Step], seed: int) -> Iterator[Arrival]:
    """Arrivals of independent people: exponential gaps, the rate changing from step to step."""
    chance = random.Random(seed)
    begins = 0.0
    for number, step in enumerate(steps):
        at = begins
        while step.rate > 0 and (at := at + chance.expovariate(step.rate)) < begins + step.seconds:
            yield Arrival(at, number)
        begins += step.seconds


def parse_steps(text: str) -> list[Step]:
    """Steps as the command line names them: `RATE:SECONDS,RATE:SECONDS,…`.

    Raises:
        ValueError: not of this form, or negative.
    """
    steps = []
    for part in text.split(","):
        rate, _, seconds = part.partition(":")
        step = Step(float(rate), float(seconds))
        if step.rate < 0 or step.seconds <= 0:
            raise ValueError(f"{part}: a rate of at least 0, and seconds above 0")
        steps.append(step)
    return steps


def message(prompts: Sequence[str], chars: int, seed: int, number: int) -> str:
    """Message `number` of a run: prompts by chance until it is `chars` long.

    Of 200 prompts and 300 characters (some 70 tokens) hardly two are alike, so that no cache helps.
    """
    chance = random.Random(f"{seed}/{number}")
    text = chance.choice(prompts)
    while len(text) < chars:
        text = f"{text}. {chance.choice(prompts)}"
    return text
