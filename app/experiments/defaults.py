"""The flags that Kindred starts with: one switch for each optional part of the pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def _switch(description: str) -> Mapping[str, Any]:
    return {
        "state": "ENABLED",
        "variants": {"on": True, "off": False},
        "defaultVariant": "on",
        "metadata": {"description": description},
    }


DEFAULT_FLAGS: Mapping[str, Mapping[str, Any]] = {
    "generator": _switch("Candidates of the generator stand beside those of retrieval."),
    "personal-facts": _switch("What a person told is used in the prompt and the ranking."),
    "personal-taste": _switch("A person's reactions bias the score of what is like them."),
    "exploration": _switch("Now and then another good candidate is shown, to learn from it."),
}
