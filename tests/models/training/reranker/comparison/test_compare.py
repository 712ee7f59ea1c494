"""Rows are measured once, kept, and made again only where something that they hang on changed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.training.record import Run
from models.training.reranker.comparison import scoring as c
from models.training.reranker.comparison import speed
from models.training.reranker.comparison.speed import SpeedError
from models.training.reranker.comparison.trials import Trial, load_trials
from tests.models.training.reranker.comparison.tiny import Overlap

FAST = c.Settings(resamples=20, speed=False)


@pytest.fixture(scope="module")
def trials(data: Path) -> list[Trial]:
    return load_trials(data, lists=6)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.open(tmp_path / "run", command="test", config={}, seed=0)


def subject(scorer: Overlap, version: str = "v1") -> c.Subject:
    return c.Subject("Overlap (of words)", version, lambda: scorer, about={"layers": 3})


def test_a_row_holds_the_figures_of_every_trial(run: Run, trials: list[Trial]) -> None:
    (row,) = c.compare(run, [subject(Overlap())], trials, FAST)
    assert row["name"] == "overlap", "the scorer's own name, where the command gives none"
    assert row["parameters"] == 3
    assert row["layers"] == 3
    assert row["accentor"]["all"]["auc"][0] == 1.0
    assert row["diasafety"] == {}
    assert "speed" not in row
    assert c.read_rows(run.folder) == [row]
    assert (run.folder / "rows" / "overlap-of-words-v1.json").exists()


def test_a_model_is_not_measured_twice(run: Run, trials: list[Trial]) -> None:
    scorer = Overlap()
    first = c.compare(run, [subject(scorer)], trials, FAST)
    calls = scorer.calls
    assert c.compare(run, [subject(scorer)], trials, FAST) == first
    assert scorer.calls == calls
    c.compare(run, [subject(scorer, "v2")], trials, FAST)
    assert scorer.calls == 2 * calls, "other weights are another model"


def test_other_settings_make_the_row_anew_from_kept_scores(run: Run, trials: list[Trial]) -> None:
    scorer = Overlap()
    c.compare(run, [subject(scorer)], trials, FAST)
    calls = scorer.calls
    (row,) = c.compare(run, [subject(scorer)], trials, replace(FAST, resamples=0))
    assert scorer.calls == calls
    assert row["accentor"]["all"]["auc"] == [1.0, None, None]
    seen = frozenset({"something else"})
    changed = [replace(trials[0], seen=seen), *trials[1:]]
    (row,) = c.compare(run, [subject(scorer)], changed, FAST)
    assert scorer.calls == calls
    assert row["accentor"]["unseen"]["rows"] == 16


def test_stopped_between_trials_it_goes_on_from_there(run: Run, trials: list[Trial]) -> None:
    class Stopping(Overlap):
        def score(self, examples):  # type: ignore[no-untyped-def]
            run.stopping = True
            return super().score(examples)

    with pytest.raises(c.Stopped):
        c.compare(run, [subject(Stopping())], trials, FAST)
    assert c.read_rows(run.folder) == []
    kept = list((run.folder / "scores").rglob("*.npy"))
    assert len(kept) == 1, "the trial that was being scored is whole"
    run.stopping = False
    scorer = Overlap()
    (row,) = c.compare(run, [subject(scorer)], trials, FAST)
    assert scorer.calls == len(trials) - 1
    alone = Run.open(run.folder.parent / "alone", command="test", config={}, seed=0)
    assert c.compare(alone, [subject(Overlap())], trials, FAST) == [row]


def test_a_scorer_that_gives_no_number_is_refused(run: Run, trials: list[Trial]) -> None:
    class Broken(Overlap):
        def score(self, examples):  # type: ignore[no-untyped-def]
            return np.full((len(examples), len(self.heads)), np.nan, np.float32)

    with pytest.raises(ValueError, match="accentor: a score is not a finite number"):
        c.compare(run, [subject(Broken())], trials, FAST)
    assert c.read_rows(run.folder) == []


def test_speed_that_cannot_be_measured_is_said_so(
    run: Run, trials: list[Trial], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(folder: Path, examples: Path, *, threads: int, seconds: float) -> None:
        assert examples.exists()
        raise SpeedError("out of memory")

    monkeypatch.setattr(c, "measure_apart", fails)
    measured = replace(subject(Overlap()), folder=tmp_path)
    (row,) = c.compare(run, [measured], trials, replace(FAST, speed=True, threads=(1,)))
    assert row["speed"] == {"1": {"failed": "out of memory"}}


def test_a_process_that_dies_names_its_reason(tmp_path: Path) -> None:
    with pytest.raises(SpeedError, match="gone"):
        speed.measure_apart(tmp_path / "gone", tmp_path / "no.jsonl", threads=1, seconds=0.1)


def test_speed_is_the_median_of_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter([0.0, 0.0, 1.0, 0.0, 10.0, 5.0, 10.0, 12.0, 10.0])
    monkeypatch.setattr(speed.time, "perf_counter", lambda: next(ticks))
    assert speed._pairs_a_second(lambda rows: None, [["a"] * 10], 5.0) == 2.0


def test_what_a_manifest_tells_of_training() -> None:
    told = {"training": {"minutes": 2.0, "pairs": 400, "steps": 9}, "max_tokens": 80}
    assert c.training_facts(told) == {"train_seconds": 120.0, "pairs": 400, "max_tokens": 80}
    assert c.training_facts({"seconds": 5.0, "layers": 4}) == {"train_seconds": 5.0, "layers": 4}
    assert c.training_facts({}) == {}


def test_rows_are_json_that_any_reader_takes(run: Run, trials: list[Trial]) -> None:
    c.compare(run, [subject(Overlap())], trials, replace(FAST, resamples=0))
    text = (run.folder / "rows" / "overlap-of-words-v1.json").read_text(encoding="utf-8")
    assert "NaN" not in text
    assert json.loads(text)["accentor"]["all"]["rows"] == 16
