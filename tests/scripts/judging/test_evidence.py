"""What a verdict may rest on: enough people, both answers, replies that no model chose."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

from models.training.examples import Example
from models.training.reranker.measures import Interval
from scripts.dataset.reader import SOURCE, LoggedImpression
from scripts.judging import choosing, rerankers
from scripts.judging.evidence import Evidence
from scripts.judging.heldout import HeldOut, from_file
from scripts.judging.origins import HERE, origins
from scripts.judging.verdict import Measure, Role, Verdict, judge
from tests.scripts.judging.conftest import KINDS, Fake, Log, certain, judged, knowing, mistaken


def test_two_people_are_not_evidence_and_nor_is_one_answer() -> None:
    def of(people: int, each: int, liked: int) -> Evidence:
        return Evidence.of((f"p{i % people}", i, i % each < liked, 1.0) for i in range(60))

    assert not of(2, 2, 1).enough
    assert not of(20, 10, 1).enough  # six liked
    assert of(20, 3, 1).enough
    once = Evidence.of(("p", "the same", True, 1.0) for _ in range(99))
    assert (once.judged, once.people) == (1.0, 1.0)
    trolls = [(f"p{i % 12}", i, i % 2 == 0, 0.9 if i % 12 < 9 else 0.09) for i in range(120)]
    assert not Evidence.of(trolls).enough  # nine people, and three tenths
    assert Evidence.of(
        [(who, what, True, 0.9) for who, what, _, _ in trolls], one_sided=True
    ).enough
    few = Measure("auc", *[Interval(0.9, 0.8, 1.0)] * 3, evidence=of(2, 2, 1))
    verdict = judge([few], leading=("auc",))
    assert verdict.verdict is Verdict.UNKNOWN
    assert "2 people" in verdict.reasons[0]


def test_replies_that_the_serving_model_chose_speak_only_against(log: Log) -> None:
    held = log(60, mistaken(), 0.0)  # no exploration: whatever was judged, it chose
    candidate = Fake("other0000000", {kind: (i * 7 % 4) / 4 for i, kind in enumerate(KINDS)})
    found = rerankers.compare(candidate, mistaken(), held, resamples=50)
    assert not any(m.decides for m in found.measures)
    said = judge(found.measures, leading=rerankers.LEADING)
    assert said.verdict is Verdict.UNKNOWN
    elsewhere = replace(
        held, impressions=(), examples=[replace(e, source="judged:lab") for e in held.examples]
    )
    found = rerankers.compare(candidate, mistaken(), elsewhere, resamples=50)
    assert judge(found.measures, leading=rerankers.LEADING).verdict is not Verdict.UNKNOWN
    lower = Interval(-0.2, -0.3, -0.1)
    guard = Measure("auc, shown", lower, lower, lower, role=Role.GUARDS)
    assert judge([guard], leading=()).verdict is Verdict.WORSE


def test_what_was_drawn_is_evened_out(log: Log) -> None:
    assert HERE == SOURCE
    held = log(60)
    came = origins(held.examples, held.impressions)
    drawn = [i for i, one in enumerate(held.impressions) if one.explored]
    assert [i for i, one in enumerate(came) if one.free] == drawn
    weights = np.array([came[i].weight for i in drawn])
    assert weights.mean() == pytest.approx(1.0, abs=0.15)
    kinds = [held.impressions[i].response.split()[0] for i in drawn]
    for kind in KINDS:  # each as if it were drawn as often as any other
        share = sum(w for w, k in zip(weights, kinds, strict=True) if k == kind) / len(drawn)
        assert share == pytest.approx(1 / len(KINDS), abs=0.1)
    unknown = origins(held.examples[:1], ())[0]
    assert (unknown.free, unknown.weight) == (False, 1.0)
    assert origins([replace(held.examples[0], source="lab")], ())[0].free


def test_at_the_shipped_exploration_the_log_of_a_thousand_decides_nothing(log: Log) -> None:
    for seed in range(3):
        held = log(84, mistaken(), 0.05, seed)
        found = rerankers.compare(certain(), knowing(), held, resamples=50)
        rate = next(m for m in found.measures if m.name == "upvote rate (DR)")
        assert not rate.decides
        assert any("decides nothing" in note for note in found.notes)


def with_offence(fake: Fake, offensive: float | None) -> Fake:
    """The same model with a head for safety (None: without)."""

    class Guarded(Fake):
        def run(self, items):  # type: ignore[no-untyped-def]
            found = super().run(items)
            if offensive is None:
                return found
            return [replace(r, heads={**r.heads, "offensive": offensive}) for r in found]

    heads = ("selection",) if offensive is None else ("selection", "offensive")
    return Guarded(fake.version, fake.belief, heads)


def test_a_candidate_without_the_safety_head_is_worse_however_well_it_ranks(log: Log) -> None:
    held = log(60)
    found = rerankers.compare(
        with_offence(knowing(), None), with_offence(mistaken(), 0.1), held, resamples=50
    )
    assert found.lacking == ["offensive"]
    said = judge(found.measures, leading=rerankers.LEADING, lacking=found.lacking)
    assert said.verdict is Verdict.WORSE
    assert "no head offensive" in said.reasons[0]


def test_the_head_for_offence_guards_where_it_has_labels(log: Log) -> None:
    held = log(60)
    rows = [replace(e, head="offensive", label=float(i % 3 == 0))
            for i, e in enumerate(held.examples)]  # fmt: skip
    both = HeldOut([*held.examples, *rows], held.impressions, {})
    models = (with_offence(knowing(), 0.1), with_offence(mistaken(), 0.1))
    found = rerankers.compare(*models, both, resamples=50)
    head = next(m for m in found.measures if m.name == "auc of offensive")
    assert head.guards
    assert not head.decides


def test_the_filter_for_offence_is_the_candidates_own(log: Log) -> None:
    first = log(10).impressions[0]
    slate = tuple(replace(c, source="generator") for c in first.candidates)
    one = replace(first, candidates=slate)
    calm, shocked = (with_offence(knowing(), p) for p in (0.1, 0.99))
    assert "r3" in choosing.probabilities(one, choosing.score_slates(calm, [one], "")[0])
    assert choosing.probabilities(one, choosing.score_slates(shocked, [one], "")[0]) == {}
    kept = replace(one, candidates=(*slate[:3], replace(slate[3], filters=("offensive",))))
    scores = choosing.score_slates(calm, [kept], "")[0]
    assert max(found := choosing.probabilities(kept, scores), key=lambda n: found[n]) == "r3"
    twin = replace(one, candidates=(*slate[:3], replace(slate[3], filters=("offensive", "twin"))))
    assert "r3" not in choosing.probabilities(twin, choosing.score_slates(calm, [twin], "")[0])


def trolled() -> list[Example]:
    """Twelve people agree on replies that all of them judge; one says the opposite."""
    dice = random.Random(5)
    return [
        Example("lab", "upvote", ("how are you?",), f"reply {reply}",
                float((reply % 2 == 0) ^ (who == 0) ^ (dice.random() < 0.05)),
                conversation=f"c{who}", rater=f"p{who}")
        for who in range(13) for reply in range(30)
    ]  # fmt: skip


def test_who_inverts_every_judgement_hardly_counts(tmp_path) -> None:  # type: ignore[no-untyped-def]
    from models.training.examples import write_examples

    write_examples(tmp_path / "all.jsonl", trolled())
    held = from_file(tmp_path / "all.jsonl", part="all")
    given = {e.rater: e.weight for e in held.examples}
    assert given["p0"] < 0.2 * given["p5"]
    assert held.trust["p0"] == given["p0"]


def test_a_persons_trust_is_their_choices_weight(log: Log) -> None:
    held = log(20)
    some: list[LoggedImpression] = list(held.impressions[:40])
    scores = choosing.score_slates(knowing(), some, "")
    rewards = [dict.fromkeys(found, 0.5) for found in scores]
    seen = choosing.choices(some, scores, rewards, {"p3": 0.25})
    assert seen.trust.tolist() == [0.25 if one.person == "p3" else 1.0 for one in some]
    assert judged(some[0]).weight == 1.0
