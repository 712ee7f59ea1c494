"""Sentence readers that stand in for the real one, and a call that does not come back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gevent.monkey import get_original

from models.contracts import EncodeItem

ONLY_SENTENCES = {"rules": 0.0, "linear": 0.0, "sentence": 1.0, "bias": 0.0}
QUESTIONS = ("crisis", "abuse", "minor", "trick")
# The same lock as the standard library's, unpatched: it is held in a native thread.
Lock = get_original("threading", "Lock")


class Reader:
    """Finds a crisis in every text that names the rain; `fault` is called first."""

    version = "fake"
    heads = (*QUESTIONS, "other", "loss")
    stack = dict.fromkeys(QUESTIONS, ONLY_SENTENCES)

    def __init__(self, fault: Any = lambda: None) -> None:
        self.fault = fault
        self.asked: list[str] = []

    def prepare(self, texts: Sequence[str]) -> list[EncodeItem]:
        self.asked += texts
        return [EncodeItem((101, int("rain" in text), 102)) for text in texts]

    def run(self, items: Sequence[EncodeItem]) -> list[Any]:
        found = self.fault()
        if found is not None:
            return list(found)
        return [np.array([4.0 if item.ids[1] else -4.0, *[-4.0] * 5]) for item in items]

    def warm(self) -> None:
        pass


class Blocked:
    """A call that does not come back until it is let go."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.lock.acquire()

    def __call__(self) -> None:
        with self.lock:
            pass
