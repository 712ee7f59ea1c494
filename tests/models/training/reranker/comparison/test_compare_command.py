"""scripts/compare_rerankers as a person runs it, on miniature data and the shipped reranker."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[5]
COMMAND = [sys.executable, str(ROOT / "scripts" / "compare_rerankers")]
SERVED = ROOT / "artifacts" / "reranker"


def call(*words: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    return subprocess.run(
        [*COMMAND, *map(str, words)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_help_explains_itself() -> None:
    done = call("--help")
    assert done.returncode == 0
    for word in ("--data", "--models", "--seen", "--missing", "--limit", "goes on"):
        assert word in done.stdout


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--limit", "-1"], "not a whole number"),
        (["--models", "x=/nowhere"], "there is no folder"),
        (["--missing", "BERT"], "not NAME=WHY"),
        (["--lists", "0"], "at least 1"),
        (["--seen", "/nowhere.jsonl"], "there is no"),
    ],
)
def test_wrong_values_are_one_line(data: Path, words: list[str], reason: str) -> None:
    done = call("--data", data, "--out", "x", *words)
    assert done.returncode == 2
    assert reason in done.stderr
    assert "Traceback" not in done.stderr


def test_data_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = call("--data", tmp_path, "--out", tmp_path / "x")
    assert done.returncode == 2
    assert "dialogs" in done.stderr
    (tmp_path / "dialogs").mkdir()
    (tmp_path / "reactions").mkdir()
    done = call("--data", tmp_path, "--out", tmp_path / "x", "--run", tmp_path / "run")
    assert done.returncode == 1
    assert "accentor_train" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_the_table_of_the_shipped_reranker(data: Path, tmp_path: Path) -> None:
    words = ["--data", data, "--models", f"served={SERVED}", "--out", tmp_path / "docs/rerankers"]
    words += ["--run", tmp_path / "run", "--lists", "6", "--resamples", "20", "--seconds", "0.1"]
    words += ["--missing", "BERT-base=its weights were not to be had"]
    done = call(*words)
    assert done.returncode == 0, done.stderr
    document = json.loads((tmp_path / "docs/rerankers.json").read_text(encoding="utf-8"))
    names = [row["name"] for row in document["rows"]]
    assert names[:2] == ["candidate only", "candidate only, common subset"]
    assert names[2:] == ["response length", "encoder cosine", "served"]
    served = document["rows"][-1]
    assert served["parameters"] > 2e7
    assert served["heads"][-1] == "upvote"
    assert served["speed"]["1"]["pairs_per_second"]["10"] > 0
    assert served["speed"]["2"]["memory_bytes"] > 0
    assert (tmp_path / "docs/rerankers-speed.svg").exists()
    assert "BERT-base" in done.stdout
    record = json.loads((tmp_path / "run/run.json").read_text(encoding="utf-8"))
    assert "ieval.jsonl.gz" in record["data"]
    again = call(*words)
    assert again.stdout.count("measured before") == 5
    assert json.loads((tmp_path / "docs/rerankers.json").read_text()) == document
    other = call(*[w if w != "6" else "7" for w in words])
    assert other.returncode == 1
    assert "another config" in other.stderr


@pytest.mark.slow
def test_a_stopped_command_goes_on(data: Path, tmp_path: Path) -> None:
    words = ["--data", data, "--out", tmp_path / "out", "--run", tmp_path / "run"]
    words += ["--lists", "400", "--resamples", "20", "--models", SERVED, "--no-speed"]
    started = subprocess.Popen([*COMMAND, *map(str, words)], cwd=ROOT, stdout=subprocess.PIPE)
    assert started.stdout is not None
    end = time.monotonic() + 200
    while b"encoder cosine" not in started.stdout.readline():
        assert time.monotonic() < end
    started.send_signal(signal.SIGTERM)
    rest, _ = started.communicate(timeout=200)
    assert started.returncode == 0
    assert b"goes on from here" in rest
    assert not (tmp_path / "out.md").exists()
    done = call(*words)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("measured before") >= 3
    assert (tmp_path / "out.md").exists()
