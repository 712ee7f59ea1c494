"""Taking a person out of Redis: what is theirs alone, and their entries in the shared streams.

The key is gone before this begins, so what it takes out says nothing any more; but ids, reactions
and times tell of somebody too, and go with the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from app.store import ids, keys
from app.store.core import Core, milliseconds
from app.store.keys import PersonKeys
from app.store.privacy.ledger import LEDGER_SECONDS

_BATCH = 500  # keys or entries deleted at once
_PAGE = 500  # entries that are looked at in one round trip
_SKEW = 86_400.0  # seconds by which the clocks of two machines may differ
_TOMBSTONE_SECONDS = int(LEDGER_SECONDS)

Fields = Mapping[bytes, bytes]


def erase_data(core: Core, user_id: str) -> None:
    """Leave a tombstone in the person's place, and nothing else; may be done again.

    Raises:
        StoreUnavailable: something did not answer; what is left goes when it is done again.
    """
    names = PersonKeys(user_id)
    core.client.run("person_erase", [names.person], [core.clock(), _TOMBSTONE_SECONDS])
    for page in owned_by(core, user_id):
        with core.client.guard() as connection:
            connection.unlink(*page)
    with core.client.guard() as connection:
        connection.unlink(names.conversations, names.facts, names.tastes, names.recent)
    _withdraw(core, names)
    # The list of what is owned goes last, so that an interrupted erasure is seen and goes on.
    with core.client.guard() as connection:
        connection.unlink(names.owned)


def owned_by(core: Core, user_id: str) -> Iterator[Sequence[bytes]]:
    """The names of the person's keys that no other key lists, in pages, in no order.

    In an hour somebody can come to own hundreds of thousands: in one answer they would hold
    everybody up. A name may come twice; one that comes or goes meanwhile may be missing.
    """
    owned, cursor = PersonKeys(user_id).owned, 0
    while True:
        with core.client.guard() as connection:
            answer = connection.zscan(owned, cursor, count=_BATCH)
        cursor, found = cast("tuple[int, list[tuple[bytes, float]]]", answer)
        if found:
            yield [name for name, _ in found]
        if not cursor:
            return


def entries_of(core: Core, user_id: str, stream: str) -> Iterator[tuple[str, Fields]]:
    """The person's entries of a stream of their partition, oldest first: id and fields.

    Streams are shared, so all that came since the person did is looked through; by Redis, since to
    carry a hundred thousand entries here would hold everybody up for seconds.
    """
    start = str(max(0, round((ids.made_at(user_id) - _SKEW) * 1000)))
    while start:
        answer = core.client.run("entries_find", [stream], [start, _PAGE, user_id])
        start = answer[0].decode()
        for entry_id, flat in answer[1]:
            yield entry_id.decode(), dict(zip(flat[::2], flat[1::2], strict=True))


def _withdraw(core: Core, names: PersonKeys) -> None:
    """Delete the person's entries from the streams; which of `events` they were stays noted.

    The exporter looks for the last entry that it read: one that is missing is a gap in what it
    has, unless it was withdrawn here.
    """
    oldest = milliseconds(core.clock()) - core.ttl * 1000
    for stream, noted in (
        (names.reactions, []),
        (names.events, [keys.withdrawn(names.partition)]),
    ):
        found = [entry_id for entry_id, _ in entries_of(core, names.user_id, stream)]
        for start in range(0, len(found), _BATCH):
            batch = found[start : start + _BATCH]
            core.client.run("entries_withdraw", [stream, *noted], [oldest, core.ttl, *batch])
