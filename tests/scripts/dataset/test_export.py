"""What is exported, once, sealed, and read back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import redis

from app.domain import Feeling, Source
from app.store.reactions import Judgement
from app.store.store import Store
from scripts.dataset import manifest as manifests
from scripts.dataset.exporter import Exporter
from scripts.dataset.manifest import DatasetError
from scripts.dataset.people import People
from scripts.dataset.reader import Dataset, read_impressions, read_reactions
from tests.scripts.dataset.talk import (
    DISLIKE,
    LIKE,
    LOVE,
    Clock,
    Talker,
    event_ids,
    rows,
    stream_ids,
)

CANARY = "xylophone marmalade"


def test_every_entry_is_exported_once(
    talker: Talker, store: Store, out: Path, export: Any, empty_redis: redis.Redis, clock: Clock
) -> None:
    first = talker.say("hello", "hi")
    talker.react(first)
    assert export().rows == {"events": 1, "impressions": 1, "feelings": 0, "superseded": 0}
    assert export().read == 0
    clock.tick(86_400)
    talker.say("and now?", "now this")
    talker.react(first, LOVE)
    store.contexts.feedback(talker.user_id, first.conversation_id, Feeling.BETTER)
    assert export().rows == {"events": 1, "impressions": 1, "feelings": 1, "superseded": 0}
    assert sorted(event_ids(out)) == sorted(stream_ids(empty_redis))
    days = {part.day for part in manifests.load(out).parts}
    assert len(days) == 2
    assert (out / f"events/day={max(days)}").is_dir()


def test_a_row_holds_the_impression_and_no_text(talker: Talker, out: Path, export: Any) -> None:
    reply = talker.say(f"what of {CANARY}?", f"{CANARY} is fine")
    talker.react(reply, DISLIKE, comment=f"no {CANARY}")
    export()
    (event,), (shown,) = rows(out, "events"), rows(out, "impressions")
    for row in (event, shown):
        assert (row["reply_id"], row["state"], row["chosen"]) == (reply.reply_id, "ok", "g0")
        assert row["conversation_id"] == reply.conversation_id
        assert dict(row["variants"]) == {"tone": "warm"}
        assert dict(row["versions"]) == {"reranker": "abc"}
        assert (row["seed"], row["n"], row["exploration"]) == (7, 4, 0.05)
        one, other = row["candidates"]
        assert (one["score"], one["propensity"], dict(one["heads"])) == (0.8, 0.95, {"upvote": 0.7})
        assert (one["bias"], other["score"], other["filters"]) == (0.1, None, ["dull"])
    assert (event["action"], event["reaction"], event["current"]) == (
        "made",
        "downvote",
        "downvote",
    )
    assert event["person"] == shown["person"] != talker.user_id
    for path in out.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert talker.user_id.encode() not in content
            assert b"xylophone" not in content
            if path.suffix == ".parquet":
                assert "xylophone" not in str(pq.read_table(path, partitioning=None).to_pydict())


def test_the_last_event_of_a_reply_counts(
    talker: Talker, store: Store, out: Path, export: Any
) -> None:
    kept, changed, taken_back = (talker.say(f"q{i}", f"a{i}") for i in range(3))
    for reply in (kept, changed, taken_back):
        talker.react(reply, LIKE, comment="ok")
    export()
    talker.react(changed, DISLIKE, comment="after all not")
    talker.retract(taken_back)
    export()
    found = list(read_impressions(out, store.ring))
    assert [(i.response, i.reaction, i.comment) for i in found] == [
        ("a0", "upvote", "ok"),
        ("a1", "downvote", "after all not"),
        ("a2", None, None),
    ]
    examples = [e for e in read_reactions(out, store.ring) if e.head == "upvote"]
    assert {(e.response, e.label) for e in examples} == {("a0", 1.0), ("a1", 0.0)}


def test_a_reaction_becomes_examples_of_every_head(
    talker: Talker, store: Store, out: Path, export: Any
) -> None:
    talker.say("before", "earlier")
    reply = talker.say("hello", "hi")
    talker.react(reply, LOVE)
    talker.react(talker.say("help", "call someone", Source.SAFETY))
    export()
    examples = list(read_reactions(out, store.ring))
    labels = {example.head: example.label for example in examples}
    assert labels == {
        "upvote": 1.0,
        "love": 1.0,
        "funny": 0.0,
        "meaningless": 0.0,
        "offensive": 0.0,
        "downvote": 0.0,
    }
    one = examples[0]
    assert (one.source, one.response, one.facts) == ("reactions", "hi", ("I like tea.",))
    assert one.context == ("before", "earlier", "hello")
    assert one.conversation == reply.conversation_id
    assert one.rater == rows(out, "events")[0]["person"]
    everything = Dataset(out, store.ring).reactions(canned=True)
    assert len({example.response for example in everything}) == 2


def test_judgements_made_elsewhere_keep_their_source(
    talker: Talker, store: Store, out: Path, export: Any
) -> None:
    talker.say("hello", "hi")
    store.reactions.judge([Judgement("1", ("how?", "so"), "well", LIKE, "lab", 1.6e9)])
    export()
    (example,) = [e for e in read_reactions(out, store.ring) if e.head == "upvote"]
    assert (example.source, example.context) == ("judged:lab", ("how?", "so"))
    assert [i.response for i in read_impressions(out, store.ring)] == ["hi"]


def test_impressions_may_be_left_out(talker: Talker, out: Path, export: Any) -> None:
    talker.react(talker.say("hello", "hi"))
    assert export(impressions=False).rows == {
        "events": 1,
        "impressions": 0,
        "feelings": 0,
        "superseded": 0,
    }
    assert not (out / "impressions").exists()
    with pytest.raises(DatasetError, match="lacks replies"):
        export()
    with pytest.raises(DatasetError, match="impressions"):
        export(trim=True, impressions=False)


def test_since_leaves_out_what_is_older(
    talker: Talker, out: Path, export: Any, clock: Clock, empty_redis: redis.Redis
) -> None:
    talker.say("old", "old")
    moment = clock.tick(100)
    talker.say("new", "new")
    assert export(since=moment).rows["impressions"] == 1
    talker.say("newer", "newer")
    report = export(trim=True)
    assert (report.rows["impressions"], report.trimmed, report.untrimmed) == (1, 0, 1)
    assert len(list(stream_ids(empty_redis))) == 3
    assert not report.gaps


def test_trimming_spares_what_the_manifest_does_not_cover(
    talker: Talker, out: Path, export: Any, empty_redis: redis.Redis
) -> None:
    for i in range(5):
        talker.say(f"q{i}", f"a{i}")
    report = export(trim=True)
    assert report.trimmed == 4
    assert len(list(stream_ids(empty_redis))) == 1  # the last one read stays as a witness
    talker.say("more", "more")
    assert not export(trim=True).gaps
    assert len(event_ids(out)) == len(set(event_ids(out))) == 6
    part = out / manifests.load(out).parts[0].path
    part.write_bytes(part.read_bytes() + b" ")
    talker.say("again", "again")
    with pytest.raises(DatasetError, match="nothing was trimmed"):
        export(trim=True)
    assert len(list(stream_ids(empty_redis))) == 2


def test_another_key_store_or_a_torn_manifest_is_refused(
    talker: Talker, store: Store, out: Path, export: Any
) -> None:
    with pytest.raises(DatasetError, match="holds no dataset"):
        Dataset(out, store.ring)
    talker.say("hello", "hi")
    export()
    path = out / "manifest.json"
    good = path.read_text()
    path.write_text(good.replace(manifests.load(out).keys, "0" * 32))
    for attempt in (export, lambda: Dataset(out, store.ring)):
        with pytest.raises(DatasetError, match="another key store"):
            attempt()
    for bad in (good[:-20], '{"format": 99}', "[]", good.replace('"cursors"', '"courses"')):
        path.write_text(bad)
        with pytest.raises(DatasetError, match=r"manifest\.json"):
            export()


def test_there_is_one_exporter_at_a_time(out: Path) -> None:
    with (
        manifests.locked(out),
        pytest.raises(DatasetError, match="is being written by process"),
        manifests.locked(out),
    ):
        pass


def test_orphans_of_a_crash_are_swept(talker: Talker, out: Path, export: Any) -> None:
    talker.say("hello", "hi")
    export()
    day = next((out / "impressions").iterdir())
    (day / "part-00000099.parquet").write_bytes(b"half")
    (day / "part-00000098.parquet.tmp").write_bytes(b"half")
    foreign = out / "others" / "day=1" / "part-1.parquet"
    foreign.parent.mkdir(parents=True)
    foreign.touch()
    assert export().swept == 2
    assert len(list(day.iterdir())) == 1
    assert foreign.exists()


def test_rows_in_memory_are_bounded(
    talker: Talker, out: Path, export: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scripts.dataset.exporter._BATCH", 2)
    for i in range(7):
        talker.react(talker.say(f"q{i}", f"a{i}"))
    report = export(commit_rows=3)
    assert report.rows == {"events": 7, "impressions": 7, "feelings": 0, "superseded": 0}
    assert report.parts == 8
    assert all(part.rows <= 4 for part in manifests.load(out).parts)
    assert len(event_ids(out)) == len(set(event_ids(out))) == 14


def test_a_stop_keeps_what_was_read(
    talker: Talker, store: Store, out: Path, export: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scripts.dataset.exporter._BATCH", 2)
    for i in range(5):
        talker.say(f"q{i}", f"a{i}")
    out.mkdir()
    exporter = Exporter(
        store.export, People(store.ring), out, stopping=lambda: exporter.report.read >= 2
    )
    exporter.run()
    assert exporter.report.stopped
    assert len(event_ids(out)) == 2
    assert not export().gaps
    assert len(event_ids(out)) == len(set(event_ids(out))) == 5


def test_what_cannot_be_joined_is_kept_as_an_event(
    talker: Talker, store: Store, out: Path, export: Any, empty_redis: redis.Redis
) -> None:
    replies = [talker.say(f"q{i}", f"a{i}") for i in range(2)]
    for reply in replies:
        talker.react(reply)
    tag = f"kindred:{{p{talker.user_id[1:3]}}}:"
    empty_redis.delete(f"{tag}impression:{replies[0].reply_id}")
    empty_redis.hset(f"{tag}impression:{replies[1].reply_id}", "body", b"\x01not what was sealed")
    empty_redis.xadd(f"{tag}events", {"type": "of a newer release", "user": talker.user_id})
    report = export()
    assert (report.gone, report.unknown) == (4, 1)
    assert [row["body"] for row in rows(out, "events")] == [None, b"\x01not what was sealed"]
    assert [row["state"] for row in rows(out, "events")] == ["gone", "unreadable"]
    assert [row["reaction"] for row in rows(out, "events")] == ["upvote", "upvote"]
    dataset = Dataset(out, store.ring)
    assert list(dataset.reactions()) == []
    assert dataset.skipped == {"gone": 1, "unreadable": 1}
