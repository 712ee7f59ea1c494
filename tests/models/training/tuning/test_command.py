"""`scripts/tune_generator` as a person runs it, on a tiny generator and data written here."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from models.generator import Generator
from models.training.examples import Example, write_examples
from tests.models.training.killed import kill_at
from tests.models.training.tuning.conftest import LINES

ROOT = Path(__file__).resolve().parents[4]
COMMAND = [sys.executable, str(ROOT / "scripts" / "tune_generator")]


def call(*words: object, timeout: float = 300.0) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [*COMMAND, *map(str, words)], capture_output=True, text=True, timeout=timeout,
        env=environment, check=False,
    )  # fmt: skip


def test_help_names_the_methods() -> None:
    done = call("--help")
    assert done.returncode == 0
    for word in ("grpo", "rloo", "dpo", "--beta", "--group", "--evaluate-only", "--train-judge"):
        assert word in done.stdout


@pytest.mark.parametrize(
    ("words", "status", "complaint"),
    [
        (("--method", "ppo"), 2, "invalid choice: 'ppo'"),
        ((), 2, "required"),
        (("--method", "grpo"), 2, "--data, --own or --examples is needed"),
        (("--method", "grpo", "--own", "NOWHERE", "--beta", "0"), 2, "beta must be above 0"),
        pytest.param(
            ("--train-judge", "nowhere"), 1, "neither a file nor one of", marks=pytest.mark.slow
        ),
    ],
)
def test_a_wrong_value_ends_with_one_clear_line(
    words: tuple[str, ...], status: int, complaint: str
) -> None:
    done = call(*words)
    assert done.returncode == status
    assert complaint in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A judge that likes tea, trained by the command."""
    folder = tmp_path_factory.mktemp("judging")
    examples = [
        Example("planted", "liking", (LINES[n % 6],), LINES[(n + k) % 6],
                float("tea" in LINES[(n + k) % 6]), conversation=f"c{n}")
        for n in range(60)
        for k in range(6)
    ]  # fmt: skip
    write_examples(folder / "likes.jsonl", examples)
    done = call("--train-judge", folder / "likes.jsonl", "--out", folder / "judge")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["auc"] > 0.9
    return folder / "judge"


def tuning(tiny: Path, own: Path, judge: Path, folder: Path, steps: int) -> list[object]:
    return [
        "--method", "grpo", "--model", tiny, "--own", own, "--reward", judge, "--judge", judge,
        "--steps", steps, "--contexts", 4, "--group", 4, "--learning-rate", 2e-3,
        "--check-every", 2, "--check-contexts", 6, "--language-tokens", 100,
        "--test-contexts", 10, "--responses", 2, "--max-new-tokens", 16, "--keep", "last",
        "--run", folder / "run", "--out", folder / "tuned",
    ]  # fmt: skip


@pytest.mark.slow
def test_it_tunes_judges_and_writes_what_serving_loads(
    tiny: Path, own: Path, judge: Path, tmp_path: Path
) -> None:
    words = tuning(tiny, own, judge, tmp_path, 4)
    done = call(*words)
    assert done.returncode == 0, done.stderr
    assert "| reward (judge liking" in done.stdout
    run = tmp_path / "run"
    found = json.loads((run / "evaluation.json").read_text())
    assert set(found["verdict"]) == {"reward", "judge", "perplexity", "distinct_2", "all"}
    for name in ("run.json", "metrics.jsonl", "curves.svg", "evaluation.md", "samples.md"):
        assert (run / name).stat().st_size > 0
    manifest = json.loads((tmp_path / "tuned" / "manifest.json").read_text())
    assert manifest["metrics"]["evaluation"]["verdict"] == found["verdict"]
    assert str(tmp_path) not in json.dumps(manifest)  # no place of this machine
    assert manifest["base"]["id"] == "tiny"
    assert Generator.load(tmp_path / "tuned", runtime="torch").version == manifest["version"]
    other = call(*words, "--beta", 1.0)
    assert other.returncode == 1
    assert "holds a run with another config" in other.stderr
    places = ["--model", tiny, "--out", tmp_path / "tuned", "--own", own, "--reward", judge]
    judged = call("--evaluate-only", *places, "--run", tmp_path / "again", "--test-contexts", 8)
    assert judged.returncode == 0, judged.stderr
    assert "not judged by a second judge" in judged.stdout


@pytest.mark.slow
def test_sigterm_saves_and_the_same_command_resumes(
    tiny: Path, own: Path, judge: Path, tmp_path: Path
) -> None:
    words = [str(word) for word in tuning(tiny, own, judge, tmp_path, 12)]
    started = subprocess.Popen([*COMMAND, *words], stdout=subprocess.PIPE, text=True)
    try:
        waited = time.monotonic()
        while not (tmp_path / "run" / "metrics.jsonl").exists():
            assert started.poll() is None
            assert time.monotonic() - waited < 240
            time.sleep(0.1)
        started.send_signal(signal.SIGTERM)
        shown, _ = started.communicate(timeout=240)
    finally:
        started.kill()
    assert started.returncode == 0
    assert "the same command resumes" in shown
    assert not (tmp_path / "tuned").exists()
    done = call(*words)
    assert done.returncode == 0, done.stderr
    assert "resumed at step" in done.stdout
    assert (tmp_path / "tuned" / "manifest.json").exists()


@pytest.fixture(scope="module")
def straight(
    tiny: Path, own: Path, judge: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """The manifest of a run that nothing ended."""
    folder = tmp_path_factory.mktemp("straight")
    done = call(*tuning(tiny, own, judge, folder, 6))
    assert done.returncode == 0, done.stderr
    manifest: dict[str, Any] = json.loads((folder / "tuned" / "manifest.json").read_text())
    return manifest


@pytest.mark.slow
@pytest.mark.parametrize(
    ("moment", "calls", "resumed"),
    [
        ("models.training.tuning.leash:Leash.check", 2, 3),  # before the 4th state
        ("models.training.tuning.leash:Leash.on_save", 3, 2),  # the 3rd lacks its mark
    ],
)
def test_a_killed_run_ends_where_an_uninterrupted_one_does(
    tiny: Path, own: Path, judge: Path, straight: dict[str, Any], tmp_path: Path,
    moment: str, calls: int, resumed: int,
) -> None:  # fmt: skip
    words = [*tuning(tiny, own, judge, tmp_path, 6), "--save-seconds", 0]
    kill_at(moment, calls, "tune_generator", words)
    assert not (tmp_path / "tuned").exists()
    done = call(*words)
    assert done.returncode == 0, done.stderr
    assert f"resumed at step {resumed}" in done.stdout
    manifest = json.loads((tmp_path / "tuned" / "manifest.json").read_text())
    assert manifest["files"] == straight["files"], "not the same weights to the last bit"
    found, wanted = (m["metrics"]["evaluation"]["verdict"] for m in (manifest, straight))
    assert found == wanted
