"""Votes survive the way in: those of people without a name, and those that were made elsewhere."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from app.store.reactions import Judgement
from app.store.store import Store
from models.training.examples import Example, read_examples
from models.training.reliability import weighed
from models.training.splits import leakage, split
from scripts.dataset.judged import Judged
from scripts.dataset.reader import read_reactions
from tests.scripts.dataset.talk import DISLIKE, LIKE, Talker
from tests.scripts.dataset.test_imports import jsonl, run

VOTE = {"context": ["hi"], "response": "ho", "label": "good"}
PREFERENCE = {"prompt": "so?", "chosen": "a", "rejected": "b"}


def test_judgements_made_elsewhere_are_nobodys_diligence_and_of_every_part(
    talker: Talker, store: Store, out: Path, export: Any
) -> None:
    talker.react(talker.say("hello", "hi"))
    store.reactions.judge(
        [
            Judgement(str(i), (f"number {i // 2}?",), f"response {i}", (LIKE, DISLIKE)[i % 2],
                      "lab", 1.6e9)
            for i in range(240)
        ]
    )  # fmt: skip
    export()
    examples = [e for e in weighed(list(read_reactions(out, store.ring))) if e.head == "upvote"]
    judged = [e for e in examples if e.source == "judged:lab"]
    assert len(judged) == 240
    assert {(e.rater, e.weight) for e in judged} == {("", 1.0)}
    parts = split(judged)
    assert all(len(part) > 5 for part in parts.values())
    assert leakage(parts["train"], parts["test"]).contexts == 0


def imported(tmp_path: Path, *rows: Any) -> list[Example]:
    out = tmp_path / "out.jsonl"
    run("import_reactions", jsonl(tmp_path / "votes.jsonl", *rows), "--out", out)
    return list(read_examples(out))


def test_equal_votes_of_unnamed_people_all_come_in(tmp_path: Path) -> None:
    votes = imported(tmp_path, VOTE, VOTE, VOTE, {**VOTE, "rater": "p"}, {**VOTE, "rater": "p"})
    assert [vote.rater for vote in votes] == ["", "", "", "votes:p"]
    again = [{**VOTE, "id": "1"}, {**VOTE, "id": "1"}]
    assert len(imported(tmp_path, *again)) == 1
    opinion = {"turns": [{"speaker": "user", "text": "hi"}, {"speaker": "bot", "text": "ho"}]}
    named = {**opinion, "rating": 2, "dialog_id": "d"}
    rated = {**opinion, "rating": 1}
    assert len(imported(tmp_path, named, named, rated, rated)) == 3


def test_equal_rows_of_a_table_are_votes_unless_one_person_gave_them(tmp_path: Path) -> None:
    source, out = tmp_path / "votes.csv", tmp_path / "out.jsonl"
    with source.open("w", newline="") as stream:
        rows = [("context", "response", "label", "by"), *[("hi", "ho", "1", "me")] * 2]
        csv.writer(stream).writerows(rows)
    run("import_reactions", source, "--out", out)
    assert len(list(read_examples(out))) == 2
    run("import_reactions", source, "--out", out, "--rater-column", "by")
    assert len(list(read_examples(out))) == 1


def test_each_vote_for_a_preference_is_a_pair_of_its_own(tmp_path: Path) -> None:
    contrary = {"prompt": "so?", "chosen": "b", "rejected": "a"}
    rows = imported(tmp_path, PREFERENCE, PREFERENCE, contrary, *[{**PREFERENCE, "rater": "p"}] * 2)
    groups: dict[str, list[tuple[str, float]]] = {}
    for row in rows:
        groups.setdefault(row.group, []).append((row.response, row.label))
    assert len(groups) == 4
    liked = [("a", 1.0), ("b", 0.0)]
    assert list(groups.values()) == [liked, liked, [("b", 1.0), ("a", 0.0)], liked]


@pytest.mark.parametrize("rater", [None, "p"])
def test_preferences_about_one_prompt_stay_in_one_part(rater: str | None) -> None:
    judged = {name: Judged("lab", name) for name in ("one", "two")}
    rows = [
        example
        for number in range(400)
        for example in judged[("one", "two")[number % 2]].add(
            {
                "prompt": ("Number {}?", "number {}")[number % 2].format(number % 100),
                "chosen": f"yes {number}",
                "rejected": f"no {number}",
                "rater": rater and f"{rater}{number % 100}",
            }
        )
    ]
    parts = split(rows)
    assert min(len(parts["dev"]), len(parts["test"])) > 20
    for a, b in (("train", "dev"), ("train", "test"), ("dev", "test")):
        found = leakage(parts[a], parts[b])
        assert found.clean
        assert found.contexts == 0
