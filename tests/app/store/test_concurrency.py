"""Several devices of one person at once: one order, nothing lost or doubled."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.domain import Speaker
from app.errors import InFlight

ROOT = Path(__file__).parents[3]


def check_history(views: list[Any], sent: list[str]) -> None:
    """Every message once, one order without gaps, and each reply answers its own message."""
    turns = [view.turn for view in views]
    assert [turn.seq for turn in turns] == list(range(1, len(turns) + 1))
    said = [turn for turn in turns if turn.speaker is Speaker.PERSON]
    assert Counter(turn.text for turn in said) == Counter(sent)
    text_of = {turn.turn_id: turn.text for turn in said}
    answers = [turn for turn in turns if turn.speaker is Speaker.KINDRED]
    assert all(turn.text == f"re: {text_of[turn.answers]}" for turn in answers)
    assert max(Counter(turn.answers for turn in answers).values(), default=0) <= 1


def test_two_devices_at_once(chat: Any) -> None:
    conversation = chat.say("start", answer="re: start").conversation_id
    sent, failures = ["start"], []
    barrier = threading.Barrier(4)

    def device(name: str) -> None:
        barrier.wait()
        for i in range(6):
            text = f"{name}{i}"
            try:
                chat.say(text, conversation, answer=f"re: {text}", keys=(f"m:{text}",))
            except Exception as error:  # noqa: BLE001 - shown by the assertion below
                failures.append(error)

    threads = [threading.Thread(target=device, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    sent += [f"{name}{i}" for name in "abcd" for i in range(6)]
    check_history(chat.turns(conversation), sent)


def test_one_request_sent_many_times_at_once_is_answered_once(chat: Any) -> None:
    outcomes: list[Any] = []
    barrier = threading.Barrier(6)

    def send() -> None:
        barrier.wait()
        try:
            begun = chat.begin("hi", keys=("m:1",))
        except InFlight:
            outcomes.append("in flight")
            return
        if begun.stored is None:
            outcomes.append(chat.finish(begun.context, "re: hi", ("m:1",)))
        else:
            outcomes.append(begun.stored)

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    replies = {reply.reply_id: reply for reply in outcomes if reply != "in flight"}
    assert len(outcomes) == 6
    assert len(replies) == 1
    (reply,) = replies.values()
    check_history(chat.turns(reply.conversation_id), ["hi"])


def test_a_conversation_used_while_it_falls_off_the_list_stays(
    chat_with: Any, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat = chat_with(conversations_max=2)
    oldest = chat.say("one").conversation_id
    clock.tick()
    chat.say("two")
    clock.tick()
    drop = chat.store.contexts._drop

    def drop_late(user_id: str, dropped: list[bytes]) -> None:
        monkeypatch.undo()
        chat.begin("still here", oldest)  # the other device, between the two steps of this one
        drop(user_id, dropped)

    monkeypatch.setattr(chat.store.contexts, "_drop", drop_late)
    chat.begin("three")
    assert [view.turn.text for view in chat.turns(oldest)] == ["one", "hello", "still here"]
    listed = chat.store.contexts.conversations(chat.user_id, None, 10).items
    assert oldest in [conversation.conversation_id for conversation in listed]


steps = st.tuples(
    st.sampled_from(["begin", "finish", "late finish", "abandon", "wait"]), st.integers(0, 3)
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(schedule=st.lists(steps, max_size=25))
def test_any_schedule_of_retries_keeps_the_history(
    new_chat: Any, schedule: list[tuple[str, int]]
) -> None:
    chat = new_chat()
    conversation = chat.say("start", answer="re: start").conversation_id
    attempts: dict[int, list[Any]] = {}
    replies: dict[int, str] = {}
    for step, message in schedule:
        keys, text = (f"m:{message}",), f"message {message}"
        if step == "wait":
            chat.clock.tick(31)
        elif step == "begin":
            try:
                begun = chat.begin(text, conversation, keys)
            except InFlight:
                continue
            if begun.stored is not None:
                assert begun.stored.reply_id == replies[message]
            else:
                assert message not in replies
                attempts.setdefault(message, []).append(begun.context)
        elif attempts.get(message):
            context = attempts[message][0 if step == "late finish" else -1]
            if step == "abandon":
                chat.store.contexts.abandon(context, keys)
            else:
                reply = chat.finish(context, f"re: {text}", keys)
                assert replies.setdefault(message, reply.reply_id) == reply.reply_id
    views = chat.turns(conversation)
    check_history(views, ["start", *(f"message {message}" for message in attempts)])
    assert sum(view.turn.reply_id is not None for view in views) == 1 + len(replies)


GREENLETS = """
from gevent import monkey; monkey.patch_all()
import sys, gevent
from app.domain import FactChange, Impression, Reply, Slate, Source
from app.settings import Settings
from app.store import ids
from app.store.contexts import BeginRequest, FinishRequest
from app.store.store import Store
from app.telemetry import Metrics
from pathlib import Path

store = Store.open(Settings(REDIS_URL=sys.argv[1], var_dir=Path(sys.argv[2])), Metrics())
person = store.people.create()

def say(text, conversation=None):
    begun = store.contexts.begin(BeginRequest(person.user_id, 1, conversation, text))
    c = begun.context
    reply = Reply(ids.near("r", person.user_id, 1.0), c.conversation_id, "re: " + text,
                  Source.RETRIEVAL, False, {}, 1.0)
    impression = Impression(reply, person.user_id, c.message.turn_id, (), Slate((), None, 0))
    return store.contexts.finish(FinishRequest(c, impression))

conversation = say("start").conversation_id
jobs = [gevent.spawn(say, str(i), conversation) for i in range(25)]
gevent.joinall(jobs, raise_error=True)
_, page = store.contexts.conversation(person.user_id, conversation, None, 1000)
turns = [view.turn for view in page.items]
texts = {turn.turn_id: turn.text for turn in turns}
assert all(turn.text == "re: " + texts[turn.answers] for turn in turns if turn.answers)
store.close()
print([turn.seq for turn in turns] == list(range(1, 53)))
"""


def test_under_gevent_many_greenlets_share_the_store(
    redis_server: Any, empty_redis: Any, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", GREENLETS, redis_server.url, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.stdout.strip(), done.returncode) == ("True", 0), done.stderr


@pytest.mark.parametrize("rounds", [3])
def test_flags_changed_by_many_at_once_count_every_change(store: Any, rounds: int) -> None:
    def change(name: str) -> None:
        for i in range(rounds):
            store.flags.put(name, {"i": i})

    threads = [threading.Thread(target=change, args=(f"flag{i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.flags.all().version == 4 * rounds
