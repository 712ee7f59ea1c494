"""The bench of the cores without an engine: its conversations, its table, its pictures."""

from __future__ import annotations

from typing import Any

import pytest

from scripts.benches import cores


def test_no_conversation_comes_twice() -> None:
    talks = cores.Talks([f"prompt {number}" for number in range(7)])
    seen = [talks.next() for _ in range(200)]
    assert [number for number, _ in seen] == list(range(200))
    assert len({tuple(turns) for _, turns in seen}) == 200
    assert {len(turns) for _, turns in seen} == {3}


@pytest.fixture
def result() -> dict[str, Any]:
    def figures(rps: float) -> dict[str, float]:
        keys = ("p50_ms", "p95_ms", "gather_p50_ms", "rank_p50_ms", "rank_p95_ms")
        return {"rps": rps, "hub_gap_p99_ms": 2.0, **dict.fromkeys(keys, 1_000 / rps)}

    machine = {
        "processor": "p",
        "extensions": [],
        "cores": 2,
        "python": "3",
        "versions": {},
        "date": "d",
    }
    return {
        "machine": machine,
        "candidates": 10,
        "new_tokens": 20,
        "retrieved": 10,
        "rounds": 5,
        "seconds": 10.0,
        "levels": {
            "1": {"free coalesce": figures(4.0), "turns coalesce": figures(5.0)},
            "8": {"free coalesce": figures(10.0), "turns coalesce": figures(9.0)},
        },
    }


def test_the_table_compares_each_side_with_the_first(result: dict[str, Any]) -> None:
    shown = cores.show(result)
    assert "| 1 | turns coalesce | 5.00 | 1.25 |" in shown
    assert "| 8 | turns coalesce | 9.00 | 0.90 |" in shown
    assert shown.rstrip().endswith("(geometric mean): turns coalesce.")  # 6.71 against 6.32


def test_the_pictures_have_every_side(result: dict[str, Any]) -> None:
    (chart,) = cores.charts(result)
    for panel in chart.panels:
        assert [one.label for one in panel.series] == ["free coalesce", "turns coalesce"]
        assert all(len(one.ys) == len(one.xs) == 2 for one in panel.series)


def test_the_command_line_knows_the_sides() -> None:
    options = cores.parser().parse_args(["--sides", "turns single", "--clients", "4"])
    assert options.sides == ["turns single"]
    assert options.clients == [4]
    with pytest.raises(SystemExit):
        cores.parser().parse_args(["--sides", "both"])
