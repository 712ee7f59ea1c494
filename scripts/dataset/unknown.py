"""Entries of a newer release: kept whole and sealed, made rows by the release that can name them.

The cursor passes such an entry like any other, and what the cursor passed may be trimmed. So all
that was read of it stays in the dataset, with its impression as it was then, until a release that
knows its type finds it there.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from app.store.export import Cells, StreamEvent
from app.store.reaction_log import Position
from app.store.sealing.codec import Cipher, Unreadable
from scripts.dataset import schema
from scripts.dataset.manifest import Manifest, Part
from scripts.dataset.parts import Step, commit, no_step, write_parts
from scripts.dataset.people import OWNER, People
from scripts.dataset.rows import Dated, Row, day_of, entry_columns, kind_named, row_of


def kept_row(event: StreamEvent, people: People) -> Dated | None:
    """An entry as it was read, sealed by its person's key; None where that person was erased.

    One that names no person is sealed by the dataset's key, and goes with its day.
    """
    user_id = event.text("user") or OWNER
    cipher = people.key_of(user_id)
    if cipher is None:
        return None
    whole = json.dumps([_written(event.fields), _written(event.impression)]).encode()
    row = entry_columns(event, user_id, people)
    row["type"] = event.text("type")
    row["entry"] = cipher.seal(whole, _place(event.position.event_id))
    return Dated(schema.UNKNOWN, day_of(event), row)


def adopt(
    folder: Path, manifest: Manifest, people: People, step: Step = no_step
) -> tuple[Manifest, int]:
    """Make rows of the kept entries that this release can name: the manifest after it, how many.

    Each part is replaced in one commit. Entries of people whose key is gone are dropped.
    """
    adopted = 0
    for part in manifest.parts:
        if part.kind == schema.UNKNOWN and _named(folder / part.path):
            manifest, count = _adopt_part(folder, manifest, part, people, step)
            adopted += count
    return manifest, adopted


def _named(path: Path) -> bool:
    types = pq.read_table(path, columns=["type"], partitioning=None)["type"]
    return any(kind_named(action) is not None for action in types.unique().to_pylist())


def _adopt_part(
    folder: Path, manifest: Manifest, part: Part, people: People, step: Step
) -> tuple[Manifest, int]:
    rows = pq.read_table(folder / part.path, partitioning=None).to_pylist()
    found = [dated for row in rows if (dated := _again(row, part.day, people)) is not None]
    if len(found) == part.rows and all(dated.kind == schema.UNKNOWN for dated in found):
        return manifest, 0  # none of them opens
    sequence = manifest.sequence + 1
    parts = write_parts(folder, sequence, found, step)
    manifest = replace(
        manifest,
        sequence=sequence,
        updated=datetime.now(UTC).isoformat(timespec="seconds"),
        parts=(*(other for other in manifest.parts if other != part), *parts),
        dropped=manifest.dropped + part.rows - len(found),
    )
    commit(folder, manifest, step)
    (folder / part.path).unlink(missing_ok=True)
    return manifest, sum(dated.kind != schema.UNKNOWN for dated in found)


def _again(row: Row, day: str, people: People) -> Dated | None:
    """The row that this release makes of a kept entry; the same one where it knows no better."""
    cipher = people.key_behind(row["owner"])
    if cipher is None:
        return None
    kind = kind_named(row["type"])
    event = None if kind is None else _opened(row, cipher)
    if kind is None or event is None:
        return Dated(schema.UNKNOWN, day, row)
    return row_of(event, kind, people)


def _opened(row: Row, cipher: Cipher) -> StreamEvent | None:
    try:
        fields, impression = json.loads(cipher.open(row["entry"], _place(row["event_id"])))
    except Unreadable:
        return None
    return StreamEvent(Position.parse(row["event_id"]), _read(fields), _read(impression))


def _place(event_id: str) -> str:
    return f"entry:{event_id}"


def _written(cells: Cells) -> dict[str, str]:
    return {name: b64encode(value).decode() for name, value in cells.items()}


def _read(cells: dict[str, Any]) -> dict[str, bytes]:
    return {name: b64decode(value) for name, value in cells.items()}
