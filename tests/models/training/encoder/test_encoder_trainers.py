"""Which state a run goes on from, and how minutes become steps."""

from __future__ import annotations

import json
import time
from pathlib import Path

from models.training.encoder.trainers import latest_state, plan_steps
from models.training.record import Run


def test_a_state_that_was_being_written_is_cleared_away(tmp_path: Path) -> None:
    assert latest_state(tmp_path / "none") is None
    for step, text in ((9, "{}"), (20, "{}"), (100, '{"global_st'), (101, None)):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        if text is not None:
            (folder / "trainer_state.json").write_text(text)
    assert latest_state(tmp_path) == tmp_path / "checkpoint-20"
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint-9", "checkpoint-20"}


def test_minutes_become_steps_once(tmp_path: Path) -> None:
    run = Run.open(tmp_path / "run", command="test", config={}, seed=1)
    tried: list[int] = []

    def step(number: int) -> None:
        tried.append(number)
        time.sleep(0.01)

    steps = plan_steps(run, 0.1, step)
    each = json.loads((tmp_path / "run" / "plan.json").read_text())["seconds_per_step"]
    assert each >= 0.01
    assert steps == int(6.0 / each)
    assert tried == list(range(len(tried)))  # each step's own work, in order
    assert plan_steps(run, 50.0, step) == steps  # a run that goes on keeps its plan
    assert len(tried) == 22
