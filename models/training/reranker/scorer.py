"""What all rerankers that are compared can do: score examples, whatever is inside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.training.examples import Example


class PairScorer(Protocol):
    """A reranker as the comparison sees it."""

    @property
    def name(self) -> str:
        """As it stands in the table."""

    @property
    def heads(self) -> tuple[str, ...]:
        """The kinds of judgement that it has a column for."""

    @property
    def parameters(self) -> int:
        """Weights, all of them."""

    def score(self, examples: Sequence[Example]) -> NDArray[np.float32]:
        """Calibrated probabilities (n, heads) for n examples, in order; labels are not read."""
