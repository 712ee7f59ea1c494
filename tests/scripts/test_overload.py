"""The search for the capacity, the steps, and what their figures are judged by."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from scripts.benches import capacity, overload_page, service, staircase
from scripts.benches.arrivals import parse_steps
from scripts.benches.load import Attempt
from scripts.benches.staircase import Stairs


@pytest.mark.parametrize("guess", [0.5, 3.0, 7.3, 40.0])
def test_the_search_finds_the_highest_rate_that_holds(guess: float) -> None:
    tried: list[float] = []

    def holds(rate: float) -> bool:
        tried.append(rate)
        return rate <= 7.3

    found = capacity.highest(holds, guess)
    assert found <= 7.3 < found * 1.05 + 1e-9
    assert found in tried
    assert len(tried) <= 12


def test_a_search_without_an_end_says_so() -> None:
    with pytest.raises(ValueError):
        capacity.highest(lambda _: True, 1.0)
    with pytest.raises(ValueError):
        capacity.highest(lambda _: False, 1.0)


def test_a_lucky_probe_is_not_the_capacity() -> None:
    chance = random.Random(5)

    def holds(rate: float) -> bool:
        return rate <= 8.0 or (rate <= 10.0 and chance.random() < 0.2)

    assert 7.0 < capacity.confirmed(holds, 10.0) <= 8.8
    assert capacity.confirmed(lambda rate: rate <= 8.0, 8.0) == 8.0
    with pytest.raises(ValueError):
        capacity.confirmed(lambda _: False, 10.0)


def test_stairs_go_up_and_back_with_the_peak_once() -> None:
    stairs = Stairs(capacity=4.0, settle=3.0, seconds=10.0)
    assert stairs.path == (0.5, 0.8, 1, 1.5, 2, 5, 10, 5, 2, 1.5, 1, 0.8, 0.5)
    steps = parse_steps(stairs.steps)
    assert [step.rate for step in steps[1::2]] == [4.0 * multiple for multiple in stairs.path]
    assert [step.rate for step in steps[::2]] == [step.rate for step in steps[1::2]]
    assert sum(step.seconds for step in steps) == stairs.duration == 13 * 13.0


def attempt(latency: float, status: int = 200, kind: str = "retrieval", **more: Any) -> Attempt:
    values = {"step": 1, "first": 0.0, "due": 0.0, "sent": 0.0, "number": 1, "degraded": False}
    return Attempt(**{**values, "done": latency, "status": status, "kind": kind, **more})


def test_the_figures_of_a_step() -> None:
    attempts = [
        *[attempt(0.1)] * 6,
        attempt(0.7, degraded=True),
        attempt(0.9),
        attempt(0.2, kind="fallback", degraded=True),
        attempt(0.01, 503, "overloaded"),
        attempt(5.0, 0, "cut"),
    ]
    found = staircase.figures(attempts, 2.0, 0.8)
    assert found["offered"] == 5.5
    assert found["answered"] == 4.5
    assert found["refused"] == found["lost"] == 0.5
    assert found["goodput"] == 3.5  # neither the late one nor the fallback line
    assert found["p50_ms"] == pytest.approx(100)
    assert found["p95_ms"] == pytest.approx(900)
    assert found["refusal_p99_ms"] == pytest.approx(10)
    assert found["degraded"] == pytest.approx(2 / 9)
    assert found["fallback"] == pytest.approx(1 / 9)


def test_a_step_in_which_nothing_came() -> None:
    found = staircase.figures([], 2.0, 0.8)
    assert found["offered"] == found["goodput"] == 0.0
    assert math.isnan(found["p95_ms"])


def buckets(counts: dict[int, int]) -> dict[str, float]:
    """The samples of /metrics for so many replies with each N."""
    bounds = [*range(11), 12, 16, 24, 32]
    text = {f'{float(b)}"': sum(k for n, k in counts.items() if n <= b) for b in bounds}
    rows = {f'kindred_reply_candidates_bucket{{le="{le}}}': float(k) for le, k in text.items()}
    return {**rows, 'kindred_reply_candidates_bucket{le="+Inf"}': float(sum(counts.values()))}


def test_how_many_candidates_replies_had_is_read_from_the_metrics() -> None:
    before, after = buckets({10: 5, 0: 1}), buckets({10: 9, 0: 3, 4: 2})
    counts = staircase.candidates(before, after)
    assert counts == {"0": 2, "4": 2, "10": 4}
    assert staircase.mean_n(counts) == 6.0
    gain = [0.5, 0.5, 0.5, 0.5, 0.75, 1.0]  # a table up to 5: beyond it, its last
    assert staircase.mean_gain(counts, gain) == pytest.approx((2 * 0.5 + 2 * 0.75 + 4 * 1.0) / 8)
    assert staircase.candidates(after, after) == {}
    assert math.isnan(staircase.mean_n({}))


def test_a_climb_reads_the_metrics_at_both_ends_of_what_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before each counted part 100 replies with N = 0, in it as many as its number with N = 10."""
    counts, silent = {0: 0, 10: 0}, False
    stairs = Stairs(capacity=4.0, settle=1.0, seconds=2.0, multiples=(0.5, 1.0))

    def load(at: Any, on_step: Any, **options: Any) -> dict[str, Any]:
        steps = parse_steps(options["steps"])
        for number in range(len(steps)):
            on_step(number)
            if number % 2:
                counts[10] += number
            else:
                counts[0] += 100
        rows = [[n, n, n, n, n + 0.1, 200, "retrieval", False, 1] for n in range(len(steps))]
        about = {"seconds": 9.0, "cpu_share": 0.1, "lag_p50": 0.0, "lag_p99": 0.002}
        return {**about, "attempts": rows}

    def metrics(at: Any) -> dict[str, float]:
        if silent:
            raise TimeoutError
        return buckets(counts)

    monkeypatch.setattr(service, "load", load)
    monkeypatch.setattr(service, "metrics", metrics)
    nobody: Any = None
    rows = staircase.climb(nobody, stairs, 0.8, seed=1)
    assert [row["multiple"] for row in rows] == [0.5, 1.0, 0.5]
    assert [row["back"] for row in rows] == [False, False, True]
    assert [row["candidates"] for row in rows] == [{"10": 1}, {"10": 3}, {"10": 5}]
    assert all(row["offered"] == row["goodput"] == 0.5 for row in rows)
    silent = True
    found = staircase.medians([staircase.climb(nobody, stairs, 0.8, seed=1)], [0.5])
    assert math.isnan(found["1"]["mean_n"])
    assert math.isnan(found["1"]["gain"])


def climb(goodput: float, p95: float, n: int, multiples: tuple[float, ...]) -> list[dict[str, Any]]:
    base = staircase.figures([attempt(0.1)] * 10, 1.0, 0.8)
    return [
        {
            "multiple": multiple,
            "back": back,
            "candidates": {str(n): 10},
            **base,
            "goodput": goodput,
            "answered": goodput,
            "p95_ms": p95,
            "load_cpu_share": 0.1,
            "load_lag_p99_ms": 1.0,
        }
        for multiple, back in zip(multiples, (False, False, False, True, True), strict=True)
    ]


PATH = (0.5, 1.0, 10.0, 1.0, 0.5)


def result(control: list[dict[str, Any]], fixed: list[dict[str, Any]]) -> dict[str, Any]:
    gain = [0.9, 0.91, 0.92, 0.93, 0.94, 0.95, 0.96, 0.97, 0.98, 0.99, 1.0]
    return {
        "machine": {"cores": 2, "processor": "x", "extensions": [], "python": "3", "versions": {}}
        | {"date": "2026-01-01"},
        "objective_ms": 800,
        "capacity": {"rate": 4.0, "probes": [], "given": True},
        "seconds": 10.0,
        "rounds": 1,
        "gain": {"gain": gain},
        "steps": {
            "control": staircase.medians([control], gain),
            "N = 0": staircase.medians([fixed], gain),
        },
        "recovery_seconds": {"1 tries": [2.0, 3.0], "5 tries": [None, 4.0]},
    }


def test_steps_up_and_back_are_put_together_by_their_multiple() -> None:
    rows = climb(5.0, 700.0, 10, PATH)
    rows[0]["goodput"], rows[4]["goodput"] = 1.0, 3.0
    found = staircase.medians([rows, rows, rows], None)
    assert list(found) == ["0.5", "1", "10"]
    assert found["0.5"]["observations"] == 6
    assert found["0.5"]["goodput"] == 2.0
    assert found["10"]["observations"] == 3
    assert found["1"]["mean_n"] == 10.0
    assert math.isnan(found["1"]["gain"])


def test_goals_are_judged_by_the_worst_step() -> None:
    control, fixed = climb(5.0, 700.0, 10, PATH), climb(5.2, 700.0, 0, PATH)
    control[2]["goodput"], control[2]["p95_ms"], control[2]["answered"] = 4.0, 801.0, 4.0
    found = result(control, fixed)
    ratios = overload_page.gain_ratios(found["steps"])
    assert ratios["0.5"] == pytest.approx(5.0 * 1.0 / (5.2 * 0.9))
    assert ratios["10"] == pytest.approx(4.0 * 1.0 / (5.2 * 0.9))
    lines = list(overload_page.goals(found))
    missed = [line for line in lines if "missed" in line]
    assert len(lines) == 6
    assert [line.split(":")[0] for line in missed] == [
        "p95 of the answered, worst step",
        "goodput at the peak by its best",
        "Σ gain(N) by that of the best fixed N, worst step",
        "recovery, 5 tries",
    ]


def test_the_page_is_written_with_and_without_a_gain_table() -> None:
    found = result(climb(5.0, 700.0, 10, PATH), climb(5.2, 700.0, 0, PATH))
    text = overload_page.show(found)
    assert "| N = 0 | 5.20 | 5.20 | 5.20 |" in text
    assert "not within the run" in text
    assert len(overload_page.charts(found)[0].panels) == 4
    found["gain"] = None
    assert "not measured" in overload_page.show(found)
    assert len(overload_page.charts(found)[0].panels) == 3
