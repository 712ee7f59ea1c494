"""What the served reranker learns from: conversations, lists with one true response, judgements."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from models.training import judgements as j
from models.training.selection import DialogSampler, ExchangeSampler, spoil
from tests.models.training.reranker.asymmetric.conftest import TOPICS


def test_conversations_are_read_with_their_facts(data: Path) -> None:
    dialogs = {d.name: d for d in j.load_dialogs(data)}
    assert len(dialogs) == 3 * len(TOPICS)
    assert dialogs["prain"].facts[0] == ("I own rain.",)
    assert not any(map(dialogs["train"].is_target, range(4))), "poorly rated turns are no examples"
    assert [dialogs["srain"].is_target(i) for i in range(4)] == [False, True, True, True]


def test_lists_have_one_true_response_and_never_it_again(data: Path) -> None:
    sampler = DialogSampler([d for d in j.load_dialogs(data) if d.source == "self_dialogue"])
    rng = random.Random(0)
    for _ in range(50):
        drawn = sampler.draw(rng, 5)
        assert len(drawn.responses) == 6
        assert drawn.responses[0] not in drawn.responses[1:]
        assert 1 <= len(drawn.context) <= 5


def test_only_kindreds_turns_are_examples(own: Path) -> None:
    dialogs, bank = j.load_own(own)
    rng = random.Random(0)
    true = {DialogSampler(dialogs).draw(rng, 2).responses[0] for _ in range(20)}
    assert true == {"line 1", "line 3"}
    assert len(bank) == len(TOPICS)


def test_near_entries_become_hard_negatives(own: Path) -> None:
    _, bank = j.load_own(own)
    near = [[(i + 1) % len(bank)] for i in range(len(bank))]
    sampler = ExchangeSampler(bank, near)
    rng = random.Random(0)
    hits = 0
    for _ in range(40):
        drawn = sampler.draw(rng, 4)
        i = next(i for i, e in enumerate(bank) if drawn.responses[0] in e.replies)
        hits += bank[near[i][0]].replies[0] in drawn.responses[1:]
    assert hits > 20


@pytest.mark.parametrize("seed", range(12))
def test_a_spoiled_reply_differs(seed: int) -> None:
    text = "Then let us not rush past it, did something set it off?"
    spoiled = spoil(text, random.Random(seed))
    assert spoiled
    assert spoiled != text


def test_judgements_keep_their_meaning(data: Path) -> None:
    accentor = j.load_accentor(data, "train")
    assert all(row.labels == (1.0, 0.0) for row in accentor)
    safety = j.load_safety(data, "train")
    assert [row.labels[0] for row in safety] == [1.0, 0.0], "a reply nobody can see is left out"
    liking = j.load_liking(data, "ieval")
    assert [row.labels[0] for row in liking] == [0.0, 0.0, 0.5, 0.5, 1.0, 1.0]
    assert {row.labels for row in j.load_topical_ratings(data)} == {(0.0,)}


def test_the_split_is_stable_and_near_its_share() -> None:
    held = [j.is_held_out(f"dialog-{i}") for i in range(4000)]
    assert 0.03 < sum(held) / len(held) < 0.07
    assert held == [j.is_held_out(f"dialog-{i}") for i in range(4000)]
