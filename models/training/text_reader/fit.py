"""Logistic regression over hashed n-grams, a head at a time, and what it says of unseen texts.

The weights have a Gaussian prior around zero; L-BFGS (Liu and Nocedal, 1989) finds the one best
point, so that the same texts give the same weights. Folds tell what each text scores where it was
left out, and from those scores alone thresholds are chosen.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize  # type: ignore[import-untyped]
from scipy.sparse import csr_matrix  # type: ignore[import-untyped]

from models.ngrams import Ngrams

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
_ITERATIONS = 120
_FOLDS = 5


@dataclass(frozen=True)
class Examples:
    """What one head learns: rows (n, buckets), labels (n,) in {0, 1}, weights (n,).

    Texts of one group stand in one fold: spellings of one text must not judge each other.
    """

    rows: csr_matrix
    labels: Array
    weights: Array
    groups: NDArray[np.int64]

    def part(self, chosen: Mask) -> Examples:
        """The same with some of the rows."""
        return Examples(
            self.rows[chosen], self.labels[chosen], self.weights[chosen], self.groups[chosen]
        )

    def folds(self) -> NDArray[np.int64]:
        """The fold (n,) in which each row is left out, by a hash of its group."""
        hashes = [zlib.crc32(f"fold {group}".encode()) for group in self.groups]
        return np.array(hashes, dtype=np.int64) % _FOLDS


def rows_of(ngrams: Ngrams, texts: Sequence[tuple[str, str | None]]) -> csr_matrix:
    """The n-grams (n, buckets) of texts, each with the plainer spelling of its words or None."""
    bags = [ngrams.of(text, words) for text, words in texts]
    ends = np.cumsum([0, *(ids.size for ids, _ in bags)])
    ids = np.concatenate([ids for ids, _ in bags]) if bags else np.zeros(0, dtype=np.int64)
    values = np.concatenate([v for _, v in bags]) if bags else np.zeros(0, dtype=np.float32)
    rows = csr_matrix((values.astype(np.float64), ids, ends), shape=(len(bags), ngrams.buckets))
    rows.sum_duplicates()
    return rows


def fit(examples: Examples, strength: float) -> tuple[Array, float]:
    """Coefficients (buckets,) and bias; `strength` is the precision of the prior."""
    rows, labels, weights = examples.rows, examples.labels, examples.weights
    turned = rows.T.tocsr()
    total = weights.sum()

    def objective(beta: Array) -> tuple[float, Array]:
        logits = rows @ beta[:-1] + beta[-1]
        losses = np.logaddexp(0.0, logits) - labels * logits
        off = weights * (0.5 * (np.tanh(0.5 * logits) + 1.0) - labels)
        slope = np.append(turned @ off + strength * beta[:-1], off.sum())
        value = (weights * losses).sum() + 0.5 * strength * (beta[:-1] @ beta[:-1])
        return float(value / total), slope / total

    start = np.zeros(rows.shape[1] + 1)
    best = minimize(objective, start, jac=True, method="L-BFGS-B", options={"maxiter": _ITERATIONS})
    return best.x[:-1], float(best.x[-1])


def left_out(examples: Examples, strength: float) -> Array:
    """The logit (n,) of each row from a fit without its fold."""
    folds = examples.folds()
    logits = np.zeros(len(examples.labels))
    for fold in np.unique(folds):
        out = folds == fold
        beta, bias = fit(examples.part(~out), strength)
        logits[out] = examples.rows[out] @ beta + bias
    return logits


def threshold(logits: Array, harmless: Mask, share: float) -> float:
    """The least logit that at most a share of the harmless rows are above.

    Args:
        logits: (n,) of rows that were left out.
        harmless: (n,) which rows must not raise an alarm.
        share: 0.005 lets one in two hundred of them do so.
    """
    found = np.sort(logits[harmless])[::-1]
    allowed = int(share * found.size)
    if allowed >= found.size:
        return float("-inf")
    return float(found[allowed])
