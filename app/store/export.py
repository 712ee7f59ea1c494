"""The event streams as the exporter of the training data reads them.

A stream's ids only grow, so what was read up to an id is complete for good. Whether something
after that id was trimmed unread shows at the next reading: the entry of the last id read, which
our own trimming spares, must still be there, or noted as withdrawn by an erasure. A page is read in
one transaction with that witness and the stream's counts, so that no trimming comes between them;
the counts (from Redis 7 on) say how many are missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from redis.exceptions import RedisError

from app.domain import Impression
from app.store import impressions, keys, records
from app.store.core import Core
from app.store.reaction_log import Position
from app.store.sealing.codec import Cipher

_PAGE = 1_000  # entries of one round trip
Cells = Mapping[str, bytes]  # of one Redis hash or stream entry, names decoded


@dataclass(frozen=True, slots=True)
class StreamState:
    """A partition's event stream at one moment.

    `newest` is the last id ever given ("0-0" for none), `oldest` the first that is still there;
    `added` counts the entries ever added but for those that erasures withdrew, None where the
    server (before Redis 7) does not know.
    """

    newest: str
    oldest: str | None
    length: int
    added: int | None


_NO_STREAM = StreamState("0-0", None, 0, None)


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """One entry of a stream, with the hash of the impression it is about (empty: gone)."""

    position: Position
    fields: Cells
    impression: Cells

    def text(self, name: str) -> str:
        """A field of the entry; empty where it has none."""
        return self.fields.get(name, b"").decode()


@dataclass(frozen=True, slots=True)
class Page:
    """Entries of a stream, and how the stream stood at the moment they were read.

    `witnessed`: the entry of the id behind which they come is still there, or was withdrawn by an
    erasure, so that nothing between it and them was trimmed.
    """

    events: list[StreamEvent]
    state: StreamState
    witnessed: bool


class Export:
    """Reads and trims the event streams; changes nothing else."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def partitions(self) -> int:
        """How many partitions were ever in use."""
        return int(self._core.client.run("partitions", [keys.PARTITIONS], [0]))

    def state(self, partition: int) -> StreamState:
        """The stream now, in one command (StoreUnavailable where Redis is away)."""
        name = keys.events(partition)
        with self._core.client.guard() as connection:
            if not connection.exists(name):
                return _NO_STREAM
            gone = connection.zcard(keys.withdrawn(partition))
            return _state(connection.xinfo_stream(name), gone)

    def count(self, partition: int, after: str) -> int:
        """How many entries come after an id; Redis has no count of a range, so they are read."""
        name, found, end = keys.events(partition), 0, "+"
        with self._core.client.guard() as connection:
            if after == "0-0":
                return int(connection.xlen(name))
            while True:
                rows = cast("list[Any]", connection.xrevrange(name, end, f"({after}", _PAGE))
                found += len(rows)
                if len(rows) < _PAGE:
                    return found
                end = f"({_text(rows[-1][0])}"

    def read(self, partition: int, after: str, upto: str, count: int) -> Page:
        """The next entries: after < id ≤ upto, oldest first, at most `count`, in two round trips.

        Raises:
            StoreUnavailable: Redis is away.
        """
        name, gone = keys.events(partition), keys.withdrawn(partition)
        with self._core.client.guard() as connection, connection.pipeline(transaction=True) as pipe:
            pipe.zcard(gone)
            pipe.zscore(gone, after)
            pipe.exists(name)
            pipe.xrange(name, after, after)
            pipe.xrange(name, f"({after}", upto, count)
            pipe.xinfo_stream(name)  # an error where the stream is not there
            *answers, info = pipe.execute(raise_on_error=False)
            withdrawn, erased, exists, witness, rows = answers
            for answer in (*answers, *([info] if exists else [])):
                if isinstance(answer, RedisError):
                    raise answer
        state = _state(info, withdrawn) if exists else _NO_STREAM
        return Page(self._joined(partition, rows), state, bool(witness) or erased is not None)

    def _joined(
        self, partition: int, rows: list[tuple[bytes, dict[bytes, bytes]]]
    ) -> list[StreamEvent]:
        """Entries with the impressions that they are about."""
        entries = [(_text(entry_id), _cells(fields)) for entry_id, fields in rows]
        about = [fields for _, fields in entries if "reply" in fields]
        with self._core.client.pipeline() as pipe:
            for fields in about:
                person = keys.PersonKeys(fields["user"].decode())
                pipe.hgetall(person.impression(fields["reply"].decode()))
            found = iter(pipe.execute() if about else [])
        return [
            StreamEvent(
                Position.of_stream(entry_id, partition),
                fields,
                _cells(next(found)) if "reply" in fields else {},
            )
            for entry_id, fields in entries
        ]

    def trim(self, partition: int, keep_from: str) -> int:
        """Delete the entries older than that id; how many. The id itself stays, as a witness."""
        with self._core.client.guard() as connection:
            return int(connection.xtrim(keys.events(partition), minid=keep_from, approximate=False))


def open_body(cipher: Cipher, reply_id: str, body: bytes) -> Impression:
    """The impression of a sealed body, as `impressions` wrote it.

    Raises:
        Unreadable: altered, moved, another person's, or of a version that this code does not know.
    """
    return records.to_impression(records.load(cipher.open(body, f"impression:{reply_id}")))


def open_comment(cipher: Cipher, reply_id: str, sealed: bytes | None) -> str | None:
    """The comment on a reply (Unreadable where it was altered or moved)."""
    return impressions.open_comment(cipher, reply_id, sealed)


def _state(info: Mapping[str, Any], withdrawn: int) -> StreamState:
    added = info.get("entries-added")
    first = info["first-entry"]
    return StreamState(
        newest=_text(info["last-generated-id"]),
        oldest=_text(first[0]) if first else None,
        length=int(info["length"]),
        added=None if added is None else int(added) - withdrawn,
    )


def _cells(fields: Mapping[bytes, bytes]) -> Cells:
    return {name.decode(): value for name, value in fields.items()}


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
