"""The limits of the default settings with the shipped gain, and C10 of a virtual machine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from app.serving.load.controller import limits_of
from app.serving.load.cost import Cost
from app.serving.load.gain import load_gain
from app.serving.load.law import Limits
from app.settings import Settings
from tests.simulation.service import BUDGETS, COSTS, Service, Summary

ARTIFACTS = Path(__file__).parents[2] / "artifacts"
WARM_UP = 5.0  # seconds of a load before it is looked at


def limits(**changes: Any) -> Limits:
    """As `Engine` makes them; `changes` are fields of the settings."""
    versions = json.loads((ARTIFACTS / "gain.json").read_text())["versions"]
    fields = {**Settings.model_fields}
    defaults = {name: field.default for name, field in fields.items() if not field.is_required()}
    settings = Settings.model_construct(**{**defaults, **changes})  # no environment
    return limits_of(settings, BUDGETS, load_gain(ARTIFACTS, versions))


def steady(
    rate: float,
    *,
    costs: Mapping[str, Cost] = COSTS,
    seed: int = 0,
    **changes: Any,
) -> Summary:
    """A service under one rate of random arrivals, from when it has settled.

    For 10 to 20 seconds: as long as 500 requests need.
    """
    seconds = min(20.0, max(10.0, 500 / rate))
    service = Service(limits(**changes), costs=costs, seed=seed)
    begin = service.clock.now
    end = begin + WARM_UP + seconds
    service.poisson(rate, begin, end)
    service.clock.run(end + 3.0)
    seen = service.between(begin + WARM_UP, end)
    return Summary.of(seen, seconds, service.limits)


@cache
def c10(slower: float = 1.0) -> float:
    """The highest rate (requests a second) at which N fixed at 10 holds the objective.

    Holds: p95 within it, less than 1 of 100 refused, 5 of 100 without their candidates.
    """
    low, high = 0.5, 60.0
    while high - low > 0.03 * high:
        rate = (low + high) / 2
        seen = steady(rate, costs=scaled(slower), candidates_pinned=10)
        held = seen.p95 <= 0.8 and seen.refused < 0.01 and seen.missed < 0.05
        low, high = (rate, high) if held else (low, rate)
    return low


def scaled(slower: float) -> Mapping[str, Cost]:
    """The models on a machine that is so many times slower."""
    return {
        model: Cost(cost.fixed * slower, cost.per_token * slower) for model, cost in COSTS.items()
    }
