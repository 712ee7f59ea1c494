"""Spools over folders of the test's own, and entries to put into them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.store.privacy.ledger import inline
from app.store.spool.frames import Entry
from app.store.spool.spool import Bounds, Spool
from app.telemetry import Metrics

MakeSpool = Callable[..., Spool]
_numbers = itertools.count()


def entry(target: str = "r1", user_id: str = "u1", sealed: bytes = b"sealed", **more: Any) -> Entry:
    """An entry; each is later than the one before."""
    number = next(_numbers)
    return Entry(
        more.pop("op", f"op{number}"), user_id, target, more.pop("at", 1e9 + number), sealed
    )


def waiting(spool: Spool) -> list[Entry]:
    """What waits in a spool, in the order in which it will be told; the spool is empty then."""
    found = []
    while (head := spool.first()) is not None:
        found.append(head[1].entry)
        spool.settle(*head)
    return found


@pytest.fixture
def make_spool(tmp_path: Path, metrics: Metrics) -> Iterator[MakeSpool]:
    """Opens spools of one folder; those not closed by the test are closed after it."""
    made: list[Spool] = []

    def make(offload: Any = inline, **bounds: int) -> Spool:
        clock = lambda: 2e9
        made.append(Spool(tmp_path / "spool", metrics, clock, offload, Bounds(**bounds)))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def spool(make_spool: MakeSpool) -> Spool:
    """An open spool with nothing in it."""
    return make_spool()


def files(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "spool").glob("*.spool"))


def outcome(metrics: Metrics, name: str) -> float:
    return float(metrics.spool_outcomes.labels(name)._value.get())
