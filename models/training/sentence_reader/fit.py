"""Fits a sentence reader: several yes-or-no questions at once, each text on those it answers.

A text that was judged for one question alone says nothing of the others: where its weight is 0, a
head does not learn from it. Learning rates fall from the last layer to the first (Howard and
Ruder, 2018), and the embeddings stay as they are, so that the stored difference is small.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from models.encoder import WordPiece
from models.runtimes.packing import Batch
from models.runtimes.torch_bert import Layer
from models.runtimes.torch_sentence import SentenceNet, new_net
from models.sentence_reader import MAX_TOKENS
from models.training.sentence_reader.noise import fewer_words, plainer, slipped

FloatArray = NDArray[np.float32]
_POOL = 32  # batches that are sorted by length together
_SCORE_BATCH = 64


@dataclass(frozen=True)
class Recipe:
    """How to train; chosen by folds that leave authors out (docs/safety.md)."""

    depth: int = 4
    frozen: int = 1  # lower layers that stay as they are
    epochs: int = 3
    rate: float = 2e-4  # of the last layer
    decay: float = 0.9  # of the rate, from a layer to the one below it
    head_rate: float = 2e-3
    batch: int = 32
    smoothing: float = 0.03
    dropout: float = 0.1
    slips: float = 0.04  # share of words mistyped, in half of the readings of a text
    plain: float = 0.1  # chance that a text is read in its normalised spelling
    joined: float = 0.1  # chance that an everyday line is set before or behind it
    seed: int = 7


@dataclass(frozen=True)
class Lesson:
    """One text: targets and weights (heads,), 0 where it says nothing.

    `plain` is its normalised spelling; `everyday`: it may be set beside any other text without
    changing what that one is.
    """

    text: str
    plain: str
    targets: FloatArray
    weights: FloatArray
    everyday: bool = False


def train(
    base: str,
    tokens: WordPiece,
    lessons: Sequence[Lesson],
    recipe: Recipe,
    said: Callable[[str], None] = lambda line: None,
) -> SentenceNet:
    """A network that was fitted to the lessons; the same lessons and seed give the same one."""
    torch.manual_seed(recipe.seed)
    chance = random.Random(recipe.seed)
    net = new_net(base, recipe.depth, len(lessons[0].targets))
    optimiser = _optimiser(net, recipe)
    steps = recipe.epochs * -(-len(lessons) // recipe.batch)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _share(step, steps))
    reading = _Reading(lessons, tokens, recipe, chance)
    started = time.monotonic()
    net.train()
    for epoch in range(recipe.epochs):
        losses = []
        for ids, targets, weights in reading.epoch():
            losses.append(_step(net, optimiser, ids, targets, weights, recipe))
            schedule.step()
        minutes = (time.monotonic() - started) / 60
        said(f"epoch {epoch + 1}: loss {np.mean(losses):.4f} after {minutes:.1f} min")
    return net.eval()


def score(net: SentenceNet, tokens: WordPiece, texts: Sequence[str]) -> FloatArray:
    """Logits (n, heads) of texts."""
    ids = [tokens.sequence(tokens.encode(text)[: MAX_TOKENS - 2]) for text in texts]
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
    found = np.zeros((len(ids), net.head.out_features), dtype=np.float32)
    for start in range(0, len(order), _SCORE_BATCH):
        places = order[start : start + _SCORE_BATCH]
        with torch.inference_mode(), _half():
            found[places] = net(Batch.of([ids[i] for i in places])).float().numpy()
    return found


class _Reading:
    """The lessons of an epoch, changed a little and in batches of like length."""

    def __init__(
        self, lessons: Sequence[Lesson], tokens: WordPiece, recipe: Recipe, chance: random.Random
    ) -> None:
        self._lessons, self._tokens = lessons, tokens
        self._recipe, self._chance = recipe, chance
        self._everyday = [lesson for lesson in lessons if lesson.everyday]

    def epoch(self) -> Iterator[tuple[list[tuple[int, ...]], Tensor, Tensor]]:
        """Ids of texts, targets and weights (n, heads) of each batch."""
        order = list(range(len(self._lessons)))
        self._chance.shuffle(order)
        size = self._recipe.batch
        for start in range(0, len(order), size * _POOL):
            read = [self._read(self._lessons[i]) for i in order[start : start + size * _POOL]]
            read.sort(key=lambda one: len(one[0]))
            batches = [read[at : at + size] for at in range(0, len(read), size)]
            self._chance.shuffle(batches)
            for batch in batches:
                ids, lessons = [one[0] for one in batch], [one[1] for one in batch]
                targets = torch.from_numpy(np.stack([lesson.targets for lesson in lessons]))
                weights = torch.from_numpy(np.stack([lesson.weights for lesson in lessons]))
                yield ids, targets, weights

    def _read(self, lesson: Lesson) -> tuple[tuple[int, ...], Lesson]:
        chance, recipe = self._chance, self._recipe
        text = lesson.plain if chance.random() < recipe.plain else lesson.text
        if chance.random() < 0.5:
            text = slipped(text, chance, recipe.slips)
        if chance.random() < 0.15:
            text = plainer(text, chance)
        if chance.random() < 0.2:
            text = fewer_words(text, chance, 0.06)
        if self._everyday and chance.random() < recipe.joined:
            other = chance.choice(self._everyday)
            parts = [text, other.text]
            chance.shuffle(parts)
            text = " ".join(parts)
            # What both say nothing of stays open; an everyday line is none of anything.
            lesson = Lesson(text, text, lesson.targets, lesson.weights * (other.weights > 0))
        room = MAX_TOKENS - 2
        return self._tokens.sequence(self._tokens.encode(text)[:room]), lesson


def _step(
    net: SentenceNet,
    optimiser: torch.optim.Optimizer,
    ids: Sequence[Sequence[int]],
    targets: Tensor,
    weights: Tensor,
    recipe: Recipe,
) -> float:
    smooth = targets * (1 - 2 * recipe.smoothing) + recipe.smoothing
    with _half():
        logits = net(Batch.of(ids), recipe.dropout, recipe.frozen)
    losses = F.binary_cross_entropy_with_logits(logits.float(), smooth, reduction="none")
    loss = (losses * weights).sum() / len(ids)
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    optimiser.step()
    return float(loss.detach())


def _optimiser(net: SentenceNet, recipe: Recipe) -> torch.optim.Optimizer:
    for parameter in net.bert.parameters():
        parameter.requires_grad_(False)
    groups: list[dict[str, object]] = [{"params": net.head.parameters(), "lr": recipe.head_rate}]
    for number, layer in enumerate(net.bert.layers):
        if number < recipe.frozen or not isinstance(layer, Layer):
            continue
        rate = recipe.rate * recipe.decay ** (recipe.depth - 1 - number)
        matrices = [p.requires_grad_() for p in layer.parameters() if p.dim() > 1]
        others = [
            p.requires_grad_()
            for name, p in layer.named_parameters()
            if p.dim() == 1 and name != "gate"
        ]
        groups += [
            {"params": matrices, "lr": rate, "weight_decay": 0.01},
            {"params": others, "lr": rate, "weight_decay": 0.0},
        ]
    return torch.optim.AdamW(groups, weight_decay=0.0)


def _share(step: int, steps: int) -> float:
    """The share of a rate: it rises over a tenth of the steps, and falls to nothing."""
    rising = max(1, steps // 10)
    return (step + 1) / rising if step < rising else (steps - step) / max(1, steps - rising)


def _half() -> torch.autocast:
    return torch.autocast("cpu", torch.bfloat16)
