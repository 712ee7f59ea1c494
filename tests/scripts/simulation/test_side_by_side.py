"""Seeds in processes of their own: what a signal ends is stopped, what fails is an error."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import pytest

from models.training.record import Run
from scripts.simulation import command

Play = Callable[[str], bool]
SIGNAL = "import os, signal, sys\nos.kill(os.getppid(), signal.SIGTERM)\n"


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """Plays two seeds by a script that stands for the command; whether all were played."""

    def with_script(text: str) -> bool:
        script = tmp_path / "child.py"
        script.write_text(text)
        record = Run.open(tmp_path / "run", command="test", config={}, seed=1)
        options = argparse.Namespace(run=tmp_path / "run", seeds=2, processes=2)
        with record.stoppable():
            return command._side_by_side(record, options, [1, 2], [str(script)])

    return with_script


@pytest.mark.parametrize(
    "text",
    [
        SIGNAL,  # a service manager signals all: the child ends first, without a result
        SIGNAL + "os.kill(os.getpid(), signal.SIGTERM)\n",  # and before it could listen
        "import sys\nsys.exit(0)\n",  # the parent's own signal is yet to come
    ],
)
def test_children_that_are_told_to_stop_are_no_failure(play: Play, text: str) -> None:
    assert not play(text)


def test_a_child_that_fails_is_an_error(play: Play) -> None:
    with pytest.raises(ValueError, match="ended with status 3"):
        play("import sys\nsys.exit(3)\n")


LEAVES = """
import pathlib, sys
result = '{"arms": {"control": {"rounds": [{"fraction": 0.5}]}}}'
seed = int(sys.argv[-1])
pathlib.Path(__file__).with_name("run").joinpath(f"seed-{seed:03d}.json").write_text(result)
"""


def test_all_are_played_where_each_leaves_its_result(play: Play) -> None:
    assert play(LEAVES)
