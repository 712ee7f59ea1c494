"""A person's taste: the replies they reacted to, as vectors that pull the score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from app.domain import ReactionKind, Taste

Vector = NDArray[np.float32]

# At most this much is added to or taken from a serving score: taste breaks near-ties, it does not
# make a bad reply good.
BIAS_SHARE = 0.08
_INT8 = 127.0
# Any two English lines are somewhat alike to the encoder; only likeness above this is taste.
_COMMON_LIKENESS = 0.15


def taste_of(reply_id: str, reaction: ReactionKind, vector: Vector, encoder: str) -> Taste:
    """The taste that one reaction tells; `vector` is the reply's unit vector (dimension,)."""
    quantised = np.clip(np.rint(vector * _INT8), -_INT8, _INT8).astype(np.int8)
    return Taste(reply_id, reaction.weight, quantised.tobytes(), encoder)


def biases(
    tastes: Sequence[Taste], vectors: Mapping[str, Vector], encoder: str
) -> dict[str, float]:
    """How a person's taste pulls each candidate, -BIAS_SHARE…BIAS_SHARE by candidate id.

    Each reacted reply pulls with its weight and its cosine likeness to the candidate; the mean
    over the replies that are alike at all is what counts, so that many reactions sharpen taste
    rather than add up without bound. Vectors of another encoder tell nothing and are passed over.
    """
    tastes = [taste for taste in tastes if taste.encoder == encoder]
    if not tastes or not vectors:
        return {}
    liked = np.stack([np.frombuffer(taste.vector, dtype=np.int8) for taste in tastes]) / _INT8
    weights = np.array([taste.weight for taste in tastes])
    ids = list(vectors)
    likeness = np.stack([vectors[i] for i in ids]) @ liked.T.astype(np.float32)
    pull = np.maximum(likeness - _COMMON_LIKENESS, 0.0) / (1 - _COMMON_LIKENESS)
    total = (pull * weights).sum(axis=1) / (0.5 + pull.sum(axis=1))
    return {
        i: float(BIAS_SHARE * np.clip(value, -1, 1)) for i, value in zip(ids, total, strict=True)
    }
