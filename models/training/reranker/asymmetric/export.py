"""From a trained network to a shipped folder: calibration, serving score, delta, manifest."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from models.checkpoint import DataSource, file_sha256, write_atomically, write_manifest
from models.reranker import (
    CONFIG,
    KIND,
    MAX_CONTEXT,
    MAX_RESPONSE,
    WEIGHTS,
    Renderer,
    RerankNet,
    make_delta,
    open_folder,
)
from models.runtimes.torch_bert import PACKAGED_BASE_ID, load_bert, resolve_base
from models.training.judgements import Judged, ranks
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
from models.training.reranker.asymmetric.trainer import HEADS
from models.training.selection import DialogSampler, ExchangeSampler

# The offensive head was trained on one source and is unsure of itself on companion talk: sad
# messages raise it. A larger penalty (0.5) lost a quarter of the right choices on the own bank.
PENALTY = 0.1
# Heads that speak against a response, whatever source they are of: no part of P(upvote).
AGAINST = ("offensive", "meaningless", "downvote")
LICENCES = {
    "self_dialogue": "BSD-3-Clause",
    "topical_chat": "CDLA-Sharing-1.0 (computed results unrestricted)",
    "synthetic_persona_chat": "CC-BY-4.0",
    "personality_chat": "MIT",
    "accentor": "CC-BY-SA-4.0",
    "diasafety": "Apache-2.0",
    "dialogue_eval": "MIT",
    "Kindred's own bank and dialogs": "Apache-2.0",
}


@dataclass(frozen=True)
class HeldOut:
    """What the shipped figures come from; nothing in it was trained on.

    `calibration[h]` fits the probabilities of a judged head, `test[h]` measures them. `arbiter`
    choose the heads of P(upvote): judgements of a source without a head, or people's reactions
    that no head was fitted to. `second` are then measured beside them.
    """

    selection: Mapping[str, DialogSampler | ExchangeSampler]
    calibration: Mapping[str, Sequence[Judged]]
    test: Mapping[str, Sequence[Judged]]
    arbiter: Sequence[Judged]
    witness: Sequence[Judged] = ()
    lists: int = 100
    arbiter_source: str = "ieval"
    second: Sequence[Judged] = ()


def export(
    net: RerankNet,
    render: Renderer,
    held_out: HeldOut,
    folder: Path,
    *,
    base: str,
    command: str,
    training: Mapping[str, Any],
    heads: Sequence[str] = HEADS,
    data: Sequence[DataSource] = (),
    people: Collection[str] = (),
    log: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Measure, calibrate and write `folder`; the metrics, which the manifest carries too.

    `heads` name the network's outputs; `data` is named in the manifest beside the public sources,
    and of `people` (who judged, as keyed hashes) a filter.
    """
    net.eval()
    metrics: dict[str, Any] = {"training": dict(training)}
    calibration, measures = _calibrate(net, render, held_out, heads, log)
    metrics.update(measures)
    upvote, agreement = _upvote(net, render, held_out, calibration, heads, log)
    metrics.update(agreement)
    config = serving_config(net, calibration, upvote, heads)
    write_weights(net, folder, config, base)
    write_card(folder, base, command, metrics, data, people)
    metrics["reload"] = verify_reload(net, render, held_out, folder, base)
    log(f"reload: {metrics['reload']}")
    write_card(folder, base, command, metrics, data, people)
    return metrics


def serving_config(
    net: RerankNet,
    calibration: Mapping[str, Mapping[str, float]],
    upvote: Mapping[str, Any],
    heads: Sequence[str] = HEADS,
) -> dict[str, Any]:
    """What `Reranker.load` needs beside the weights; the serving score is named here."""
    return {
        "format": 1,
        "heads": list(heads),
        "join": net.bert.join,
        "max_context": MAX_CONTEXT,
        "max_response": MAX_RESPONSE,
        "calibration": calibration,
        "serving": {
            "name": "P(upvote) - penalty * P(offensive)",
            "upvote": upvote,
            "penalty": PENALTY,
        },
    }


def write_card(
    folder: Path,
    base: str,
    command: str,
    metrics: Mapping[str, Any],
    data: Sequence[DataSource] = (),
    people: Collection[str] = (),
) -> None:
    """The manifest of an exported folder; `data` beside public sources, `people` as a filter."""
    base_file = resolve_base(base) / "model.safetensors"
    write_manifest(
        folder,
        name="kindred-reranker",
        kind=KIND,
        command=command,
        data=[*(DataSource(name, licence) for name, licence in LICENCES.items()), *data],
        metrics=_rounded(metrics),
        base={
            "id": PACKAGED_BASE_ID if base == "auto" else base,
            "licence": "Apache-2.0",
            "sha256": file_sha256(base_file),
        },
        people=people,
    )


def verify_reload(
    net: RerankNet, render: Renderer, held_out: HeldOut, folder: Path, base: str
) -> dict[str, float]:
    """Scores of the loaded folder against those of the trained network (Spearman, top-1)."""
    loaded_net, _, _ = open_folder(folder, base)
    trained, loaded = (
        torch.cat([score_selection(n, render, s, 20) for s in held_out.selection.values()])[:, :, 0]
        for n in (net, loaded_net)
    )
    agree = (trained.argmax(1) == loaded.argmax(1)).float().mean()
    return {"spearman": spearman(trained.flatten(), loaded.flatten()), "top_1": float(agree)}


def spearman(a: Tensor, b: Tensor) -> float:
    """Rank correlation of two (n,) tensors."""
    stacked = torch.tensor([ranks(a.tolist()), ranks(b.tolist())])
    return float(torch.corrcoef(stacked)[0, 1])


def _calibrate(
    net: RerankNet,
    render: Renderer,
    held_out: HeldOut,
    heads: Sequence[str],
    log: Callable[[str], None],
) -> tuple[dict[str, dict[str, float]], dict[str, Any]]:
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


def _upvote(
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
        mixed = _mixed(logits, weights)
        shown = {h: auc(logits[h].tolist(), witness.labels.tolist()) for h in liked}
        shown["upvote"] = auc(mixed.tolist(), witness.labels.tolist())
        report["topical_ratings_auc"] = shown
    # The mix is calibrated anew where selection is: own and public next turns at even odds.
    pairs = [
        score_selection(net, render, sampler, held_out.lists // 2)
        for sampler in held_out.selection.values()
    ]
    stacked = torch.cat(pairs)
    fit = {
        head: stacked[:, :, heads.index(head)] * calibration[head]["scale"]
        + calibration[head]["shift"]
        for head in weights
    }
    mixed = _mixed(fit, weights)
    flat, labels = _as_pairs(mixed)
    scale, shift = platt(flat, labels, balanced(labels))
    log(f"upvote: {weights} agreement {tried}")
    return {"weights": {h: w * scale for h, w in weights.items()}, "bias": shift}, report


def _mixed(logits: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
    return torch.stack([logits[head] * weight for head, weight in weights.items()]).sum(0)


def _calibrated(
    scored: Scored, calibration: Mapping[str, Mapping[str, float]], heads: Sequence[str]
) -> dict[str, Tensor]:
    return {
        head: scored.logits[:, heads.index(head)] * c["scale"] + c["shift"]
        for head, c in calibration.items()
    }


def write_weights(net: RerankNet, folder: Path, config: Mapping[str, Any], base: str) -> None:
    """The delta of `net` to its base, and its configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    half_written = folder / f".{WEIGHTS}.tmp"
    save_file(make_delta(net, load_bert(base, net.bert.join).state_dict()), half_written)
    half_written.chmod(0o644)  # safetensors writes 0600; who may read the manifest may read it
    half_written.replace(folder / WEIGHTS)
    write_atomically(folder / CONFIG, json.dumps(config, indent=2) + "\n")


def _rounded(value: Any) -> Any:
    """Floats to four places, NaN to null, for a readable manifest."""
    if isinstance(value, Mapping):
        return {key: _rounded(inner) for key, inner in value.items()}
    if isinstance(value, float):
        return None if math.isnan(value) else round(value, 4)
    return value
