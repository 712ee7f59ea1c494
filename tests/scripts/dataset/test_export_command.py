"""`scripts/export_reactions` as a person runs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import redis

from app.settings import Settings
from models.training.examples import read_examples
from scripts.dataset.when import unix_seconds
from tests.scripts.dataset.talk import Talker, event_ids, stream_ids

ROOT = Path(__file__).parents[3]


def run(
    settings: Settings | None, *arguments: str, name: str = "export_reactions"
) -> subprocess.CompletedProcess[str]:
    url = settings.redis_url if settings else "unix:///nowhere/redis.sock"
    return subprocess.run(
        [sys.executable, str(ROOT / "scripts" / name), *arguments],
        env={
            "PATH": "/usr/bin:/bin",
            "REDIS_URL": url,
            "KINDRED_VAR_DIR": str(settings.var_dir) if settings else "/nowhere",
            "OMP_NUM_THREADS": "1",
        },
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_it_exports_what_is_new(
    talker: Talker, settings: Settings, empty_redis: redis.Redis, out: Path
) -> None:
    reply = talker.say("hello", "hi")
    talker.react(reply)
    dry = run(settings, "--out", str(out), "--dry-run")
    assert (dry.returncode, dry.stderr) == (0, "")
    assert "2 new entries in 1 of" in dry.stdout
    assert not out.exists()

    done = run(settings)  # into the var folder
    assert (done.returncode, done.stderr) == (0, "")
    assert "read 2 entries: 1 events, 1 impressions, 0 feelings, 0 superseded" in done.stdout
    default = settings.var_dir / "dataset"
    assert sorted(event_ids(default)) == sorted(stream_ids(empty_redis))

    talker.retract(reply)
    done = run(settings, "--compact", "--trim")
    assert done.returncode == 0, done.stderr
    assert "read 1 entries: 1 events" in done.stdout
    assert "compacted 3 files to 2" in done.stdout
    assert "2 trimmed from the streams" in done.stdout
    assert len(event_ids(default)) == 3


def test_the_dataset_is_opened_as_examples(
    talker: Talker, settings: Settings, empty_redis: redis.Redis
) -> None:
    talker.react(talker.say("hello", "hi"))
    folder, name = str(settings.var_dir / "dataset"), "import_reactions"
    done = run(settings, "--dataset", folder, name=name)
    assert (done.returncode, "holds no dataset" in done.stderr) == (1, True)
    run(settings)
    done = run(settings, "--dataset", folder, name=name)
    assert (done.returncode, done.stderr) == (0, "")
    assert "people to learn from; 0 of them" in done.stdout
    out = settings.var_dir / "imported" / "reactions" / "exported.jsonl.gz"
    assert out.stat().st_mode & 0o777 == 0o600
    examples = list(read_examples(out))
    assert [(e.response, e.label) for e in examples if e.head == "upvote"] == [("hi", 1.0)]
    assert run(settings, name=name).returncode == 2
    assert run(settings, "x", "--dataset", folder, name=name).returncode == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--since", "soon"], "neither a date or time"),
        (["--commit-rows", "0"], "--commit-rows"),
        (["--trim", "--no-impressions"], "--trim would delete impressions"),
    ],
)
def test_wrong_values_end_with_a_line(arguments: list[str], words: str) -> None:
    done = run(None, *arguments)
    assert done.returncode == 2
    assert words in done.stderr


def test_help_and_a_store_that_is_away(tmp_path: Path, settings: Settings) -> None:
    assert "--dry-run" in run(None, "--help").stdout
    away = settings.model_copy(update={"redis_url": f"unix://{tmp_path}/none.sock"})
    done = run(away)
    assert done.returncode == 1
    assert done.stderr.startswith("scripts/export_reactions: the Redis of REDIS_URL")
    assert "Traceback" not in done.stderr


def test_times_as_people_type_them() -> None:
    assert unix_seconds("1970-01-02") == 86_400
    assert unix_seconds("1970-01-01T02:00+02:00") == 0
    assert unix_seconds("1h") == pytest.approx(unix_seconds("60m"), abs=5)
