"""Every key of the data as one value each, to be copied and to be put back: the logical backup.

Redis's own DUMP and RESTORE are used, key by key, and not a copy of its files: this works with
every Redis that the service can use, on another machine or managed by somebody else; nothing is
stopped to copy or to put back; and each value carries a checksum of its own.

The copy is not of one moment. What belongs together is read together (a conversation and its
turns), and the lists that name other keys are read last: so all that a copy holds is named by its
lists, which an erasure relies on, and what a list names beside that is missing as if it had
expired, which every reader allows for. Of who is erased meanwhile the lists are gone by then: so
what the person owns is read first, too, and which erasures the data have seen is read first alone.
A copy that has anything of theirs then has the list of it, and does not say that they were erased.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

from redis.exceptions import ResponseError

from app.errors import StartupError
from app.store import keys
from app.store.core import Core, milliseconds
from app.store.keys import PREFIX

_SCANNED = 1_000  # names of one round trip
_TOGETHER = 50  # values of one transaction
_PUT = 200  # values of one round trip
# Kinds that name no other key; all others are read last. `turns` come with their conversation.
_BODIES = (b"facts", b"tastes", b"recent", b"impression", b"idempotency", b"subject")
_CONVERSATION, _TURNS = b"conversation", b"turns"
_OWNED = b"owned"
_PROBE = f"{PREFIX}{{meta}}:probe"
# An old copy must let nobody in who has left; and it knows nothing of how it is put back.
_LEFT_OUT = (f"{PREFIX}{{access}}:session".encode(), keys.RESTORING.encode(), _PROBE.encode())


@dataclass(frozen=True, slots=True)
class Dumped:
    """One key: its name, what DUMP says of it, when it expires (Unix milliseconds; 0: never)."""

    name: bytes
    value: bytes
    expires_ms: int

    @property
    def kind(self) -> str:
        """What sort of key it is, for counting: person, turns, events, flags, …"""
        return _kind(self.name).decode("ascii", "replace")


class Dump:
    """Copies all keys of the data, and puts them back."""

    def __init__(self, core: Core) -> None:
        self._core = core

    @property
    def server(self) -> str:
        """The version of this Redis: its values are read by the same or a newer one."""
        with self._core.client.guard() as connection:
            return str(connection.info("server")["redis_version"])

    def entries(self) -> Iterator[Dumped]:
        """Every key (see above for the order). StoreUnavailable where Redis went away."""
        yield from self._first()
        last: list[bytes] = []
        batch: list[bytes] = []
        for name in self._names():
            kind = _kind(name)
            if kind == _TURNS:
                continue
            if kind == _CONVERSATION:
                batch += [name, name.replace(b":conversation:", b":turns:", 1)]
            elif kind in _BODIES:
                batch.append(name)
            elif name != keys.ERASED.encode():
                last.append(name)
            if len(batch) >= _TOGETHER:
                yield from self._read(batch)
                batch = []
        yield from self._read(batch)
        for start in range(0, len(last), _TOGETHER):
            yield from self._read(last[start : start + _TOGETHER])

    def _first(self) -> Iterator[Dumped]:
        """What must be older than anything that an erasure takes away while this is copied."""
        yield from self._read([keys.ERASED.encode()])
        batch: list[bytes] = []
        for name in self._names():
            if _kind(name) == _OWNED:
                batch.append(name)
            if len(batch) >= _TOGETHER:
                yield from self._read(batch)
                batch = []
        yield from self._read(batch)

    def is_empty(self) -> bool:
        """Whether there is nothing of people or of access; flags and the like do not count."""
        with self._core.client.guard() as connection:
            for pattern in (f"{PREFIX}{{p*}}:*", f"{PREFIX}{{access}}:*"):
                for _ in connection.scan_iter(pattern, count=_SCANNED):
                    return False
        return True

    def accepts(self, entry: Dumped) -> None:
        """Try one value on this server.

        Raises:
            StartupError: it does not take the values of the server that they were copied from.
        """
        with self._core.client.guard() as connection:
            try:
                connection.restore(_PROBE, 0, entry.value, replace=True)
            except ResponseError as error:
                raise StartupError(
                    f"this Redis ({self.server}) does not take values of the one that they were "
                    f"copied from; a newer one would ({error})"
                ) from None
            connection.unlink(_PROBE)

    def require_whole(self) -> None:
        """Refuse data of which only a part was put back (StartupError)."""
        with self._core.client.guard() as connection:
            if connection.exists(keys.RESTORING):
                raise StartupError(
                    "a backup is being put back into this Redis, or was and did not come to its "
                    "end: run scripts/restore with --replace again"
                )

    def begin(self) -> None:
        """From here to `finish` no service starts on this Redis."""
        with self._core.client.guard() as connection:
            connection.set(keys.RESTORING, 1)

    def clear(self) -> int:
        """Delete every key of ours, but for the mark of `begin`; how many."""
        gone = 0
        with self._core.client.guard() as connection:
            batch: list[bytes] = []
            for name in connection.scan_iter(f"{PREFIX}*", count=_SCANNED):
                if name != keys.RESTORING.encode():
                    batch.append(name)
                if len(batch) >= _SCANNED:
                    gone += connection.unlink(*batch)
                    batch = []
            if batch:
                gone += connection.unlink(*batch)
        return gone

    def put(self, entries: Iterable[Dumped]) -> int:
        """Put keys in their places, but for those that have expired since; how many were put.

        Raises:
            StartupError: a key is none that a copy has; some of those before it were put.
        """
        kept = 0
        batch: list[Dumped] = []
        now = milliseconds(self._core.clock())
        for entry in entries:
            require_copied(entry.name)
            if entry.expires_ms == 0 or entry.expires_ms > now:
                batch.append(entry)
            if len(batch) >= _PUT:
                kept += self._put(batch)
                batch = []
        return kept + self._put(batch)

    def finish(self) -> None:
        """All is in its place."""
        arguments = [self._core.settings.partitions]
        self._core.client.run("partitions", [keys.PARTITIONS], arguments)
        with self._core.client.guard() as connection:
            connection.unlink(keys.RESTORING)

    def _names(self) -> Iterator[bytes]:
        """The names of all keys, each once."""
        seen: set[bytes] = set()  # of one round trip: the server may repeat itself
        with self._core.client.guard() as connection:
            cursor = 0
            while True:
                cursor, found = cast(
                    "tuple[int, list[bytes]]",
                    connection.scan(cursor, match=f"{PREFIX}*", count=_SCANNED),
                )
                fresh = {name for name in found if _is_copied(name)} - seen
                yield from sorted(fresh)
                seen |= fresh
                if cursor == 0:
                    return

    def _read(self, names: Sequence[bytes]) -> list[Dumped]:
        """These keys as of one moment; those that are gone by now are left out."""
        if not names:
            return []
        now = milliseconds(self._core.clock())
        with self._core.client.guard() as connection, connection.pipeline(transaction=True) as pipe:
            for name in names:
                pipe.dump(name)
                pipe.pttl(name)
            answers: list[Any] = pipe.execute()
        return [
            Dumped(name, value, now + left if left >= 0 else 0)
            for name, value, left in zip(names, answers[::2], answers[1::2], strict=True)
            if value is not None
        ]

    def _put(self, batch: Sequence[Dumped]) -> int:
        if batch:
            with self._core.client.pipeline() as pipe:
                for entry in batch:
                    ends = entry.expires_ms
                    pipe.restore(entry.name, ends, entry.value, replace=True, absttl=bool(ends))
                pipe.execute()
        return len(batch)


def _is_copied(name: bytes) -> bool:
    """Whether a copy holds this key: the one rule of reading and of putting back."""
    return name.startswith(PREFIX.encode()) and not name.startswith(_LEFT_OUT)


def _kind(name: bytes) -> bytes:
    """`conversation` of `kindred:{p00}:conversation:<id>`, `flags` of `kindred:{flags}:states`."""
    parts = name.split(b":")
    if len(parts) < 3:
        return b"other"
    return parts[2] if parts[1].startswith(b"{p") else parts[1].strip(b"{}")


def require_copied(name: bytes) -> None:
    """Refuse a key that no copy holds: somebody else's, or one that is left out (StartupError)."""
    if not _is_copied(name):
        raise StartupError(f"the backup holds a key that no copy of the data has: {name[:200]!r}")
