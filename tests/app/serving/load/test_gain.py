"""What candidates are worth: the shipped curve, its fallback."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.serving.load.gain import DEFAULT, load_gain, measured
from models.checkpoint import load_manifest

ARTIFACTS = Path(__file__).parents[4] / "artifacts"
VERSIONS = {"generator": "g1", "reranker": "r1", "encoder": "e1", "index": "i1"}


def write(folder: Path, **changes: Any) -> None:
    document = {"versions": VERSIONS, "gain": [0.5, 0.6, 0.7], "short": 0.55, **changes}
    (folder / "gain.json").write_text(json.dumps(document))


def test_the_shipped_curve_is_of_the_shipped_models_and_rises_ever_less() -> None:
    versions = {name: load_manifest(ARTIFACTS / name).version for name in ("generator", "reranker")}
    gain = load_gain(ARTIFACTS, versions)
    assert gain is not DEFAULT
    assert len(gain.values) == 11
    steps = [b - a for a, b in itertools.pairwise(gain.values)]
    assert all(step > 0 for step in steps)
    assert steps == sorted(steps, reverse=True)
    assert gain.of(0) <= gain.of(1, 0.5) <= gain.of(1)


def test_a_curve_of_these_models_is_used(tmp_path: Path) -> None:
    write(tmp_path)
    gain = load_gain(tmp_path, VERSIONS)
    assert [gain.of(n) for n in (0, 1, 2, 9)] == [0.5, 0.6, 0.7, 0.7]
    assert gain.of(1, 0.5) == 0.55
    other_index = {**VERSIONS, "index": "i2"}  # the bank grew: the curve still tells the shape
    assert load_gain(tmp_path, other_index) == gain


@pytest.mark.parametrize("model", ["generator", "reranker"])
def test_a_curve_of_other_models_is_not(tmp_path: Path, model: str) -> None:
    write(tmp_path)
    assert load_gain(tmp_path, {**VERSIONS, model: "another"}) is DEFAULT
    without = {name: version for name, version in VERSIONS.items() if name != model}
    assert load_gain(tmp_path, without) is DEFAULT


@pytest.mark.parametrize(
    "changes",
    [
        {"gain": []},
        {"gain": [0.5, "x"]},
        {"gain": [0.5, float("nan")]},
        {"gain": [0.0, 0.5]},
        {"gain": None},
        {"versions": None},
        {"versions": []},
    ],
)
def test_a_broken_file_is_no_reason_not_to_start(tmp_path: Path, changes: Any) -> None:
    write(tmp_path, **changes)
    assert load_gain(tmp_path, VERSIONS) is DEFAULT


def test_no_file_and_no_json(tmp_path: Path) -> None:
    assert load_gain(tmp_path, VERSIONS) is DEFAULT
    (tmp_path / "gain.json").write_text("[1,")
    assert load_gain(tmp_path, VERSIONS) is DEFAULT


@given(st.lists(st.floats(0.001, 5), min_size=1, max_size=12), st.floats(-1, 6))
def test_noise_does_not_make_more_candidates_worth_less(values: list[float], short: float) -> None:
    gain = measured(values, short)
    worths = [gain.of(n) for n in range(15)]
    assert worths == sorted(worths)
    assert gain.of(0) <= gain.of(1, 0.5) <= gain.of(1)


def test_the_default_is_concave() -> None:
    steps = [b - a for a, b in itertools.pairwise(DEFAULT.values)]
    assert all(a > b > 0 for a, b in itertools.pairwise(steps))
