"""Sides of a comparison as they are made ready: one that cannot be is absent, with its reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from scripts.benches.children import ChildError
from scripts.benches.peers import PeerAbsent
from scripts.benches.timing import Side

Made = TypeVar("Made")


class Absent(Exception):
    """A side that cannot be measured here; the message says why."""


@dataclass(frozen=True)
class Prepared:
    """A side that is ready: `run` is measured, `result` is what it answers, to be compared."""

    run: Side
    result: Callable[[], Any]
    versions: Mapping[str, str] = field(default_factory=dict)


def prepare(
    makers: Iterable[tuple[str, Callable[[], Made]]], say: Callable[[str], None]
) -> tuple[dict[str, Made], dict[str, str]]:
    """The sides that could be made, and the reasons of those that could not.

    What a side lacks is a fact to report; any other mistake is a mistake and is raised.
    """
    ready: dict[str, Made] = {}
    absent: dict[str, str] = {}
    for name, make in makers:
        say(f"making ready: {name}")
        try:
            ready[name] = make()
        except (Absent, PeerAbsent, ChildError, ImportError) as error:
            absent[name] = str(error)
            say(f"absent: {name}: {error}")
    return ready, absent
