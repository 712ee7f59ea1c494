"""What is compared: parts that were not trained on, lists that never change, figures that hold."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.training.examples import Example
from models.training.judgements import Dialog, is_held_out
from models.training.reranker.comparison import recall
from models.training.reranker.comparison.trials import (
    ACCENTOR,
    DIALOGUE_EVAL,
    DIASAFETY,
    IEVAL,
    RECALL,
    Trial,
    load_trials,
    sampled,
)
from models.training.reranker.comparison.verdicts import judge, sanity, value_of
from tests.models.training.reranker.comparison.tiny import HELD_OUT, Overlap


@pytest.fixture(scope="module")
def trials(data: Path) -> dict[str, Trial]:
    return {trial.name: trial for trial in load_trials(data, lists=12)}


def test_every_source_is_there(trials: dict[str, Trial]) -> None:
    assert list(trials) == [ACCENTOR, DIASAFETY, RECALL, DIALOGUE_EVAL, IEVAL]
    assert len(trials[ACCENTOR].examples) == 16
    assert len(set(trials[ACCENTOR].clusters)) == 4, "two slots a dialog"
    assert len(trials[DIASAFETY].examples) == 4
    assert len(set(trials[DIALOGUE_EVAL].clusters)) == 4, "users are drawn together"
    assert trials[DIALOGUE_EVAL].held_out == set(HELD_OUT[:3])


def test_lists_are_drawn_once_from_held_out_dialogs_of_one_topic(
    data: Path, trials: dict[str, Trial]
) -> None:
    dialogs = recall.held_out_dialogs(data)
    assert {d.name for d in dialogs} == set(HELD_OUT)
    lists = recall.draw_lists(dialogs, lists=12)
    assert set(lists) == {"self_dialogue"}
    again = recall.draw_lists(reversed(dialogs), lists=12)
    assert recall.fingerprint(again["self_dialogue"]) == trials[RECALL].fingerprint
    other = recall.draw_lists(dialogs, lists=12, seed=6)
    assert recall.fingerprint(other["self_dialogue"]) != trials[RECALL].fingerprint
    topic = {text: d.topic for d in dialogs for text in d.turns}
    for start in range(0, len(lists["self_dialogue"]), 10):
        mine = lists["self_dialogue"][start : start + 10]
        assert [e.label for e in mine] == [1.0] + [0.0] * 9
        assert len({e.group for e in mine}) == len({e.context for e in mine}) == 1
        assert {topic[e.response] for e in mine[1:]} == {topic[mine[0].response]}
        assert mine[0].response not in {e.response for e in mine[1:]}


def test_a_topic_of_one_dialog_has_no_lists() -> None:
    alone = Dialog("s", "one", "rain", ("a b", "c d", "e f"))
    assert recall.draw_lists([alone]) == {}
    assert not is_held_out("kept1")


def test_a_sample_keeps_groups_whole_and_is_the_same_each_time(trials: dict[str, Trial]) -> None:
    rows = trials[ACCENTOR].examples
    few = sampled(rows, 5)
    assert len(few) == 6
    assert few == sampled(rows, 5)
    assert sampled(rows, 0) == sampled(rows, 99) == rows
    groups = {e.group for e in few}
    assert [e for e in few if e.label > 0.5] != []
    assert len(few) == sum(e.group in groups for e in rows)


def test_a_scorer_that_knows_gets_full_marks(trials: dict[str, Trial]) -> None:
    scorer = Overlap(("accentor", "selection", "liking"))
    figures = {
        name: judge(trial, scorer.heads, scorer.score(trial.examples), 50)
        for name, trial in trials.items()
    }
    accentor = figures[ACCENTOR]
    assert accentor["own_head"] is True
    assert value_of(accentor, "all", "auc") == 1.0
    assert value_of(accentor, "all", "pair_accuracy") == 1.0
    assert 0.0 <= (value_of(accentor, "all", "ece") or -1) <= 1.0
    assert accentor["all"]["rows"] == 16
    assert accentor["unseen"]["rows"] == 8, "every second slot has a text that training has not"
    assert figures[DIASAFETY] == {}, "nothing stands in for a moral head"
    assert figures[DIALOGUE_EVAL]["dialogs_held_out"] == 3
    checks = figures[DIALOGUE_EVAL]["sanity"]
    assert checks["weak_bot_rank"] == 1
    assert checks["weak_bot_auc"] == 1.0
    assert checks["spearman"] == pytest.approx(1.0)
    assert set(figures[IEVAL]["by_head"]) == set(scorer.heads)


def test_a_head_of_another_kind_is_a_transfer(trials: dict[str, Trial]) -> None:
    scorer = Overlap(("selection",))
    found = judge(trials[ACCENTOR], scorer.heads, scorer.score(trials[ACCENTOR].examples), 10)
    assert found["head"] == "selection"
    assert found["own_head"] is False
    assert "ece" not in found["all"], "its probabilities are of something else"


def test_seen_texts_of_a_further_file_count(data: Path, trials: dict[str, Trial]) -> None:
    fresh = [e for e in trials[ACCENTOR].examples if e.response.endswith("test0")]
    assert len(fresh) == 2
    spelled = replace(fresh[0], response=fresh[0].response.upper())
    with_more = load_trials(data, lists=2, seen=[spelled])[0]
    rows = [judge(t, ("accentor",), Overlap(("accentor",)).score(t.examples), 0) for t in (
        trials[ACCENTOR], with_more)]  # fmt: skip
    assert rows[1]["unseen"]["rows"] == rows[0]["unseen"]["rows"] - 1


def test_scores_that_are_none_are_refused(trials: dict[str, Trial]) -> None:
    trial = trials[ACCENTOR]
    with pytest.raises(ValueError, match="shape"):
        judge(trial, ("accentor",), np.zeros((3, 1), np.float32))
    broken = np.full((len(trial.examples), 1), math.nan, np.float32)
    with pytest.raises(ValueError, match="finite"):
        judge(trial, ("accentor",), broken)


def test_a_scorer_that_prefers_the_weak_bot_is_found_out() -> None:
    rows = [Example("d", "liking", ("a",), "b", 0.5, str(i)) for i in range(4)]
    bots = ("Anna", "Anna", "QualityControl", "QualityControl")
    trial = Trial(DIALOGUE_EVAL, "users", ("liking",), tuple(rows), tuple("abcd"), bots=bots)
    found = sanity(trial, np.array([0.1, 0.2, 0.8, 0.9]))
    assert found["weak_bot_rank"] == 2
    assert found["weak_bot_auc"] == 0.0
    assert sanity(replace(trial, bots=("Anna",) * 4), np.zeros(4)) == {}


def test_missing_data_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="diasafety"):
        load_trials(tmp_path)
