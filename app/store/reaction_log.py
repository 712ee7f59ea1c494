"""Listing the reactions of all partitions as one log, newest first, with bounded work a page."""

from __future__ import annotations

import heapq
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from app.domain import Page, ReactionEvent, ReactionKind
from app.errors import FieldError, InputError
from app.store import impressions, keys
from app.store.core import Core

_SCANNED_MAX = 4_000  # entries looked at for one page; then the page ends early
_READS_MAX = 64  # round trips for one page
_BATCH_MIN, _BATCH_MAX = 4, 256  # entries read of one partition at once

Entry = tuple["Position", Mapping[bytes, bytes]]


class Position(NamedTuple):
    """Where an event stands in the merged log: its stream id, then its partition."""

    milliseconds: int
    seq: int
    partition: int

    @property
    def event_id(self) -> str:
        """The id of the event in all of Kindred, which is also the cursor after it."""
        return f"{self.milliseconds}-{self.seq}-{self.partition:02x}"

    @property
    def seconds(self) -> float:
        """When it happened, in Unix seconds."""
        return self.milliseconds / 1000

    @classmethod
    def of_stream(cls, entry_id: str, partition: int) -> Position:
        """The position of an entry of a partition's stream."""
        milliseconds, _, seq = entry_id.partition("-")
        return cls(int(milliseconds), int(seq), partition)

    @classmethod
    def parse(cls, cursor: str) -> Position:
        """The position of a cursor (InputError where it is none)."""
        parts = cursor.split("-")
        try:
            milliseconds, seq, partition = int(parts[0]), int(parts[1]), int(parts[2], 16)
        except (ValueError, IndexError):
            detail = [FieldError("unknown cursor", "/cursor")]
            raise InputError("The cursor is not one of ours", detail) from None
        if len(parts) != 3 or min(milliseconds, seq, partition) < 0 or milliseconds >= 1 << 63:
            raise InputError("The cursor is not one of ours", [FieldError("cursor", "/cursor")])
        return cls(milliseconds, seq, partition)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events: since ≤ time < until in Unix seconds; `variant` is 'flag' or 'flag=variant'."""

    since: float | None = None
    until: float | None = None
    reaction: ReactionKind | None = None
    variant: str | None = None

    def matches(self, fields: Mapping[bytes, bytes]) -> bool:
        """Whether an entry has the reaction and the variant that are asked for."""
        if self.reaction and fields[b"reaction"] != self.reaction.value.encode():
            return False
        if self.variant is None:
            return True
        flag, _, variant = self.variant.partition("=")
        shown = json.loads(fields[b"variants"])
        return flag in shown and variant in ("", shown[flag])


def page(core: Core, wanted: Wanted, cursor: str | None, limit: int) -> Page:
    """The next events after the cursor, each with its impression.

    Events come in one order that inserts do not change, so a page never repeats or skips what was
    there when the first was asked for. Where few entries match, a page may be short, even empty,
    and still have a next cursor. Events of erased people are counted and left out.
    """
    limit = max(1, limit)
    log = _Log(core, wanted, Position.parse(cursor) if cursor else None, limit)
    found: list[Entry] = []
    last: Position | None = None
    scanned = 0
    for position, fields in log.entries():
        if len(found) == limit or scanned == _SCANNED_MAX:
            break
        last, scanned = position, scanned + 1
        if wanted.matches(fields):
            found.append((position, fields))
    return Page(_join(core, found), None if log.exhausted or last is None else last.event_id)


class _Log:
    """The merged entries older than a position, newest first.

    A heap holds what was read and not yet given out. Its top is the next entry as long as every
    partition that may have more has something in the heap.
    """

    def __init__(self, core: Core, wanted: Wanted, after: Position | None, limit: int) -> None:
        self.exhausted = False  # once everything was given out
        self._core = core
        self._oldest = "-" if wanted.since is None else str(max(0, round(wanted.since * 1000)))
        self._newest = None if wanted.until is None else round(wanted.until * 1000) - 1
        self._after = after
        self._limit = limit
        self._heap: list[tuple[tuple[int, int, int], Mapping[bytes, bytes]]] = []
        self._held: Counter[int] = Counter()  # entries in the heap, by partition
        self._starts: dict[int, str] = {}  # where to read on, for partitions that may have more

    def entries(self) -> Iterator[Entry]:
        """The entries in order; stops early, not `exhausted`, after too many round trips."""
        known = int(self._core.client.run("partitions", [keys.PARTITIONS], [0]))
        if self._newest is None or self._newest >= 0:
            self._starts = {partition: self._start(partition) for partition in range(known)}
        batch = max(_BATCH_MIN, 2 * self._limit // max(1, known))
        for _ in range(_READS_MAX):
            self._read(batch)
            batch = min(2 * batch, _BATCH_MAX)
            while self._heap:
                order, fields = heapq.heappop(self._heap)
                position = Position(-order[0], -order[1], -order[2])
                self._held[position.partition] -= 1
                yield position, fields
                if not self._held[position.partition] and position.partition in self._starts:
                    break  # read on before the next one is given out
            if not self._heap and not self._starts:
                self.exhausted = True
                return

    def _read(self, batch: int) -> None:
        """One round trip: the next entries of each partition that has none in the heap."""
        empty = [partition for partition in self._starts if not self._held[partition]]
        with self._core.client.pipeline() as pipe:
            for partition in empty:
                start = self._starts[partition]
                pipe.xrevrange(keys.reactions(partition), start, self._oldest, batch)
            answers = pipe.execute() if empty else []
        for partition, rows in zip(empty, answers, strict=True):
            for entry_id, fields in rows:
                position = Position.of_stream(entry_id.decode(), partition)
                order = (-position.milliseconds, -position.seq, -partition)
                heapq.heappush(self._heap, (order, fields))
            self._held[partition] = len(rows)
            if len(rows) < batch:
                del self._starts[partition]
            else:
                self._starts[partition] = f"({rows[-1][0].decode()}"

    def _start(self, partition: int) -> str:
        """The newest id of this partition that comes after the cursor and before `until`."""
        after, newest = self._after, self._newest
        if after is None or (newest is not None and after.milliseconds > newest):
            return "+" if newest is None else str(newest)
        # Of equal stream ids the higher partition comes first.
        bracket = "" if partition < after.partition else "("
        return f"{bracket}{after.milliseconds}-{after.seq}"


def _join(core: Core, found: Sequence[Entry]) -> list[ReactionEvent]:
    """The events with their impressions, read together."""
    with core.client.pipeline() as pipe:
        for _, fields in found:
            reply_id, user_id = fields[b"reply"].decode(), fields[b"user"].decode()
            pipe.hgetall(keys.PersonKeys(user_id).impression(reply_id))
        rows = pipe.execute() if found else []
    events = []
    for (position, fields), row in zip(found, rows, strict=True):
        impression = impressions.read(core, fields[b"reply"].decode(), row)
        if impression is None:
            core.unreadable()
            continue
        # Only the last event of a reply says what the comment beside the reply says.
        current = row.get(b"event") == f"{position.milliseconds}-{position.seq}".encode()
        events.append(
            ReactionEvent(
                event_id=position.event_id,
                action=fields[b"type"].decode(),
                reply_id=impression.reply.reply_id,
                user_id=impression.user_id,
                reaction=_kind(fields[b"reaction"]),
                previous=_kind(fields[b"previous"]),
                comment=impression.comment if current else None,
                created_at=position.seconds,
                impression=impression,
            )
        )
    return events


def _kind(value: bytes) -> ReactionKind | None:
    return ReactionKind(value.decode()) if value else None
