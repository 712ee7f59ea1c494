"""Figures about generated text and language models."""

from __future__ import annotations

import math
from collections.abc import Sequence


def perplexity(total_nll: float, tokens: int) -> float:
    """exp of the mean negative log-likelihood (nats a token). Raises ValueError for no tokens."""
    if tokens <= 0:
        raise ValueError("perplexity of no tokens")
    return math.exp(total_nll / tokens)


def distinct_n(texts: Sequence[Sequence[str | int]], n: int) -> float:
    """Distinct n-grams over all n-grams of all texts, in [0, 1] (Li et al. 2016); 0 for none."""
    if n < 1:
        raise ValueError("n must be at least 1")
    grams = [tuple(text[i : i + n]) for text in texts for i in range(len(text) - n + 1)]
    return len(set(grams)) / len(grams) if grams else 0.0
