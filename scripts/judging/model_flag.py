"""Do the flag of a kind and its history agree? The history is the truth, and the flag follows it.

Each step is written down before the flag is set, so a flag that a crash left behind, that an
administrator deleted or that a Redis lost is told by the history, and can be set again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.experiments.model_flags import MODEL_FLAGS, definition
from app.store.store import Store
from models.registry import INSTALLED, Event, Registry

Flag = Mapping[str, Any]


def last_step(registry: Registry, kind: str) -> Event | None:
    """The promotion or rollback that stands; None where there was none."""
    steps = (e for e in reversed(registry.history(kind)) if e.action != "registered")
    return next(steps, None)


def implied(registry: Registry, kind: str) -> dict[str, Any] | None:
    """The flag as the history would have it; None: no flag, since nothing was ever promoted."""
    step = last_step(registry, kind)
    if step is None:
        return None
    if step.action == "rolled-back":
        return definition(kind, step.version)
    return definition(kind, step.before or INSTALLED, step.version, step.share)


def difference(kind: str, flag: Flag | None, wanted: Flag | None) -> str | None:
    """How a flag differs from what the history implies, in words; None where it does not."""
    if _meaning(flag) == _meaning(wanted):
        return None
    return f"flag {MODEL_FLAGS[kind]} gives {_words(flag)}, but the history {_words(wanted)}"


def strangers(registry: Registry, kind: str, flag: Flag | None) -> list[str]:
    """The versions that a flag gives and this history never heard of.

    Whoever set them did so from another `var/models`, or by hand.
    """
    variants = (flag or {}).get("variants")
    if not isinstance(variants, Mapping) or (flag or {}).get("state") != "ENABLED":
        return []
    known = {INSTALLED, *(entry.version for entry in registry.entries(kind))}
    return sorted({str(value) for value in variants.values()} - known)


def follow(store: Store, registry: Registry, kind: str) -> None:
    """Set the flag to what the history implies (StoreUnavailable where Redis is away)."""
    wanted = implied(registry, kind)
    if wanted is not None:
        store.flags.put(MODEL_FLAGS[kind], wanted)
    elif MODEL_FLAGS[kind] in store.flags.all().definitions:
        store.flags.delete(MODEL_FLAGS[kind])


def _meaning(flag: Flag | None) -> tuple[Any, ...] | None:
    """All of a flag that decides who gets what."""
    if flag is None:
        return None
    return (
        flag.get("state"), flag.get("variants"), flag.get("defaultVariant"),
        flag.get("targeting") or None,
    )  # fmt: skip


def _words(flag: Flag | None) -> str:
    if flag is None:
        return "what the settings name"
    if flag.get("state") != "ENABLED":
        return "what the settings name (it is disabled)"
    first = flag.get("defaultVariant")
    targeting = flag.get("targeting")
    if not targeting:
        return f"{first} to everybody"
    buckets = targeting.get("fractional") if isinstance(targeting, Mapping) else None
    shares = [b for b in buckets or () if isinstance(b, list) and len(b) == 2]
    if not shares:
        return f"{first}, and others by rules of its own"
    return ", ".join(f"{name} to {share} %" for name, share in shares)
