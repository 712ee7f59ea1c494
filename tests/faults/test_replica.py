"""A primary with a replica is killed: how much is lost is bounded, and nothing that WAIT confirmed.

Two real servers on this machine. The replica then becomes the primary, as an operator or a sentinel
would make it, and is asked what it has.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis

from app.domain import ReactionKind, Reply
from app.errors import StoreUnavailable
from app.settings import Settings
from app.store.store import Store
from app.telemetry import Metrics
from tests.faults.replicas import MAX_LAG, Server
from tests.faults.service import eventually
from tests.scripts.dataset.talk import LIKE, LOVE, Talker

SLACK = 2.0  # a replica tells its offset once a second, and Redis looks once a second
Pair = tuple[Server, Server]


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    """A primary that wants one replica, and that replica, in step."""
    with ExitStack() as ended:
        primary = Server(tmp_path / "primary", replicas=1)
        ended.callback(primary.close)
        replica = Server(tmp_path / "replica", of=primary)
        ended.callback(replica.close)
        eventually(primary.has_replica, 30)
        yield primary, replica


@pytest.fixture
def open_on(settings: Settings) -> Iterator[Callable[..., Store]]:
    """Opens stores on a server."""
    opened: list[Store] = []

    def make(server: Server, **changes: object) -> Store:
        changed = settings.model_copy(update={"redis_url": server.url, **changes})
        opened.append(Store.open(changed, Metrics()))
        return opened[-1]

    yield make
    for store in opened:
        store.close()


def promoted(replica: Server) -> redis.Redis:
    """The replica as it is once it is the primary."""
    replica.promote()
    return replica.client


def reacted(client: redis.Redis) -> list[str]:
    """The replies that have a reaction in the streams, each as often as it was made."""
    found = []
    for name in client.scan_iter("kindred:{p*}:reactions"):
        found += [f[b"reply"].decode() for _, f in client.xrange(name) if f[b"type"] == b"made"]
    return found


def acknowledged(store: Store, person: Talker, replies: list[Reply]) -> list[str]:
    """React to each; those that were acknowledged."""
    kept = []
    for reply in replies:
        try:
            store.reactions.react(person.user_id, reply.reply_id, LOVE)
        except StoreUnavailable:
            continue
        kept.append(reply.reply_id)
    return kept


@pytest.mark.faults(10)
def test_row_10_what_wait_confirmed_survives_the_primary(
    pair: Pair, open_on: Callable[..., Store]
) -> None:
    primary, replica = pair
    store = open_on(primary, redis_replicas=1, redis_replica_ms=2_000)
    person = Talker(store)
    replies = [person.say(f"q{i}", f"a{i}") for i in range(30)]
    kept = acknowledged(store, person, replies[:20])
    assert len(kept) == 20
    # Each was waited for by the command of this server's version; WAITAOF came with Redis 7.2.
    newer = tuple(map(int, primary.client.info("server")["redis_version"].split(".")[:2])) >= (7, 2)
    waits = primary.client.info("commandstats")["cmdstat_waitaof" if newer else "cmdstat_wait"]
    assert waits["calls"] >= 20
    primary.signal(signal.SIGKILL)
    assert acknowledged(store, person, replies[20:]) == []
    client = promoted(replica)
    assert sorted(reacted(client)) == sorted(kept)
    after = open_on(replica)
    assert after.impressions.get(person.user_id, kept[0]).reaction is LOVE
    assert after.reactions.react(person.user_id, replies[25].reply_id, LIKE) is not None


@pytest.mark.faults(10)
def test_row_10_with_wait_nothing_is_acknowledged_that_the_replica_lacks(
    pair: Pair, open_on: Callable[..., Store]
) -> None:
    primary, replica = pair
    person = Talker(open_on(primary, redis_replicas=1, redis_replica_ms=5_000))
    replies = [person.say(f"q{i}", f"a{i}") for i in range(20)]
    kept = acknowledged(person.store, person, replies[:10])
    assert len(kept) == 10
    hurried = open_on(primary, redis_replicas=1, redis_replica_ms=100)
    replica.signal(signal.SIGSTOP)  # it is there, and takes nothing in
    assert acknowledged(hurried, person, replies[10:]) == []
    primary.signal(signal.SIGKILL)
    # What reached the replica's socket before may come in late: more than was promised, never less.
    found = reacted(promoted(replica))
    assert set(kept) <= set(found)
    assert len(found) == len(set(found))


@pytest.mark.faults(10)
def test_row_10_without_wait_the_loss_is_bounded_by_the_lag(
    pair: Pair, open_on: Callable[..., Store]
) -> None:
    """A replica that hangs is noticed after min-replicas-max-lag; then no write is acknowledged."""
    primary, replica = pair
    store = open_on(primary)
    person = Talker(store)
    replies = [person.say(f"q{i}", f"a{i}") for i in range(400)]
    before = acknowledged(store, person, replies[:10])
    eventually(lambda: int(primary.client.wait(1, 1_000)) == 1)
    replica.signal(signal.SIGSTOP)
    frozen, last, refused = time.monotonic(), 0.0, False
    for reply in replies[10:]:
        try:
            store.reactions.react(person.user_id, reply.reply_id, ReactionKind.UPVOTE)
            last = time.monotonic() - frozen
        except StoreUnavailable:
            refused = True
            break
        time.sleep(0.02)
    assert refused, "the primary went on without its replica"
    assert last <= MAX_LAG + SLACK
    primary.signal(signal.SIGKILL)
    primary.process.wait()
    found = reacted(promoted(replica))
    assert set(before) <= set(found)
    assert len(found) == len(set(found))
