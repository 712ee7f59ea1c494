"""The stack: how much rules, a linear logit and a sentence logit each say, from left-out texts.

Logistic regression with weights that cannot be negative, as no evidence for a thing may speak
against it; then the bias moves so that at most a share of the harmless texts is above 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize  # type: ignore[import-untyped]

from models.training.text_reader.fit import threshold

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
_PRIOR = 0.5  # the precision of the Gaussian around zero that weights have


def fit_stack(
    evidence: Array, labels: Mask, harmless: Mask, share: float, names: Sequence[str]
) -> dict[str, float]:
    """The weight of each column of evidence by name, and the `bias`.

    Args:
        evidence: (n, k) of texts that no part of it has learned from.
        labels: (n,) what is to be found.
        harmless: (n,) on which texts alarms are counted.
        share: of those that may be above 0.
    """

    def objective(beta: Array) -> tuple[float, Array]:
        logits = evidence @ beta[:-1] + beta[-1]
        value = (np.logaddexp(0.0, logits) - labels * logits).sum()
        value += 0.5 * _PRIOR * float(beta[:-1] @ beta[:-1])
        off = 0.5 * (np.tanh(0.5 * logits) + 1.0) - labels
        return float(value), np.append(evidence.T @ off + _PRIOR * beta[:-1], off.sum())

    start = np.append(np.full(evidence.shape[1], 0.5), 0.0)
    bounds = [(0.0, None)] * evidence.shape[1] + [(None, None)]
    beta = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    weighed = evidence @ beta[:-1]
    bias = -threshold(weighed, harmless, share)
    return {**dict(zip(names, map(float, beta[:-1]), strict=True)), "bias": bias}
