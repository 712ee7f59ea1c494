"""Judgements of people with a name, in the order in which they were made.

dialogue_eval: a worker rates whole dialogs with several bots on seven sliders. The order is that of
the file, where the dialogs of one sitting are numbered. Its *raw* scores are used: the standardised
ones were computed over all that a worker rated, so that the past would tell the future.
Topical-Chat: two people rate each other's messages, from Poor to Excellent; a rater is one of them
in one conversation, and the order is that of the turns.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.prompt import normalise
from models.training.examples import Example, read_examples
from models.training.judgements import BLAME, PRAISE, read_rows
from models.training.reranker.comparison.floor import TextEncoder
from models.training.reranker.personal.features import Rater

LIKED = "liked"
CONTEXT_TURNS = 5
RATINGS = {"Poor": 0.0, "Not Good": 0.25, "Passable": 0.5, "Good": 0.75, "Excellent": 1.0}
UPVOTE = "upvote"
_SLIDER = 100.0
_SAMPLE_SEED = 11


@dataclass(frozen=True)
class Judgement:
    """What one person thought of one thing: a reply, or all replies of a dialog.

    `labels` are by head, 0…1; LIKED, always there, is how much it was liked. `mark` tells what
    pairs may leave out.
    """

    rater: str
    labels: Mapping[str, float]
    replies: tuple[Example, ...]
    mark: str = ""


def dialogue_eval(data: Path) -> list[Judgement]:
    """The dialogs of `dialogue_eval` with their sliders, `mark` the bot."""
    judgements = []
    for row in read_rows(data / "reactions" / "dialogue_eval.jsonl.gz"):
        raw = {
            name: min(1.0, float(row["scores"]["raw scores"][name]) / _SLIDER) for name in _SLIDERS
        }
        praise = sum(raw[name] for name in PRAISE)
        blame = sum(raw[name] for name in BLAME)
        liked = (praise + len(BLAME) - blame) / len(_SLIDERS)
        texts = [turn["text"] for turn in row["turns"]]
        rows = [i for i, turn in enumerate(row["turns"]) if i and turn["speaker"] == "bot"]
        replies = _replies("dialogue_eval", row["dialog_id"], texts, rows)
        if replies and row.get("worker"):
            labels = {LIKED: liked, **raw}
            judgements.append(Judgement(str(row["worker"]), labels, replies, str(row["bot"])))
    return judgements


_SLIDERS = (*PRAISE, *BLAME)


def topical_chat(data: Path) -> list[Judgement]:
    """Topical-Chat's ratings; the rater of a message is who it was said to."""
    judgements = []
    for row in read_rows(data / "dialogs" / "topical_chat.jsonl.gz"):
        texts = [turn["text"] for turn in row["turns"]]
        for i, turn in enumerate(row["turns"]):
            label = RATINGS.get(str(turn.get("rating")))
            replies = _replies("topical_chat", row["dialog_id"], texts, [i] if i else [])
            if label is not None and replies:
                rater = f"{row['dialog_id']}:to:{turn['speaker']}"
                judgements.append(Judgement(rater, {LIKED: label}, replies))
    return judgements


def reactions(path: Path) -> list[Judgement]:
    """Examples of people's reactions (`models.training.examples`), the file's order that of time.

    Heads of one reply beside each other are one judgement; `upvote` says how much it was liked, and
    replies without that head are left out. Raises BadExample.
    """
    judgements: list[Judgement] = []
    labels: dict[str, float] = {}
    last: Example | None = None

    def close() -> None:
        if last is not None and last.rater and UPVOTE in labels:
            known = {LIKED: labels[UPVOTE], **labels}
            judgements.append(Judgement(last.rater, known, (last,)))

    for example in read_examples(path):
        if last is None or _place(example) != _place(last) or example.head in labels:
            close()
            labels = {}
        labels[example.head] = example.label
        last = example
    close()
    return judgements


def _place(example: Example) -> tuple[str, ...]:
    return (example.rater, example.conversation, example.group, example.response, *example.context)


def _replies(
    source: str, unit: str, texts: Sequence[str], rows: Iterable[int]
) -> tuple[Example, ...]:
    """The turns at `rows` with up to five before each; what nobody can see is left out."""
    found = []
    for i in rows:
        context = tuple(t for t in texts[max(0, i - CONTEXT_TURNS) : i] if normalise(t))
        if context and normalise(texts[i]):
            found.append(Example(source, LIKED, context, texts[i], 0.0, unit, unit))
    return tuple(found)


def some(judgements: Sequence[Judgement], limit: int) -> list[Judgement]:
    """The judgements of `limit` raters drawn by a fixed seed; of all for 0."""
    names = sorted({judgement.rater for judgement in judgements})
    if limit and len(names) > limit:
        chosen = set(random.Random(_SAMPLE_SEED).sample(names, limit))
        return [judgement for judgement in judgements if judgement.rater in chosen]
    return list(judgements)


Score = Callable[[Sequence[Example]], NDArray[np.floating]]


def raters(judgements: Sequence[Judgement], score: Score, encoder: TextEncoder) -> list[Rater]:
    """People with two judgements or more.

    `score` gives logits (n, s) of replies, the overall one first. Of several replies to one
    judgement the mean counts, of scores, vectors and lengths alike.
    """
    texts = sorted({reply.response for j in judgements for reply in j.replies})
    place = {text: i for i, text in enumerate(texts)}
    vectors = encoder.encode(texts) if texts else np.zeros((0, 1), np.float32)
    replies = [reply for judgement in judgements for reply in judgement.replies]
    scores = np.asarray(score(replies), dtype=np.float64)
    by_rater: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    heads = list(dict.fromkeys(head for judgement in judgements for head in judgement.labels))
    at = 0
    for judgement in judgements:
        end = at + len(judgement.replies)
        mean = vectors[[place[reply.response] for reply in judgement.replies]].mean(axis=0)
        words = np.mean([len(reply.response.split()) for reply in judgement.replies])
        labels = [judgement.labels.get(head, np.nan) for head in heads]
        unit = mean / max(float(np.linalg.norm(mean)), 1e-9)
        row = (scores[at:end].mean(axis=0), unit, words, labels, judgement.mark)
        by_rater[judgement.rater].append(row)
        at = end
    return [_rater(name, rows) for name, rows in sorted(by_rater.items()) if len(rows) > 1]


def _rater(name: str, rows: Sequence[tuple[Any, ...]]) -> Rater:
    scores, vectors, words, labels = (
        np.array([row[i] for row in rows], dtype=np.float64) for i in range(4)
    )
    return Rater(scores, vectors, words, labels, name, tuple(row[4] for row in rows))
