"""The reward's guards: what games a judge earns nothing."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from models.training.tuning.contexts import Context
from models.training.tuning.shaping import (
    ILL,
    UNFINISHED,
    Scale,
    ShapedReward,
    commonness,
    copied,
    repetition,
)
from tests.models.training.tuning.conftest import WordReward

CONTEXT = Context("s", ("I walked along the river with my dog today",))
PLAIN = "that must have been a good long walk"
SCALE = Scale(-2.0, 2.0, shortest=3.0, longest=12.0, common=0.2, common_deviation=0.2)


def pay(*texts: str, finished: bool = True, variety: float = 0.0) -> list[float]:
    shaped = ShapedReward(WordReward("walk"), SCALE, variety)
    paid: list[float] = shaped.pay([CONTEXT] * len(texts), texts, [finished] * len(texts)).tolist()
    return paid


def test_a_plain_response_is_paid_its_standardised_reward() -> None:
    liked, other = pay(PLAIN, "what did your dog think of it?")
    assert liked == pytest.approx((2.0 + 2.0) / 2.0)
    assert other == pytest.approx(0.0)


def test_ill_empty_and_unfinished_responses_are_fined() -> None:
    assert pay("", "?!", "\ufffd walk") == [ILL] * 3
    assert pay(PLAIN, finished=False) == [pytest.approx(2.0 - UNFINISHED)]


@pytest.mark.parametrize(
    "trick",
    [
        "walk walk and a walk and a walk",  # repeats itself
        "a walk, I walked along the river with my dog today",  # repeats the person
        "walk " + " ".join(f"word{n}" for n in range(40)),  # goes on and on
        "walk",  # says next to nothing
    ],
)
def test_tricks_earn_less_than_a_plain_response(trick: str) -> None:
    assert pay(trick)[0] < pay(PLAIN)[0] - 0.3


def test_what_fits_everything_earns_less() -> None:
    texts = ["a good walk", "a good walk", "a good walk", "such a long walk by the river"]
    same, *_, own = pay(*texts, variety=1.0)
    assert own > same + 0.5
    assert pay(*texts)[0] == pytest.approx(pay(*texts)[3])
    assert commonness(["a b", "a b"]) == [1.0, 1.0]
    assert commonness(["a b", "c d"]) == [0.0, 0.0]
    assert commonness(["alone"]) == [0.0]


def test_shares() -> None:
    assert repetition(["a"]) == 0.0
    assert repetition(["a", "b", "a", "b"]) == pytest.approx(1 / 3)
    assert copied(["walked", "along", "the", "river"], CONTEXT) == 1.0
    assert copied(["we", "walked", "along", "the"], CONTEXT) == 0.0


def test_the_scale_is_of_the_bases_own_responses(tmp_path: Path) -> None:
    scale = Scale.of(np.array([1.0, 3.0]), ["one two", "one two three four"])
    assert (scale.mean, scale.deviation) == (2.0, 1.0)
    assert 2.0 <= scale.shortest < scale.longest <= 4.0
    assert scale.common > 0.0
    scale.save(tmp_path / "scale.json")
    assert Scale.load(tmp_path / "scale.json") == scale
    with pytest.raises(ValueError, match="too few"):
        Scale.of(np.array([1.0]), ["one"])
    assert math.isfinite(Scale.of(np.array([1.0, 1.0]), ["a", "b"]).deviation)
