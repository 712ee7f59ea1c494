"""Which variant of a flag a context gets, as flagd would say (flagd.dev, JSON definitions)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from app.experiments import targeting
from app.experiments.json_logic import STEPS_MAX, Evaluator, LogicError
from app.experiments.values import text


class Reason(StrEnum):
    """Why a variant was chosen (OpenFeature's words)."""

    STATIC = "STATIC"  # there is no targeting
    TARGETING_MATCH = "TARGETING_MATCH"  # `fractional` too, as in flagd
    DEFAULT = "DEFAULT"  # the targeting said null
    DISABLED = "DISABLED"  # no variant: the code's own default applies
    ERROR = "ERROR"  # a broken definition: its default variant, if it has one


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What came out: the variant's name and value (None: use the code's default), and why.

    `steps`: what it took to find it, of those that `evaluate` was given.
    """

    variant: str | None
    value: Any
    reason: Reason
    error: str = ""
    steps: int = 0


def evaluate(
    definition: Any,
    key: str,
    context: Mapping[str, Any],
    *,
    now: float | None = None,
    steps: int = STEPS_MAX,
) -> Evaluation:
    """Evaluate a flag definition for a context; never raises, whatever the definition is.

    `context` holds `targetingKey` and any other attributes; `$flagd.flagKey` and
    `$flagd.timestamp` (`now`, Unix seconds; the clock where it is None) are added to it. A
    definition that is broken, or whose targeting takes more than `steps`, gives its default
    variant, so that what is asked for goes on.
    """
    if not isinstance(definition, Mapping):
        return Evaluation(None, None, Reason.ERROR, "the definition is not an object")
    variants = definition.get("variants")
    if not isinstance(variants, Mapping):
        return Evaluation(None, None, Reason.ERROR, "variants is not an object")
    state = definition.get("state")
    if state == "DISABLED":
        return Evaluation(None, None, Reason.DISABLED)
    if state != "ENABLED":
        return _default(definition, variants, Reason.ERROR, "state is not known")
    rule = definition.get("targeting")
    if rule is None or rule == {}:
        return _default(definition, variants, Reason.STATIC)
    seconds = int(time.time() if now is None else now)
    data = {**context, targeting.PROPERTIES: {"flagKey": key, "timestamp": seconds}}
    evaluator = Evaluator(targeting.OPERATORS, steps)
    found = _targeted(evaluator, rule, data, definition, variants)
    return replace(found, steps=evaluator.taken)


def _targeted(
    evaluator: Evaluator,
    rule: Any,
    data: Mapping[str, Any],
    definition: Mapping[str, Any],
    variants: Mapping[str, Any],
) -> Evaluation:
    """What the targeting says."""
    try:
        result = evaluator.evaluate(rule, data)
    except LogicError as error:
        return _default(definition, variants, Reason.ERROR, str(error))
    except Exception as error:  # noqa: BLE001 - nobody's answer is lost for a flag, a crisis' least
        return _default(definition, variants, Reason.ERROR, type(error).__name__)
    if result is None:
        return _default(definition, variants, Reason.DEFAULT)
    name = text(result) if isinstance(result, str | bool | int | float) else ""
    if name not in variants:
        return _default(definition, variants, Reason.ERROR, "targeting gave no known variant")
    return Evaluation(name, variants[name], Reason.TARGETING_MATCH)


def _default(
    definition: Mapping[str, Any], variants: Mapping[str, Any], reason: Reason, error: str = ""
) -> Evaluation:
    name = definition.get("defaultVariant")
    if name is None:
        return Evaluation(None, None, Reason.ERROR if error else Reason.DEFAULT, error)
    if not isinstance(name, str) or name not in variants:
        return Evaluation(None, None, Reason.ERROR, error or "defaultVariant is no variant")
    return Evaluation(name, variants[name], reason, error)
