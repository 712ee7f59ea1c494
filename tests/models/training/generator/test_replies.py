"""Judged replies: which are learned, how they are rendered, and where they come in."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from models.generator import MAX_NEW_TOKENS
from models.prompt import context_ids, plain_encoder
from models.training import corpora
from models.training.corpora import load_own
from models.training.examples import Example
from models.training.generator.replies import (
    choose,
    encode_replies,
    is_held,
    replies_of_epoch,
    without_held_out,
)
from models.training.generator.schedule import FINISH, MAIN
from models.training.generator.tokenizer import train_tokenizer
from scripts.dataset import reader
from tests.models.training.generator.command import load_script
from tests.models.training.generator.talk import TALK, make_data

LIKED = Example(
    source="remote",
    head="upvote",
    context=("the kettle is on", "is it"),
    response="it is, stay a while",
    label=1.0,
    conversation="c1",
    facts=("I swim.",),
)


def judged(count: int, **changes: object) -> tuple[Example, ...]:
    return tuple(
        replace(LIKED, response=f"stay a while {n}", conversation=f"c{n}", **changes)  # type: ignore[arg-type]
        for n in range(count)
    )


def test_only_what_was_liked_is_learned_and_of_the_wanted_source() -> None:
    disliked = replace(LIKED, response="go away", label=0.0)
    other_head = replace(LIKED, response="ha", head="funny")
    local = replace(LIKED, response="from here", source="generator")
    rude = replace(LIKED, response="rude and liked")
    refused = replace(rude, head="offensive", rater="p2")
    untrusted = replace(LIKED, response="by a troll", weight=0.0)
    all_of_them = [LIKED, disliked, other_head, local, rude, refused, untrusted]
    upvoted = choose(all_of_them, only_upvoted=True)
    assert [e.response for e in upvoted] == ["it is, stay a while", "from here"]
    assert choose(all_of_them, only_upvoted=True, sources=["remote"]) == [LIKED]
    assert choose(all_of_them, only_upvoted=True, sources=["nowhere"]) == []
    anything = choose(all_of_them, only_upvoted=False)
    assert [e.response for e in anything] == ["it is, stay a while", "ha", "from here"]


def test_what_is_disliked_is_a_target_only_where_somebody_trusted_more_liked_it() -> None:
    for head, label in (("downvote", 1.0), ("upvote", 0.0)):
        doubted = replace(LIKED, head=head, label=label, rater="p2", weight=0.2)
        assert choose([doubted, LIKED], only_upvoted=False) == [LIKED]
        assert choose([replace(doubted, weight=1.0), LIKED], only_upvoted=False) == []
        assert choose([replace(doubted, weight=0.0)], only_upvoted=False) == []
    assert choose([replace(LIKED, head="downvote", label=0.0)], only_upvoted=False) != []


def test_a_reply_that_many_liked_is_learned_once_with_the_best_trust() -> None:
    doubted = replace(LIKED, rater="p1", weight=0.2)
    typed = replace(LIKED, rater="p2", weight=0.7, response="it is,  stay a while ")
    assert choose([doubted, typed, doubted], only_upvoted=True) == [typed]


def test_only_the_response_is_learned_in_the_rendering_of_serving() -> None:
    tokenizer = train_tokenizer(TALK * 9, 300, 128)
    (reply,) = encode_replies([LIKED], tokenizer)
    context = context_ids(tokenizer, LIKED.context, LIKED.facts)
    response = [*plain_encoder(tokenizer)(LIKED.response), tokenizer.eos_token_id]
    assert list(reply.window.ids) == [*context, *response]
    assert reply.window.targets == len(response)
    assert not any(reply.window.learned[: len(context)])
    long = replace(LIKED, response="stay " * 500)
    (cut,) = encode_replies([long], tokenizer)
    assert cut.window.targets == MAX_NEW_TOKENS
    assert len(cut.window.ids) <= 200
    # It did not end there: that it does is not learned.
    assert tokenizer.eos_token_id not in cut.window.ids[-MAX_NEW_TOKENS:]
    assert encode_replies([replace(LIKED, response="\u200b")], tokenizer) == []


def test_a_reply_that_is_trusted_less_is_learned_less_often() -> None:
    tokenizer = train_tokenizer(TALK * 9, 300, 128)
    replies = encode_replies(judged(40, weight=0.3), tokenizer)
    replies = [reply for reply in replies if not reply.held_out]
    seen = sum(len(list(replies_of_epoch(replies, random.Random(n)))) for n in range(200))
    assert seen / (200 * len(replies)) == pytest.approx(0.3, abs=0.03)


def test_replies_come_in_with_the_finishing_phase_or_are_all_there_is(
    tmp_path: Path, public: Path
) -> None:
    replies = judged(400)
    data = make_data(tmp_path / "both", public, judged=replies)
    held = [r for r in data.replies if r.held_out]
    assert 0 < len(held) < 40
    windows = {r.window for r in data.replies}

    def found(phase: str) -> int:
        return sum(w in windows for rows in data.epoch(phase, 0) for w in rows)

    assert data.phase(0.9, 0.18, MAIN) == FINISH
    assert found(MAIN) == 0
    assert found(FINISH) == len(replies) - len(held)
    assert "remote" in dict(data.held_out_batches(full=True))

    alone = make_data(tmp_path / "alone", None, judged=replies)
    assert alone.phase(0.9, 0.18, MAIN) == MAIN
    learned = [w for rows in alone.epoch(MAIN, 0) for w in rows]
    assert len(learned) == len(replies) - len(held)
    assert not any(r.window in learned for r in alone.replies if r.held_out)


def test_reactions_of_the_service_name_who_had_written_the_reply(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def shown(number: int, reaction: str | None, source: str, **changes: object) -> object:
        fields = {"source": source, "context": ("hi",), "response": f"r{number}", "facts": ()}
        fields |= {"turn_id": "t", "conversation": f"c{number}", "person": f"p{number}"}
        return SimpleNamespace(**{**fields, "reaction": reaction, "chosen": "g0", **changes})

    logged = [
        shown(1, "love", "remote"),
        shown(2, "upvote", "generator"),
        shown(3, "offensive", "remote"),
        shown(4, "upvote", "remote", response="r3"),
        shown(5, None, "remote"),
        shown(6, "upvote", "safety", chosen=None),
        shown(7, "downvote", "remote"),
    ]
    monkeypatch.setattr(reader, "open_keys", lambda: "keys")
    monkeypatch.setattr(reader, "read_impressions", lambda folder, keys: iter(logged))
    examples = load_script().reacted(tmp_path)
    chosen = choose(examples, only_upvoted=True, sources=["remote"])
    assert [(e.response, e.rater) for e in chosen] == [("r1", "p1")]
    assert 0.0 < chosen[0].weight <= 1.0
    assert {e.response for e in choose(examples, only_upvoted=True)} == {"r1", "r2"}


def test_what_is_held_out_is_not_learned_from_another_conversation() -> None:
    replies = judged(400)
    held = next(e for e in replies if is_held(e))
    again = replace(held, response=f"{held.response.upper()} !", conversation="c0")
    own = replace(LIKED, response="there you are", conversation="c0")
    fair = without_held_out([*replies, again, own], ["There you are!"])
    assert fair == list(replies)


def test_what_a_run_measures_is_nothing_that_it_learns(
    tmp_path: Path, public: Path, own: Path
) -> None:
    dialogs = load_own(own)
    measured = next(d for d in corpora.split_held_out(dialogs)[1] if d.target == 1)
    told = next(t for n, t in enumerate(measured.turns) if n and measured.speaker(n) == 1)
    leaks = replace(LIKED, response=told.replace(".", " !"), conversation="c0")
    assert not is_held(leaks)
    plain = replace(leaks, response="something of its own")
    data = make_data(tmp_path, public, own, (leaks, plain))
    assert [r.window for r in data.replies] == [
        r.window for r in encode_replies([plain], data.tokenizer)
    ]
