"""The whole app over real models that break on demand: `Service.breaks(model, kind, ...)`.

    nan             its numbers are not numbers
    out_of_memory   torch's own error; `above=n`: where a batch has more than n items
    system_error    native code leaves a SystemError behind
    raises          an IndexError
    hangs           a native call that never comes back; `mends` is for the next process
    holds           the same, and it keeps the interpreter to itself
    slow            `seconds=s` more for each batch
    crashes         the process ends by SIGSEGV

`word="zebra"`: only in a batch (of a NaN: only the items) of whoever said that word.
"""

from __future__ import annotations

import ctypes
import json
import math
import os
import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gevent.monkey import get_original

from app.factory import create_app
from app.serving.engine import Engine
from app.serving.versions.loading import Models, load_models
from app.settings import Settings
from app.telemetry import Metrics
from models.generator import Generation

_sleep = get_original("time", "sleep")  # models run on native threads, which are not gevent's


class Faulty:
    """A model, and what is wrong with it at the moment."""

    def __init__(self, model: Any, path: Path) -> None:
        self._model = model
        self._path = path
        self._said: dict[tuple[int, ...], str] = {}  # ids of a context → what was said

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def prepare(self, texts: Sequence[str], *more: Any, **named: Any) -> Any:
        """Tokenise, and remember whose items these are."""
        items = self._model.prepare(texts, *more, **named)
        for item in items:
            self._said[_key(item)] = " ".join(texts)
        return items

    def encode_context(self, turns: Sequence[str], *more: Any, **named: Any) -> Any:
        """Tokenise, and remember whose context this is."""
        ids = self._model.encode_context(turns, *more, **named)
        self._said[ids] = " ".join(turns)
        return ids

    def run(self, items: Sequence[Any], *more: Any, **named: Any) -> Any:
        """What the model gives, unless it is broken."""
        fault = self._fault()
        hit = [fault.get("word", "") in self._said.get(_key(item), "") for item in items]
        if fault and any(hit):
            self._break(fault, len(items))
        results = list(self._model.run(items, *more, **named))
        if fault.get("kind") != "nan":
            return results
        return [_nan(r) if bad else r for r, bad in zip(results, hit, strict=True)]

    def _fault(self) -> dict[str, Any]:
        try:
            return dict(json.loads(self._path.read_text()))
        except FileNotFoundError:
            return {}

    def _break(self, fault: dict[str, Any], items: int) -> None:
        kind = fault["kind"]
        if kind == "out_of_memory" and items > fault.get("above", 0):
            torch.empty(1 << 50)  # a petabyte
        elif kind == "system_error":
            ctypes.pythonapi.PyErr_BadInternalCall()
        elif kind == "raises":
            raise IndexError("index out of range in self")
        elif kind == "slow":
            _sleep(fault["seconds"])
        elif kind == "crashes":
            os.kill(os.getpid(), signal.SIGSEGV)
        elif kind in ("hangs", "holds"):
            library = ctypes.CDLL(None) if kind == "hangs" else ctypes.PyDLL(None)
            while True:
                library.sleep(3_600)


def _key(item: Any) -> tuple[int, ...]:
    """The ids by which an item is known again: of the context, or of the text."""
    for name in ("context", "context_ids", "ids"):
        if hasattr(item, name):
            return tuple(getattr(item, name))
    raise TypeError(f"no ids in a {type(item).__name__}")


def _nan(result: Any) -> Any:
    if isinstance(result, np.ndarray):
        return np.full_like(result, np.nan)
    if hasattr(result, "serving"):
        return replace(result, heads=dict.fromkeys(result.heads, math.nan), serving=math.nan)
    given = result.candidates or (Generation("A line that it is not sure of.", 8, 0.0, True),)
    return replace(result, candidates=tuple(replace(g, mean_logprob=math.nan) for g in given))


def open_faulty(settings: Settings, metrics: Metrics) -> Engine:
    """The real engine over the models of the settings, each within reach of its fault."""
    folder = Path(os.environ["KINDRED_TEST_FAULTS"])
    loaded = load_models(settings, lambda line: None)

    def within_reach(name: str, model: Any) -> Any:
        return None if model is None else Faulty(model, folder / name)

    models = Models(
        within_reach("encoder", loaded.encoder),
        within_reach("reranker", loaded.reranker),
        within_reach("generator", loaded.generator),
        loaded.retriever,
        within_reach("input_screen", loaded.sentences),
        within_reach("output_screen", loaded.replies),
    )
    engine = Engine(settings, metrics, models)
    engine.warm()
    return engine


app = create_app(open_engine=open_faulty)
