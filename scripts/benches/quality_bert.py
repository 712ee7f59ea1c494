"""Encoder and reranker in every runtime and precision: agreement with torch fp32, and speed.

Agreement: slates of 20 (the bank's and the dialogs' contexts; replies of the same topic, random
ones, generated ones). *Top-1*: the share of slates whose best response stays the best. *Spearman*:
the mean rank correlation within a slate. *Loss*: by how much, in torch fp32's own score, the chosen
response is worse than the best; the largest of all slates. Encoder: the least cosine to the fp32
vector, and how often a query's nearest bank context stays the same.

Speed: all sides take turns, slate by slate and text by text; medians.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from models.encoder import Encoder
from models.generator import Generator
from models.reranker import Reranker
from scripts.benches import report
from scripts.benches.slates import Slate, own_slates, own_texts, with_generated

REFERENCE = ("torch", "fp32")
SIDES = (
    REFERENCE,
    ("torch", "bf16"),
    ("torch", "int8"),
    ("openvino", "fp32"),
    ("openvino", "bf16"),
    ("openvino", "int8"),
    ("onnx", "fp32"),
    ("onnx", "fp16"),
    ("onnx", "int8"),
)
_NEIGHBOURS = 600  # bank texts among which a query's nearest is looked for
_QUERIES = 150
_CALIBRATION = 96  # texts that int8 is fitted to


@dataclass(frozen=True)
class Setup:
    """What to measure: `root` is the repository's, `cache` keeps int8 graphs between runs.

    The first of `sides` is `REFERENCE`.
    """

    root: Path
    cache: Path
    slates: int = 600
    timed: int = 15
    threads: tuple[int, ...] = (1, 2)
    device: str = "cpu"
    sides: tuple[tuple[str, str], ...] = SIDES


@dataclass(frozen=True)
class Side:
    """One runtime in one precision."""

    name: str
    encoder: Encoder
    reranker: Reranker


def measure(setup: Setup) -> dict[str, Any]:
    """Agreement of every side, then their speed at each number of threads."""
    slates = own_slates(setup.root / "data", setup.slates)
    generator = Generator.load(setup.root / "artifacts" / "generator", threads=1)
    slates = with_generated(slates, generator)
    absent: dict[str, str] = {}
    speed: dict[str, Any] = {}
    agreed: dict[str, Any] = {}
    sides: list[Side] = []
    for number, threads in enumerate(setup.threads):
        sides.clear()  # before the next ones are opened: a side takes hundreds of megabytes
        sides.extend(_open(setup, threads, absent))
        if number == 0:
            agreed = _agreement(sides, slates, setup)
        speed[str(threads)] = _speed(sides, slates[: setup.timed], setup)
    return {"slates": len(slates), "agreement": agreed, "speed": speed, "absent": absent}


def show(result: dict[str, Any]) -> str:
    """The result as tables."""
    names = list(result["agreement"])
    header = ["runtime", "top-1", "Spearman", "largest difference", "largest loss"]
    header += ["encoder: least cosine", "encoder: same nearest"]
    rows = []
    for name in names:
        found = result["agreement"][name]
        rows.append([
            name, f"{found['top_1']:.1%}", f"{found['spearman']:.5f}",
            f"{found['difference']:.5f}", f"{found['loss']:.5f}",
            f"{found['cosine']:.5f}", f"{found['nearest']:.1%}",
        ])  # fmt: skip
    parts = [f"{result['slates']} slates.\n\n{report.table(header, rows)}"]
    for threads, speed in result["speed"].items():
        header = ["runtime", "ms a slate", "slates/s", "pairs/s", "against torch fp32"]
        header += ["encoder: ms a text", "texts/s, 16 together"]
        base = speed[" ".join(REFERENCE)]["slate_ms"]
        rows = [
            [
                name, f"{s['slate_ms']:.1f}", f"{1e3 / s['slate_ms']:.1f}",
                f"{s['pairs'] * 1e3 / s['slate_ms']:.0f}", f"{base / s['slate_ms']:.2f}×",
                f"{s['text_ms']:.1f}", f"{16e3 / s['texts_ms']:.0f}",
            ]
            for name, s in speed.items()
        ]  # fmt: skip
        word = "thread" if threads == "1" else "threads"
        parts.append(f"{threads} {word}:\n\n{report.table(header, rows)}")
    if result["absent"]:
        lines = [f"- {name}: {reason}" for name, reason in result["absent"].items()]
        parts.append("Absent:\n" + "\n".join(lines))
    return "\n\n".join(parts)


def _open(setup: Setup, threads: int, absent: dict[str, str]) -> list[Side]:
    sides = []
    for runtime, dtype in setup.sides:
        name = f"{runtime} {dtype}"
        options: dict[str, Any] = {
            "runtime": runtime,
            "dtype": dtype,
            "device": setup.device,
            "threads": threads,
            "sample": own_texts(setup.root / "data", _CALIBRATION, seed=7),
            "cache": setup.cache,
        }
        report.progress(f"opening {name}, {threads} threads")
        try:
            reranker = Reranker.load(setup.root / "artifacts" / "reranker", **options)
            sides.append(Side(name, Encoder.load(**options), reranker))
        except (ValueError, RuntimeError) as error:
            absent[name] = str(error).splitlines()[0]
    return sides


def _agreement(sides: Sequence[Side], slates: Sequence[Slate], setup: Setup) -> dict[str, Any]:
    texts = own_texts(setup.root / "data", _NEIGHBOURS, seed=3)
    exact_scores: list[np.ndarray] = []
    exact_vectors = np.zeros((0, 0), dtype=np.float32)
    found: dict[str, Any] = {}
    for side in sides:
        report.progress(f"agreement of {side.name}")
        scores = [_scores(side.reranker, slate) for slate in slates]
        vectors = side.encoder.encode(texts)
        if side.name == " ".join(REFERENCE):
            exact_scores, exact_vectors = scores, vectors
        found[side.name] = {
            **ranking(scores, exact_scores),
            "cosine": float((vectors * exact_vectors).sum(axis=1).min()),
            "nearest": float((_nearest(vectors) == _nearest(exact_vectors)).mean()),
        }
    return found


def ranking(scores: Sequence[np.ndarray], exact: Sequence[np.ndarray]) -> dict[str, float]:
    """Agreement of scores (one array a slate) with exact ones."""
    pairs = list(zip(scores, exact, strict=True))
    return {
        "top_1": float(np.mean([a.argmax() == b.argmax() for a, b in pairs])),
        "spearman": float(np.mean([spearmanr(a, b).statistic for a, b in pairs])),
        "difference": float(max(np.abs(a - b).max() for a, b in pairs)),
        "loss": float(max(b.max() - b[a.argmax()] for a, b in pairs)),
    }


def _nearest(vectors: np.ndarray) -> np.ndarray:
    """For each of the first vectors, which of the others is nearest."""
    queries, others = vectors[:_QUERIES], vectors[_QUERIES:]
    nearest: np.ndarray = (queries @ others.T).argmax(axis=1)
    return nearest


def _scores(reranker: Reranker, slate: Slate) -> np.ndarray:
    found = reranker.run(reranker.prepare(slate.turns, slate.responses))
    return np.array([result.serving for result in found])


def _speed(sides: Sequence[Side], slates: Sequence[Slate], setup: Setup) -> dict[str, Any]:
    texts = own_texts(setup.root / "data", 16 * len(slates), seed=5)
    times: dict[str, dict[str, list[float]]] = {
        side.name: {"slate": [], "text": [], "texts": []} for side in sides
    }
    # The first two rounds warm; what a runtime prepares for a shape it has not met stays in.
    for number, slate in enumerate((*slates[:2], *slates)):
        report.progress(f"speed: slate {number}")
        for side in sides:
            few = texts[16 * (number % len(slates)) :][:16]
            items = side.reranker.prepare(slate.turns, slate.responses)
            one, many = side.encoder.prepare(few[:1]), side.encoder.prepare(few)
            taken = {
                "slate": _timed(lambda side=side, items=items: side.reranker.run(items)),
                "text": _timed(lambda side=side, one=one: side.encoder.run(one)),
                "texts": _timed(lambda side=side, many=many: side.encoder.run(many)),
            }
            if number >= 2:
                for kind, seconds in taken.items():
                    times[side.name][kind].append(seconds)
    size = statistics.mean(len(slate.responses) for slate in slates)
    return {
        name: {f"{kind}_ms": 1e3 * statistics.median(t) for kind, t in kinds.items()}
        | {"pairs": size}
        for name, kinds in times.items()
    }


def _timed(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started
