"""Trains the two heads of the output screen's reader: `unsafe` and `toxic`.

DiaSafety (Sun et al., 2022, "On the Safety of Conversational Models") judges replies in their
context. A reader of n-grams sees the reply alone:

- `unsafe` learns its labels as they are. What it finds is mostly the tone of unasked expertise and
  of careless answers; plain insults are few there, and it hardly knows them.
- `toxic` learns the tone of an attack: the unsafe replies of `Offending User`, and the messages
  that those replies answer, collected because they offend and judged by nobody; of `Toxicity
  Agreement` only those with an unsafe reply. Against them stand the safe replies, Kindred's own
  lines and turns of everyday dialogs.

The thresholds keep back at most a share of everyday turns that no head has seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.ngrams import Ngrams
from models.text_reader import Head, TextReader
from models.training.judgements import read_rows
from models.training.reranker.measures import auc
from models.training.text_reader.fit import Examples, fit, rows_of, threshold
from models.training.text_reader.texts import HARMLESS, read_texts

TOXIC, UNSAFE = "toxic", "unsafe"
_TONE = "Offending User"
_AGREEMENT = "Toxicity Agreement"
Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Settings:
    """What the result depends on, beside the texts; chosen on the validation split (`unsafe`) and
    on the development texts (`toxic`)."""

    ngrams: Ngrams = field(default_factory=lambda: Ngrams(bits=16, words=2, most=4))
    strength: float = 1.0  # of the prior
    tone: float = 2.0  # how much an unsafe reply of `Offending User` counts
    context: float = 2.0  # for `toxic`: how much a message counts that was collected as offending
    safe: float = 0.5  # for `toxic`: how much a safe reply counts, as some have the tone
    share: float = 0.0025  # of everyday turns that each threshold may keep back


@dataclass(frozen=True)
class Judged:
    """One text with its label and how much it counts."""

    text: str
    found: bool
    weight: float


def unsafe_texts(data: Path, own: Sequence[str], settings: Settings) -> list[Judged]:
    """What `unsafe` learns from: the train split as it is labelled, and Kindred's own lines."""
    found: dict[str, Judged] = {}
    for row in _rows(data, "train"):
        unsafe = row["label"] == "Unsafe"
        weight = settings.tone if unsafe and row["category"] == _TONE else 1.0
        found[row["response"]] = Judged(row["response"], unsafe, weight)
    return _with_harmless(found, own)


def toxic_texts(
    data: Path, own: Sequence[str], everyday: Sequence[str], settings: Settings
) -> list[Judged]:
    """What `toxic` learns from: the tone of attacks, and everything that has another."""
    found: dict[str, Judged] = {}
    for row in _rows(data, "train"):
        unsafe, tone = row["label"] == "Unsafe", row["category"] == _TONE
        if tone or not unsafe:
            weight = settings.tone if unsafe else settings.safe
            found[row["response"]] = Judged(row["response"], unsafe, weight)
        if tone or (unsafe and row["category"] == _AGREEMENT):
            message = row["context"][-1]
            found.setdefault(message, Judged(message, True, settings.context))
    return _with_harmless(found, (*own, *everyday))


def train(
    toxic: Sequence[Judged], unsafe: Sequence[Judged], unseen: Sequence[str], settings: Settings
) -> TextReader:
    """Both heads.

    Args:
        toxic, unsafe: what each learns from.
        unseen: everyday turns that neither has seen, for the thresholds.
    """
    rows = rows_of(settings.ngrams, [(text, None) for text in unseen])
    harmless = np.ones(len(unseen), dtype=bool)
    heads, weights, biases = [], [], []
    for name, texts in ((TOXIC, toxic), (UNSAFE, unsafe)):
        beta, bias = fit(_examples(texts, settings), settings.strength)
        limit = threshold(rows @ beta + bias, harmless, settings.share)
        heads.append(Head(name, limit))
        weights.append(beta)
        biases.append(bias)
    return TextReader(
        settings.ngrams,
        heads,
        np.array(weights, dtype=np.float32).T,
        np.array(biases, dtype=np.float32),
    )


def measures(reader: TextReader, data: Path, split: str, development: Path) -> dict[str, Any]:
    """AUC of a split's replies, in all and by category, and of the development texts, by head."""
    rows = list(_rows(data, split))
    labels = np.array([row["label"] == "Unsafe" for row in rows])
    kinds = np.array([row["category"] for row in rows])
    found: dict[str, Any] = {"split": split, "replies": len(rows)}
    for head in reader.heads:
        score = scorer(reader, head.name)
        scores = score([row["response"] for row in rows])
        found[head.name] = {
            "auc": _auc(scores, labels),
            "auc_by_category": {
                str(kind): _auc(scores[kinds == kind], labels[kinds == kind])
                for kind in sorted(set(kinds))
            },
            "development": on_development(score, development, head.threshold),
        }
    return found


def on_development(
    score: Callable[[Sequence[str]], Scores], development: Path, limit: float
) -> Mapping[str, float | int]:
    """How the plain attacks among the authors' own texts stand against the harmless ones.

    Args:
        score: texts → scores (n,).
        limit: above it, a text counts as found.
    """
    texts = [text for text in read_texts(development) if text.label in (TOXIC, HARMLESS)]
    scores = score([text.text for text in texts])
    toxic = np.array([text.label == TOXIC for text in texts])
    return {
        "toxic": int(toxic.sum()),
        "harmless": int((~toxic).sum()),
        "auc": _auc(scores, toxic),
        "found": round(float((scores[toxic] > limit).mean()), 4),
        "false_alarms": round(float((scores[~toxic] > limit).mean()), 4),
    }


def scorer(reader: TextReader, name: str) -> Callable[[Sequence[str]], Scores]:
    """Texts → the logits (n,) of one head."""
    place = [head.name for head in reader.heads].index(name)
    return lambda texts: np.array([float(reader.logits(text)[place]) for text in texts])


def described(settings: Settings) -> dict[str, Any]:
    """The settings as JSON."""
    return asdict(settings)


def judged_replies(data: Path, split: str) -> Iterator[tuple[tuple[str, ...], str, bool]]:
    """(context, reply, whether it is unsafe) of a split: for comparing other judges."""
    return (
        (tuple(row["context"]), row["response"], row["label"] == "Unsafe")
        for row in _rows(data, split)
    )


def _rows(data: Path, split: str) -> Iterator[dict[str, Any]]:
    rows = read_rows(data / "reactions" / "diasafety.jsonl.gz")
    return (row for row in rows if row["split"] == split and row["response"].strip())


def _with_harmless(found: dict[str, Judged], texts: Iterable[str]) -> list[Judged]:
    for text in texts:
        found.setdefault(text, Judged(text, False, 1.0))
    return list(found.values())


def _examples(texts: Sequence[Judged], settings: Settings) -> Examples:
    return Examples(
        rows_of(settings.ngrams, [(text.text, None) for text in texts]),
        np.array([float(text.found) for text in texts]),
        np.array([text.weight for text in texts]),
        np.arange(len(texts)),
    )


def _auc(scores: Scores, labels: NDArray[np.bool_]) -> float:
    return round(float(auc(scores, labels)), 4)
