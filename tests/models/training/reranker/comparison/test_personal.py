"""Features of the past see no future, and a planted taste is found where there is one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.training.examples import Example, write_examples
from models.training.reranker.personal import data as d
from models.training.reranker.personal.features import (
    Past,
    Rater,
    base_features,
    base_names,
    feature_names,
    features,
)
from models.training.reranker.personal.measure import (
    ALONE,
    ONE_MOMENT,
    OWN_MOMENT,
    SERVED,
    STRANGER,
    WITH,
    WITHOUT,
    _strangers,
    compared,
    measure,
    summary,
)
from models.training.reranker.personal.model import Pairs, fit
from tests.models.training.reranker.comparison.tiny import BOTS, Overlap

DIMENSION = 6


def rater(name: str, size: int, rng: np.random.Generator, *, taste: float = 1.0) -> Rater:
    """Somebody who likes what points along a direction of their own, as far as `taste` goes."""
    direction = rng.normal(size=DIMENSION)
    vectors = rng.normal(size=(size, DIMENSION))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    scores = rng.normal(size=(size, 2))
    drive = taste * 3 * vectors @ direction + 0.5 * scores[:, 0] + 0.3 * rng.normal(size=size)
    labels = np.stack([np.round(1 / (1 + np.exp(-drive)), 1), rng.random(size)], axis=1)
    labels[rng.random(size) < 0.3, 1] = np.nan
    words = rng.integers(2, 30, size).astype(float)
    return Rater(scores, vectors, words, labels, name, tuple("ab"[i % 2] for i in range(size)))


@pytest.fixture(scope="module")
def people() -> list[Rater]:
    rng = np.random.default_rng(3)
    return [rater(f"r{i}", 12, rng) for i in range(40)]


def test_the_future_and_the_candidates_own_labels_do_not_matter(people: list[Rater]) -> None:
    """Shuffling what comes later, the judgement of the candidates among it, changes nothing."""
    rng = np.random.default_rng(1)
    for person in people[:5]:
        for now in (0, 1, 4, 11):
            rows = [now, min(now + 2, 11)]
            wanted = features(person.before(now), person.candidates(rows))
            labels = person.labels.copy()
            labels[now:] = rng.permutation(labels[now:], axis=0) * 0.1
            shuffled = replace(person, labels=labels)
            found = features(shuffled.before(now), shuffled.candidates(rows))
            np.testing.assert_array_equal(found, wanted)
            gone = replace(
                person,
                labels=person.labels[: max(rows) + 1],
                scores=person.scores[: max(rows) + 1],
                vectors=person.vectors[: max(rows) + 1],
                words=person.words[: max(rows) + 1],
            )
            found = features(gone.before(now), gone.candidates(rows))
            np.testing.assert_array_equal(found, wanted)


def test_the_past_does_matter(people: list[Rater]) -> None:
    person = people[0]
    labels = person.labels.copy()
    labels[:4, 0] = 1.0 - labels[:4, 0]
    changed = replace(person, labels=labels)
    before = features(person.before(4), person.candidates([4, 5]))
    after = features(changed.before(4), changed.candidates([4, 5]))
    names = feature_names(2)
    pull = names.index("pull of the like")
    assert not np.allclose(before, after)
    assert before.shape == (2, len(names))
    assert np.sign(before[0, pull]) == -np.sign(after[0, pull])


def test_without_a_past_there_is_nothing_to_tell(people: list[Rater]) -> None:
    person = people[0]
    assert not features(person.before(0), person.candidates([0, 3])).any()
    base = base_features(3, person.candidates([0, 3]))
    assert base.shape == (2, len(base_names(2)))
    assert base[0, -1] == base[1, -1] == np.log(4)


def test_likeness_pulls_towards_the_liked() -> None:
    vectors = np.eye(3)
    past = Past(np.zeros((2, 1)), vectors[:2], np.array([5.0, 5.0]), np.array([[1.0], [0.0]]))
    person = Rater(np.zeros((3, 1)), vectors, np.full(3, 5.0), np.full((3, 1), 0.5), "new")
    found = features(past, person.candidates([0, 1, 2]))
    names = feature_names(1)
    pull, liked, disliked = (
        found[:, names.index(name)]
        for name in ("pull of the like", "likeness to the liked", "likeness to the disliked")
    )
    assert pull[0] > 0 > pull[1]
    assert pull[2] == 0.0
    assert liked.tolist() == [1.0, 0.0, 0.0]
    assert disliked.tolist() == [0.0, 1.0, 0.0]
    assert np.isfinite(found).all()


def test_a_missing_label_is_no_judgement() -> None:
    past = Past(np.zeros((2, 1)), np.eye(2), np.ones(2), np.array([[1.0, np.nan], [1.0, 1.0]]))
    person = Rater(np.zeros((1, 1)), np.eye(2)[:1], np.ones(1), np.ones((1, 2)), "new")
    means = features(past, person.candidates([0]))[0, :2]
    assert means.tolist() == pytest.approx([1.0 / 4, 0.5 / 3])


@pytest.mark.parametrize("moment", [ONE_MOMENT, OWN_MOMENT])
def test_a_planted_taste_is_found_and_a_strangers_is_not(people: list[Rater], moment: str) -> None:
    told: list[int] = []
    measured = measure(people, moment, tell=lambda: told.append(1), leave_out="b", steps=30)
    assert measured is not None
    found = summary(measured, 50)
    models, gains = found["all"]["models"], found["all"]["differences"]
    assert models[WITH][0] > models[WITHOUT][0] + 0.05
    assert gains[f"{WITH} - {WITHOUT}"][1] > 0, "the interval is above nothing"
    assert gains[f"{STRANGER} - {WITHOUT}"][0] < 0.02
    assert SERVED not in models
    assert len(told) > len(people)
    buckets = {bucket["from"]: bucket for bucket in found["by_past"]}
    if moment == ONE_MOMENT:
        assert buckets[0]["differences"][f"{WITH} - {WITHOUT}"][0] == pytest.approx(0, abs=0.03)
        late = buckets[8]["models"]
        assert late[WITH][0] > late[WITHOUT][0]
    assert sum(bucket["pairs"] for bucket in found["by_past"]) == found["all"]["pairs"]
    assert found["without_marked"]["pairs"] < found["all"]["pairs"] / 2


@pytest.mark.parametrize("moment", [ONE_MOMENT, OWN_MOMENT])
def test_neither_of_a_pair_is_seen_by_the_other(people: list[Rater], moment: str) -> None:
    """With the labels of a pair exchanged, its features stay and only the answer turns round."""
    person = replace(people[0], labels=people[0].labels[:, :1].copy())
    labels = person.labels.copy()
    labels[:, 0] = np.linspace(0.2, 0.8, 12)
    i, j = 4, 9
    swapped = labels.copy()
    swapped[[i, j]] = labels[[j, i]]
    found = []
    for mine in (labels, swapped):
        made = compared(replace(person, labels=mine), people[1], moment, None)
        assert made is not None
        # All labels differ, so the pairs stand in order: (0, 1), (0, 2), …
        at = sum(11 - k for k in range(i)) + (j - i - 1)
        assert len(made.past) == 66
        found.append((made.base[at], made.personal[at]))
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other[::-1])


def test_a_stranger_is_never_oneself(people: list[Rater]) -> None:
    for size in (2, 3, 7, 40):
        found = _strangers(people[:size], seed=7)
        assert all(other != i for i, other in enumerate(found))
        assert all(0 <= other < size for other in found)


@pytest.mark.parametrize("moment", [ONE_MOMENT, OWN_MOMENT])
def test_people_without_taste_give_no_gain(moment: str) -> None:
    rng = np.random.default_rng(5)
    people = [rater(f"n{i}", 7, rng, taste=0.0) for i in range(40)]
    measured = measure(people, moment, steps=30)
    assert measured is not None
    gain = summary(measured, 50)["all"]["differences"][f"{WITH} - {WITHOUT}"]
    assert gain[0] < 0.02
    assert gain[1] < 0.0, "nothing to be sure of"


def test_the_serving_bias_is_added_to_the_score(people: list[Rater]) -> None:
    measured = measure(
        people[:20], ONE_MOMENT, pull=lambda past, c: 100.0 * c.scores[:, 1], steps=1
    )
    assert measured is not None
    by_other = measure(
        [replace(p, scores=p.scores[:, ::-1].copy()) for p in people[:20]], ONE_MOMENT, steps=1
    )
    assert by_other is not None
    np.testing.assert_array_equal(measured.right[SERVED], by_other.right[ALONE])


def test_pairs_are_what_was_not_liked_alike(people: list[Rater]) -> None:
    person = people[0]
    unlike = sum(person.liked[i] != person.liked[j] for i in range(12) for j in range(i + 1, 12))
    for moment in (ONE_MOMENT, OWN_MOMENT):
        measured = measure(people[:10], moment, steps=1)
        assert measured is not None
        assert (measured.raters == 0).sum() == unlike
    same = [replace(p, labels=np.ones_like(p.labels)) for p in people[:3]]
    assert measure(same, ONE_MOMENT) is None
    assert measure([], ONE_MOMENT) is None


def test_the_model_is_repeatable_and_wants_pairs() -> None:
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(40, 3))
    pairs = Pairs(rows + np.array([1.0, 0.0, 0.0]), rows, np.arange(40))
    one, two = (fit(pairs, seed=1, steps=60).scores(rows) for _ in range(2))
    np.testing.assert_array_equal(one, two)
    model = fit(pairs, seed=1, steps=60)
    assert (model.scores(pairs.better) > model.scores(pairs.worse)).all()
    with pytest.raises(ValueError, match="no pairs"):
        fit(Pairs(rows[:0], rows[:0], np.zeros(0, int)), seed=1)


def test_dialogs_and_turns_become_judgements(data: Path) -> None:
    sittings = d.dialogue_eval(data)
    assert len(sittings) == 12
    assert [j.mark for j in sittings[:3]] == list(BOTS)
    assert sittings[0].labels[d.LIKED] == pytest.approx(0.9)
    assert sittings[0].labels["robotic"] == pytest.approx(0.1)
    assert len(sittings[0].replies) == 2
    turns = d.topical_chat(data)
    assert {j.rater for j in turns} >= {"top0:to:agent_1", "top0:to:agent_2"}
    assert all(len(j.replies) == 1 and j.replies[0].context for j in turns)
    assert turns[0].labels == {d.LIKED: 1.0}
    few = d.some(turns, 2)
    assert len({j.rater for j in few}) == 2
    assert d.some(turns, 2) == few
    assert d.some(turns, 0) == turns


def test_exported_reactions_become_judgements(tmp_path: Path) -> None:
    def row(head: str, label: float, response: str, rater: str = "p") -> Example:
        return Example("reactions", head, ("hi",), response, label, "g", "c", rater)

    path = tmp_path / "reactions.jsonl.gz"
    rows = [row("upvote", 1.0, "a"), row("love", 1.0, "a"), row("upvote", 0.0, "b")]
    rows += [row("love", 0.0, "c"), row("upvote", 1.0, "d", rater="")]
    write_examples(path, rows)
    found = d.reactions(path)
    assert [(j.rater, dict(j.labels)) for j in found] == [
        ("p", {d.LIKED: 1.0, "upvote": 1.0, "love": 1.0}),
        ("p", {d.LIKED: 0.0, "upvote": 0.0}),
    ]


class Letters:
    """Vectors of letter counts."""

    def encode(self, texts, batch_size: int = 64):  # type: ignore[no-untyped-def]
        counts = np.array([[text.count(c) + 0.01 for c in "abcdef"] for text in texts])
        return (counts / np.linalg.norm(counts, axis=1, keepdims=True)).astype(np.float32)


def test_a_rater_is_all_judgements_of_one_in_order(data: Path) -> None:
    judgements = d.dialogue_eval(data)
    found = d.raters(
        [*judgements, replace(judgements[0], rater="once")], Overlap().score, Letters()
    )
    assert [r.name for r in found] == ["w0", "w1", "w2", "w3"]
    first = found[0]
    assert first.labels.shape == (3, 8)
    assert first.marks == BOTS
    assert first.liked.tolist() == pytest.approx([0.9, 0.6, 0.1])
    np.testing.assert_allclose(np.linalg.norm(first.vectors, axis=1), 1.0)
    assert first.scores.shape == (3, 2)
