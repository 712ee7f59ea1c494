"""The record of a run: what it leaves, how it goes on, how it is stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from models.checkpoint import file_sha256
from models.training import record
from models.training.record import Run, RunConflict, duration, read_metrics

ROOT = Path(__file__).parents[3]


def opened(folder: Path, seed: int = 3, **config: object) -> Run:
    return Run.open(folder, command="scripts/x --run r", config=config, seed=seed)


def document(folder: Path) -> dict[str, object]:
    loaded: dict[str, object] = json.loads((folder / "run.json").read_text())
    return loaded


def test_a_run_says_what_it_depends_on(tmp_path: Path) -> None:
    data = tmp_path / "dialogs.jsonl"
    data.write_text("one\n")
    folder = tmp_path / "run"
    Run.open(folder, command="scripts/x --n 2", config={"n": 2}, seed=5, data=[data])
    kept = document(folder)
    assert kept["command"] == "scripts/x --n 2"
    assert kept["config"] == {"n": 2}
    assert kept["seed"] == 5
    assert kept["data"] == {"dialogs.jsonl": file_sha256(data)}
    assert kept["revision"] == record.revision()
    assert set(record.machine()) <= set(kept["machine"])  # type: ignore[call-overload]
    assert str(tmp_path) not in (folder / "run.json").read_text()


def test_files_of_one_name_are_told_apart(tmp_path: Path) -> None:
    paths = [tmp_path / "a" / "x" / "d.txt", tmp_path / "b" / "x" / "d.txt", tmp_path / "e.txt"]
    for i, path in enumerate(paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(i))
    folder = tmp_path / "run"
    data = [*paths, paths[0]]
    Run.open(folder, command="c", config={}, seed=1, data=data)
    names = ["a/x/d.txt", "b/x/d.txt", "e.txt"]
    assert document(folder)["data"] == {
        name: file_sha256(path) for name, path in zip(names, paths, strict=True)
    }
    assert record.named([Path("/d.txt"), Path("/d.txt/d.txt")]) == {
        "/d.txt": Path("/d.txt"),
        "d.txt/d.txt": Path("/d.txt/d.txt"),
    }
    for path in paths[:2]:
        before = path.read_text()
        path.write_text("changed")
        with pytest.raises(RunConflict, match="another data"):
            Run.open(folder, command="c", config={}, seed=1, data=data)
        path.write_text(before)
    Run.open(folder, command="c", config={}, seed=1, data=data)


def test_each_revision_that_a_run_was_resumed_by_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for now in ("one", "one", "two", "two", "one"):
        monkeypatch.setattr(record, "revision", lambda now=now: now)
        opened(tmp_path)
    assert document(tmp_path)["revisions"] == ["one", "two", "one"]
    assert document(tmp_path)["revision"] == "one"
    old = document(tmp_path)  # of a release that kept the first revision alone
    del old["revisions"]
    (tmp_path / "run.json").write_text(json.dumps(old))
    monkeypatch.setattr(record, "revision", lambda: "three")
    opened(tmp_path).finish({})
    assert document(tmp_path)["revisions"] == ["one", "three"]


def test_an_interrupted_run_goes_on_in_the_same_files(tmp_path: Path) -> None:
    first = opened(tmp_path, layers=(1, 2))
    first.report(1, loss=2.0)
    with first.stoppable():
        time.sleep(0.11)
    second = opened(tmp_path, layers=[1, 2])  # as JSON has it: the same
    second.report(2, loss=1.0)
    with second.stoppable():
        time.sleep(0.11)
    second.finish({"loss": 1.0})
    assert [(row["step"], row["loss"]) for row in read_metrics(tmp_path)] == [(1, 2.0), (2, 1.0)]
    kept = document(tmp_path)
    assert kept["metrics"] == {"loss": 1.0}
    assert kept["seconds"] == pytest.approx(0.2, abs=0.15)
    assert "finished" in kept


@pytest.mark.parametrize("other", ["config", "seed", "data"])
def test_another_run_may_not_go_on_in_the_folder(tmp_path: Path, other: str) -> None:
    data = tmp_path / "d.txt"
    data.write_text("a")
    folder = tmp_path / "run"
    Run.open(folder, command="c", config={"n": 1}, seed=1, data=[data])
    if other == "data":
        data.write_text("b")
    config = {"n": 2 if other == "config" else 1}
    with pytest.raises(RunConflict, match=f"another {other}"):
        Run.open(folder, command="c", config=config, seed=2 if other == "seed" else 1, data=[data])


def test_a_torn_line_of_metrics_costs_that_line_alone(tmp_path: Path) -> None:
    run = opened(tmp_path)
    run.report(1, loss=2.0)
    with (tmp_path / "metrics.jsonl").open("a") as stream:
        stream.write('{"step": 2, "lo')  # the machine went away here
    again = opened(tmp_path)
    again.report(3, loss=1.0)
    assert [row["step"] for row in read_metrics(tmp_path)] == [1, 3]


def test_numbers_of_numpy_and_torch_are_kept_as_numbers(tmp_path: Path) -> None:
    opened(tmp_path).report(1, a=np.float32(0.5), b=torch.tensor(0.25), c=3)
    (row,) = read_metrics(tmp_path)
    assert (row["a"], row["b"], row["c"]) == (0.5, 0.25, 3.0)


def test_curves_are_drawn_and_the_same_figures_give_the_same_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    run = opened(tmp_path)
    for step in range(4):
        run.report(step, loss=1.0 / (step + 1))
        if step % 2:
            run.report(step, accuracy=step / 4)
    run.finish({})
    picture = (tmp_path / "curves.svg").read_bytes()
    assert picture.count(b'<g id="axes_') == 2
    record.draw_curves(tmp_path)
    assert (tmp_path / "curves.svg").read_bytes() == picture


def test_a_step_that_was_done_again_is_drawn_once(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    straight, again = opened(tmp_path / "straight"), opened(tmp_path / "again")
    for step in range(4):
        straight.report(step, loss=1.0 / (step + 1))
    for step in (0, 1, 2, 1, 2, 3):  # killed after 2, gone on from 0
        again.report(step, loss=1.0 / (step + 1))
    curves = [record.draw_curves(run.folder) for run in (straight, again)]
    assert None not in curves
    assert curves[0].read_bytes() == curves[1].read_bytes()  # type: ignore[union-attr]


def test_a_run_without_figures_draws_nothing(tmp_path: Path) -> None:
    opened(tmp_path).finish({"n": 1})
    assert not (tmp_path / "curves.svg").exists()


def test_tensorboard_is_written_where_it_is_installed(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    run = opened(tmp_path)
    run.report(1, loss=0.5)
    run.finish({})
    assert len(list(tmp_path.glob("events.out.tfevents.*"))) == 1


def test_progress_says_share_time_left_and_speed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [100.0]
    monkeypatch.setattr(record.time, "monotonic", lambda: now[0])
    progress = opened(tmp_path).progress(1000, "pairs", done=200)
    now[0] += 4
    progress.update(40, loss=0.5)
    assert capsys.readouterr().out == ""  # too soon to be worth a line
    now[0] += 16
    progress.update(160, loss=0.25)  # 200 in 20 s: 600 are left
    line = capsys.readouterr().out
    assert "40.0 % | 1:00 min left | 10.0 pairs/s | loss 0.25" in line
    assert (tmp_path / "log.txt").read_text().strip() == line.strip()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (59.4, "59 s"), (59.6, "1:00 min"), (425, "7:05 min"), (7380, "2:03 h")],
)
def test_durations_read_like_a_clock(seconds: float, words: str) -> None:
    assert duration(seconds) == words


STOPPED = """
import sys, time
from pathlib import Path
sys.path.insert(0, {root!r})
from models.training.record import Run
run = Run.open(Path({folder!r}), command="c", config={{}}, seed=1)
with run.stoppable():
    run.log("working")
    end = time.monotonic() + 60
    while not run.stopping and time.monotonic() < end:
        time.sleep(0.02)
    Path({folder!r}, "state").write_text("saved")
run.log("stopped")
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_the_loop_save_and_end_well(tmp_path: Path, number: signal.Signals) -> None:
    script = STOPPED.format(root=str(ROOT), folder=str(tmp_path))
    child = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert child.stdout is not None
    try:
        assert "working" in child.stdout.readline()
        child.send_signal(number)
        assert "stopped" in child.communicate(timeout=60)[0]
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()
    assert child.returncode == 0
    assert (tmp_path / "state").read_text() == "saved"


def test_the_handlers_of_before_are_back_after_the_loop(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with opened(tmp_path).stoppable():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before
