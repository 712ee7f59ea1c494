"""A run as the command makes it: stopped anywhere, resumed on what it began with."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from models.training.examples import Example
from models.training.generator import run as generator_run
from models.training.generator.launch import launch
from models.training.generator.pinned import PINNED_FOLDER, fingerprint
from models.training.generator.stopping import leaves_when_stopped
from models.training.generator.trainer import Trainer
from models.training.record import RunConflict
from tests.models.training.generator.command import PATIENCE, load_script, start, training

SECRET = "stay for the kettle"
LIKED = [
    Example("remote", "upvote", ("hello",), f"{SECRET} {n}", 1.0, conversation=f"c{n}")
    for n in range(60)
]


def train(folder: Path, public: Path, reactions: Sequence[Example] = ()) -> int:
    words = [str(word) for word in training(public, folder, "--steps", 6, "--finish-share", 0.5)]
    options = load_script().parse(words)
    return generator_run.train(options, "scripts/train_generator", lambda: reactions)


def test_a_run_resumes_on_the_replies_it_began_with(
    tmp_path: Path, public: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, long = Trainer.run, tmp_path / "run"
    monkeypatch.setattr(Trainer, "run", lambda self: whole(self, max_steps=2))
    assert train(long, public, LIKED) == 0
    kept = long / PINNED_FOLDER
    assert kept.stat().st_mode & 0o777 == 0o700
    assert [path.stat().st_mode & 0o777 for path in kept.iterdir()] == [0o600]
    recorded = (long / "run.json").read_text()
    assert SECRET not in recorded
    assert json.loads(recorded)["config"]["replies"] == fingerprint(LIKED)

    monkeypatch.setattr(Trainer, "run", whole)
    grown = [*LIKED, replace(LIKED[0], response="said since then")]
    assert train(long, public, grown) == 0
    document = json.loads((long / "run.json").read_text())
    assert document["metrics"]["steps"] == 6
    assert not kept.exists()
    assert train(long, public, LIKED) == 0
    assert not kept.exists()
    with pytest.raises(RunConflict, match="began with 60 judged replies, which are not these 61"):
        train(long, public, grown)


@pytest.mark.parametrize(
    "change", [{"response": "else"}, {"context": ("else",)}, {"weight": 0.5}, {"facts": ("else",)}]
)
def test_what_is_learned_of_judged_replies_is_hashed(change: dict[str, object]) -> None:
    other = [replace(LIKED[0], **change), *LIKED[1:]]  # type: ignore[arg-type]
    assert fingerprint(other) != fingerprint(LIKED)
    assert fingerprint(list(LIKED)) == fingerprint(LIKED)
    # More than full trust is in no more epochs.
    more = [replace(e, weight=2.0) for e in LIKED]
    assert fingerprint(more) == fingerprint(LIKED)


def test_a_stop_in_the_last_measurement_ends_well_and_is_made_up_for(
    tmp_path: Path,
    public: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    whole = Trainer.measure

    def stopped(self: Trainer, *, full: bool) -> object:
        os.kill(os.getpid(), signal.SIGTERM)
        return whole(self, full=full)

    monkeypatch.setattr(Trainer, "measure", stopped)
    assert train(tmp_path, public) == 0
    assert "the same command resumes" in capsys.readouterr().out
    assert "metrics" not in json.loads((tmp_path / "run.json").read_text())
    monkeypatch.setattr(Trainer, "measure", whole)
    assert train(tmp_path, public) == 0
    assert json.loads((tmp_path / "run.json").read_text())["metrics"]["steps"] == 6


def wait_to_be_stopped() -> None:
    with leaves_when_stopped():
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60.0)


def test_a_stop_where_nothing_is_to_be_saved_leaves_with_status_0() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as left:
        wait_to_be_stopped()
    assert left.value.code == 0
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("more", [(), ("--processes", 2)])
def test_a_stop_while_the_data_is_read_ends_well(tmp_path: Path, more: Sequence[object]) -> None:
    public, folder = tmp_path / "public", tmp_path / "run"
    public.mkdir()
    os.mkfifo(public / "self_dialogue.jsonl.gz")  # nobody writes: reading it takes for ever
    process = start(*training(public, folder, "--steps", 6, *more))
    deadline = time.monotonic() + PATIENCE
    while not folder.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert folder.exists()
    process.send_signal(signal.SIGTERM)
    out = process.communicate(timeout=PATIENCE)[0]
    assert process.returncode == 0, out
    assert "the same command resumes" in out
    assert "Traceback" not in out


def test_processes_that_know_no_stopping_yet_end_well(tmp_path: Path) -> None:
    worker = "import os, signal\nos.kill(os.getppid(), signal.SIGTERM)\nsignal.pause()\n"
    (tmp_path / "worker.py").write_text(worker)
    assert launch([str(tmp_path / "worker.py")], 2, 1) == 0
