"""The four objectives: what a training row is, and the loss that reads it.

| objective | row | loss |
|---|---|---|
| softmax | two texts, a class | softmax over (u, v, abs(u - v)) (Reimers and Gurevych 2019) |
| cosine | two texts, a score | squared error of the cosine |
| triplet | anchor, positive, negative | hinge on the difference of the cosine distances |
| negatives | context, response, hard negatives | InfoNCE in the batch (van den Oord et al. 2018) |

Rows come from a file, or from conversations: there the next turn, another one of the same topic
and one of anywhere are the three classes, the scores 1, 0.3 and 0, and the triplet.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sentence_transformers.sentence_transformer import losses
from torch import nn

from models.prompt import normalise
from models.training.encoder.files import TextRow, classes_of, scores_of
from models.training.encoder.pairs import Draw, Drawer

OBJECTIVES = ("softmax", "cosine", "triplet", "negatives")
FIELDS = {
    "softmax": ("first", "second", "label"),
    "cosine": ("first", "second", "label"),
    "triplet": ("first", "second", "negative"),
    "negatives": ("first", "second"),
}
"""The fields of a `TextRow` that each objective reads from a file."""

CONVERSATION_CLASSES = ("next turn", "same topic", "unrelated")
CONVERSATION_SCORES = (1.0, 0.3, 0.0)

Row = tuple[Any, ...]


@dataclass(frozen=True)
class Rows:
    """Batches of training rows: `batch(number, size)`; each row has a value for each column."""

    columns: tuple[str, ...]
    batch: Callable[[int, int], list[Row]]
    classes: tuple[str, ...] = ()

    def full(self, number: int, size: int) -> list[list[Any]]:
        """Batch `number` by columns. Raises ValueError where the data does not hold `size` rows."""
        batch = self.batch(number, size)
        if len(batch) < size:
            raise ValueError(f"a batch of {size} distinct rows is more than the data holds")
        return [list(values) for values in zip(*batch, strict=True)]

    def table(self, steps: int, size: int) -> dict[str, list[Any]]:
        """The columns of `steps` batches in the order of training; ValueError as `full`."""
        table: dict[str, list[Any]] = {name: [] for name in self.columns}
        for number in range(steps):
            for values, more in zip(table.values(), self.full(number, size), strict=True):
                values += more
        return table


def conversation_rows(objective: str, drawer: Drawer, seed: int) -> Rows:
    """Rows drawn from conversations. All but `negatives` need one hard negative of the drawer."""
    if objective == "negatives":
        columns = ("anchor", "positive", *(f"negative_{i + 1}" for i in range(drawer.hard)))
        return Rows(columns, lambda n, size: [_texts(d, d.hard) for d in drawer.batch(n, size)])
    if objective == "triplet":
        columns = ("anchor", "positive", "negative")
        return Rows(columns, lambda n, size: [_texts(d, d.hard[:1]) for d in drawer.batch(n, size)])

    def graded(number: int, size: int) -> list[Row]:
        rng = random.Random(f"{seed}:{number}:grade")
        rows: list[Row] = []
        for draw in drawer.batch(number, size):
            grade = rng.randrange(len(CONVERSATION_CLASSES))
            text = (draw.positive, draw.hard[0], draw.unrelated)[grade]
            label = grade if objective == "softmax" else CONVERSATION_SCORES[grade]
            rows.append((normalise(draw.anchor), normalise(text), label))
        return rows

    classes = CONVERSATION_CLASSES if objective == "softmax" else ()
    return Rows(("first", "second", "label"), graded, classes)


def _texts(draw: Draw, negatives: Sequence[str]) -> Row:
    return tuple(normalise(text) for text in (draw.anchor, draw.positive, *negatives))


def file_rows(objective: str, rows: Sequence[TextRow], seed: int, highest: float = 1.0) -> Rows:
    """Rows of a file: shuffled anew in each pass; for `negatives` no batch holds a text twice, and
    a third text, where every row has one, is its hard negative."""
    classes: tuple[str, ...] = ()
    values: list[Row]
    if objective == "softmax":
        classes = tuple(classes_of(rows))
        values = [(r.first, r.second, classes.index(r.label)) for r in rows]
    elif objective == "cosine":
        scores = scores_of(rows, highest)
        values = [(r.first, r.second, score) for r, score in zip(rows, scores, strict=True)]
    elif objective == "triplet" or all(normalise(r.negative) for r in rows):
        values = [(r.first, r.second, r.negative) for r in rows]
    else:
        values = [(r.first, r.second) for r in rows]
    named = ("anchor", "positive", "negative")[: len(values[0])]
    columns = {"triplet": named, "negatives": named}
    clean = [tuple(normalise(v) if isinstance(v, str) else v for v in row) for row in values]
    stream = _Shuffled(clean, seed, distinct=objective == "negatives")
    return Rows(columns.get(objective, ("first", "second", "label")), stream.batch, classes)


class _Shuffled:
    """Batches cut from endless passes over the rows; asked for in order, or again from the first.

    What would repeat a text of its batch waits for the next one.
    """

    def __init__(self, rows: Sequence[Row], seed: int, *, distinct: bool) -> None:
        self._rows, self._seed, self._distinct = rows, seed, distinct
        self._next = -1
        self._source: Iterator[Row] = iter(())
        self._waiting: deque[Row] = deque()

    def batch(self, number: int, size: int) -> list[Row]:
        if number != self._next:
            self._next, self._source = 0, self._endless()
            self._waiting.clear()
            for earlier in range(number):
                self.batch(earlier, size)
        self._next += 1
        taken: set[Any] = set()
        batch: list[Row] = []
        late: list[Row] = []
        for _ in range(len(self._waiting) + 2 * len(self._rows)):
            row = self._waiting.popleft() if self._waiting else next(self._source)
            if self._distinct and not taken.isdisjoint(row):
                late.append(row)
                continue
            batch.append(row)
            taken.update(row)
            if len(batch) == size:
                break
        self._waiting.extend(late[: len(self._rows)])
        return batch

    def _endless(self) -> Iterator[Row]:
        for epoch in range(1 << 30):
            order = list(range(len(self._rows)))
            random.Random(f"{self._seed}:{epoch}").shuffle(order)
            yield from (self._rows[i] for i in order)


def build_loss(
    objective: str,
    network: Any,
    *,
    classes: int = 0,
    bidirectional: bool = True,
    scale: float = 20.0,
    margin: float = 0.2,
) -> nn.Module:
    """The loss of an objective over a `SentenceTransformer`.

    Args:
        classes: of the softmax.
        bidirectional: `negatives` also ranks the contexts of each response.
        scale: what cosines are multiplied by in InfoNCE, the inverse of its temperature.
        margin: of the triplet's cosine distances.
    """
    loss: nn.Module
    if objective == "softmax":
        loss = losses.SoftmaxLoss(network, network.get_embedding_dimension(), classes)
    elif objective == "cosine":
        loss = losses.CosineSimilarityLoss(network)
    elif objective == "triplet":
        distance = losses.TripletDistanceMetric.COSINE
        loss = losses.TripletLoss(network, distance_metric=distance, triplet_margin=margin)
    elif bidirectional:
        loss = losses.MultipleNegativesRankingLoss(
            network,
            scale=scale,
            directions=("query_to_doc", "doc_to_query"),
            partition_mode="per_direction",
        )
    else:
        loss = losses.MultipleNegativesRankingLoss(network, scale=scale)
    return loss
