"""Streams → parts → manifest → (only if asked) trim: exactly once, whatever is interrupted.

What was read is first made durable in parts that nobody names yet, then one replacement of the
manifest names them and moves the cursors past what they hold. A crash before that leaves orphans,
which the next run sweeps away and writes again; a crash after it leaves nothing to do. Streams are
trimmed last, and only up to what the manifest says is covered.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from app.store.export import Export, Page, StreamEvent
from scripts.dataset import manifest as manifests
from scripts.dataset import schema
from scripts.dataset.erasure import apply_ledger
from scripts.dataset.manifest import Cursor, DatasetError, Gap, Manifest
from scripts.dataset.parts import Step, commit, no_step, write_parts
from scripts.dataset.people import People
from scripts.dataset.rows import Dated, kind_of, row_of
from scripts.dataset.unknown import adopt, kept_row

_BATCH = 500  # entries of one round trip
_LAST_NUMBER = (1 << 64) - 1  # the highest number that a stream id can have


@dataclass(slots=True)
class Report:
    """What a run did; `gaps` are those noticed by it."""

    read: int = 0
    rows: dict[str, int] = field(default_factory=lambda: dict.fromkeys(schema.KINDS, 0))
    dropped: int = 0  # entries and rows of erased people
    unknown: int = 0  # entries of a kind that this release has no name for, kept as they are
    adopted: int = 0  # entries kept by an older release that are rows now
    gone: int = 0  # reactions and replies whose impression expired or does not open
    parts: int = 0
    trimmed: int = 0
    untrimmed: int = 0  # partitions left alone: they hold entries that were never exported
    swept: int = 0
    gaps: list[Gap] = field(default_factory=list)
    rewound: list[int] = field(default_factory=list)  # partitions that end before their cursor
    stopped: bool = False


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to export. `since` is in Unix seconds; `commit_rows` bounds what is held in memory."""

    impressions: bool = True
    since: float | None = None
    commit_rows: int = 5_000


Watch = Callable[[Report, int], None]  # told after each round trip, with the entries in sight


class Exporter:
    """One run over all partitions, under the dataset's lock (see `manifest.locked`)."""

    def __init__(
        self,
        export: Export,
        people: People,
        folder: Path,
        wanted: Wanted | None = None,
        *,
        step: Step = no_step,
        watch: Watch = lambda _report, _total: None,
        stopping: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._export, self._people, self._folder = export, people, folder
        self._wanted = wanted or Wanted()
        self._step, self._watch, self._stopping, self._clock = step, watch, stopping, clock
        self.report = Report()
        self._pending: list[Dated] = []
        self._moved: dict[int, Cursor] = {}
        self._dropped = 0  # entries of erased people, not yet in the manifest

    def run(self) -> Manifest:
        """Export what is new; the manifest that stands.

        Raises:
            DatasetError: the folder holds a dataset of another key store or of other contents.
            StoreUnavailable: Redis or the key store went away; what was committed stays.
        """
        manifest = self._begin()
        self.report.swept = manifests.sweep(self._folder, manifest)
        before = manifest.dropped
        manifest = apply_ledger(self._folder, manifest, self._people, self._step)
        manifest, self.report.adopted = adopt(self._folder, manifest, self._people, self._step)
        self.report.dropped = manifest.dropped - before
        for partition in range(self._export.partitions()):
            for events, cursor in self._batches(manifest.cursor(partition), partition):
                self._take(events)
                self._moved[partition] = cursor  # in one commit with the rows just taken
                if len(self._pending) >= self._wanted.commit_rows:
                    manifest = self._commit(manifest)
            if self._stopping():
                self.report.stopped = True
                break
        return self._commit(manifest)

    def trim(self, manifest: Manifest) -> None:
        """Delete from the streams what the manifest covers, once its parts are seen to be there.

        Raises:
            DatasetError: a part is missing or has another size; nothing is trimmed.
        """
        if not manifest.impressions:
            raise DatasetError("streams are trimmed only where impressions are exported too")
        for part in manifest.parts:
            path = self._folder / part.path
            if not path.is_file() or path.stat().st_size != part.bytes:
                raise DatasetError(f"{path} is not what the manifest says; nothing was trimmed")
        for partition in range(self._export.partitions()):
            cursor = manifest.cursor(partition)
            oldest = self._export.state(partition).oldest
            if oldest is None or stream_order(cursor.after) <= stream_order(oldest):
                continue
            if cursor.from_ != "0-0" and stream_order(oldest) <= stream_order(cursor.from_):
                self.report.untrimmed += 1
                continue
            self.report.trimmed += self._export.trim(partition, cursor.after)
            self._step("trimmed")

    def _begin(self) -> Manifest:
        manifest = manifests.load(self._folder)
        if manifest is None:
            return Manifest(self._people.fingerprint, self._wanted.impressions)
        if manifest.keys != self._people.fingerprint:
            raise DatasetError(f"{self._folder} belongs to another key store")
        if manifest.impressions != self._wanted.impressions:
            has = "has" if manifest.impressions else "lacks"
            raise DatasetError(
                f"{self._folder} {has} replies without a reaction; export as before, or to another "
                "folder"
            )
        return manifest

    def _batches(
        self, cursor: Cursor, partition: int
    ) -> Iterator[tuple[list[StreamEvent], Cursor]]:
        """The new entries of one stream, each batch with the cursor behind it."""
        state = self._export.state(partition)
        cursor = self._start(cursor)
        if stream_order(state.newest) <= stream_order(cursor.after):
            if state.newest != cursor.after != cursor.from_:
                self.report.rewound.append(partition)
            return
        while cursor.after != state.newest and not self._stopping():
            page = self._export.read(partition, cursor.after, state.newest, _BATCH)
            lost = _lost(cursor, page)
            if lost != 0:
                before = _entry_id(page.events[0]) if page.events else state.newest
                self._note_gap(partition, cursor.after, before, lost)
            self._step("range-read")
            if len(page.events) < _BATCH:
                cursor = replace(cursor, after=state.newest, added=state.added)
            else:
                added = _added(cursor, page, lost)
                cursor = replace(cursor, after=_entry_id(page.events[-1]), added=added)
            yield page.events, cursor

    def _start(self, cursor: Cursor) -> Cursor:
        """The cursor, moved to `since` where that is later."""
        if self._wanted.since is None:
            return cursor
        first = f"{max(0, round(self._wanted.since * 1000) - 1)}-{_LAST_NUMBER}"
        if stream_order(first) <= stream_order(cursor.after):
            return cursor
        return Cursor(first, first)

    def _note_gap(self, partition: int, after: str, before: str, lost: int | None) -> None:
        noticed = datetime.fromtimestamp(self._clock(), UTC).isoformat(timespec="seconds")
        self.report.gaps.append(Gap(partition, after, before, lost, noticed))

    def _take(self, events: list[StreamEvent]) -> None:
        self._people.forget()  # whoever was erased since the last batch is left out
        for event in events:
            self.report.read += 1
            kind = kind_of(event)
            if kind is None:
                self.report.unknown += 1
                self._add(kept_row(event, self._people))
            elif kind != schema.IMPRESSIONS or self._wanted.impressions:
                self._add(row_of(event, kind, self._people))
        self._watch(self.report, len(events))

    def _add(self, dated: Dated | None) -> None:
        if dated is None:
            self.report.dropped += 1
            self._dropped += 1
            return
        self.report.gone += dated.row.get("state", "ok") != "ok"
        if dated.kind in self.report.rows:
            self.report.rows[dated.kind] += 1
        self._pending.append(dated)

    def _commit(self, manifest: Manifest) -> Manifest:
        """Parts, then the manifest that names them; nothing where nothing changed."""
        noted = [gap for gap in self.report.gaps if gap not in manifest.gaps]
        unchanged = all(manifest.cursor(p) == cursor for p, cursor in self._moved.items())
        if unchanged and not (self._pending or noted) and manifest.updated:
            return manifest
        now = self._clock()
        sequence = manifest.sequence + 1
        parts = write_parts(self._folder, sequence, self._pending, self._step)
        new = replace(
            manifest.moved(self._moved),
            sequence=sequence,
            updated=datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds"),
            parts=(*manifest.parts, *parts),
            gaps=(*manifest.gaps, *noted),
            dropped=manifest.dropped + self._dropped,
        )
        commit(self._folder, new, self._step)
        self.report.parts += len(parts)
        self._pending, self._moved, self._dropped = [], {}, 0
        return new


def _lost(cursor: Cursor, page: Page) -> int | None:
    """How many entries between the cursor and the page were trimmed unread; None: unknown.

    Whether any were is the witness's to say; the counts only say how many.
    """
    gone = None if page.state.added is None else page.state.added - page.state.length
    if cursor.after == "0-0":
        return gone or 0  # of a stream that was never read; before Redis 7 nothing tells
    if page.witnessed or cursor.after == cursor.from_:  # where --since begins nothing was read
        return 0
    if gone is None or cursor.added is None or gone < cursor.added:
        # Fewer are gone than were read, yet the last one read is: this is another stream.
        return None
    return gone - cursor.added


def _added(cursor: Cursor, page: Page, lost: int | None) -> int | None:
    """How many entries were ever added up to the last of a page, where that is known."""
    before = 0 if cursor.after == "0-0" else cursor.added
    if page.state.added is None or before is None or lost is None:
        return None
    return before + lost + len(page.events)


def stream_order(entry_id: str) -> tuple[int, int]:
    """Stream ids in their order."""
    milliseconds, _, number = entry_id.partition("-")
    return int(milliseconds), int(number or 0)


def _entry_id(event: StreamEvent) -> str:
    return f"{event.position.milliseconds}-{event.position.seq}"
