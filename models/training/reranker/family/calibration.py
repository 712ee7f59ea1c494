"""Temperature per head, so that a probability is the frequency that it says (Guo et al. 2017)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.training.examples import Example
from models.training.reranker.measures import auc, expected_calibration_error, pair_accuracy

Floats = NDArray[np.float32]
BOUNDS = (0.05, 20.0)
ROUNDS = 60


def sigmoid(x: NDArray[Any]) -> Floats:
    """Of any size without overflow."""
    probability: Floats = (0.5 * (np.tanh(0.5 * x) + 1.0)).astype(np.float32)
    return probability


def temperature(logits: NDArray[Any], labels: NDArray[Any], weights: NDArray[Any]) -> float:
    """T > 0 that minimises the cross-entropy of sigmoid(logits / T) with labels in [0, 1].

    In 1/T the loss is convex, so a golden section over log T finds the one minimum; between
    1/20 and 20. 1.0 without rows.
    """
    if not len(logits):
        return 1.0
    z, y, w = (np.asarray(v, dtype=np.float64) for v in (logits, labels, weights))

    def loss(log_t: float) -> float:
        scaled = z / math.exp(log_t)
        return float((w * (np.logaddexp(0.0, scaled) - y * scaled)).sum())

    low, high = (math.log(bound) for bound in BOUNDS)
    golden = (math.sqrt(5.0) - 1.0) / 2.0
    for _ in range(ROUNDS):
        a, b = high - golden * (high - low), low + golden * (high - low)
        if loss(a) < loss(b):
            high = b
        else:
            low = a
    return math.exp((low + high) / 2)


def fit_temperatures(
    logits: Floats, examples: Sequence[Example], heads: Sequence[str]
) -> dict[str, float]:
    """A temperature for each head, from logits (n, heads) of dev examples; 1.0 without labels."""
    return {
        head: temperature(*(_rows(logits, examples, i, head)[:3])) for i, head in enumerate(heads)
    }


def measure(
    logits: Floats,
    examples: Sequence[Example],
    heads: Sequence[str],
    temperatures: Mapping[str, float],
) -> dict[str, dict[str, float]]:
    """Figures of each head that has labels: AUC, pair accuracy in groups, ECE before and after."""
    report: dict[str, dict[str, float]] = {}
    for i, head in enumerate(heads):
        mine, labels, weights, groups = _rows(logits, examples, i, head)
        if not len(mine):
            continue
        report[head] = {
            "pairs": float(len(mine)),
            "auc": auc(mine, labels),
            "pair_accuracy": pair_accuracy(mine, labels, groups),
            "ece_before": expected_calibration_error(sigmoid(mine), labels, weights),
            "ece": expected_calibration_error(sigmoid(mine / temperatures[head]), labels, weights),
        }
    return report


def _rows(
    logits: Floats, examples: Sequence[Example], column: int, head: str
) -> tuple[Floats, Floats, Floats, list[str]]:
    """Logits, labels, weights and groups of the examples of one head."""
    rows = [i for i, example in enumerate(examples) if example.head == head]
    labels = np.array([examples[i].label for i in rows], dtype=np.float32)
    weights = np.array([examples[i].weight for i in rows], dtype=np.float32)
    return logits[rows, column], labels, weights, [examples[i].group for i in rows]
