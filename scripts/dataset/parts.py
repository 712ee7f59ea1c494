"""Files that appear whole or not at all, and that are on the disk before anyone counts on them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from models.checkpoint import file_sha256
from models.disk import sync
from scripts.dataset import manifest as manifests
from scripts.dataset import schema
from scripts.dataset.manifest import Manifest, Part
from scripts.dataset.rows import Dated

BLOCK_ROWS = 2_000  # rows in memory at once where parts are rewritten: some 20 MB
PART_ROWS = 100 * BLOCK_ROWS  # of one compacted file: some GB

Step = Callable[[str], None]  # told the name of each step once it is done


def no_step(_name: str) -> None:
    """Nobody wants to know."""


def write_parts(
    folder: Path, sequence: int, rows: Sequence[Dated], step: Step = no_step
) -> list[Part]:
    """Write rows as one part for each kind and day; durable when this returns.

    The names follow from `sequence` alone: a run that crashed here writes the same names again.
    """
    grouped: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for dated in rows:
        grouped.setdefault((dated.kind, dated.day), []).append(dated.row)
    parts = []
    for (kind, day), found in sorted(grouped.items()):
        found.sort(key=lambda row: order(row["event_id"]))
        part = write_part(folder, kind, day, sequence, [schema.table(kind, found)], step)
        parts += [part] if part else []
    return parts


def write_day(
    folder: Path,
    kind: str,
    day: str,
    sequence: int,
    tables: Iterable[pa.Table],
    step: Step = no_step,
) -> list[Part]:
    """Write tables as parts of at most `PART_ROWS` rows, numbered from `sequence` on.

    No more than two blocks of `BLOCK_ROWS` rows, and one of `tables`, are in memory.
    """
    blocks = _even(tables)
    parts: list[Part] = []
    while part := write_part(
        folder,
        kind,
        day,
        sequence + len(parts),
        islice(blocks, PART_ROWS // BLOCK_ROWS),
        step,
    ):
        parts.append(part)
    return parts


def blocks_of(path: Path, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """A part, or some columns of it, in tables of at most `BLOCK_ROWS` rows, read one by one."""
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(BLOCK_ROWS, columns=columns):
            yield pa.Table.from_batches([batch])


def _even(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in tables of `BLOCK_ROWS` rows, the last of fewer."""
    held: list[pa.Table] = []
    rows = 0
    for table in tables:
        held.append(table)
        rows += table.num_rows
        while rows >= BLOCK_ROWS:
            joined = pa.concat_tables(held)
            yield joined.slice(0, BLOCK_ROWS)
            rows -= BLOCK_ROWS
            held = [joined.slice(BLOCK_ROWS)]
    if rows:
        yield pa.concat_tables(held)


def write_part(
    folder: Path,
    kind: str,
    day: str,
    sequence: int,
    tables: Iterable[pa.Table],
    step: Step = no_step,
) -> Part | None:
    """Write tables as one part: `.tmp` → fsync → rename → fsync of the folder; None without rows.

    Tables are written one by one, so that no more than one of them is in memory.
    """
    place = folder / kind / f"day={day}"
    place.mkdir(parents=True, exist_ok=True)
    path = place / f"part-{sequence:08d}.parquet"
    half_written = path.with_name(f"{path.name}.tmp")
    rows, first, last = 0, "", ""
    with pq.ParquetWriter(half_written, schema.SCHEMAS[kind], compression="zstd") as writer:
        for table in tables:
            if table.num_rows:
                writer.write_table(table)
                ids = table.column("event_id").to_pylist()
                rows += len(ids)
                first = min([first, *ids] if first else ids, key=order)
                last = max([last, *ids] if last else ids, key=order)
    if not rows:
        half_written.unlink()
        return None
    step("part-written")
    sync(half_written)
    step("part-synced")
    half_written.replace(path)
    step("part-renamed")
    # A new folder's own name is in its parents.
    for parent in (place, place.parent, folder):
        sync(parent)
    step("folder-synced")
    return Part(
        path=path.relative_to(folder).as_posix(),
        kind=kind,
        day=day,
        rows=rows,
        bytes=path.stat().st_size,
        sha256=file_sha256(path),
        first=first,
        last=last,
    )


def commit(folder: Path, manifest: Manifest, step: Step = no_step) -> None:
    """Make this the manifest: from here on its parts and its cursors count."""
    path = folder / manifests.NAME
    half_written = path.with_name(f"{path.name}.tmp")
    half_written.write_bytes(manifests.dump(manifest))
    sync(half_written)
    step("manifest-written")
    half_written.replace(path)
    sync(folder)
    step("manifest-renamed")


def order(event_id: str) -> tuple[int, int, int]:
    """Event ids in the order of the merged log: time, number, partition."""
    milliseconds, number, partition = event_id.split("-")
    return int(milliseconds), int(number), int(partition, 16)
