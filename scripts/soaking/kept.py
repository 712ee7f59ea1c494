"""What the store holds of the reactions that were acknowledged: each once, or lost, or doubled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from app.settings import Settings
from app.store.store import Store
from app.telemetry import Metrics

_PAGE = 1_000
Event = tuple[str, str]  # reply id, reaction


@dataclass(frozen=True, slots=True)
class Verdict:
    """Counts of reactions. `unasked`: kept, though nobody was told so (an answer was lost)."""

    acknowledged: int
    kept_once: int
    lost: int
    doubled: int
    altered: int
    unasked: int

    @property
    def holds(self) -> bool:
        """Whether every promise was kept."""
        return self.lost == self.doubled == self.altered == 0


def judge(acknowledged: Mapping[str, str], events: Iterable[Event]) -> Verdict:
    """Compare what people were told with the events of the log."""
    found: dict[str, Counter[str]] = {}
    for reply, reaction in events:
        found.setdefault(reply, Counter())[reaction] += 1
    lost = doubled = altered = 0
    for reply, reaction in acknowledged.items():
        kept = found.get(reply, Counter())
        lost += not kept
        doubled += kept.total() > 1
        altered += bool(kept) and reaction not in kept
    return Verdict(
        acknowledged=len(acknowledged),
        kept_once=len(acknowledged) - lost - doubled,
        lost=lost,
        doubled=doubled,
        altered=altered,
        unasked=sum(reply not in acknowledged for reply in found),
    )


def events(var: Path, redis_url: str) -> list[Event]:
    """Every reaction of the event log, read as the exporter reads it."""
    store = Store.open(Settings(var_dir=var, REDIS_URL=redis_url), Metrics())
    found: list[Event] = []
    try:
        for partition in range(store.export.partitions()):
            newest, after = store.export.state(partition).newest, "0-0"
            while True:
                page = store.export.read(partition, after, newest, _PAGE)
                found += [
                    (event.text("reply"), event.text("reaction"))
                    for event in page.events
                    if event.text("reaction") not in ("", "none")
                ]
                if len(page.events) < _PAGE:
                    break
                last = page.events[-1].position
                after = f"{last.milliseconds}-{last.seq}"
    finally:
        store.close()
    return found
