"""A new head from people's reactions, on the served reranker as it stands: seconds, not hours.

P(liked) is what the served model believes, corrected by a linear function of the response's vector:
logit = a · logit_before + θ · reply + b. The prior says a = 1 and θ = 0, so a few reactions change
little; how much it holds, people who were left out decide. Love, funny and the others get a head
of their own where there are labels enough. Bert and the other heads stay as they are.

The format of the folder stays too (see `placing`); what the other heads' logits moved by making
room is measured and reported.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor

from models.checkpoint import DataSource, verify
from models.reranker import CONFIG, KIND, WEIGHTS
from models.training.encoder.folders import write_model
from models.training.examples import REACTION_HEADS, Example
from models.training.reranker.asymmetric.evaluate import auc, expected_calibration_error
from models.training.reranker.reactions.frozen import PairVectors
from models.training.reranker.reactions.logistic import Array, Choice, Problem, choose, fit
from models.training.reranker.reactions.placing import (
    SERVED,
    UNIT,
    Fitted,
    forget_reactions,
    head_from,
    hidden_of,
    place,
    write_tensors,
)

FOLDS = 5
_CHUNK = 256  # examples between two reports
LEAST = 20
"""Labels of either kind that a head needs; fewer, and it is not fitted."""


class TooFewReactions(ValueError):
    """There are not enough likes, or dislikes, to learn from."""


@dataclass(frozen=True)
class Pairs:
    """What the frozen network says of the examples' pairs, by row."""

    hidden: Tensor  # (n, hidden) outputs of the head's hidden layer
    logits: Tensor  # (n, heads) uncalibrated
    reply: Array  # (n, width) vectors times UNIT
    before: Array  # (n,) the logit of P(upvote) as it was served


def retrain_head(
    folder: Path,
    examples: Sequence[Example],
    out: Path,
    *,
    command: str,
    base: str = "auto",
    vectors: PairVectors | None = None,
    least: int = LEAST,
    seed: int = 7,
    sources: Sequence[DataSource] = (),
    tell: Callable[[int], object] = bool,
) -> dict[str, Any]:
    """Write the model of `folder` with heads of these reactions to `out`; what was measured.

    A folder that was retrained before is taken back to what it was before it, so give all
    reactions, not the new ones. Serving P(upvote) becomes that of the reactions.

    Args:
        examples: of REACTION_HEADS, others are passed over; weights (reliability, inverse
            propensity) count as they are, relative to one another.
        vectors: of the same folder, where they are at hand; else opened from `base`.
        sources: named in the manifest; else the examples' sources, as private.
        tell: told how many more examples the network has read; what it raises ends the work.

    Raises:
        TooFewReactions: fewer than `least` liked or not liked.
        models.checkpoint.ModelFileError: the folder is not a served reranker.
        ValueError: `out` holds something that is no reranker; nothing of it is touched.
    """
    known = [example for example in examples if example.head in REACTION_HEADS]
    if not (enough := _enough(known, least)) or SERVED not in enough:
        raise TooFewReactions(f"fewer than {least} responses were liked, or not liked")
    manifest = verify(folder, kind=KIND)
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    weights = load_file(folder / WEIGHTS)
    forget_reactions(config, weights)
    known = [example for example in known if example.head in enough]
    pairs = _pairs(known, vectors or PairVectors.open(folder, base=base), config, weights, tell)
    heads = np.array([example.head for example in known])
    fitted = [_fit_head(head, known, heads == head, pairs, seed) for head in enough]
    moved = place(config, weights, fitted, pairs.hidden)
    metrics = {
        "retrained_from": manifest.version,
        "heads": {one.head: dict(one.metrics) for one in fitted},
        "moved_rms": moved,
    }
    write_model(
        out,
        lambda fresh: write_tensors(fresh, config, weights),
        name="kindred-reranker",
        kind=KIND,
        command=command,
        data=[*manifest.data, *(sources or _private(known))],
        metrics=metrics,
        base=manifest.base,
        people=(example.rater for example in known),
        made_of=[manifest],
    )
    return metrics


def _private(examples: Sequence[Example]) -> list[DataSource]:
    counts = Counter(example.source for example in examples)
    return [DataSource(source, "private", rows=rows) for source, rows in counts.items()]


def _enough(examples: Sequence[Example], least: int) -> list[str]:
    """The heads that have `least` labels of either kind, in the order of REACTION_HEADS."""
    counts = Counter((example.head, example.label > 0.5) for example in examples)
    return [h for h in REACTION_HEADS if min(counts[h, True], counts[h, False]) >= least]


def _pairs(
    examples: Sequence[Example],
    vectors: PairVectors,
    config: Mapping[str, Any],
    weights: Mapping[str, Tensor],
    tell: Callable[[int], object],
) -> Pairs:
    head, parts = head_from(weights), []
    for start in range(0, len(examples), _CHUNK):
        chunk = examples[start : start + _CHUNK]
        items = [
            item for e in chunk for item in vectors.render.items(e.context, [e.response], e.facts)
        ]
        whole, latest, reply = vectors.of(items)
        with torch.no_grad():
            hidden = hidden_of(head, whole, latest, reply)
            parts.append((head.judge(whole, latest, reply), hidden, reply))
        tell(len(chunk))
    logits, hidden, reply = (torch.cat(part) for part in zip(*parts, strict=True))
    upvote, before = config["serving"]["upvote"], torch.zeros(len(examples))
    for i, name in enumerate(config["heads"]):
        calibration = config["calibration"][name]
        calibrated = logits[:, i] * calibration["scale"] + calibration["shift"]
        before += float(upvote["weights"].get(name, 0.0)) * calibrated
    before += float(upvote["bias"])
    return Pairs(
        hidden, logits, reply.numpy().astype(np.float64) * UNIT, before.numpy().astype(np.float64)
    )


def _fit_head(
    head: str, examples: Sequence[Example], mine: NDArray[np.bool_], pairs: Pairs, seed: int
) -> Fitted:
    """The most probable head, and what it says of people who were left out of the fit."""
    chosen = [example for example, is_mine in zip(examples, mine, strict=True) if is_mine]
    labels = np.array([example.label for example in chosen])
    weights = np.array([example.weight for example in chosen])
    weights = weights / weights.mean()
    reply, before = pairs.reply[mine], pairs.before[mine]
    centre = np.average(reply, axis=0, weights=weights)
    trusted = float(head == SERVED)  # the served logit says nothing of love, or of offence
    rows = np.column_stack([np.ones(len(labels)), before, reply - centre])
    held = np.concatenate([[0.0, 0.0], np.ones(reply.shape[1])])
    firm = np.concatenate([[1e-3, 1.0], np.zeros(reply.shape[1])])  # a has a deviation of 1
    mean = np.concatenate([[0.0, trusted], np.zeros(reply.shape[1])])
    if not trusted:
        rows[:, 1] = 0.0
    problem = Problem(rows, labels, weights, mean, held, firm)
    folds = _folds(chosen, seed)
    choice = choose(problem, folds)
    beta = fit(problem, choice.strength)
    theta = beta[2:] * UNIT
    shift = float(beta[0] - beta[2:] @ centre)
    measured = _measures(problem, choice, folds)
    return Fitted(head, theta, shift, float(beta[1]) if trusted else 0.0, measured)


def _folds(examples: Sequence[Example], seed: int) -> NDArray[np.int64]:
    """The fold of each example; what one person said is in one fold."""
    units = [e.rater or e.conversation or f"row {i}" for i, e in enumerate(examples)]
    distinct = sorted(set(units))
    order = np.random.default_rng(seed).permutation(len(distinct))
    fold = {unit: int(place) % FOLDS for unit, place in zip(distinct, order, strict=True)}
    return np.array([fold[unit] for unit in units])


def _measures(problem: Problem, choice: Choice, folds: NDArray[np.int64]) -> dict[str, float]:
    """Of logits of people left out; `before` is the served logit alone, fitted as carefully."""
    plain = replace(
        problem,
        rows=problem.rows[:, :2],
        mean=problem.mean[:2],
        held=problem.held[:2],
        firm=problem.firm[:2],
    )
    before = choose(plain, folds, strengths=(1.0,))
    labels = problem.labels.tolist()
    probabilities = torch.sigmoid(torch.from_numpy(choice.left_out))
    error = expected_calibration_error(
        probabilities, torch.tensor(labels), torch.from_numpy(problem.weights)
    )
    return {
        "examples": len(labels),
        "positive": float(np.average(problem.labels, weights=problem.weights)),
        "strength": choice.strength,
        "auc": auc(choice.left_out.tolist(), labels),
        "auc_before": auc(before.left_out.tolist(), labels),
        "log_loss": choice.losses[choice.strength],
        "log_loss_before": before.losses[before.strength],
        "ece": error,
    }
