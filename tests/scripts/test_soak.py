"""The soak's reckoning, its page, and a minute of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.soaking import page
from scripts.soaking.__main__ import soak
from scripts.soaking.kept import judge
from scripts.soaking.memory import Sample, lives
from scripts.soaking.run import REDIS, WORKER, Plan, blows_of
from tests.small_models import write_all


def test_every_promise_is_looked_for() -> None:
    promised = {"a": "love", "b": "funny", "c": "love", "d": "love"}
    events = [("a", "love"), ("b", "love"), ("c", "love"), ("c", "love"), ("e", "love")]
    verdict = judge(promised, events)
    assert (verdict.acknowledged, verdict.kept_once) == (4, 2)
    assert (verdict.lost, verdict.doubled, verdict.altered, verdict.unasked) == (1, 1, 1, 1)
    assert not verdict.holds
    assert judge({"a": "love"}, [("a", "love"), ("e", "funny")]).holds


def test_memory_is_judged_by_life_once_it_has_settled() -> None:
    first = [Sample(t, 1, 100 + 900 * (t < 20) + t // 50, 7) for t in range(0, 200, 2)]
    gap = [Sample(200.0, 0, 0, 7)]
    second = [Sample(t, 2, 100, 7) for t in range(202, 220, 2)]
    one, two = lives([*first, *gap, *second], settle=20)
    assert (one.worker, one.begins, one.ends) == (1, 0, 198)
    assert one.growth == pytest.approx(0.03)
    assert (two.worker, two.growth) == (2, None)


def test_the_worker_and_redis_are_killed_apart() -> None:
    blows = blows_of(Plan(3_600))
    assert [blow.at for blow in blows if blow.what == REDIS] == [300 * n for n in range(1, 12)]
    assert [b.at for b in blows if b.what == WORKER] == [600 * n - 150 for n in range(1, 7)]
    assert blows_of(Plan(60, redis_every=0, worker_every=0)) == []


def test_the_section_takes_the_place_of_the_last_one(tmp_path: Path) -> None:
    path = tmp_path / "reliability.md"
    path.write_text("# Reliability\n\nfirst\n")
    page.write("old", path)
    path.write_text(path.read_text() + "\nlast\n")
    page.write("new", path)
    text = path.read_text()
    assert "old" not in text
    assert text.index("first") < text.index("new") < text.index("last")
    assert text.count(page.BEGIN) == text.count(page.END) == 1


@pytest.mark.slow
@pytest.mark.faults(1, 15)
def test_a_minute_in_which_redis_and_the_worker_die(tmp_path: Path) -> None:
    models = write_all(tmp_path)
    settings = {
        "KINDRED_ENCODER": str(models / "encoder"),
        "KINDRED_RERANKER": str(models / "reranker"),
        "KINDRED_GENERATOR": str(models / "generator"),
        "KINDRED_DATA_DIR": str(models / "data"),
        "KINDRED_RUNTIME": "torch",
        "KINDRED_THREADS": "1",
        "KINDRED_NEW_TOKENS": "8",
        "KINDRED_PARTITIONS": "4",
    }
    plan = Plan(
        60,
        rate=4.0,
        redis_every=20,
        away=2,
        worker_every=35,
        sample_every=1,
        settle=10,
        people=40,
    )
    result = soak(plan, settings)
    assert {blow["what"] for blow in result["blows"]} == {REDIS, WORKER}
    assert result["verdict"]["acknowledged"] > 50
    assert result["verdict"]["holds"], result["verdict"]
    assert result["answered"] >= 0.95 * result["visits"]
    assert len(result["lives"]) >= 2
    assert "of them kept exactly once" in page.show(result)
    assert len(page.chart(result).panels) == 2
