"""What was promised and came behind a later word is kept, and teaches nobody anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import redis

from app.domain import Feeling
from app.store.asked import Asked
from app.store.keys import PersonKeys
from app.store.store import Store
from scripts.dataset import manifest as manifests
from scripts.dataset.erasure import compact
from scripts.dataset.people import People
from scripts.dataset.reader import Dataset
from tests.scripts.dataset.talk import DISLIKE, LOVE, Clock, Talker, event_ids, rows, stream_ids


@pytest.fixture
def late(talker: Talker, store: Store, clock: Clock) -> Talker:
    """Somebody who changed their mind on one device while another's word waited in a spool."""
    reply = talker.say("hello", "hi")
    early = Asked(at=clock(), promised=True)
    clock.tick()
    store.reactions.react(talker.user_id, reply.reply_id, DISLIKE, "not so")
    store.contexts.feedback(talker.user_id, reply.conversation_id, Feeling.WORSE)
    clock.tick()
    store.reactions.react(talker.user_id, reply.reply_id, LOVE, "how nice", None, early)
    other = Asked(at=early.at, promised=True)
    store.contexts.feedback(talker.user_id, reply.conversation_id, Feeling.BETTER, other)
    return talker


def test_it_is_exported_once_and_known_by_name(
    late: Talker, out: Path, export: Any, empty_redis: redis.Redis
) -> None:
    report = export()
    assert report.unknown == 0
    assert report.rows == {"events": 1, "impressions": 1, "feelings": 1, "superseded": 2}
    assert sorted(event_ids(out)) == sorted(stream_ids(empty_redis))
    found = {(row["type"], row["said"], row["standing"]) for row in rows(out, "superseded")}
    assert found == {
        ("superseded", "love", "downvote"),
        ("superseded-feeling", "better", "worse"),
    }
    assert [row["feeling"] for row in rows(out, "feelings")] == ["worse"]


def test_feelings_are_sealed_in_the_stream_and_those_of_an_older_release_are_read(
    late: Talker, out: Path, export: Any, empty_redis: redis.Redis
) -> None:
    name = PersonKeys(late.user_id).events
    entries = [fields for _, fields in empty_redis.xrange(name)]
    assert not {b"better", b"worse"} & {value for fields in entries for value in fields.values()}
    entry = {"user": late.user_id, "conversation": late.conversation or "", "previous": "worse"}
    for kind in ("feeling", "superseded-feeling"):
        empty_redis.xadd(name, {**entry, "type": kind, "feeling": "same"})
    assert export().rows == {"events": 1, "impressions": 1, "feelings": 2, "superseded": 3}
    felt = [(row["feeling"], row["previous"]) for row in rows(out, "feelings")]
    assert felt == [("worse", None), ("same", "worse")]
    assert ("same", "worse") in [(r["said"], r["standing"]) for r in rows(out, "superseded")]


def test_it_is_no_reaction_and_takes_no_comment_away(
    late: Talker, store: Store, out: Path, export: Any
) -> None:
    export()
    with manifests.locked(out):
        manifest = manifests.load(out)
        assert manifest is not None
        compact(out, manifest, People(store.ring))
    dataset = Dataset(out, store.ring)
    (shown,) = dataset.impressions()
    assert (shown.reaction, shown.comment) == ("downvote", "not so")
    assert {e.label for e in dataset.reactions() if e.head == "upvote"} == {0.0}


def test_what_an_older_release_kept_of_it_becomes_rows(
    late: Talker, out: Path, export: Any
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("scripts.dataset.rows._SUPERSEDED", {})
        assert export().unknown == 2
    report = export()
    assert (report.adopted, report.read) == (2, 0)
    assert len(rows(out, "superseded")) == 2


def test_it_leaves_with_its_person(late: Talker, store: Store, out: Path, export: Any) -> None:
    export()
    store.people.erase(late.user_id)
    assert export().dropped == 5
    assert rows(out, "superseded") == []
