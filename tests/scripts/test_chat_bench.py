"""The chat bench: how its rounds are put together, and what its plain sides rest on."""

from __future__ import annotations

import argparse
import json
import math
import socket
from typing import Any

import pytest
from tokenizers import Tokenizer

from scripts.benches import chat, gpt2_small, plain, service


def one(rps: float, p95: float = 100.0, cut: int = 0) -> dict[str, Any]:
    return {
        "rps": rps,
        "p50_ms": 50.0,
        "p95_ms": p95,
        "p99_ms": 200.0,
        "cut": cut,
        "statuses": {"200 plain": 10, "503 overloaded": 1},
        "load_cpu_share": 0.01,
        "load_lag_p99_ms": 0.5,
    }


def result(**sides: list[dict[str, Any]]) -> dict[str, Any]:
    named = {name.replace("_", "-"): chat.summary(rows) for name, rows in sides.items()}
    level = {
        "rounds": 3,
        "seconds": 20.0,
        "sides": named,
        "stages_ms": {"gather": 12.0},
        "hub_gap_p99_ms": 5.0,
        "late": 0.0,
    }
    machine = {"cores": 2, "processor": "x", "extensions": [], "python": "3", "versions": {}}
    return {
        "machine": {**machine, "date": "2026-01-01"},
        "generator": "shipped",
        "settings": {},
        "absent_peers": {},
        "levels": {"8": level},
    }


def test_rounds_become_medians_with_their_range() -> None:
    found = chat.summary([one(5.0), one(7.0, p95=300.0, cut=2), one(6.0)])
    assert (found["rps"], found["rps_low"], found["rps_high"]) == (6.0, 5.0, 7.0)
    assert found["p95_ms"] == 100.0
    assert found["cut"] == 2
    assert found["statuses"] == {"200 plain": 30, "503 overloaded": 3}


def test_the_table_has_every_side_its_ratio_and_the_goals() -> None:
    text = chat.show(
        result(kindred=[one(12.0)], naive=[one(1.5, cut=3)], service_streamer=[one(4.0)])
    )
    assert "| 8 | naive | 1.50 (1.50 to 1.50) | ≥ 50 | ≥ 100 | ≥ 200 | 8.0 x | 10 | 1 |" in text
    assert "8.0 x naive (to reach: 6 x) and 3.0 x service-streamer (to reach: 2 x)" in text


def test_a_peer_that_is_absent_is_named_and_not_beaten() -> None:
    found = result(kindred=[one(12.0)], naive=[one(2.0)])
    found["absent_peers"] = {"service-streamer": "not installed"}
    text = chat.show(found)
    assert "service-streamer: absent (not installed)." in text
    assert "x service-streamer" not in text
    assert [s.label for s in chat.charts(found)[0].panels[0].series] == ["kindred", "naive"]


def test_a_side_that_answered_nothing_has_no_ratio() -> None:
    found = result(kindred=[one(12.0)], naive=[one(0.0)])
    assert math.isnan(chat.ratios(found["levels"]["8"])["naive"])
    assert "nan" not in chat.show(found)


def test_the_side_that_begins_moves_on_and_all_get_the_same_messages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[str, int]] = []

    def round_of(side: str, at: Any, clients: int, seed: int, options: Any) -> dict[str, Any]:
        asked.append((side, seed))
        return one(1.0)

    monkeypatch.setattr(chat, "one_round", round_of)
    monkeypatch.setattr(service, "metrics", lambda at: {})
    up: Any = chat.Sides(dict.fromkeys((chat.KINDRED, chat.NAIVE, chat.STREAMER)), {})
    chat.level(up, 8, argparse.Namespace(rounds=3, seconds=4.0))
    sides = [side for side, _ in asked]
    assert [sides[i] for i in (0, 3, 6)] == [chat.KINDRED, chat.NAIVE, chat.STREAMER]
    assert all(sides.count(side) == 3 for side in set(sides))
    seeds = [seed for _, seed in asked]
    assert [len(set(seeds[i : i + 3])) for i in (0, 3, 6)] == [1, 1, 1]
    assert len(set(seeds)) == 3


def test_counters_and_quantiles_between_two_readings() -> None:
    before = {'late_total{stage="rank"}': 2.0, 'gap_bucket{le="0.01"}': 5.0}
    after = {
        'late_total{stage="rank"}': 3.0,
        'late_total{stage="generate"}': 4.0,
        'later_total{stage="rank"}': 9.0,
        'gap_bucket{le="0.01"}': 103.0,
        'gap_bucket{le="0.05"}': 105.0,
        'gap_bucket{le="+Inf"}': 105.0,
    }
    assert service.growth(before, after, "late_total") == 5.0
    assert service.quantile(before, after, "gap", 0.9) == 0.01
    assert service.quantile(before, after, "gap", 0.999) == 0.05


def test_a_caller_who_left_is_noticed_and_one_who_waits_is_not() -> None:
    here, there = socket.socketpair()
    with here, there:
        here.settimeout(5.0)  # as gunicorn's sync worker has it
        assert not plain.hung_up({"gunicorn.socket": here})
        there.sendall(b"the next request")
        assert not plain.hung_up({"gunicorn.socket": here})
        here.recv(64)
        there.close()
        assert plain.hung_up({"gunicorn.socket": here})


def test_the_random_gpt2_says_a_word_for_each_of_its_ids() -> None:
    raw = json.loads((gpt2_small.ROOT / "artifacts/generator/tokenizer.json").read_text())
    before = Tokenizer.from_str(json.dumps(raw))
    gpt2_small.extend(raw, gpt2_small.words(), 50_257)
    after = Tokenizer.from_str(json.dumps(raw))
    text = "hello there, what a day! i walked my dog"
    assert before.encode(text).ids == after.encode(text).ids
    assert after.get_vocab_size() == 50_257
    said = after.decode(list(range(20_000, 20_020)))
    assert len(said.split()) == 20
    with pytest.raises(ValueError):
        gpt2_small.extend(raw, ["one"], 60_000)


def test_levels_measured_apart_stand_in_one_table_with_their_windows() -> None:
    first, second = result(kindred=[one(12.0)]), result(kindred=[one(20.0)])
    second["levels"] = {"32": {**second["levels"].pop("8"), "seconds": 40.0}}
    second["machine"]["date"] = "2026-01-02"
    first["levels"] = chat.added(first, second)
    assert list(first["levels"]) == ["8", "32"]
    assert "3 rounds of 20 s (8 people), 3 rounds of 40 s (32 people)" in chat.show(first)
    second["machine"]["cores"] = 4
    with pytest.raises(ValueError, match="another machine"):
        chat.added(first, second)
