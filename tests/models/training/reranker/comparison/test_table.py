"""The table says what was measured, and says so where something was not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from models.training.reranker.comparison import pictures, table
from models.training.reranker.comparison.targets import claims

FLOOR = {
    "name": "candidate only",
    "version": "f",
    "family": "floor",
    "heads": ["accentor"],
    "parameters": 90_000,
    "accentor": {
        "own_head": True,
        "all": {"auc": [0.75, 0.74, 0.76], "ece": [0.1, 0.1, 0.1], "ece_even_odds": [0.2] * 3},
        "unseen": {"auc": [0.6, 0.58, 0.62]},
    },
}


def model(name: str, auc: float, speed: float, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "version": f"v-{name}",
        "family": "cross-encoder",
        "heads": ["accentor", "selection"],
        "sources": ["accentor", "dialogue_eval"],
        "parameters": 22_700_000,
        "train_seconds": 605.0,
        "pairs": 40_000,
        "accentor": {
            "own_head": True,
            "all": {"auc": [auc, auc - 0.01, auc + 0.01], "ece": [0.03, 0.02, 0.04],
                    "ece_even_odds": [0.05, 0.04, 0.06]},
            "unseen": {"auc": [auc - 0.1, auc - 0.12, auc - 0.08]},
        },
        "ieval": {"agreement": [0.66, 0.6, 0.7], "by_head": {"selection": 0.65}},
        "dialogue_eval": {
            "agreement": [0.9, 0.88, 0.92],
            "agreement_held_out": [0.8, 0.7, 0.9],
            "sanity": {"weak_bot_rank": 1, "weak_bot_auc": 0.91, "bots": 11},
        },
        "speed": {
            "1": {"pairs_per_second": {"10": speed / 2, "64": speed}, "memory_bytes": 3 * 2**20}
        },
        **more,
    }  # fmt: skip


ROWS = [
    FLOOR,
    model("teacher", 0.82, 100.0, layers=6, max_tokens=80),
    model("half", 0.81, 190.0, layers=3, teacher="teacher", max_tokens=80),
    model(
        "slow half",
        0.70,
        110.0,
        layers=3,
        teacher="its folder",
        max_tokens=64,
        teacher_version="v-teacher",
    ),
    model("lstm", 0.78, 400.0, family="qa-lstm"),
]


def test_the_table_has_every_model_and_says_what_is_missing() -> None:
    text = table.markdown(ROWS, {"BERT-base": "its weights were not to be had"})
    lines = text.splitlines()
    width = lines[0].count("|")
    rows = [line for line in lines if line.startswith("|")]
    assert len(rows) == 2 + len(ROWS) + 1
    assert all(line.count("|") == width for line in rows)
    half = next(line for line in rows if line.startswith("| half |"))
    assert "0.810 (0.800–0.820)" in half
    assert "22.7 M" in half
    assert "10:05 min, 40 k pairs" in half
    assert "0.030 (0.050)" in half
    assert "95 / 190; –" in half
    assert "3 MB" in half
    assert "1 of 11, 0.910" in half
    assert "0.800 (0.700–0.900) \\*" in half, "only dialogs that it was not trained on count"
    assert "not measured: its weights were not to be had" in rows[-1]
    assert "| – |" in next(line for line in rows if line.startswith("| candidate only"))


def test_targets_are_judged_by_the_rows() -> None:
    found = {claim.text: claim for claim in claims(ROWS)}
    by_start = {text.split(":")[0]: claim for text, claim in found.items()}
    assert found["ACCENTOR test AUC of at least 0.80"].holds is True
    assert found["above the candidate-only floor on unseen responses"].holds is True
    assert (
        "0.720, floor 0.600" in found["above the candidate-only floor on unseen responses"].detail
    )
    half = found["half: at least 97 % of its teacher at 1.6 times its speed or more"]
    assert half.holds is True
    assert half.detail == "98.8 % of the AUC at 1.90 times"
    slow = found["slow half: at least 97 % of its teacher at 1.6 times its speed or more"]
    assert slow.holds is False
    assert found["the BERT family above QA-LSTM"].holds is True
    assert by_start["teacher"].holds is True
    assert "0.660 (0.600–0.700) against 0.650, its own" in by_start["teacher"].detail


def test_a_model_of_selection_alone_is_what_others_must_agree_like() -> None:
    alone = {
        **model("selection", 0.5, 100.0),
        "heads": ["selection"],
        "ieval": {"agreement": [0.67, 0.6, 0.7]},
    }
    untaught = {**ROWS[1], "name": "untaught", "sources": ["accentor"]}
    found = [claim for claim in claims([ROWS[1], untaught, alone]) if "left out" in claim.text]
    assert [claim.text.split(",")[0] for claim in found] == [
        "teacher: agrees with ieval",  # it was trained on the other source
        "untaught: agrees with dialogue_eval",
        "untaught: agrees with ieval",
    ]
    assert [claim.holds for claim in found] == [False, True, False]
    assert "0.660 (0.600–0.700) against 0.670, selection" in found[0].detail


def test_nothing_measured_is_nothing_claimed() -> None:
    assert {claim.holds for claim in claims([])} == {None}
    assert "cannot be told" in table.markdown([])
    without = {**ROWS[2], "speed": {"1": {"failed": "no"}}}
    found = [claim for claim in claims([ROWS[1], without]) if claim.text.startswith("half: at")]
    assert [claim.holds for claim in found] == [None]
    assert "half: at least" not in table.markdown([ROWS[1]])


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ([0.5, 0.4, 0.6], "0.500 (0.400–0.600)"),
        ([0.5, None, None], "0.500"),
        ([None, None, None], "–"),
        (None, "–"),
        ([], "–"),
    ],
)
def test_figures(value: Any, shown: str) -> None:
    assert table.figure(value) == shown


def test_files_hold_rows_targets_and_what_is_missing(tmp_path: Path) -> None:
    paths = table.write(ROWS, tmp_path / "docs" / "rerankers", {"ALBERT": "no weights"})
    assert [path.name for path in paths] == ["rerankers.md", "rerankers.json"]
    document = json.loads(paths[1].read_text(encoding="utf-8"))
    assert [row["name"] for row in document["rows"]] == [row["name"] for row in ROWS]
    assert document["missing"] == {"ALBERT": "no weights"}
    assert {"claim", "holds", "detail"} == set(document["targets"][0])


def test_pictures_are_drawn_of_what_there_is_and_are_the_same_each_time(tmp_path: Path) -> None:
    swept = [*ROWS, model("short", 0.80, 130.0, layers=6, max_tokens=64)]
    paths = pictures.draw(swept, tmp_path / "a")
    assert [path.name for path in paths] == ["a-speed.svg", "a-ladder.svg", "a-lengths.svg"]
    first = [path.read_bytes() for path in paths]
    assert b"<svg" in first[0]
    again = pictures.draw(swept, tmp_path / "a")
    assert [path.read_bytes() for path in again] == first
    assert pictures.draw([FLOOR], tmp_path / "b") == []
    one = pictures.draw(ROWS[:2], tmp_path / "c")
    assert [path.name for path in one] == ["c-speed.svg"], "one point is no ladder and no sweep"
