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

from scripts.dataset import parts as files
from scripts.dataset import schema
from scripts.dataset.manifest import Manifest, Part
from scripts.dataset.parts import Step, blocks_of, commit, no_step, order, write_day
from scripts.dataset.people import People

Change = Callable[[pa.Table], pa.Table]


def apply_ledger(
    folder: Path, manifest: Manifest, people: People, step: Step = no_step
) -> Manifest:
    """Take out the rows of whoever was erased; the manifest after it.

    The whole ledger is applied each time. A line's time is by the clock of whoever wrote it, and a
    run may have read someone's last entry just before their key went: no moment can be named up to
    which the ledger is done with. The ledger knows people by another hash than the dataset does,
    so one sealed id of each is opened; where nobody left, no file is read.
    """
    if not people.read_ledger():
        return manifest
    erased: dict[str, bool] = {}  # keyed hash → whether the ledger knows them
    for kind, day, parts in _days(manifest):
        for part in parts:
            _ask(folder / part.path, people, erased)
        hashes = pa.array([person for person, gone in erased.items() if gone], pa.string())

        def without_erased(table: pa.Table, hashes: pa.Array = hashes) -> pa.Table:
            return table.filter(pc.invert(pc.is_in(table["person"], hashes)))

        if any(_holds(folder / part.path, hashes) for part in parts):
            manifest = _rewrite(folder, manifest, kind, day, parts, without_erased, step)
    return manifest


def _ask(path: Path, people: People, erased: dict[str, bool]) -> None:
    """Ask of each person of a part, once, whether they were erased."""
    for block in blocks_of(path, ["person", "owner"]):
        for person in pc.unique(block["person"]).to_pylist():
            if person not in erased:
                owner = block["owner"][pc.index(block["person"], person).as_py()].as_py()
                erased[person] = people.erased_owner(owner)


def compact(
    folder: Path,
    manifest: Manifest,
    people: People,
    oldest_day: str = "",
    step: Step = no_step,
) -> Manifest:
    """As few parts as can be for each kind and day; without people whose key is gone, or old days.

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

        columns = ["owner"]
        if kind == schema.EVENTS:
            columns += ["reply_id", "event_id", "comment"]
        fewest = -(-sum(part.rows for part in parts) // files.PART_ROWS)
        if len(parts) > fewest or any(
            _would_change(folder / part.path, change, columns) for part in parts
        ):
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
    """Replace these parts by new ones, committed at once; then the old files go."""
    before = sum(part.rows for part in parts)
    tables = (change(table) for part in parts for table in blocks_of(folder / part.path))
    new = write_day(folder, kind, day, manifest.sequence + 1, tables, step)
    kept = tuple(part for part in manifest.parts if part not in parts)
    manifest = replace(
        manifest,
        sequence=manifest.sequence + max(1, len(new)),
        updated=datetime.now(UTC).isoformat(timespec="seconds"),
        parts=(*kept, *new),
        dropped=manifest.dropped + before - sum(part.rows for part in new),
    )
    commit(folder, manifest, step)
    for part in parts:
        (folder / part.path).unlink(missing_ok=True)
    step("old-parts-deleted")
    return manifest


def _holds(path: Path, hashes: pa.Array) -> bool:
    blocks = blocks_of(path, ["person"])
    return any(pc.any(pc.is_in(block["person"], hashes)).as_py() for block in blocks)


def _would_change(path: Path, change: Change, columns: list[str]) -> bool:
    return any(not change(block).equals(block) for block in blocks_of(path, columns))


def _last_events(folder: Path, manifest: Manifest) -> dict[str, str]:
    """The last event of each reply that was reacted to."""
    last: dict[str, str] = {}
    for part in manifest.parts:
        if part.kind == schema.EVENTS:
            for block in blocks_of(folder / part.path, ["reply_id", "event_id"]):
                replies, events = (block[name].to_pylist() for name in ("reply_id", "event_id"))
                for reply, event in zip(replies, events, strict=True):
                    if reply not in last or order(event) > order(last[reply]):
                        last[reply] = event
    return last


def _without_old_comments(table: pa.Table, last: dict[str, str]) -> pa.Table:
    ids = zip(table["reply_id"].to_pylist(), table["event_id"].to_pylist(), strict=True)
    current = pa.array([last.get(reply) == event for reply, event in ids], pa.bool_())
    place = table.schema.get_field_index("comment")
    comments = pc.if_else(current, table["comment"], pa.scalar(None, pa.binary()))
    return table.set_column(place, table.schema.field(place), comments)
