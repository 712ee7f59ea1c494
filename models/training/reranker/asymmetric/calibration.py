"""From logits to the probabilities that serve: calibrated heads, and those that make P(upvote)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from models.reranker import Renderer, RerankNet
from models.training.reranker.asymmetric.evaluate import (
    Scored,
    auc,
    balanced,
    choose_upvote,
    expected_calibration_error,
    platt,
    score_judged,
    score_selection,
    selection_measures,
    unit_auc,
    within_group_accuracy,
)
from models.training.reranker.asymmetric.held_out import HeldOut

# Heads that speak against a response, whatever source they are of: no part of P(upvote).
AGAINST = ("offensive", "meaningless", "downvote")


def calibrate(
    net: RerankNet,
    render: Renderer,
    held_out: HeldOut,
    heads: Sequence[str],
    log: Callable[[str], None],
) -> tuple[dict[str, dict[str, float]], dict[str, Any]]:
    """Scale and shift of every head from a part of what is held out; measures from another."""
    selection: dict[str, Any] = {}
    fits, tests = [], []
    for name, sampler in held_out.selection.items():
        logits = score_selection(net, render, sampler, held_out.lists)
        selection[name] = selection_measures(logits[:, :, 0])
        log(f"{name}: {selection[name]}")
        half = len(logits) // 2
        fits.append(logits[:half, :, 0])
        tests.append(logits[half:, :, 0])
    calibration: dict[str, dict[str, float]] = {}
    ece: dict[str, float] = {}
    fit, test = (_as_pairs(torch.cat(part)) for part in (fits, tests))
    calibration["selection"], ece["selection"] = _fit(fit, test)
    report: dict[str, Any] = {"selection": selection, "ece": ece}
    for head, rows in held_out.calibration.items():
        index = heads.index(head)
        fit_rows = score_judged(net, render, rows)
        test_rows = score_judged(net, render, held_out.test[head])
        pairs = [(s.logits[:, index], (s.labels)) for s in (fit_rows, test_rows)]
        calibration[head], ece[head] = _fit(pairs[0], pairs[1])
        report[head] = _judged_measures(test_rows, index)
        log(f"{head}: {report[head]} ece {ece[head]:.3f}")
    return calibration, report


def _as_pairs(logits: Tensor) -> tuple[Tensor, Tensor]:
    labels = torch.zeros_like(logits)
    labels[:, 0] = 1.0
    return logits.flatten(), labels.flatten()


def _fit(fit: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor]) -> tuple[dict[str, float], float]:
    """Platt at even odds on one half, ECE on the other."""
    scale, shift = platt(fit[0], fit[1], balanced(fit[1]))
    probabilities = torch.sigmoid(test[0] * scale + shift)
    error = expected_calibration_error(probabilities, test[1], balanced(test[1]))
    return {"scale": scale, "shift": shift}, error


def _judged_measures(scored: Scored, index: int) -> dict[str, float]:
    own = scored.logits[:, index]
    return {
        "auc": auc(own.tolist(), scored.labels.tolist()),
        "auc_of_selection_head": auc(scored.logits[:, 0].tolist(), scored.labels.tolist()),
        "within_group": within_group_accuracy(own, scored),
        "pairs": len(own),
    }


def mix_upvote(
    net: RerankNet,
    render: Renderer,
    held_out: HeldOut,
    calibration: Mapping[str, Mapping[str, float]],
    heads: Sequence[str],
    log: Callable[[str], None],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The heads of P(upvote) with their bias, and the agreement of each mix with the arbiter."""
    truth = score_judged(net, render, held_out.arbiter)
    liked = [head for head in heads if not head.endswith(AGAINST)]
    weights, tried = choose_upvote(_calibrated(truth, calibration, heads), truth, liked)
    report: dict[str, Any] = {
        "arbiter": {"source": held_out.arbiter_source, "chosen": weights, "auc": tried}
    }
    if held_out.second:
        second = score_judged(net, render, held_out.second)
        mixed = _mixed(_calibrated(second, calibration, heads), weights)
        report["arbiter"]["ieval"] = unit_auc(mixed, second)
    if held_out.witness:
        witness = score_judged(net, render, held_out.witness)
        logits = _calibrated(witness, calibration, heads)
        shown = {**{head: logits[head] for head in liked}, "upvote": _mixed(logits, weights)}
        labels = witness.labels.tolist()
        report["topical_ratings_auc"] = {h: auc(x.tolist(), labels) for h, x in shown.items()}
    scale, shift = _fit_mix(net, render, held_out, calibration, heads, weights)
    log(f"upvote: {weights} agreement {tried}")
    return {"weights": {h: w * scale for h, w in weights.items()}, "bias": shift}, report


def _fit_mix(
    net: RerankNet,
    render: Renderer,
    held_out: HeldOut,
    calibration: Mapping[str, Mapping[str, float]],
    heads: Sequence[str],
    weights: Mapping[str, float],
) -> tuple[float, float]:
    """The mix calibrated anew where selection is: own and public next turns at even odds."""
    parts = [
        score_selection(net, render, sampler, held_out.lists // 2)
        for sampler in held_out.selection.values()
    ]
    stacked = torch.cat(parts)
    logits = {
        head: stacked[:, :, heads.index(head)] * calibration[head]["scale"]
        + calibration[head]["shift"]
        for head in weights
    }
    flat, labels = _as_pairs(_mixed(logits, weights))
    return platt(flat, labels, balanced(labels))


def _mixed(logits: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
    return torch.stack([logits[head] * weight for head, weight in weights.items()]).sum(0)


def _calibrated(
    scored: Scored, calibration: Mapping[str, Mapping[str, float]], heads: Sequence[str]
) -> dict[str, Tensor]:
    return {
        head: scored.logits[:, heads.index(head)] * c["scale"] + c["shift"]
        for head, c in calibration.items()
    }
