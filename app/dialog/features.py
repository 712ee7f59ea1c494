"""What the flags decide for one person and message."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from app.experiments.assignment import evaluate
from app.experiments.json_logic import STEPS_MAX
from app.experiments.model_flags import KIND_OF, MODEL_FLAGS
from app.store.flags import FlagSet


@dataclass(frozen=True, slots=True)
class Features:
    """The switches of the pipeline, and the variants that set them (logged with the reply)."""

    generator: bool = True
    facts: bool = True
    taste: bool = True
    exploration: bool = True
    variants: Mapping[str, str] = field(default_factory=dict)
    models: Mapping[str, str] = field(default_factory=dict)  # kind → the version that is wanted

    def shown(self, served: Iterable[str]) -> dict[str, str]:
        """The variants that the person met: of a model's only if that version did answer them.

        Args:
            served: the kinds of which the wanted version answered.
        """
        met = {MODEL_FLAGS[kind] for kind in served}
        return {
            key: variant
            for key, variant in self.variants.items()
            if key in met or key not in KIND_OF
        }


_SWITCHES = {
    "generator": "generator",
    "personal-facts": "facts",
    "personal-taste": "taste",
    "exploration": "exploration",
}
# Of all flags together, for one message: nobody else is answered meanwhile.
_STEPS_MAX = 2 * STEPS_MAX


def assign(flags: FlagSet, user_id: str, *, crisis: bool) -> Features:
    """Evaluate every flag for a person.

    A flag that is disabled, missing or broken leaves the code's default. One whose targeting takes
    too long gives its default variant, and so do those after it, by name, once all flags together
    take too long. In a crisis nothing is tried out on anybody: switches still switch off, but
    machine text and exploration are off in any case, everybody's models answer and no variant
    counts as shown.
    """
    variants: dict[str, str] = {}
    switches: dict[str, Any] = {}
    models: dict[str, str] = {}
    left = _STEPS_MAX
    for key, definition in flags.definitions.items():
        context = {"targetingKey": user_id}
        evaluation = evaluate(definition, key, context, steps=min(STEPS_MAX, left))
        left -= evaluation.steps
        if evaluation.variant is None:
            continue
        variants[key] = evaluation.variant
        if key in _SWITCHES and isinstance(evaluation.value, bool):
            switches[_SWITCHES[key]] = evaluation.value
        if key in KIND_OF and isinstance(evaluation.value, str):
            models[KIND_OF[key]] = evaluation.value
    if crisis:
        return replace(Features(), **{**switches, "generator": False, "exploration": False})
    return replace(Features(variants=variants, models=models), **switches)
