"""scripts/measure_personalization as a person runs it, and the pages that it writes."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.training.record import Run
from models.training.reranker.personal import report as report
from models.training.reranker.personal.features import Candidates, Past
from models.training.reranker.personal.run import Kept, Stopped
from tests.models.training.reranker.comparison.test_personal import Letters
from tests.models.training.reranker.comparison.tiny import Overlap, write_data

ROOT = Path(__file__).parents[5]
SCRIPT = ROOT / "scripts" / "measure_personalization"
SERVED = ROOT / "artifacts" / "reranker"


def call(*words: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    return subprocess.run(
        [sys.executable, str(SCRIPT), *map(str, words)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_help_and_wrong_values(tmp_path: Path) -> None:
    done = call("--help")
    assert done.returncode == 0
    for word in ("--data", "--examples", "--model", "--tastes", "goes on"):
        assert word in done.stdout
    wrong = [
        (["--model", SERVED], "--data or --examples"),
        (["--data", tmp_path, "--model", "/nowhere"], "there is no /nowhere"),
        (["--data", tmp_path, "--model", SERVED, "--limit", "few"], "not a whole number"),
    ]
    for words, reason in wrong:
        done = call("--out", tmp_path / "x", *words)
        assert done.returncode == 2
        assert reason in done.stderr


def test_a_folder_that_is_no_model_is_one_line(data: Path, tmp_path: Path) -> None:
    done = call("--data", data, "--model", tmp_path, "--out", tmp_path / "x")
    assert done.returncode == 1
    assert "manifest" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_serving_bias_is_servings_own() -> None:
    pull = runpy.run_path(str(SCRIPT))["serving_pull"]
    vectors = np.eye(3)
    past = Past(np.zeros((2, 1)), vectors[:2], np.ones(2), np.array([[1.0], [0.0]]))
    found = pull(past, Candidates(np.zeros((3, 1)), vectors, np.ones(3)), 32)
    assert found[0] == pytest.approx(-found[1])
    assert 0.0 < found[0] <= 0.08
    assert found[2] == 0.0
    forgotten = pull(past, Candidates(np.zeros((3, 1)), vectors, np.ones(3)), 1)
    assert forgotten[0] == 0.0, "only the newest reactions are kept"
    nothing = Past(np.zeros((0, 1)), vectors[:0], np.ones(0), np.zeros((0, 1)))
    assert pull(nothing, Candidates(np.zeros((3, 1)), vectors, np.ones(3)), 32).tolist() == [0] * 3


def test_what_was_computed_is_kept_and_a_stop_loses_a_chunk_at_most(tmp_path: Path) -> None:
    run = Run.open(tmp_path, command="test", config={}, seed=0)
    scorer = Overlap(("accentor", "liking", "selection"))
    kept = Kept(run, scorer, Letters())
    texts = [f"{i} abc" for i in range(1000)]
    vectors = kept.encode(texts)
    assert vectors.shape == (1000, 6)
    run.stopping = True
    np.testing.assert_array_equal(kept.encode(texts), vectors)
    with pytest.raises(Stopped):
        kept.encode(texts[:-1])
    assert kept.score([]).shape[0] == 0


FIGURES: dict[str, Any] = {
    "models": {
        "score alone": [0.6, 0.55, 0.65],
        "without": [0.61, 0.56, 0.66],
        "with the past": [0.65, 0.6, 0.7],
        "with a stranger's past": [0.61, None, None],
    },
    "differences": {"with the past - without": [0.04, 0.01, 0.07]},
    "pairs": 1200,
    "raters": 40,
}


def test_the_page_says_what_was_measured(tmp_path: Path) -> None:
    buckets = [{"from": 0, "to": 0, **FIGURES}, {"from": 12, "to": None, **FIGURES}]
    found = {
        "dialogue_eval": {
            "one moment": {"all": FIGURES, "without_marked": FIGURES, "by_past": buckets},
            "own moment": None,
        }
    }
    paths = report.write(found, "some model", tmp_path / "personal")
    assert [path.suffix for path in paths] == [".md", ".json", ".svg"]
    text = paths[0].read_text(encoding="utf-8")
    assert "Reranker: some model" in text
    assert "| 1,200 | 40 | 0.600 (0.550–0.650) | – | 0.610" in text
    assert "+0.040 (+0.010–+0.070)" in text
    assert "no degraded bot" in text
    assert "too few to measure" in text
    widths = {line.count("|") for line in text.splitlines() if line.startswith("|")}
    assert len(widths) == 1
    first = paths[2].read_bytes()
    assert report.draw(found, paths[2]) is not None
    assert paths[2].read_bytes() == first
    assert report.draw({"dialogue_eval": {"one moment": None}}, tmp_path / "no.svg") is None


@pytest.mark.slow
def test_both_sources_are_measured_and_a_second_call_changes_nothing(tmp_path: Path) -> None:
    data = write_data(tmp_path / "public", workers=12)
    words = ["--data", data, "--model", SERVED, "--name", "served", "--out", tmp_path / "out"]
    words += ["--run", tmp_path / "run", "--resamples", "20"]
    done = call(*words)
    assert done.returncode == 0, done.stderr
    document = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert document["model"] == "served"
    found = document["sources"]["dialogue_eval"]["one moment"]
    assert found["all"]["pairs"] == 36
    assert found["all"]["raters"] == 12
    assert found["without_marked"]["pairs"] == 12
    assert "score and serving bias" in found["all"]["models"]
    assert document["sources"]["Topical-Chat"]["own moment"] is None, "each rates all alike"
    assert "with the past" in done.stdout
    again = call(*words)
    assert again.returncode == 0, again.stderr
    assert json.loads((tmp_path / "out.json").read_text(encoding="utf-8")) == document
    other = call(*words[:-1], "21")
    assert other.returncode == 1
    assert "another config" in other.stderr
