"""The rungs of the CPU ladder, and how one thread climbs each: run in the workers' processes.

A rung answers messages of real lengths, one at a time. "ours: batching" takes them from a queue
that is kept full, by the service's own rule of which items share a batch; "ours: cache" looks each
message's ids up in the service's own cache before the model is asked.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from app.serving.batching.queue import Budget, Entry, WaitingItems
from scripts.benches import exports, texts
from scripts.benches.classifiers import Classifier, OpenVinoClassifier, TorchClassifier
from scripts.benches.standins import folder_of

FIXED = 128
WAITING = 64  # messages in the queue of the batching rung
BASE, DISTIL = "bert-base", "distilbert"
BATCHING, CACHE = "ours: batching", "ours: cache"
_FAR = 3600.0  # seconds: nothing expires here


@dataclass(frozen=True)
class Rung:
    """One step: its name, what it changes, and the models that it needs."""

    name: str
    changed: str
    load: Callable[[], Classifier]


def openvino(format_: str) -> Callable[[], Classifier]:
    """The small model under OpenVINO on one thread."""
    return lambda: OpenVinoClassifier(
        DISTIL, exports.network_of(DISTIL, format_, calibration()), format_, threads=1
    )


def calibration() -> list[str]:
    """Messages that int8 is fitted to; none of them is measured."""
    lengths = texts.Lengths.read().draw(exports.CALIBRATION, np.random.default_rng(70))
    return texts.messages([int(n) for n in lengths], tokenizer(), seed=71)


def tokenizer() -> str:
    """Both models have the same."""
    return f"{folder_of(DISTIL)}/tokenizer.json"


RUNGS = {
    rung.name: rung
    for rung in (
        Rung("BERT-base, 128", "padded to 128, fp32", lambda: TorchClassifier(BASE, pad=FIXED)),
        Rung("DistilBERT, 128", "half of the layers", lambda: TorchClassifier(DISTIL, pad=FIXED)),
        Rung("dynamic shapes", "no padding", lambda: TorchClassifier(DISTIL)),
        Rung("torch bf16", "16-bit arithmetic", lambda: TorchClassifier(DISTIL, format_="bf16")),
        Rung("torch int8", "dynamic int8", lambda: TorchClassifier(DISTIL, format_="int8")),
        Rung("OpenVINO bf16", "another runtime", openvino("bf16")),
        Rung("OpenVINO int8", "int8 weights and activations (NNCF)", openvino("int8")),
    )
}
PRECISIONS = ("torch bf16", "torch int8", "OpenVINO bf16", "OpenVINO int8")


def one_at_a_time(model: Classifier, messages: Iterator[str], until: float) -> list[float]:
    """Seconds of each message, one after the other, until the clock says so."""
    took = []
    while (began := time.monotonic()) < until:
        model.scores([next(messages)])
        took.append(time.monotonic() - began)
    return took


def batched(
    model: Classifier, messages: Iterator[str], until: float, budget: Budget
) -> list[float]:
    """Seconds from a message's arrival to its answer; a new one arrives for each that is answered.

    A closed loop: latency here is what keeping the queue full costs, not what a user would see.
    """
    waiting: WaitingItems[str] = WaitingItems(2 * WAITING)
    numbers = itertools.count(1)

    def arrive(count: int) -> None:
        now = time.monotonic()
        entries = []
        for text in itertools.islice(messages, count):
            length = text.count(" ") + 1 + texts.FRAME  # its words are one token each
            entries.append(Entry(text, length, now + _FAR, 0, now, next(numbers), 0))
        waiting.add(entries)

    took: list[float] = []
    arrive(WAITING)
    while time.monotonic() < until:
        batch = waiting.take(budget)
        model.scores([entry.item for entry in batch])
        now = time.monotonic()
        took += [now - entry.arrived for entry in batch]
        arrive(len(batch))
    return took
