"""Rerankers judged in a world whose truth is known: the better one is found to be that."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from app.experiments import off_policy
from models.contracts import RerankResult
from models.training.reranker.measures import Interval
from scripts.judging import choosing, rerankers
from scripts.judging.verdict import Measure, Verdict, judge, markdown
from tests.scripts.judging.conftest import EXPLORATION, KINDS, Log, certain, knowing, mistaken


def measure(comparison: rerankers.Comparison, name: str) -> Measure:
    return next(m for m in comparison.measures if m.name == name)


def true_rate(scores: dict[str, float]) -> float:
    """How often replies would be liked if these scores chose."""
    top = max(scores.values())
    powers = {kind: math.exp((score - top) / 0.1) for kind, score in scores.items()}
    best = max(scores, key=lambda kind: scores[kind])
    shares = {kind: EXPLORATION * power / sum(powers.values()) for kind, power in powers.items()}
    shares[best] += 1 - EXPLORATION
    return sum(KINDS[kind] * share for kind, share in shares.items())


def test_the_one_that_knows_is_better_and_would_be_liked_as_often_as_it_would(log: Log) -> None:
    held = log(60)
    found = rerankers.compare(knowing(), mistaken(), held, resamples=200)
    judgement = judge(found.measures, leading=rerankers.LEADING)
    assert judgement.verdict is Verdict.BETTER
    assert measure(found, "auc").difference.low > 0
    # What the mistaken one chose are dull replies, of which no ranking tells anything.
    assert measure(found, "auc, shown").candidate.value == pytest.approx(0.5)
    biased = {kind: p + 0.01 * i for i, (kind, p) in enumerate(KINDS.items())}
    rate = measure(found, "upvote rate (DR)")
    assert rate.candidate.low <= true_rate(biased) <= rate.candidate.high
    assert rate.difference.low > 0
    assert rate.decides
    # What the log's own policy would do is what it did.
    liked = sum(e.label for e in held.examples) / len(held.examples)
    assert measure(found, "upvote rate (IPS)").serving.value == pytest.approx(liked)
    details = found.details["off_policy"]
    assert details["serving"]["effective_sample_size"] == pytest.approx(len(held.impressions))
    assert details["candidate"]["effective_sample_size"] < len(held.impressions) / 2
    assert details["candidate"]["unsupported"] == pytest.approx(0.0)
    assert any("effective sample size" in note for note in found.notes)


def test_the_other_way_round_it_is_worse(log: Log) -> None:
    held = log(60)
    found = rerankers.compare(mistaken(), knowing(), held, resamples=200)
    judgement = judge(found.measures, leading=rerankers.LEADING)
    assert judgement.verdict is Verdict.WORSE
    assert any("auc is lower" in reason for reason in judgement.reasons)
    text = markdown(
        {"kind": "reranker", "candidate": "a", "serving": "b", "verdict": "worse",
         "reasons": judgement.reasons},
        found.measures, found.notes,
    )  # fmt: skip
    assert "| auc | " in text
    assert "| accuracy * |" in text


def test_where_the_log_hardly_explored_it_decides_nothing(log: Log) -> None:
    held = log(60, certain())
    found = rerankers.compare(knowing(), certain(), held, resamples=100)
    assert found.details["off_policy"]["candidate"]["effective_sample_size"] < 30
    assert not measure(found, "upvote rate (DR)").decides
    assert any("decides nothing" in note for note in found.notes)
    assert "off-policy" not in " ".join(judge(found.measures, leading=rerankers.LEADING).reasons)


def test_the_same_model_is_not_worse_than_itself(log: Log) -> None:
    held = log(30)
    found = rerankers.compare(knowing(), knowing(), held, resamples=100)
    assert judge(found.measures, leading=rerankers.LEADING).verdict is Verdict.NOT_WORSE
    assert all(m.difference.value == 0 for m in found.measures)


def test_too_little_says_nothing(log: Log) -> None:
    held = log(2)
    found = rerankers.compare(knowing(), mistaken(), held, resamples=50)
    assert judge(found.measures, leading=rerankers.LEADING).verdict is Verdict.UNKNOWN
    assert any("at least 30 are needed" in note for note in found.notes)
    one_class = [replace(e, label=1.0) for e in log(60).examples]
    found = rerankers.compare(
        knowing(), mistaken(), replace(held, examples=one_class, impressions=()), resamples=50
    )
    assert math.isnan(measure(found, "auc, shown").candidate.value)


def test_a_slip_that_may_be_chance_is_tolerated_only_if_it_is_small() -> None:
    def auc(by: float) -> Measure:
        return Measure("auc", Interval(0.7 + by, 0.6, 0.8), Interval(0.7, 0.6, 0.8),
                       Interval(by, by - 0.05, by + 0.05))  # fmt: skip

    assert judge([auc(-0.005)], leading=("auc",)).verdict is Verdict.NOT_WORSE
    assert judge([auc(-0.02)], leading=("auc",)).verdict is Verdict.WORSE
    assert judge([auc(0.06)], leading=("auc",)).verdict is Verdict.BETTER
    lower = Measure("bits", Interval(1, 1, 1), Interval(2, 2, 2), Interval(-1, -1.2, -0.8),
                    higher_is_better=False)  # fmt: skip
    assert judge([lower], leading=("bits",)).verdict is Verdict.BETTER


def test_only_choices_with_a_chance_for_others_count(log: Log) -> None:
    first = log(10).impressions[0]
    others = [
        replace(first, alternative_of="r1"),
        replace(first, shown=("r0",)),
        replace(first, chosen=None),
        replace(first, exploration=0.0),
        replace(first, reaction=None),
    ]
    kept = choosing.usable([first, *others], silence="skip")
    assert kept.impressions == (first,)
    assert kept.left_out == {"alternative": 2, "not chosen": 1, "certain": 1, "silent": 1}
    assert len(choosing.usable([first, *others], silence="zero").impressions) == 2


def test_what_the_log_says_of_a_version_is_not_computed_again(log: Log) -> None:
    impressions = log(10).impressions
    own, other = mistaken(), knowing()
    scores = choosing.score_slates(own, impressions, "own")
    assert own.runs == 0
    assert scores[0]["r1"].serving == pytest.approx(own.belief["fine"])
    choosing.score_slates(other, impressions, "other")
    assert other.runs == 4 * len(impressions)


def test_what_was_filtered_stays_out_and_what_the_log_never_showed_is_named(log: Log) -> None:
    first = next(one for one in log(10).impressions if one.chosen != "r3")
    filtered = tuple(replace(c, filters=("twin",)) if c.candidate_id == "r3" else c
                     for c in first.candidates)  # fmt: skip
    scores = {f"r{i}": RerankResult({"upvote": p}, p) for i, p in enumerate(KINDS.values())}
    wanted = choosing.probabilities(replace(first, candidates=filtered), scores)
    assert "r3" not in wanted
    assert sum(wanted.values()) == pytest.approx(1.0)
    assert max(wanted, key=lambda name: wanted[name]) == "r2"

    never = tuple(replace(c, propensity=0.0) if c.candidate_id == "r3" else c
                  for c in first.candidates)  # fmt: skip
    seen = choosing.choices(
        [replace(first, candidates=never)], [scores], [{"r3": 1.0, str(first.chosen): 0.5}]
    )
    share = choosing.probabilities(first, scores)["r3"]
    assert seen.unsupported[0] == pytest.approx(share)
    assert off_policy.evaluate(seen).diagnostics.unsupported == pytest.approx(share)
