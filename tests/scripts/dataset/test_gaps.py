"""Entries that were trimmed before they were read: each such hole is told, and no other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis

from app.store.export import Export, Page
from app.store.store import Store
from scripts.dataset import manifest as manifests
from tests.scripts.dataset.talk import Clock, Talker, event_ids


@pytest.fixture
def stream(talker: Talker) -> str:
    """The name of the talker's stream."""
    return f"kindred:{{p{talker.user_id[1:3]}}}:events"


@pytest.fixture
def counting(empty_redis: redis.Redis) -> bool:
    """Whether the server counts the entries of a stream (Redis 7 and newer)."""
    return int(empty_redis.info("server")["redis_version"].split(".")[0]) >= 7


def keep_last(connection: redis.Redis, stream: str, count: int) -> None:
    connection.xtrim(stream, maxlen=count, approximate=False)


def test_a_stream_trimmed_beyond_the_cursor_is_a_gap(
    talker: Talker, out: Path, export: Any, empty_redis: redis.Redis
) -> None:
    talker.say("one", "one")
    export()
    for i in range(3):
        talker.say(f"q{i}", f"a{i}")
    name = f"kindred:{{p{talker.user_id[1:3]}}}:events"
    last = empty_redis.xrevrange(name, count=1)[0][0]
    empty_redis.xtrim(name, minid=last, approximate=False)
    (gap,) = export().gaps
    assert gap.partition == int(talker.user_id[1:3], 16)
    assert gap.before == last.decode()
    assert gap.lost in (2, None)  # None: a server that does not count
    assert manifests.load(out).gaps == (gap,)
    assert not export().gaps


def test_a_redis_that_lost_its_streams_is_noticed(
    talker: Talker, store: Store, out: Path, export: Any, empty_redis: redis.Redis, clock: Clock
) -> None:
    talker.say("hello", "hi")
    export()
    empty_redis.delete(f"kindred:{{p{talker.user_id[1:3]}}}:events")
    assert export().rewound == [int(talker.user_id[1:3], 16)]
    clock.tick()
    talker.say("again", "hi again")
    report = export()
    assert not report.rewound
    assert report.rows["impressions"] == 1
    assert len(event_ids(out)) == 2
    (gap,) = report.gaps
    assert gap.lost is None  # what else the lost stream held nobody knows


def test_the_first_export_tells_what_was_trimmed_before_it(
    talker: Talker, stream: str, export: Any, empty_redis: redis.Redis, counting: bool
) -> None:
    for i in range(5):
        talker.say(f"q{i}", f"a{i}")
    keep_last(empty_redis, stream, 2)
    assert [gap.lost for gap in export().gaps] == ([3] if counting else [])
    assert not export().gaps


def test_a_stream_made_anew_is_a_gap_though_its_counts_begin_again(
    talker: Talker, stream: str, out: Path, export: Any, empty_redis: redis.Redis, clock: Clock
) -> None:
    for i in range(2):
        talker.say(f"q{i}", f"a{i}")
    export()
    empty_redis.delete(stream)
    clock.tick()
    for i in range(4):  # more than the old stream had
        talker.say(f"r{i}", f"b{i}")
    keep_last(empty_redis, stream, 3)  # one is gone: fewer than were read of the old stream
    (gap,) = export().gaps
    assert gap.lost is None
    assert len(event_ids(out)) == 5
    talker.say("more", "more")
    assert not export().gaps


def trimming(
    monkeypatch: pytest.MonkeyPatch, before_call: int, trim: Callable[[], None]
) -> list[Page]:
    """Trims just before a page is read; the pages of all calls."""
    pages: list[Page] = []
    read = Export.read

    def spied(*arguments: Any) -> Page:
        if len(pages) == before_call:
            trim()
        pages.append(read(*arguments))
        return pages[-1]

    monkeypatch.setattr(Export, "read", spied)
    return pages


@pytest.mark.parametrize("before_call", [0, 1])
def test_trimming_between_two_commands_of_an_export_is_noticed(
    before_call: int,
    talker: Talker,
    stream: str,
    out: Path,
    export: Any,
    empty_redis: redis.Redis,
    counting: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whether the state was asked for, or one page was read, just before."""
    talker.say("one", "one")
    export()
    for i in range(5):
        talker.say(f"q{i}", f"a{i}")
    monkeypatch.setattr("scripts.dataset.exporter._BATCH", 2)
    trimming(monkeypatch, before_call, lambda: keep_last(empty_redis, stream, 2))
    (gap,) = export().gaps
    assert gap.lost == ((1 if before_call else 3) if counting else None)
    assert len(event_ids(out)) == 6 - (1 if before_call else 3)
    assert not export().gaps


def test_trimming_of_nothing_but_what_was_read_is_no_gap(
    talker: Talker,
    stream: str,
    export: Any,
    empty_redis: redis.Redis,
    counting: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not counting:
        pytest.skip("without counts a gap is noted, and may be empty")
    talker.say("one", "one")
    export()
    for i in range(4):
        talker.say(f"q{i}", f"a{i}")
    monkeypatch.setattr("scripts.dataset.exporter._BATCH", 2)
    pages = trimming(monkeypatch, 1, lambda: keep_last(empty_redis, stream, 2))
    assert not export().gaps
    assert [page.witnessed for page in pages] == [True, False]
    keep_last(empty_redis, stream, 0)
    assert not export().gaps
    talker.say("after", "after")
    assert not export().gaps


def test_a_stream_that_goes_while_it_is_read_ends_the_reading(
    talker: Talker,
    store: Store,
    stream: str,
    out: Path,
    export: Any,
    empty_redis: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    talker.say("one", "one")
    export()
    talker.say("two", "two")
    trimming(monkeypatch, 0, lambda: empty_redis.delete(stream))
    (gap,) = export().gaps
    assert gap.lost is None
    assert manifests.load(out).gaps == (gap,)
