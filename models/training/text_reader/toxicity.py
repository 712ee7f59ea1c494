"""Trains the toxicity head: does a reply sound like an attack?

DiaSafety (Sun et al., 2022, "On the Safety of Conversational Models") judges replies in their
context; a reader of n-grams sees the reply alone, so most of what makes agreement or ignorance
unsafe is hidden from it, and what it can learn is the tone. It learns that from

- the judged replies, the unsafe ones of `Offending User` counted more, as their tone is the reason;
- the messages that those replies answer, as weak examples: collected because they offend, and
  judged by nobody; of `Toxicity Agreement` only those with an unsafe reply;
- Kindred's own lines, which offend nobody, and turns of everyday dialogs for the threshold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from models.ngrams import Ngrams
from models.text_reader import Head, TextReader
from models.training.judgements import read_rows
from models.training.reranker.measures import auc
from models.training.text_reader.fit import Examples, fit, left_out, rows_of, threshold
from models.training.text_reader.texts import HARMLESS, read_texts

HEAD = "toxic"
_TONE = "Offending User"
_AGREEMENT = "Toxicity Agreement"


@dataclass(frozen=True)
class Settings:
    """What the result depends on, beside the texts."""

    ngrams: Ngrams = Ngrams(bits=15)
    strength: float = 1.0  # of the prior
    tone: float = 3.0  # how much an unsafe reply of `Offending User` counts
    context: float = 0.5  # how much a message that was collected as offending counts; 0: not read
    own: float = 1.0  # how much one of Kindred's own lines counts
    share: float = 0.005  # of everyday turns that the threshold may keep back


def grid() -> Iterator[Settings]:
    """The settings that are compared on the validation split."""
    for strength in (0.3, 1.0, 3.0):
        for context in (0.0, 0.5):
            yield Settings(strength=strength, context=context)


@dataclass(frozen=True)
class Judged:
    """One text with its label and how much it counts; texts of a group share their fold."""

    text: str
    toxic: bool
    weight: float
    group: str


def training_texts(data: Path, own: Sequence[str], settings: Settings) -> list[Judged]:
    """What is learned from: the train split, and Kindred's own lines."""
    found: dict[str, Judged] = {}
    for row in _rows(data, "train"):
        unsafe, tone = row["label"] == "Unsafe", row["category"] == _TONE
        message = row["context"][-1]
        weight = settings.tone if unsafe and tone else 1.0
        found[row["response"]] = Judged(row["response"], unsafe, weight, message)
        if settings.context and (tone or (unsafe and row["category"] == _AGREEMENT)):
            found.setdefault(message, Judged(message, True, settings.context, message))
    for text in own:
        found.setdefault(text, Judged(text, False, settings.own, text))
    return list(found.values())


def train(texts: Sequence[Judged], everyday: Sequence[str], settings: Settings) -> TextReader:
    """The head over all texts, its threshold from everyday turns and own lines that it never saw.

    Args:
        texts: what is learned from.
        everyday: turns of which hardly any may be kept back, none of them learned from.
    """
    examples = _examples(texts, settings)
    beta, bias = fit(examples, settings.strength)
    unseen = left_out(examples, settings.strength)
    own = unseen[[i for i, text in enumerate(texts) if text.group == text.text and not text.toxic]]
    everyday_logits = rows_of(settings.ngrams, [(text, None) for text in everyday]) @ beta + bias
    logits = np.concatenate((own, everyday_logits))
    limit = threshold(logits, np.ones(logits.size, dtype=bool), settings.share)
    return TextReader(
        settings.ngrams,
        [Head(HEAD, limit)],
        beta[:, None].astype(np.float32),
        np.array([bias], dtype=np.float32),
    )


def measures(reader: TextReader, data: Path, split: str, development: Path) -> dict[str, Any]:
    """AUC of a split's replies, in all and by category, and of the development texts."""
    rows = list(_rows(data, split))
    scores = _scores(reader, [row["response"] for row in rows])
    labels = np.array([row["label"] == "Unsafe" for row in rows])
    kinds = np.array([row["category"] for row in rows])
    return {
        split: {
            "replies": len(rows),
            "auc": _auc(scores, labels),
            "auc_by_category": {
                kind: _auc(scores[kinds == kind], labels[kinds == kind])
                for kind in sorted(set(kinds))
            },
        },
        "development": development_measures(
            lambda texts: _scores(reader, texts), development, reader.heads[0].threshold
        ),
    }


def development_measures(
    score: Callable[[Sequence[str]], NDArray[np.float64]], development: Path, limit: float
) -> Mapping[str, float | int | None]:
    """How the plain attacks among the authors' own texts stand against the harmless ones.

    Args:
        score: texts → scores (n,).
        limit: above it, a text counts as found.
    """
    texts = [t for t in read_texts(development) if t.label in (HEAD, HARMLESS)]
    scores = score([text.text for text in texts])
    toxic = np.array([text.label == HEAD for text in texts])
    return {
        "toxic": int(toxic.sum()),
        "harmless": int((~toxic).sum()),
        "auc": _auc(scores, toxic),
        "found": round(float((scores[toxic] > limit).mean()), 4),
        "false_alarms": round(float((scores[~toxic] > limit).mean()), 4),
    }


def described(settings: Settings) -> dict[str, Any]:
    """The settings as JSON."""
    return asdict(settings)


def judged_replies(data: Path, split: str) -> Iterable[tuple[tuple[str, ...], str, bool]]:
    """(context, reply, whether it is unsafe) of a split: for comparing other judges."""
    return (
        (tuple(row["context"]), row["response"], row["label"] == "Unsafe")
        for row in _rows(data, split)
    )


def _rows(data: Path, split: str) -> Iterable[dict[str, Any]]:
    rows = read_rows(data / "reactions" / "diasafety.jsonl.gz")
    return (row for row in rows if row["split"] == split and row["response"].strip())


def _examples(texts: Sequence[Judged], settings: Settings) -> Examples:
    names = {text.group for text in texts}
    numbers = {name: i for i, name in enumerate(sorted(names))}
    return Examples(
        rows_of(settings.ngrams, [(text.text, None) for text in texts]),
        np.array([float(text.toxic) for text in texts]),
        np.array([text.weight for text in texts]),
        np.array([numbers[text.group] for text in texts], dtype=np.int64),
    )


def _scores(reader: TextReader, texts: Sequence[str]) -> NDArray[np.float64]:
    return np.array([float(reader.logits(text)[0]) for text in texts])


def _auc(scores: NDArray[np.float64], labels: NDArray[np.bool_]) -> float:
    return round(float(auc(scores, labels)), 4)
