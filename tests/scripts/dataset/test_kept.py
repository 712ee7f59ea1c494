"""What this release cannot read stays in the dataset for one that can, trimmed or not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import redis

from app.store import records
from app.store.store import Store
from scripts.dataset import manifest as manifests
from scripts.dataset import rows as rows_module
from scripts.dataset.erasure import compact
from scripts.dataset.people import People
from scripts.dataset.reader import Dataset
from tests.scripts.dataset.talk import LOVE, Talker, event_ids, rows, stream_ids

ADOPTED = "scripts.dataset.rows._REACTIONS"


def old_release(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A release that knows no reactions."""
    monkeypatch.setattr(ADOPTED, frozenset())
    return monkeypatch


def test_a_body_of_a_newer_release_is_kept_for_it(
    talker: Talker, store: Store, out: Path, export: Any
) -> None:
    reply = talker.say("hello", "hi")
    talker.react(reply, LOVE, comment="nice")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "VERSION", records.VERSION + 1)
        report = export(trim=True)
        assert report.gone == 2
        assert list(Dataset(out, store.ring).reactions()) == []
    (shown,) = rows(out, "impressions")
    assert (shown["state"], shown["source"]) == ("unreadable", None)
    dataset = Dataset(out, store.ring)
    assert {example.response for example in dataset.reactions()} == {"hi"}
    (logged,) = dataset.impressions()
    assert (logged.reaction, logged.comment) == ("love", "nice")
    assert not dataset.skipped


def test_entries_of_a_newer_release_survive_trimming_and_become_rows(
    talker: Talker, store: Store, out: Path, export: Any, empty_redis: redis.Redis
) -> None:
    reply = talker.say("what of xylophones?", "hi")
    talker.react(reply, LOVE, comment="nice")
    empty_redis.xadd(
        f"kindred:{{p{talker.user_id[1:3]}}}:events", {"type": "dreamt", "of": "xylophones"}
    )
    talker.say("more", "more")
    written = set(stream_ids(empty_redis))
    with pytest.MonkeyPatch.context() as patch:
        old_release(patch)
        report = export(trim=True)
    assert (report.unknown, report.rows["events"], report.trimmed) == (2, 0, 3)
    assert [row["type"] for row in rows(out, "unknown")] == ["made", "dreamt"]
    for path in out.rglob("*.parquet"):
        assert b"xylophone" not in path.read_bytes()
        assert talker.user_id.encode() not in path.read_bytes()

    impression = f"kindred:{{p{talker.user_id[1:3]}}}:impression:{reply.reply_id}"
    empty_redis.delete(impression)  # what the entry is about was kept with it
    report = export(trim=True)
    assert (report.adopted, report.unknown, report.read) == (1, 0, 0)
    (event,) = rows(out, "events")
    assert (event["state"], event["reaction"]) == ("ok", "love")
    assert [i.comment for i in Dataset(out, store.ring).impressions()] == ["nice", None]
    assert [row["type"] for row in rows(out, "unknown")] == ["dreamt"]
    assert set(event_ids(out)) | {rows(out, "unknown")[0]["event_id"]} == written
    files = {path.relative_to(out).as_posix() for path in out.rglob("*.parquet*")}
    assert files == {part.path for part in manifests.load(out).parts}
    assert export().adopted == 0


def test_kept_entries_leave_with_their_person_and_their_day(
    talker: Talker, store: Store, out: Path, export: Any, empty_redis: redis.Redis
) -> None:
    stream = f"kindred:{{p{talker.user_id[1:3]}}}:events"
    empty_redis.xadd(stream, {"type": "dreamt", "user": talker.user_id})
    empty_redis.xadd(stream, {"type": "restarted"})
    assert export().unknown == 2
    store.people.erase(talker.user_id)
    assert export().dropped == 1
    assert [row["type"] for row in rows(out, "unknown")] == ["restarted"]
    with manifests.locked(out):
        manifest = compact(out, manifests.load(out), People(store.ring))
        assert len(manifest.parts) == 1
        assert not compact(out, manifest, People(store.ring), "9999-12-31").parts


def test_one_that_does_not_open_is_left_as_it_is(
    talker: Talker, store: Store, out: Path, export: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    talker.react(talker.say("hello", "hi"))
    with pytest.MonkeyPatch.context() as patch:
        old_release(patch)
        patch.setattr("scripts.dataset.unknown._place", lambda _id: "elsewhere")
        export()
    assert rows_module.kind_named("made") == "events"
    before = manifests.load(out)
    assert export().adopted == 0
    assert manifests.load(out).parts == before.parts
