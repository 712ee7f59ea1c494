"""What is answered: no dialog in two parts, facts of the one who is answered."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.training import corpora
from models.training.corpora import Dialog
from models.training.examples import BadExample, Example, write_examples
from models.training.splits import learnable
from models.training.tuning.contexts import (
    DEV,
    PARTS,
    TEST,
    TRAIN,
    Talk,
    draw_contexts,
    files_of,
    load_talk,
)


def names(talk: Talk, part: str) -> set[str]:
    return {dialog.id for dialog in talk.parts[part]}


def test_no_dialog_is_in_two_parts_and_the_generators_split_is_kept(talk: Talk) -> None:
    assert all(names(talk, part) for part in PARTS)
    assert not names(talk, TRAIN) & (names(talk, DEV) | names(talk, TEST))
    assert not names(talk, DEV) & names(talk, TEST)
    assert not any(corpora.is_held_out(d.source, d.id) for d in talk.parts[TRAIN])
    assert [source.name for source in talk.sources] == ["Kindred dialogs (data/dialogs)"]
    assert len(talk.held_out()) == len(talk.parts[DEV]) + len(talk.parts[TEST])


def test_only_what_kindred_answers_is_a_context(talk: Talk) -> None:
    contexts = draw_contexts(talk.parts[TRAIN], 200, "x")
    assert len(contexts) == len(set(contexts))
    assert {len(context.turns) for context in contexts} <= {1, 3, 5}


def test_contexts_follow_from_the_seed_and_sources_share_evenly(talk: Talk) -> None:
    other = [Dialog(f"o{n}", "other", ("so", f"well {n}")) for n in range(4)]
    dialogs = [*talk.parts[TRAIN], *other]
    drawn = draw_contexts(dialogs, 8, "x")
    assert drawn == draw_contexts(dialogs, 8, "x")
    assert drawn != draw_contexts(dialogs, 8, "y")
    # All four of the other dialogs begin alike: one context, and the rest comes from elsewhere.
    assert sum(context.source == "other" for context in drawn) == 1
    assert len(drawn) == 8


def test_facts_are_of_the_one_who_is_answered() -> None:
    facts = (("I bake.",), ("I swim.",))
    dialogs = [Dialog(f"p{n}", "p", (f"hi {n}", "hello", "so"), 0, facts) for n in range(30)]
    contexts = draw_contexts(dialogs, 60, "x")
    answered = {1: set(), 2: set()}  # type: dict[int, set[tuple[str, ...]]]
    for context in contexts:
        answered[len(context.turns)].add(context.facts)
    assert answered[1] == {(), ("I bake.",)}
    assert answered[2] == {(), ("I swim.",)}


def test_liked_examples_become_contexts_split_by_conversation(tmp_path: Path) -> None:
    examples = [
        Example(
            "reactions", "upvote", (f"hi {c}", "hello", f"how is {c}, {n}?"), "well enough",
            float(n % 2 == 0), conversation=f"c{c}", facts=("I run.",),
        )
        for c in range(60)
        for n in range(2)
    ]  # fmt: skip
    path = tmp_path / "e.jsonl"
    write_examples(path, examples)
    talk = load_talk(None, None, [path])
    # The disliked half is no example, and the people of the judges' part teach nothing.
    taught = sum(example.label > 0.5 for example in learnable(examples))
    assert sum(len(talk.parts[part]) for part in PARTS) == taught < 60
    assert not names(talk, TRAIN) & (names(talk, DEV) | names(talk, TEST))
    (source,) = talk.sources
    assert source.name == "reactions"
    drawn = draw_contexts(talk.parts[TRAIN], 500, "x")
    assert {len(context.turns) for context in drawn} == {1, 3}
    assert ("I run.",) in {context.facts for context in drawn}
    assert files_of(None, None, [path]) == [path]


def test_bad_input_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no dialogs for the part"):
        load_talk(None, tmp_path)
    path = tmp_path / "e.jsonl"
    path.write_text('{"source": 1}\n')
    with pytest.raises(BadExample, match=r"e\.jsonl:1"):
        load_talk(None, None, [path])
