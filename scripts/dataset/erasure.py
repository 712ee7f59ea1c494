"""How people leave the dataset: their rows are written out of it, and small parts become one.

The key is what counts: once it is deleted, no text of theirs in any copy of the dataset can be
read. What is done here removes the rest too: the hashes, scores and reactions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from app.store.export import Export
from scripts.dataset import schema
from scripts.dataset.manifest import Manifest, Part
from scripts.dataset.parts import Step, commit, no_step, order, write_part
from scripts.dataset.people import People

_LEDGER_SLACK = 3_600.0  # seconds that clocks of different machines may be apart

Change = Callable[[pa.Table], pa.Table]


def apply_ledger(
    folder: Path,
    manifest: Manifest,
    export: Export,
    people: People,
    now: float,
    step: Step = no_step,
) -> Manifest:
    """Take out the rows of whoever was erased since the last run; the manifest after it."""
    erased = export.erased(max(0.0, manifest.erasures_until - _LEDGER_SLACK))
    hashes = pa.array([people.hash(user_id) for user_id in erased], pa.string())

    def without_erased(table: pa.Table) -> pa.Table:
        return table.filter(pc.invert(pc.is_in(table["person"], hashes)))

    if erased:
        for kind, day, parts in _days(manifest):
            if any(_holds(folder / part.path, hashes) for part in parts):
                manifest = _rewrite(folder, manifest, kind, day, parts, without_erased, step)
    return replace(manifest, erasures_until=now)


def compact(
    folder: Path,
    manifest: Manifest,
    people: People,
    oldest_day: str = "",
    step: Step = no_step,
) -> Manifest:
    """One part for each kind and day; without people whose key is gone and without old days.

    Comments of reactions that were replaced or retracted later go too.

    Args:
        oldest_day: days before it (YYYY-MM-DD) are deleted; empty keeps all.
    """
    people.forget()
    last = _last_events(folder, manifest)
    for kind, day, parts in _days(manifest):
        if day < oldest_day:
            manifest = _rewrite(folder, manifest, kind, day, parts, lambda t: t.slice(0, 0), step)
            continue

        def change(table: pa.Table, kind: str = kind) -> pa.Table:
            keep = [people.key_behind(owner) is not None for owner in table["owner"].to_pylist()]
            table = table.filter(pa.array(keep, pa.bool_()))
            return _without_old_comments(table, last) if kind == schema.EVENTS else table

        if len(parts) > 1 or _would_change(folder / parts[0].path, change):
            manifest = _rewrite(folder, manifest, kind, day, parts, change, step)
    return manifest


def _days(manifest: Manifest) -> Iterator[tuple[str, str, list[Part]]]:
    groups: dict[tuple[str, str], list[Part]] = {}
    for part in manifest.parts:
        groups.setdefault((part.kind, part.day), []).append(part)
    for (kind, day), parts in sorted(groups.items()):
        yield kind, day, parts


def _rewrite(
    folder: Path,
    manifest: Manifest,
    kind: str,
    day: str,
    parts: list[Part],
    change: Change,
    step: Step,
) -> Manifest:
    """Replace these parts by one, committed at once; then the old files go."""
    before = sum(part.rows for part in parts)
    tables = (change(pq.read_table(folder / part.path, partitioning=None)) for part in parts)
    sequence = manifest.sequence + 1
    new = write_part(folder, kind, day, sequence, tables, step)
    kept = tuple(part for part in manifest.parts if part not in parts)
    manifest = replace(
        manifest,
        sequence=sequence,
        updated=datetime.now(UTC).isoformat(timespec="seconds"),
        parts=(*kept, *([new] if new else [])),
        dropped=manifest.dropped + before - (new.rows if new else 0),
    )
    commit(folder, manifest, step)
    for part in parts:
        (folder / part.path).unlink(missing_ok=True)
    step("old-parts-deleted")
    return manifest


def _holds(path: Path, hashes: pa.Array) -> bool:
    people = pq.read_table(path, columns=["person"], partitioning=None)["person"]
    return bool(pc.any(pc.is_in(people, hashes)).as_py())


def _would_change(path: Path, change: Change) -> bool:
    table = pq.read_table(path, partitioning=None)
    return not change(table).equals(table)


def _last_events(folder: Path, manifest: Manifest) -> dict[str, str]:
    """The last event of each reply that was reacted to."""
    last: dict[str, str] = {}
    for part in manifest.parts:
        if part.kind == schema.EVENTS:
            table = pq.read_table(
                folder / part.path, columns=["reply_id", "event_id"], partitioning=None
            )
            for reply, event in zip(*(c.to_pylist() for c in table.columns), strict=True):
                if reply not in last or order(event) > order(last[reply]):
                    last[reply] = event
    return last


def _without_old_comments(table: pa.Table, last: dict[str, str]) -> pa.Table:
    ids = zip(table["reply_id"].to_pylist(), table["event_id"].to_pylist(), strict=True)
    current = pa.array([last.get(reply) == event for reply, event in ids], pa.bool_())
    place = table.schema.get_field_index("comment")
    comments = pc.if_else(current, table["comment"], pa.scalar(None, pa.binary()))
    return table.set_column(place, table.schema.field(place), comments)
