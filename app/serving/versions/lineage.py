"""Which registered models learned from somebody's reactions, as their manifests tell.

The shipped weights learned from public data alone; whatever learned from people is registered (see
`models/registry.py`) and carries a filter of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from app.domain import LearnedModel
from models.checkpoint import Manifest, ModelFileError
from models.people_filter import may_hold
from models.registry import KINDS, Registry, RegistryError

# Of the names that trainers give to what this service's own people said.
_OWN = "reactions"


def models_of(var_dir: Path, person: str) -> list[LearnedModel]:
    """The registered models that may have learned from a person, by kind and age.

    A model is left out only where that is certain. What cannot be read is no error: the model is
    named, as one of which nobody can say.

    Args:
        person: the keyed hash that the dataset knows them by; empty where there is no dataset.
    """
    registry = Registry(var_dir)
    return [model for kind in KINDS for model in _of_kind(registry, kind, person)]


def _of_kind(registry: Registry, kind: str, person: str) -> Iterator[LearnedModel]:
    try:
        entries = registry.entries(kind)
    except OSError:
        yield LearnedModel(kind, "unknown", "unknown", certain=False)
        return
    for entry in entries:
        known = _knows(registry, kind, entry.version, person)
        if known is not False:
            yield LearnedModel(kind, entry.version, entry.state.value, known is True)


def _knows(registry: Registry, kind: str, version: str, person: str) -> bool | None:
    """Whether a version, or one that it was made of, learned from the person; None: unknown."""
    seen: set[str] = set()
    unknown = False
    while version and version not in seen:
        seen.add(version)
        try:
            manifest = registry.manifest(kind, version)
            if any(may_hold(known, person) for known in manifest.people):
                return True
        except (ModelFileError, RegistryError):
            # Of what a registered model was made, the shipped one say, nothing may be here.
            unknown = unknown or len(seen) == 1
            break
        except (ValueError, KeyError, TypeError):
            unknown = True
            break
        unknown = unknown or _is_silent(manifest)
        version = str((manifest.base or {}).get("version", ""))
    return None if unknown else False


def _is_silent(manifest: Manifest) -> bool:
    """Whether it names reactions among its data, and not whose: an earlier release made it."""
    own = any(_OWN in source.name for source in manifest.data)
    return own and not manifest.people
