"""What a response is worth: the served reranker, or any scorer of pairs, as one number a response.

Rewards are logits. A probability flattens where the judge is sure, and a policy that has got there
would feel nothing; a logit goes on.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models import reranker as served
from models.checkpoint import DataSource, ManifestError, load_manifest
from models.reranker import Reranker
from models.training.examples import Example
from models.training.reranker.scorer import PairScorer
from models.training.tuning.contexts import Context

Scores = NDArray[np.float64]
_EDGE = 1e-3
_TOGETHER = 64


class RewardModel(Protocol):
    """Judges responses to contexts."""

    @property
    def name(self) -> str:
        """As reports call it."""

    @property
    def data(self) -> tuple[DataSource, ...]:
        """What it was trained on."""

    def score(self, contexts: Sequence[Context], responses: Sequence[str]) -> Scores:
        """Logits (n,) of n responses, each to its context; no response is empty."""


class RerankerReward:
    """The serving score of a served reranker, P(upvote) less its penalty, as a logit."""

    def __init__(self, reranker: Reranker, data: tuple[DataSource, ...] = ()) -> None:
        self._reranker = reranker
        self.name = f"reranker {reranker.version}"
        self.data = data

    def score(self, contexts: Sequence[Context], responses: Sequence[str]) -> Scores:
        """As in RewardModel."""
        items = []
        pairs = zip(contexts, responses, strict=True)
        for context, group in itertools.groupby(pairs, key=lambda pair: pair[0]):
            texts = [text for _, text in group]
            items += self._reranker.prepare(context.turns, texts, context.facts)
        scores: list[float] = []
        for begin in range(0, len(items), _TOGETHER):
            results = self._reranker.run(items[begin : begin + _TOGETHER])
            scores += [result.serving for result in results]
        return logits(np.array(scores))


class ScorerReward:
    """One head of a pair scorer, as a logit."""

    def __init__(
        self, scorer: PairScorer, head: str | None = None, data: tuple[DataSource, ...] = ()
    ) -> None:
        """`head` None: `upvote` if there is one, else the first. Raises ValueError."""
        heads = scorer.heads
        head = head or ("upvote" if "upvote" in heads else heads[0])
        if head not in heads:
            raise ValueError(f"{scorer.name} has no head {head!r}; it has {', '.join(heads)}")
        self._scorer, self._head = scorer, head
        self._column = heads.index(head)
        self.name = f"{scorer.name}:{head}"
        self.data = data

    def score(self, contexts: Sequence[Context], responses: Sequence[str]) -> Scores:
        """As in RewardModel."""
        examples = [
            Example("tuning", self._head, context.turns, text, 0.0, facts=context.facts)
            for context, text in zip(contexts, responses, strict=True)
        ]
        if not examples:
            return np.zeros(0)
        return logits(self._scorer.score(examples)[:, self._column].astype(np.float64))


def logits(probabilities: NDArray[np.float64]) -> Scores:
    """Log odds; what lies beyond a thousandth from 0 or 1 counts as that."""
    p = np.clip(probabilities, _EDGE, 1.0 - _EDGE)
    odds: Scores = np.log(p) - np.log1p(-p)
    return odds


def open_reward(where: str) -> RewardModel:
    """The reward model of `FOLDER` or `FOLDER:HEAD`: a served reranker, a judge or a pair scorer.

    Raises models.checkpoint.ModelFileError for a folder that is not what it should be, ValueError
    for a head that it has not.
    """
    folder, _, head = where.partition(":")
    manifest = load_manifest(Path(folder))
    if manifest.kind == served.KIND and not head:
        return RerankerReward(Reranker.load(folder), manifest.data)
    # The rest needs training libraries; serving's own reranker does not.
    from models.training.reranker.family.folder import open_scorer
    from models.training.tuning.judge import KIND as JUDGE
    from models.training.tuning.judge import Judge

    if manifest.kind == JUDGE:
        return ScorerReward(Judge.load(Path(folder)), head or None, manifest.data)
    if manifest.kind not in ("pair-scorer", served.KIND):
        raise ManifestError(f"{folder}: holds a {manifest.kind}, which judges nothing")
    return ScorerReward(open_scorer(Path(folder)), head or None, manifest.data)
