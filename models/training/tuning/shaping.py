"""A reward that is not worth gaming: standardised, and with guards against the known tricks.

A policy that is paid by a model finds what the model does not see: a text longer than it reads, one
that repeats itself or the person, one that fits everything (Gao et al. 2023). Each guard takes away
reward in units of the base model's own standard deviation, so that weights mean the same whatever
judges.
"""

from __future__ import annotations

import itertools
import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from models.checkpoint import write_atomically
from models.generator import Generation
from models.reply_text import is_ill
from models.training.tuning.contexts import Context
from models.training.tuning.reward import RewardModel, Scores

LIMIT = 4.0
ILL = -3.0
UNFINISHED = 1.5
REPEATED = 2.0
COPIED = 2.0
LENGTH = 2.0
_COPY_WORDS = 4


@dataclass(frozen=True)
class Scale:
    """What the base model's responses are like: logits, usual lengths in words, commonness."""

    mean: float
    deviation: float
    shortest: float
    longest: float
    common: float = 0.0
    common_deviation: float = 1.0

    @classmethod
    def of(cls, scores: Scores, responses: Sequence[str]) -> Scale:
        """Of the base model's own responses; lengths are the 10th and 90th percentile."""
        if len(responses) < 2:
            raise ValueError("too few usable responses of the base model to scale a reward by")
        lengths = [len(text.split()) for text in responses]
        low, high = np.percentile(lengths, [10, 90])
        common = np.array(commonness(responses))
        return cls(
            mean=float(scores.mean()),
            deviation=max(1e-6, float(scores.std())),
            shortest=max(1.0, float(low)),
            longest=float(high),
            common=float(common.mean()),
            common_deviation=max(1e-6, float(common.std())),
        )

    def save(self, path: Path) -> None:
        """Write it down, so that a resumed run pays the same."""
        write_atomically(path, json.dumps(asdict(self), indent=2) + "\n")

    @classmethod
    def load(cls, path: Path) -> Scale:
        """What `save` wrote."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))


class ShapedReward:
    """Pays for responses of one batch, in standard deviations of the base model's reward."""

    def __init__(self, model: RewardModel, scale: Scale, variety: float) -> None:
        self.model, self.scale, self.variety = model, scale, variety

    def pay(
        self, contexts: Sequence[Context], texts: Sequence[str], finished: Sequence[bool]
    ) -> Scores:
        """The rewards (n,) of responses as they were decoded, cut or not."""
        texts = [" ".join(text.split()) for text in texts]
        paid = np.full(len(texts), ILL)
        usable = [row for row, text in enumerate(texts) if text and not is_ill(text)]
        if not usable:
            return paid
        raw = self.model.score([contexts[r] for r in usable], [texts[r] for r in usable])
        standard = np.clip((raw - self.scale.mean) / self.scale.deviation, -LIMIT, LIMIT)
        shared = np.array(commonness([texts[row] for row in usable])) - self.scale.common
        common = np.clip(shared / self.scale.common_deviation, -LIMIT, LIMIT)
        for row, worth, usual in zip(usable, standard, common, strict=True):
            fine = self._fine(contexts[row], texts[row], finished[row])
            paid[row] = worth - fine - self.variety * usual
        return paid

    def _fine(self, context: Context, text: str, finished: bool) -> float:
        words = text.lower().split()
        below = math.log(self.scale.shortest / len(words))
        above = math.log(len(words) / max(1.0, self.scale.longest))
        return (
            UNFINISHED * (not finished)
            + REPEATED * repetition(words)
            + COPIED * copied(words, context)
            + LENGTH * max(0.0, below, above)
        )


def repetition(words: Sequence[str], n: int = 2) -> float:
    """Share of n-grams that the text has said already, in [0, 1]."""
    grams = list(zip(*(words[i:] for i in range(n)), strict=False))
    return 1.0 - len(set(grams)) / len(grams) if grams else 0.0


def copied(words: Sequence[str], context: Context) -> float:
    """Share of a response's runs of four words that the context has, in [0, 1]."""

    def runs(words: Sequence[str]) -> list[tuple[str, ...]]:
        return list(zip(*(words[i:] for i in range(_COPY_WORDS)), strict=False))

    own = runs(words)
    said = {run for turn in context.turns for run in runs(turn.lower().split())}
    return sum(run in said for run in own) / len(own) if own else 0.0


def commonness(texts: Sequence[str]) -> list[float]:
    """For each text the mean, over its bigrams, of the share of the OTHER texts that have them.

    What fits everything says what the others say.
    """
    grams = [set(_bigrams(text)) for text in texts]
    counts = Counter(gram for own in grams for gram in own)
    others = max(1, len(texts) - 1)
    return [sum(counts[g] - 1 for g in own) / (len(own) * others) if own else 0.0 for own in grams]


def _bigrams(text: str) -> list[tuple[str, str]]:
    words = ["", *text.lower().split(), ""]
    return list(itertools.pairwise(words))


def scale_of(
    model: RewardModel, contexts: Sequence[Context], answers: Sequence[Sequence[Generation]]
) -> Scale:
    """The scale of the base model's `answers` to `contexts`."""
    flat = [(c, a.text) for c, found in zip(contexts, answers, strict=True) for a in found]
    texts = [text for _, text in flat]
    return Scale.of(model.score([context for context, _ in flat], texts), texts)
