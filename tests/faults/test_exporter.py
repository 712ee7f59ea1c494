"""Row 9: the exporter killed at each of its steps: ids in Parquet = ids in the stream, none twice.

A child process exports, and is ended by SIGKILL once it has done a given step for the n-th time;
no handler runs and nothing is flushed. Then the same command runs to its end. Whatever the disk
holds must read the same as if nothing had happened.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from app.settings import Settings
from app.store.store import Store
from app.telemetry import Metrics
from scripts.dataset.reader import Dataset
from tests.scripts.dataset.talk import DISLIKE, Talker, event_ids, stream_ids

pytestmark = pytest.mark.faults(9)

ROOT = Path(__file__).parents[2]
CHILD = """
import os, signal, sys
from collections import Counter
from pathlib import Path

from app.settings import load_settings
from app.store.store import Store
from app.telemetry import Metrics
from scripts.dataset import manifest as manifests
from scripts.dataset.erasure import compact
from scripts.dataset.exporter import Exporter, Wanted
from scripts.dataset.people import People

out, fatal, count, trim = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4] == "trim"
seen = Counter()


def step(name):
    seen[name] += 1
    if name == fatal and seen[name] == count:
        os.kill(os.getpid(), signal.SIGKILL)


store = Store.open(load_settings(), Metrics())
with manifests.locked(out):
    people = People(store.ring)
    exporter = Exporter(store.export, people, out, Wanted(commit_rows=4), step=step)
    manifest = compact(out, exporter.run(), people, step=step)
    if trim:
        exporter.trim(manifest)
store.close()
print(*sorted(seen))
"""
STEPS = (
    "range-read",
    "part-written",
    "part-synced",
    "part-renamed",
    "folder-synced",
    "manifest-written",
    "manifest-renamed",
    "old-parts-deleted",
    "trimmed",
)


@pytest.fixture
def shop(settings: Settings, metrics: Metrics, empty_redis: redis.Redis) -> Iterator[Store]:
    opened = Store.open(settings.model_copy(update={"partitions": 2}), metrics)
    yield opened
    opened.close()


def chat(store: Store, people: list[Talker]) -> None:
    """Everyone says something and reacts to it; the first takes it back."""
    for i, person in enumerate(people):
        reply = person.say("hello", f"hi {i}")
        person.react(reply)
    reply = people[0].say("well?", "well")
    people[0].react(reply, DISLIKE)
    people[0].retract(reply)


def child(settings: Settings, out: Path, step: str, count: int, trim: bool) -> int:
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(out), step, str(count), "trim" if trim else ""],
        cwd=ROOT,
        env={
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(ROOT),
            "REDIS_URL": settings.redis_url,
            "KINDRED_VAR_DIR": str(settings.var_dir),
            "OMP_NUM_THREADS": "1",
        },
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode


@pytest.mark.parametrize(
    ("step", "trim"),
    [*((step, True) for step in STEPS), ("part-renamed", False), ("manifest-written", False)],
)
def test_killed_at_each_step(
    step: str,
    trim: bool,
    shop: Store,
    settings: Settings,
    empty_redis: redis.Redis,
    tmp_path: Path,
) -> None:
    out = tmp_path / "dataset"
    people = [Talker(shop) for _ in range(4)]
    written: set[str] = set()
    kills = 0
    for count in (1, 2):  # the first and a later time that the step is done
        chat(shop, people)
        written |= set(stream_ids(empty_redis))
        kills += child(settings, out, step, count, trim) != 0
        written |= set(stream_ids(empty_redis))
    assert kills
    chat(shop, people)
    written |= set(stream_ids(empty_redis))
    assert child(settings, out, "", 0, trim) == 0
    found = event_ids(out)
    assert len(found) == len(set(found))
    assert set(found) == written
    dataset = Dataset(out, shop.ring)
    assert not dataset.manifest.gaps
    assert sum(1 for _ in dataset.impressions()) == 15
    assert not dataset.skipped
    files = {path.relative_to(out).as_posix() for path in out.rglob("*.parquet*")}
    assert files == {part.path for part in dataset.manifest.parts}
    if trim:
        assert len(list(stream_ids(empty_redis))) <= 2
