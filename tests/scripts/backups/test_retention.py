"""What is kept too long is listed, and goes when asked; what is young, or not ours, stays."""

from __future__ import annotations

import gzip
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
import redis

from app.settings import Settings
from app.store import keys
from app.store.store import Store
from scripts.backups.retention import oldest_day, overdue
from scripts.dataset.exporter import Exporter
from scripts.dataset.people import People
from tests.scripts.backups.conftest import Run
from tests.scripts.dataset.talk import event_ids

DAY = 86_400.0


@pytest.fixture
def aged(settings: Settings) -> Any:
    """Makes a file below var that is some days old."""

    def make(name: str, days: float, content: bytes = b"x\n") -> Path:
        path = settings.var_dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        for each in (path, path.parent):
            os.utime(each, (time.time() - days * DAY,) * 2)
        return path

    return make


def found(settings: Settings, *backups: Path) -> set[Path]:
    return {item.path for item in overdue(settings, backups)}


def test_files_past_their_time_are_found_and_others_are_not(settings: Settings, aged: Any) -> None:
    theirs = json.dumps({"source": "reactions", "head": "love"}).encode() + b"\n"
    public = json.dumps({"source": "lab", "head": "love"}).encode() + b"\n"
    old = {
        aged("imported/dialogs/chats.rejects.jsonl", 31),
        aged("imported/reactions/exported.jsonl.gz", 8, gzip.compress(theirs)),
        aged("imported/elsewhere/mine.jsonl", 8, theirs.replace(b"reactions", b"judged:lab")),
        aged("logs/service.log", 31),
        aged("redis/redis.log.1", 31),
        aged("spool/rejects/2026-01-01", 31),
        aged("runs/a/tokens/train.npy", 8).parent,
        aged("runs/b/judged/replies.jsonl", 8).parent,
    }
    aged("imported/dialogs/young.rejects.jsonl", 29)
    aged("imported/reactions/young.jsonl.gz", 6, gzip.compress(theirs))
    aged("imported/reactions/lab.jsonl.gz", 800, gzip.compress(public))
    aged("imported/reactions/broken.jsonl.gz", 800, b"no gzip")
    aged("imported/reactions/list.jsonl", 800, b"[1]\n")
    aged("runs/a/metrics.jsonl", 800)
    aged("models/reranker/history.jsonl", 800)
    aged("redis/appendonly.aof", 800)
    assert found(settings) == old


def test_copies_of_keys_go_before_copies_of_data(
    shop: Store, run: Run, settings: Settings, tmp_path: Path
) -> None:
    data, kept = tmp_path / "data", tmp_path / "keys"
    assert run("backup", "--out", data, "--keys", kept) == 0
    (data / "not-ours").mkdir()
    (data / ".data-1.half").mkdir()
    os.utime(data / ".data-1.half", (1, 1))

    def after(days: float) -> set[str]:
        then = time.time() + days * DAY
        names = {item.path.name[:5] for item in overdue(settings, (data, kept), then)}
        return names - {".data"}

    assert after(6.9) == set()
    assert after(7.1) == {"keys-"}
    assert after(30.1) == {"keys-", "data-"}
    assert run("retention", "--apply", "--backups", data, "--backups", kept) == 0
    assert sorted(path.name[:5] for path in data.iterdir()) == ["data-", "not-o"]


@pytest.mark.parametrize(
    "change", [{"made": 5}, {"made": "0001-01-01"}, {"kind": ["data"]}, {"bytes": "9"}]
)
def test_a_folder_that_only_looks_like_a_backup_keeps_nothing_from_its_end(
    change: dict[str, Any], shop: Store, run: Run, tmp_path: Path, settings: Settings
) -> None:
    out = tmp_path / "data"
    assert run("backup", "--out", out, "--no-keys") == 0
    (mine,) = out.iterdir()
    odd = out / "data-0"
    odd.mkdir()
    manifest = json.loads((mine / "manifest.json").read_text())
    (odd / "manifest.json").write_text(json.dumps(manifest | change))
    late = time.time() + 400 * DAY
    assert [item.path for item in overdue(settings, (out,), late)] == [mine]


def test_a_dry_run_deletes_nothing_and_says_what_would_go(
    shop: Store, run: Run, aged: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    path = aged("logs/service.log", 31)
    assert run("retention") == 0
    told = capsys.readouterr().out
    assert f"would delete {path}" in told
    assert "--apply does it" in told
    assert path.exists()
    assert run("retention", "--apply") == 0
    assert not path.exists()


def test_a_shortened_time_counts_for_what_is_in_redis_already(
    two: Any,
    shop: Store,
    run: Run,
    empty_redis: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("retention") == 0
    assert "everything ends in time" in capsys.readouterr().out
    names = keys.PersonKeys(two[0].user_id)
    empty_redis.persist(names.recent)
    stream = keys.events(names.partition)
    old = empty_redis.xlen(stream)
    empty_redis.xadd(f"{stream}", {"type": "impression", "user": "u", "reply": two[0].user_id})
    monkeypatch.setenv("KINDRED_RETENTION_DAYS", "10")
    monkeypatch.setenv("KINDRED_REACTION_DAYS", "2")
    assert run("retention") == 0
    told = capsys.readouterr().out
    kinds = ("conversation", "conversations", "impression", "owned", "person", "recent", "turns")
    assert f"would shorten {', '.join(f'2 {kind}' for kind in kinds)}" in told
    assert empty_redis.ttl(names.recent) == -1
    assert run("retention", "--apply") == 0
    assert 0 < empty_redis.ttl(names.recent) <= 10 * DAY
    conversation = names.conversation(str(two[0].conversation))
    assert 0 < empty_redis.ttl(conversation) <= 10 * DAY
    shown = [n for n in empty_redis.scan_iter("*:impression:*") if two[0].user_id]
    assert all(0 < empty_redis.ttl(name) <= 2 * DAY for name in shown)
    assert empty_redis.xlen(stream) == old + 1
    shop.people.erase(two[0].user_id)  # a tombstone outlives every token
    assert run("retention", "--apply") == 0
    assert empty_redis.ttl(names.person) > 365 * DAY


def test_old_entries_of_streams_go(
    shop: Store, empty_redis: redis.Redis, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    old = round((time.time() - 100 * DAY) * 1000)
    for i in range(3):
        empty_redis.xadd(keys.events(0), {"type": "feeling"}, id=f"{old}-{i}")
    empty_redis.xadd(keys.events(0), {"type": "feeling"})
    assert run("retention") == 0
    assert "3 entries of streams" in capsys.readouterr().out
    assert empty_redis.xlen(keys.events(0)) == 4
    assert run("retention", "--apply") == 0
    assert empty_redis.xlen(keys.events(0)) == 1


def test_old_days_of_the_dataset_and_whoever_left_go(
    two: Any,
    shop: Store,
    run: Run,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = settings.var_dir / "dataset"
    folder.mkdir(parents=True)
    Exporter(shop.export, People(shop.ring), folder).run()
    assert len(event_ids(folder)) == 4
    shop.people.erase(two[0].user_id)
    assert run("retention") == 0
    assert len(event_ids(folder)) == 4
    assert run("retention", "--apply") == 0
    assert "dropped 2 rows" in capsys.readouterr().out
    assert len(event_ids(folder)) == 2
    monkeypatch.setattr("scripts.backups.retention_run.oldest_day", lambda _: "2999-01-01")
    assert run("retention", "--apply") == 0
    assert event_ids(folder) == []


def test_no_copy_outlives_the_keys_that_open_it(settings: Settings) -> None:
    longer = settings.model_copy(update={"export_days": 500.0, "reaction_days": 500.0})
    assert longer.kept_export_days == longer.kept_reaction_days == 90.0
    shorter = settings.model_copy(update={"export_days": 5.0, "reaction_days": 6.0})
    assert (shorter.kept_export_days, shorter.kept_reaction_days) == (5.0, 6.0)
    assert oldest_day(shorter, 10 * DAY) == "1970-01-06"
