"""Simulated people: tastes that are their own, luck that has a name, patience that ends."""

from __future__ import annotations

import ast
import json
from collections import Counter
from pathlib import Path
from random import Random

import numpy as np
import pytest

from app.domain import ReactionKind
from scripts.simulation import people as people_module
from scripts.simulation import traits as traits_module
from scripts.simulation.lines import Lines, bank_pairs
from scripts.simulation.people import Population
from scripts.simulation.traits import NAMES, SUBJECTS, subject_of, traits_of

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def bank() -> list[tuple[str, str]]:
    return bank_pairs(ROOT / "data")[::12]


@pytest.fixture(scope="module")
def population(bank: list[tuple[str, str]]) -> Population:
    return Population(4, bank)


def trait(name: str, reply: str, message: str = "hm") -> float:
    return float(traits_of(reply, message)[NAMES.index(name)])


def test_traits_are_what_a_reader_would_notice() -> None:
    assert trait("asks", "And then what?") == 1
    assert trait("asks", "What a day. I mean it.") == 0
    assert trait("questions", "Why? How?") == 2
    assert trait("length", "a b c d e f") > trait("length", "a b")
    assert trait("warmth", "I am so glad, love.") > trait("warmth", "I am so tall, Bob.") == 0
    assert trait("of the person", "You and your dog.") > 0 == trait("of the person", "A dog.")
    assert trait("takes up a word", "Soup it is.", "i made soup") == 1
    assert trait("takes up a word", "It is not that.", "it is not that") == 0  # common words
    assert trait("contrast", "Late, but warm.") == 1


def test_subjects_are_near_where_words_are_alike() -> None:
    gardens, garden, opera = map(subject_of, ("the gardens bloom", "a blooming garden", "an opera"))
    assert gardens.shape == (SUBJECTS,)
    assert float(gardens @ garden) > 0.4
    assert float(np.linalg.norm(opera)) == pytest.approx(1.0)
    assert not subject_of("it is so").any()


def test_the_taste_model_imports_nothing_of_the_models() -> None:
    """Neither weights nor features are shared with the reranker, nor anything that has them."""
    for module in (people_module, traits_module):
        assert module.__file__ is not None
        tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            for name in names:
                assert name.split(".")[0] not in {"models", "retrieval", "torch", "transformers"}


def test_a_person_is_the_same_each_time_and_unlike_the_others(population: Population) -> None:
    one, again, other = population.person(1), population.person(1), population.person(2)
    assert (one.taste == again.taste).all()
    assert (one.taste != other.taste).any()
    alike = np.corrcoef(one.taste, other.taste)[0, 1]
    assert alike > 0.5  # what the population shares outweighs what is their own
    replies = ["Tell me more?", "No.", "That is lovely, and so are you!"]
    first = [one.hear(reply, "hm", 1, i) for i, reply in enumerate(replies)]
    assert first == [again.hear(reply, "hm", 1, i) for i, reply in enumerate(replies)]


def test_populations_differ(bank: list[tuple[str, str]], population: Population) -> None:
    other = Population(5, bank)
    utilities = np.array(
        [[p.person(0).utility(reply, said) for said, reply in bank] for p in (population, other)]
    )
    assert abs(np.corrcoef(utilities)[0, 1]) < 0.6
    assert 1.5 < utilities[0].std() < 3.0


def test_what_was_heard_before_is_liked_less(population: Population) -> None:
    person = population.person(3)
    reply = "And what did the cat say?"
    fresh = person.utility(reply, "hm")
    for i in range(3):
        person.hear(reply, "hm", i)
    assert person.utility(reply, "hm") < fresh - 1.0


def test_disappointed_people_leave_and_do_not_come_back(population: Population) -> None:
    def outcomes(good: bool) -> tuple[float, float]:
        left = back = 0
        for number in range(150):
            person = population.person(number)
            person.taste = person.taste * 0  # every reply is alike to them; only luck decides
            person.population = population
            heard = liked = 0
            for i in range(6):
                person.heard = Counter() if good else Counter({"Well.": 40})
                liking = person.hear("Well.", "hm", i)
                heard, liked = heard + 1, liked + liking.liked
                if liking.leaves:
                    left += 1
                    break
            back += person.comes_back(liked, heard, 1)
        return left / 150, back / 150

    left_good, back_good = outcomes(good=True)
    left_bad, back_bad = outcomes(good=False)
    assert left_bad > left_good + 0.15
    assert back_bad < back_good - 0.15


def test_reactions_fit_how_a_reply_was_taken(population: Population) -> None:
    likes = {ReactionKind.LOVE, ReactionKind.FUNNY, ReactionKind.UPVOTE}
    seen: Counter[ReactionKind] = Counter()
    silent = 0
    for number in range(40):
        person = population.person(number)
        for i, reply in enumerate(("Why?", "Because, dear.", "No idea!", "You try it first.")):
            liking = person.hear(reply, "hm", i)
            if liking.reaction is None:
                silent += 1
            else:
                assert (liking.reaction in likes) == liking.liked
                seen[liking.reaction] += 1
    assert silent > 10
    assert len(seen) >= 4


def test_people_say_what_is_in_the_dialogs(tmp_path: Path) -> None:
    (tmp_path / "dialogs").mkdir()
    (tmp_path / "bench").mkdir()
    pairs = [("person", "a"), ("kindred", "b"), ("person", "c")]
    turns = [{"speaker": speaker, "text": text} for speaker, text in pairs]
    (tmp_path / "dialogs" / "x.jsonl").write_text(json.dumps({"turns": turns}) + "\n")
    (tmp_path / "bench" / "prompts.txt").write_text("d\n\ne\n")
    lines = Lines.read(tmp_path)
    assert lines.scripts == [("a", "c"), ("d",), ("e",)]
    assert list(lines.conversation(Random(1))) == list(lines.conversation(Random(1)))
    with pytest.raises(ValueError, match="nothing"):
        Lines.read(tmp_path / "empty")
