"""What Redis keeps for longer than the settings say, and making it end in time.

Every write gives its keys a time to live, so there is nothing here to do as long as the settings
stay. Where they were shortened, or a key lost its end, this finds it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import cast

from app.store import keys
from app.store.core import Core, milliseconds
from app.store.keys import PREFIX

_SCANNED = 1_000
_PERSON = "person"


class Retention:
    """Bounds how long the data of people stay."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def overdue(self) -> Counter[str]:
        """By kind, how many keys have no end or one that is too late, and how many entries of
        streams are too old."""
        found: Counter[str] = Counter()
        for kind, _, _ in self._late():
            found[kind] += 1
        for partition in range(self._partitions()):
            for stream in (keys.events(partition), keys.reactions(partition)):
                if old := self._old(stream):
                    found["entries of streams"] += old
        return found

    def apply(self) -> Counter[str]:
        """Give each of those its end, and trim the streams; how many they were."""
        found: Counter[str] = Counter()
        for kind, name, seconds in self._late():
            with self._core.client.guard() as connection:
                connection.expire(name, seconds)
            found[kind] += 1
        for partition in range(self._partitions()):
            for stream in (keys.events(partition), keys.reactions(partition)):
                with self._core.client.guard() as connection:
                    gone = connection.xtrim(stream, minid=self._oldest(), approximate=False)
                if gone:
                    found["entries of streams"] += int(gone)
        return found

    def _bounds(self) -> Mapping[str, int]:
        """Seconds that keys of a kind may stay without being written to."""
        core = self._core
        return {
            **dict.fromkeys(
                ("conversation", "conversations", "turns", "facts", "recent"), core.ttl
            ),
            **dict.fromkeys(("impression", "tastes"), core.reaction_ttl),
            "idempotency": core.idempotency_ttl,
            "owned": max(core.ttl, core.idempotency_ttl),  # as long as what it lists
            **dict.fromkeys((_PERSON, "subject"), core.person_ttl),
        }

    def _late(self) -> Iterator[tuple[str, bytes, int]]:
        """Kind, name and bound of each key that stays too long."""
        for kind, seconds in self._bounds().items():
            with self._core.client.guard() as connection:
                found = connection.scan_iter(f"{PREFIX}{{p*}}:{kind}:*", count=_SCANNED)
                batch: list[bytes] = []
                for name in found:
                    batch.append(name)
                    if len(batch) >= _SCANNED:
                        yield from self._too_long(kind, batch, seconds)
                        batch = []
            yield from self._too_long(kind, batch, seconds)

    def _too_long(
        self, kind: str, names: list[bytes], seconds: int
    ) -> Iterator[tuple[str, bytes, int]]:
        if not names:
            return
        with self._core.client.pipeline() as pipe:
            for name in names:
                pipe.ttl(name)
                if kind == _PERSON:
                    pipe.hget(name, "state")
            answers = pipe.execute()
        lives = answers[::2] if kind == _PERSON else answers
        states = answers[1::2] if kind == _PERSON else [b"live"] * len(names)
        for name, left, state in zip(names, lives, states, strict=True):
            # A tombstone lives longer than any token, whatever the settings say.
            if state == b"live" and (left == -1 or left > seconds):
                yield kind, name, seconds

    def _old(self, stream: str) -> int:
        """How many entries of a stream are too old; counted in pages, as Redis has no count."""
        end, count = f"({self._oldest()}", 0
        while True:
            with self._core.client.guard() as connection:
                rows = cast(
                    "list[tuple[bytes, object]]",
                    connection.xrevrange(stream, end, "-", _SCANNED),
                )
            count += len(rows)
            if len(rows) < _SCANNED:
                return count
            end = f"({rows[-1][0].decode()}"

    def _oldest(self) -> str:
        core = self._core
        return str(max(0, milliseconds(core.clock()) - core.reaction_ttl * 1000))

    def _partitions(self) -> int:
        return int(self._core.client.run("partitions", [keys.PARTITIONS], [0]))
