"""The simulation as a person runs it: played, stopped, gone on with, made again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.own_data import write_part

ROOT = Path(__file__).parents[3]
SIMULATE = ROOT / "scripts" / "simulate"
REPRODUCE = ROOT / "scripts" / "reproduce"
SMALL = ["--rounds", "2", "--people", "14", "--messages", "6"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small part of the project's own bank and dialogs."""
    return write_part(tmp_path_factory.mktemp("data"), bank=6, dialogs=4)


def start(script: Path, *words: object, **options: Any) -> subprocess.Popen[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(
        [sys.executable, str(script), *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
        **options,
    )


def call(script: Path, *words: object) -> tuple[int, str]:
    child = start(script, *words)
    try:
        output = child.communicate(timeout=600)[0]
    finally:
        if child.poll() is None:
            child.terminate()
            child.wait(60)
    return child.returncode, output


def test_help_says_that_the_people_are_simulated() -> None:
    status, output = call(SIMULATE, "--help")
    assert status == 0
    assert "Simulated people" in output
    assert "--seed-only" not in output


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--rounds", "0"], "must be 1 or more"),
        (["--people", "some"], "invalid positive value"),
        (["--exploration", "0.9"], "between 0 and 0.5"),
        (["--data", "/nowhere"], "there is no folder /nowhere"),
    ],
)
def test_a_wrong_value_is_one_clear_line(words: list[str], reason: str) -> None:
    status, output = call(SIMULATE, *words)
    assert status == 2
    assert reason in output.splitlines()[-1]


@pytest.mark.slow
def test_it_is_played_stopped_gone_on_with_and_made_again(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    words = ["--run", folder, "--data", data, "--seeds", 2, *SMALL]
    child = start(SIMULATE, *words)
    assert child.stdout is not None
    try:
        for line in child.stdout:
            if "seed 1:" in line:
                child.send_signal(signal.SIGTERM)
                break
        rest = child.communicate(timeout=300)[0]
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()
    assert child.returncode == 0
    assert "the same command goes on" in rest
    first = (folder / "seed-001.json").read_bytes()
    assert not (folder / "seed-002.json").exists()

    status, output = call(SIMULATE, *words)
    assert status == 0, output
    assert "1 of 2 seeds to play" in output
    assert (folder / "seed-001.json").read_bytes() == first
    assert (folder / "simulation.md").read_text().startswith("Simulated people, 2 seeds")
    assert "Simulated people" in (folder / "learning-simulation.svg").read_text()
    check_seed(json.loads(first))

    status, output = call(SIMULATE, *words, "--exploration", "0.3")
    assert status == 1
    assert "another config" in output

    status, output = call(REPRODUCE, folder, "--anyway", "--out", tmp_path / "again")
    assert status == 0, output
    assert "DIFFERS" not in output
    again = json.loads((tmp_path / "again" / "seed-001.json").read_text())
    assert again["arms"]["control"] == json.loads(first)["arms"]["control"]


def check_seed(result: dict[str, Any]) -> None:
    """Both arms met the same people, and one of them learned."""
    control, learning = result["arms"]["control"], result["arms"]["learning"]
    assert control["rounds"][0] == learning["rounds"][0]
    assert control["rounds"][1] != learning["rounds"][1]
    assert control["learned"] == []
    (learned,) = learning["learned"]
    assert learned["examples"] >= 40
    assert 0 < learned["log_loss"] < 1
    for row in control["rounds"]:
        assert row["shown"] >= row["reactions"] >= row["upvotes"] > 0
        assert row["people"] == 14


@pytest.mark.slow
def test_seeds_side_by_side_give_the_same_results(data: Path, tmp_path: Path) -> None:
    words = ["--data", data, "--seeds", 2, "--rounds", 1, "--people", 3, "--messages", 3]
    taste = ["--taste", "--shuffled"]
    status, output = call(SIMULATE, "--run", tmp_path / "one", *words, *taste)
    assert status == 0, output
    status, output = call(SIMULATE, "--run", tmp_path / "two", *words, *taste, "--processes", 2)
    assert status == 0, output
    for name in ("seed-001.json", "seed-002.json", "simulation.md"):
        assert (tmp_path / "one" / name).read_text() == (tmp_path / "two" / name).read_text()
    arms = json.loads((tmp_path / "one" / "seed-001.json").read_text())["arms"]
    assert list(arms) == ["control", "learning", "taste", "learning+taste", "shuffled"]
