"""The flags that say which version of a model answers whom: their definitions, and what they name.

A flag's variants are versions, each named by itself; the default variant is everybody's, and
`fractional` targeting gives a share of the people another. The version that served before stays a
variant without a share, so that every process keeps it loaded and a rollback is at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MODEL_FLAGS: Mapping[str, str] = {"reranker": "reranker-model", "generator": "generator-model"}
"""The flag of each kind of model."""
KIND_OF: Mapping[str, str] = {flag: kind for kind, flag in MODEL_FLAGS.items()}
INSTALLED = "installed"
"""The model that the settings name, whatever its version."""
LOADED_MAX = 2  # versions of a kind that a process keeps loaded


def definition(
    kind: str, serving: str, candidate: str | None = None, share: int = 0
) -> dict[str, Any]:
    """A flag that gives `candidate` to `share` per cent of the people, the rest `serving`.

    At 100 the candidate is the default variant. Whoever has a candidate keeps it while its share
    grows, since the buckets of `fractional` grow from their beginning; each candidate is tried by
    other people, since its name is part of what is hashed. Raises ValueError for a share that is
    none, or one without a candidate.
    """
    if not 0 <= share <= 100 or (share > 0 and not candidate):
        raise ValueError(f"a share is 0 to 100 per cent of a candidate, not {share}")
    other = candidate if candidate and candidate != serving else None
    names = [serving, other] if other else [serving]
    found: dict[str, Any] = {
        "state": "ENABLED",
        "variants": {name: name for name in names},
        "defaultVariant": other if other and share == 100 else serving,
        "metadata": {"description": f"Which version of the {kind} answers whom (scripts/promote)."},
    }
    if other and 0 < share < 100:
        # Without the candidate in it the same tenth of the people would try every one there is.
        whose = {"cat": [{"var": "$flagd.flagKey"}, other, {"var": "targetingKey"}]}
        found["targeting"] = {"fractional": [whose, [other, share], [serving, 100 - share]]}
    return found


def named(definitions: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[str, ...]]:
    """For each kind the versions that its flag names, everybody's first, two at most.

    A flag that is missing, disabled or broken names what is installed.
    """
    return {kind: _named(definitions.get(flag, {})) for kind, flag in MODEL_FLAGS.items()}


def stand_ins(definitions: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """For each kind the version that serves everybody where the first named cannot be loaded.

    It is what was everybody's before. A version that a share of the people tries is none: it was
    not meant for the others.
    """
    found = {}
    for kind, flag in MODEL_FLAGS.items():
        definition = definitions.get(flag, {})
        others = _named(definition)[1:]
        if others and not definition.get("targeting"):
            found[kind] = others[0]
    return found


def _named(definition: Mapping[str, Any]) -> tuple[str, ...]:
    variants = definition.get("variants")
    if definition.get("state") != "ENABLED" or not isinstance(variants, Mapping):
        return (INSTALLED,)
    default = variants.get(str(definition.get("defaultVariant")))
    first = default if isinstance(default, str) and default else INSTALLED
    others = [value for value in variants.values() if isinstance(value, str) and value]
    return tuple(dict.fromkeys((first, *others)))[:LOADED_MAX]
