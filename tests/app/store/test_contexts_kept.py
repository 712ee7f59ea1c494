"""What is kept of a conversation beside its messages, and how it is listed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from app.domain import Fact, FactChange, Feeling
from app.errors import (
    InputError,
    NotFound,
)


def _fact(name: str, slot: str, value: str, now: float) -> Fact:
    return Fact(name, slot, "likes", value, f"I like {value}.", f"i like {value}", "t", now)


def test_facts_are_learned_replaced_and_forgotten(chat: Any, clock: Any) -> None:
    tea, name = _fact("f1", "taste:tea", "tea", 1.0), _fact("f2", "name", "Ann", 2.0)
    conversation = chat.say("a", facts=FactChange((tea, name))).conversation_id
    assert chat.begin("b", conversation).context.facts == (tea, name)
    renamed = _fact("f3", "name", "Anna", 3.0)
    chat.say("c", conversation, facts=FactChange((renamed,), ("taste:tea", "no such slot")))
    assert chat.store.profile.facts(chat.user_id) == [renamed]
    with pytest.raises(NotFound):
        chat.store.profile.forget(chat.user_id, "f2")
    chat.store.profile.forget(chat.user_id, "f3")
    assert chat.begin("d", conversation).context.facts == ()
    chat.say("e", conversation, facts=FactChange((tea, name)))
    chat.store.profile.forget_all(chat.user_id)
    assert chat.store.profile.facts(chat.user_id) == []


def test_an_alternative_takes_the_place_of_the_reply_and_comes_once(chat: Any) -> None:
    first = chat.say("tell me something", answer="no")
    parent = chat.store.impressions.get(chat.user_id, first.reply_id)
    context = chat.begin("well?", first.conversation_id).context

    def ask() -> Any:
        other = chat.impression(context, "bees dance")
        other = replace(other, turn_id=parent.turn_id)
        return chat.store.impressions.add_alternative(parent, other)

    alternative = ask()
    assert ask() == alternative
    assert alternative.text == "bees dance"
    kept = chat.store.impressions.get(chat.user_id, alternative.reply_id)
    assert kept.alternative_of == first.reply_id
    parent = chat.store.impressions.get(chat.user_id, first.reply_id)
    assert parent.alternative == alternative.reply_id
    shown = [view.turn.text for view in chat.turns(first.conversation_id)]
    assert shown == ["tell me something", "no", "well?", "bees dance"]
    later = chat.begin("more", first.conversation_id).context
    assert chat.texts(later) == ["tell me something", "bees dance", "well?", "more"]
    assert later.recent_replies == ("bees dance", "no")


def test_feedback_is_kept_and_a_change_is_an_event(chat: Any) -> None:
    conversation = chat.say("hi").conversation_id
    for feeling in (Feeling.WORSE, Feeling.WORSE, Feeling.BETTER):
        chat.store.contexts.feedback(chat.user_id, conversation, feeling)
    found, _ = chat.store.contexts.conversation(chat.user_id, conversation, None, 1)
    assert found.feeling is Feeling.BETTER
    told = [entry.fields for entry in chat.store.personal.events(chat.user_id)]
    feelings = [(e.get("previous"), e["feeling"]) for e in told if e["type"] == "feeling"]
    assert feelings == [(None, "worse"), ("worse", "better")]


def test_conversations_are_listed_page_by_page(chat: Any, clock: Any) -> None:
    made = []
    for i in range(7):
        if i != 3:  # two in one millisecond too
            clock.tick()
        made.append(chat.say(f"hi {i}", answer=f"hello {i}").conversation_id)
    seen, cursor = [], None
    for _ in range(10):
        page = chat.store.contexts.conversations(chat.user_id, cursor, 2)
        seen += [conversation.conversation_id for conversation in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert sorted(seen) == sorted(made)
    assert (seen[0], seen[-1]) == (made[6], made[0])
    first = chat.store.contexts.conversations(chat.user_id, None, 1).items[0]
    assert (first.turns, first.last_text, first.updated_at) == (2, "hello 6", clock())
    with pytest.raises(InputError):
        chat.store.contexts.conversations(chat.user_id, "nonsense", 2)


def test_turns_are_paged_from_the_last_backwards(chat: Any) -> None:
    conversation = chat.say("m0", answer="r0").conversation_id
    for i in range(1, 4):
        chat.say(f"m{i}", conversation, answer=f"r{i}")
    read = chat.store.contexts.conversation
    _, last = read(chat.user_id, conversation, None, 3)
    assert [view.turn.text for view in last.items] == ["r2", "m3", "r3"]
    _, before = read(chat.user_id, conversation, last.next_cursor, 3)
    assert [view.turn.text for view in before.items] == ["m1", "r1", "m2"]
    _, rest = read(chat.user_id, conversation, before.next_cursor, 3)
    assert [view.turn.text for view in rest.items] == ["m0", "r0"]
    assert rest.next_cursor is None
    with pytest.raises(InputError):
        read(chat.user_id, conversation, "x", 3)
