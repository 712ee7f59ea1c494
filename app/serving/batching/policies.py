"""How much of what waits one batch may take: two policies, each right for another machine. Pure.

Coalescing shares the fixed cost of a forward pass among many and feeds wide hardware: a GPU, or
a CPU model whose weights are read once a batch. One item at a time pads nothing and its result is
there before the next begins: meant for one thread a worker and a worker a core.
"""

from __future__ import annotations

from collections.abc import Callable

from app.serving.batching.queue import Budget

Policy = Callable[[Budget, int | None], Budget]
"""From the model's budget, and the tokens that the guard allows this batch (None: no guard)."""


def coalesce(budget: Budget, allowed: int | None) -> Budget:
    """As much as the budget and the guard admit."""
    if allowed is None or allowed >= budget.tokens:
        return budget
    return Budget(max(1, allowed), budget.items)


def single(budget: Budget, allowed: int | None) -> Budget:
    """The most urgent item alone."""
    return Budget(budget.tokens, 1)


POLICIES = {"coalesce": coalesce, "single": single}

# What `KINDRED_BATCHING=auto` means, by the device that the models run on.
DEFAULTS = {"cpu": "coalesce", "cuda": "coalesce"}


def policy_for(name: str, device: str) -> Policy:
    """The policy of a setting (auto, coalesce, single) on a device (cpu, cuda)."""
    return POLICIES[DEFAULTS.get(device, "coalesce") if name == "auto" else name]
