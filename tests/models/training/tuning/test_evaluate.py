"""The judgement of a tuned generator: rises, bounds, and what it cost."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models.generator import Generation
from models.training.tuning.contexts import DEV, TEST, Context, Talk, draw_contexts
from models.training.tuning.evaluate import (
    Side,
    compare,
    divergence_of,
    first_words,
    interval,
    matched_distinct,
    some_samples,
    words_of,
)
from models.training.tuning.heldout import HeldText
from models.training.tuning.policy import SERVING, answers, load_policy, served
from models.training.tuning.report import table
from tests.models.training.tuning.conftest import WordReward

CONTEXTS = [Context("s", (f"hi {n}",)) for n in range(40)]


def side(texts: Sequence[Sequence[str]], perplexity: float, version: str = "v") -> Side:
    said = [[Generation(text, 4, -1.0, True) for text in found] for found in texts]
    return Side(version, said, 2, {"a": perplexity, "all": perplexity})


def compared(after: Side, judge: Any = None) -> dict[str, Any]:
    before = side([[f"some tea {n}", f"a boat {n}"] for n in range(40)], 20.0)
    return compare(CONTEXTS, before, after, WordReward("tea"), judge, (0.1, 1.0), seed=1)


def test_the_rise_is_in_deviations_of_the_base() -> None:
    after = side([[f"tea for {n}", f"more tea {n}"] for n in range(40)], 21.0)
    found = compared(after)
    # Half of the base's responses have the word: mean 0, deviation 2; all do after.
    assert found["reward"]["before"] == pytest.approx(0.0)
    assert found["reward"]["after"] == pytest.approx(2.0)
    assert found["reward"]["deviation"] == pytest.approx(2.0)
    assert found["reward"]["rise"] == pytest.approx(1.0)
    assert found["reward"]["interval"] == [pytest.approx(1.0)] * 2
    assert found["perplexity_ratio"]["all"] == pytest.approx(1.05)
    assert found["verdict"] == {
        "reward": True,
        "perplexity": True,
        "distinct_2": True,
        "all": False,
    }


def test_the_second_judge_must_agree() -> None:
    after = side([[f"tea for {n}", f"more tea {n}"] for n in range(40)], 21.0)
    against = compared(after, WordReward("boat"))
    assert not against["verdict"]["judge"]
    assert not against["verdict"]["all"]
    with_it = compared(after, WordReward("tea"))
    assert with_it["verdict"]["all"]
    assert "NOT reached: second judge" in table(against)
    assert "NOT" not in table(with_it)


def test_each_bound_is_seen() -> None:
    same = [["tea and tea", "tea and tea"]] * 40
    assert not compared(side(same, 20.0))["verdict"]["distinct_2"]
    fresh = [[f"tea for {n}", f"more tea {n}"] for n in range(40)]
    assert not compared(side(fresh, 22.5))["verdict"]["perplexity"]
    unchanged = compared(side([[f"some tea {n}", f"a boat {n}"] for n in range(40)], 20.0))
    assert unchanged["reward"]["rise"] == pytest.approx(0.0)
    assert not unchanged["verdict"]["reward"]


def test_contexts_without_an_answer_are_left_out_and_counted() -> None:
    texts = [[f"tea {n}"] if n % 2 else [] for n in range(40)]
    found = compared(side(texts, 20.0))
    assert found["reward"]["contexts"] == 20
    assert found["after"]["share_dropped"] == pytest.approx(0.75)
    with pytest.raises(ValueError, match="too few contexts"):
        compared(side([[]] * 40, 20.0))


def test_distinct_is_over_equally_many_words() -> None:
    long = side([["a b c d e f g h", "a b c d e f g h"]], 1.0).answers
    short = side([["a b c d", "e f g h"]], 1.0).answers
    assert matched_distinct(long, short, 2) == (1.0, 1.0)
    assert words_of(side([["a", "b"], ["c"]], 1.0).answers) == [["a"], ["c"], ["b"]]
    assert first_words([["a", "b"], ["c", "d"]], 3) == [["a", "b"], ["c"]]


def test_an_interval_has_the_width_of_the_means_own_error() -> None:
    values = np.random.default_rng(1).normal(size=400)
    low, high = interval(400, lambda rows: float(values[rows].mean()), seed=2)
    assert low < values.mean() < high
    assert high - low == pytest.approx(2 * 1.96 / 20, rel=0.25)


def test_divergence_is_nothing_from_itself_and_grows(tiny: Path, talk: Talk) -> None:
    model, tokenizer = load_policy(str(tiny))
    other = load_policy(str(tiny))[0]
    contexts = draw_contexts(talk.parts[TEST], 4, "x")
    said = answers(served(model, tokenizer), contexts, 2, SERVING, 1, 20)
    same = divergence_of(model.eval(), other.eval(), tokenizer, contexts, said)
    assert same == (pytest.approx(0.0, abs=1e-6), pytest.approx(0.0, abs=1e-5))
    with torch.no_grad():
        for p in other.parameters():
            p.add_(0.1 * torch.randn(p.shape, generator=torch.Generator().manual_seed(1)))
    token, response = divergence_of(model.eval(), other.eval(), tokenizer, contexts, said)
    assert 0.0 < token < response


def test_held_text_is_the_same_for_every_model_and_knows_the_better(tiny: Path, talk: Talk) -> None:
    model, tokenizer = load_policy(str(tiny))
    held = HeldText(tokenizer, talk.parts[DEV])
    first = held.perplexities(model, full=True)
    assert set(first) == {"own_dialogs", "all"}
    assert held.perplexities(model, full=True) == first
    with torch.no_grad():
        model.transformer.wte.weight.mul_(0.2)
    assert held.perplexities(model, full=True)["all"] > first["all"]


def test_samples_show_both_sides() -> None:
    before, after = side([["old"]] * 40, 1.0).answers, side([["new"]] * 40, 1.0).answers
    page = some_samples(CONTEXTS, before, after, 3, seed=1)
    assert page.count("- old") == page.count("- new") == 3
