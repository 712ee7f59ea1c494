"""The joint cost: found, followed, shared between models, forgotten; and the shares of cores."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from app.serving.load.cost import Cost, JointCost, LineFit, undisturbed
from app.serving.load.cost_shares import CoreShares

BASE = {
    "encoder": Cost(0.002, 0.00005),
    "reranker": Cost(0.002, 0.00003),
    "generator": Cost(0.030, 0.00004),
}
SIZES = {"encoder": (20, 200), "reranker": (300, 1_800), "generator": (160, 3_000)}


def feed(
    joint: JointCost, factor: float, begin: float, batches: int, *models: str, noise: float = 0.2
) -> float:
    """So many batches of each model, 50 ms apart, `factor` times as slow as the base."""
    dice, now = Random(begin), begin
    for _ in range(batches):
        for model in models or tuple(BASE):
            now += 0.05
            tokens = dice.randint(*SIZES[model])
            seconds = factor * BASE[model].seconds(tokens) * dice.lognormvariate(0, noise)
            joint.observed(model, tokens, seconds, now)
    return now


@given(
    st.floats(0, 0.2),
    st.floats(1e-5, 0.01),
    st.lists(st.integers(1, 3_000), min_size=2, max_size=30),
)
def test_the_base_is_the_line_through_the_batches(
    fixed: float, slope: float, sizes: list[int]
) -> None:
    assume(max(sizes) > 2 * min(sizes))
    fit = LineFit()
    for tokens in sizes:
        fit = fit.observed(tokens, fixed + slope * tokens)
    for tokens in (min(sizes), max(sizes)):
        assert fit.line().seconds(tokens) == pytest.approx(
            fixed + slope * tokens, rel=0.01, abs=1e-4
        )


def test_batches_of_one_size_make_a_line_through_the_origin() -> None:
    fit = LineFit().observed(100, 0.2).observed(100, 0.4)
    assert fit.line().fixed == 0.0
    assert fit.line().seconds(100) == pytest.approx(0.3)
    assert LineFit().line() == Cost()


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.0, 4.0])
def test_a_machine_of_another_speed_is_found_in_a_few_batches(factor: float) -> None:
    joint = JointCost(dict(BASE))
    now = feed(joint, factor, 0.0, 20)
    for model, (_, large) in SIZES.items():
        usual = large // 2
        assert joint.cost(model, now).seconds(usual) == pytest.approx(
            factor * BASE[model].seconds(usual), rel=0.3
        )


def test_it_follows_a_machine_that_becomes_slower_within_two_seconds() -> None:
    joint = JointCost(dict(BASE))
    now = feed(joint, 1.0, 0.0, 60)
    now = feed(joint, 2.0, now, 13)
    ratio = joint.cost("generator", now).seconds(500) / BASE["generator"].seconds(500)
    assert ratio == pytest.approx(2.0, rel=0.3)


def test_what_one_model_tells_of_the_machine_counts_for_those_that_do_not_run() -> None:
    joint = JointCost(dict(BASE))
    now = feed(joint, 3.0, 0.0, 40, "encoder", "reranker")
    ratio = joint.cost("generator", now).seconds(500) / BASE["generator"].seconds(500)
    assert 1.8 < ratio < 3.2  # most of it is the machine, not a model of its own


def test_a_model_of_its_own_kind_is_told_from_the_machine() -> None:
    joint, now = JointCost(dict(BASE)), 0.0
    for _ in range(60):
        now = feed(joint, 1.0, now, 1, "encoder", "reranker")
        now = feed(joint, 2.5, now, 1, "generator")
    assert joint.cost("generator", now).seconds(500) > 1.9 * BASE["generator"].seconds(500)
    assert joint.cost("encoder", now).seconds(60) < 1.3 * BASE["encoder"].seconds(60)


def test_what_was_learned_is_trusted_less_the_older_it_is() -> None:
    joint = JointCost(dict(BASE))
    now = feed(joint, 10.0, 0.0, 60)
    seen = [joint.cost("generator", now + age).seconds(500) for age in (0, 5, 10, 60)]
    assert seen == sorted(seen, reverse=True)
    assert seen[0] > 5 * BASE["generator"].seconds(500)
    assert seen[-1] == pytest.approx(BASE["generator"].seconds(500), rel=0.05)


def test_one_stray_batch_moves_little() -> None:
    joint = JointCost(dict(BASE))
    now = feed(joint, 1.0, 0.0, 60)
    joint.observed("generator", 500, 60.0, now + 0.05)
    assert joint.cost("generator", now + 0.05).seconds(500) < 1.6 * BASE["generator"].seconds(500)


def test_a_second_one_is_believed_and_so_is_the_way_back() -> None:
    joint = JointCost(dict(BASE))
    now = feed(joint, 1.0, 0.0, 60)
    now = feed(joint, 20.0, now, 8, "generator")
    assert joint.cost("generator", now).seconds(500) > 10 * BASE["generator"].seconds(500)
    now = feed(joint, 1.0, now, 8, "generator")
    assert joint.cost("generator", now).seconds(500) < 1.6 * BASE["generator"].seconds(500)


def test_one_that_was_never_warmed_is_learned_from_its_batches() -> None:
    joint = JointCost()
    assert joint.cost("generator", 0.0) == Cost()
    joint.observed("generator", 400, 0.2, 1.0)
    assert joint.cost("generator", 1.0).seconds(200) == pytest.approx(0.1)
    joint.observed("encoder", 10, 0.01, 2.0)
    joint.observed("generator", 400, 0.4, 2.0)
    assert joint.cost("generator", 2.0).seconds(400) > 0.2


@given(
    st.lists(
        st.tuples(
            st.sampled_from(sorted(BASE)),
            st.integers(0, 5_000),
            st.floats(0, 50),
            st.floats(0, 20),
        ),
        max_size=40,
    ),
    st.floats(0, 100),
)
def test_it_is_never_negative_nor_broken(
    batches: list[tuple[str, int, float, float]], later: float
) -> None:
    joint, now = JointCost(dict(BASE)), 0.0
    for model, tokens, seconds, pause in batches:
        now += pause
        joint.observed(model, tokens, seconds, now)
    for model in BASE:
        cost = joint.cost(model, now + later)
        assert math.isfinite(cost.seconds(1_000))
        assert cost.fixed > 0
        assert cost.per_token > 0


@given(st.floats(0, 0.1), st.floats(1e-6, 0.01), st.floats(0, 5))
def test_tokens_and_seconds_are_each_others_inverse(
    fixed: float, slope: float, more: float
) -> None:
    cost = Cost(fixed, slope)
    assert cost.seconds(cost.tokens(fixed + more)) == pytest.approx(fixed + more)
    assert cost.tokens(fixed / 2) == 0.0
    assert Cost(1.0, 0.0).tokens(0.5) == math.inf


def test_a_batch_alone_has_all_of_its_time() -> None:
    shares = CoreShares()
    assert shares.finished("a", 0.0, 1.0, {}) == pytest.approx(1.0)
    assert shares.finished("a", 1.0, 3.0, {}) == pytest.approx(2.0)


def test_batches_that_run_at_once_share_the_time() -> None:
    shares = CoreShares()
    # b runs from 0 and still runs; a from 0 to 1: half of it is a's.
    assert shares.finished("a", 0.0, 1.0, {"b": 0.0}) == pytest.approx(0.5)
    # b to 2: shared for a second, alone for another.
    assert shares.finished("b", 0.0, 2.0, {}) == pytest.approx(1.5)


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.floats(0.01, 1), st.floats(0, 0.5)),
        min_size=1,
        max_size=40,
    )
)
def test_all_shares_together_are_the_time_in_which_anything_ran(
    batches: list[tuple[str, float, float]],
) -> None:
    free, intervals = dict.fromkeys("abc", 0.0), []
    for model, seconds, pause in batches:
        begin = free[model] + pause
        free[model] = begin + seconds
        intervals.append((begin, begin + seconds, model))
    shares, total = CoreShares(), 0.0
    order = sorted(intervals, key=lambda one: one[1])
    for place, (begin, end, model) in enumerate(order):
        # Of two that end at one moment the second still runs when the first is reported.
        running = {m: b for b, _, m in order[place + 1 :] if b < end}
        total += shares.finished(model, begin, end, running)
    union, until = 0.0, 0.0
    for begin, end, _ in sorted(intervals):
        union += max(0.0, end - max(begin, until))
        until = max(until, end)
    assert total == pytest.approx(union)


def test_a_bad_moment_while_warming_does_not_make_the_base() -> None:
    line = Cost(0.03, 0.0002)
    for disturbed in range(4):
        seen = [(tokens, line.seconds(tokens)) for tokens in (100, 500, 110, 480)]
        seen[disturbed] = (seen[disturbed][0], 40 * seen[disturbed][1])
        base = undisturbed(seen)
        assert base.fixed == pytest.approx(line.fixed)
        assert base.per_token == pytest.approx(line.per_token)
    assert undisturbed([]) == Cost()
