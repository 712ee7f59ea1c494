"""Paired statistics against what is known, and the report that rests on them."""

from __future__ import annotations

import itertools
import random
from pathlib import Path
from typing import Any

import pytest

from scripts.simulation import command, report
from scripts.simulation.paired import bootstrap, compare, sign_test, wilcoxon


def by_counting(differences: list[float]) -> float:
    """Two-sided p by trying every pattern of signs."""
    kept = [d for d in differences if d]
    sizes = sorted(abs(d) for d in kept)
    rank = {s: sum(i + 1 for i, t in enumerate(sizes) if t == s) / sizes.count(s) for s in sizes}
    observed = sum(rank[abs(d)] for d in kept if d > 0)
    total = sum(rank[abs(d)] for d in kept)
    extreme = min(observed, total - observed)
    patterns = list(itertools.product((0, 1), repeat=len(kept)))
    sums = [sum(rank[abs(d)] for d, s in zip(kept, p, strict=True) if s) for p in patterns]
    return min(1.0, 2 * sum(s <= extreme + 1e-9 for s in sums) / len(patterns))


@pytest.mark.parametrize("seed", range(6))
def test_signed_ranks_are_exact(seed: int) -> None:
    dice = random.Random(seed)
    differences = [dice.choice([-2, -1, 0, 1, 2, 3]) / 10 for _ in range(9)]
    assert wilcoxon(differences) == pytest.approx(by_counting(differences))


def test_known_values() -> None:
    assert wilcoxon([1, 2, 3, 4, 5, 6]) == pytest.approx(2 / 64)
    assert sign_test([1, 2, 3, 4, 5, 6]) == pytest.approx(2 / 64)
    assert sign_test([1, -1, 0]) == 1.0
    assert wilcoxon([0.0, 0.0]) == 1.0


def test_an_interval_holds_the_mean_and_repeats() -> None:
    values = [0.1, 0.2, 0.05, 0.15, 0.12, 0.18]
    low, high = bootstrap(values)
    assert low < sum(values) / len(values) < high
    assert bootstrap(values) == (low, high)
    assert bootstrap([0.3] * 5) == pytest.approx((0.3, 0.3))


def test_what_is_clear_and_what_is_luck() -> None:
    dice = random.Random(1)
    control = [0.5 + dice.gauss(0, 0.03) for _ in range(12)]
    better = [c + 0.08 + dice.gauss(0, 0.03) for c in control]
    same = [c + dice.choice([-1, 1]) * abs(dice.gauss(0, 0.03)) for c in control]
    found = compare(control, better)
    assert found.clear
    assert found.better >= 11
    assert found.mean == pytest.approx(0.08, abs=0.03)
    assert not compare(control, same).clear
    with pytest.raises(ValueError):
        compare([], [])


def played(seed: int, gain: float) -> dict[str, Any]:
    def rounds(step: float) -> list[dict[str, Any]]:
        return [
            {
                "shown": 100, "liked": 50, "reactions": 60, "upvotes": 30, "explored": 5,
                "walked_out": 3, "came_back": 8 + i, "people": 10,
                "fraction": 0.5 + step * i + 0.01 * (seed % 3),
            }
            for i in range(3)
        ]  # fmt: skip

    plan = {"arms": ["control", "learning"], "rounds": 3, "people": 10, "messages": 4,
            "exploration": 0.1, "threads": 1}  # fmt: skip
    arms = {"control": {"rounds": rounds(0), "learned": []},
            "learning": {"rounds": rounds(gain), "learned": []}}  # fmt: skip
    return {"seed": seed, "plan": plan, "arms": arms}


def test_the_report_says_simulated_and_compares_the_last_round(tmp_path: Path) -> None:
    results = [played(seed, gain=0.04 + 0.001 * seed) for seed in range(1, 11)]
    table = report.markdown(results)
    assert table.startswith("Simulated people, 10 seeds")
    assert "| does not learn | 0.51" in table
    assert "| reranker learns from reactions | upvote fraction | +0.091 |" in table
    assert "10 of 10 | 0.0020 |" in table
    summary = report.summary(results)
    assert summary["people"] == "simulated"
    last = summary["last_round_against_control"]["learning"]["upvote fraction"]
    assert last["mean"] == pytest.approx(0.091)
    metrics = report.metrics(results)
    assert metrics["learning: less control"] == pytest.approx(0.091)


def test_the_picture_repeats_to_the_byte(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    results = [played(seed, gain=0.04) for seed in range(1, 4)]
    report.draw(results, tmp_path / "a" / "one.svg")
    report.draw(results, tmp_path / "two.svg")
    picture = (tmp_path / "two.svg").read_text()
    assert picture == (tmp_path / "a" / "one.svg").read_text()
    assert "Simulated people with hidden tastes, 3 seeds" in picture


def test_the_table_goes_between_the_marks_of_the_page(tmp_path: Path) -> None:
    page = tmp_path / "simulation.md"
    page.write_text(f"before\n{command.BEGIN}\nold\n{command.END}\nafter\n")
    command.publish(page, "| new |\n")
    command.publish(page, "| newer |\n")
    text = page.read_text()
    assert text.startswith(f"before\n{command.BEGIN}\n| newer |\n")
    assert text.endswith(f"images/{command.PICTURE})\n{command.END}\nafter\n")
    assert "old" not in text
    assert "| new |" not in text
    page.write_text("no marks")
    with pytest.raises(ValueError, match="no place"):
        command.publish(page, "x")


def test_the_page_in_the_docs_has_the_marks() -> None:
    text = (command.DOCS / "simulation.md").read_text(encoding="utf-8")
    assert text.index(command.BEGIN) < text.index(command.END)
