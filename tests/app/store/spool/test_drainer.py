"""Promises are told to a real Redis once it answers, each once, in order; none holds up others."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from app.domain import Feeling, ReactionKind
from app.errors import KindredError, NotFound, StoreUnavailable, Unauthenticated
from app.settings import Settings
from app.store.asked import Asked
from app.store.privacy import erasure
from app.store.spool.promises import Promise
from app.store.store import Store
from app.telemetry import Metrics
from tests.app.store.spool.keeper import Keeper, until

LOVE, DOWN, FUNNY = ReactionKind.LOVE, ReactionKind.DOWNVOTE, ReactionKind.FUNNY


@pytest.fixture
def keeper(own_redis: Any, store_on: Any, clock: Any, chat: Any) -> Iterator[Keeper]:
    """On a Redis of the test's own, which may be stopped."""
    yield Keeper(type(chat)(store_on(own_redis, redis_timeout_ms=1_000), clock))
    with suppress(TypeError):
        os.kill(own_redis.pid, signal.SIGCONT)


def test_they_are_told_in_order_when_redis_is_back(keeper: Keeper, own_redis: Any) -> None:
    first, second = keeper.chat.say("one"), keeper.chat.say("two")
    own_redis.stop()
    kept = [
        keeper.promise(first.reply_id, LOVE, comment="a comment"),
        keeper.promise(second.reply_id, DOWN),
        keeper.promise(first.reply_id, FUNNY),
        keeper.promise(second.reply_id),
        keeper.promise(first.conversation_id, feeling=Feeling.BETTER),
    ]
    assert keeper.waiting == 5
    assert keeper.store.promises.must_wait(first.reply_id)
    time.sleep(0.3)
    assert keeper.settled == []
    own_redis.start()
    until(lambda: not keeper.waiting)
    told = [promise.asked.op for promise in keeper.settled]
    assert list(dict.fromkeys(told)) == [promise.asked.op for promise in kept]
    assert keeper.events() == [
        ("made", "love"),
        ("made", "downvote"),
        ("replaced", "funny"),
        ("retracted", None),
    ]
    listed = keeper.store.contexts.conversations(keeper.chat.user_id, None, 5).items
    feelings = {item.conversation_id: item.feeling for item in listed}
    assert feelings[first.conversation_id] is Feeling.BETTER


def test_a_promise_that_was_written_already_adds_nothing(keeper: Keeper) -> None:
    reply = keeper.chat.say("one")
    asked = Asked(generation=1)
    react = keeper.store.reactions.react
    assert react(keeper.chat.user_id, reply.reply_id, LOVE, None, None, asked) is not None
    # Its answer was lost, so it is promised too; meanwhile another device has another opinion.
    assert react(keeper.chat.user_id, reply.reply_id, DOWN) is not None
    keeper.promise(reply.reply_id, LOVE, asked=asked)
    until(lambda: not keeper.waiting)
    assert keeper.events() == [("made", "love"), ("replaced", "downvote")]


def test_a_promise_that_comes_late_is_noted_and_changes_nothing(keeper: Keeper, clock: Any) -> None:
    reply = keeper.chat.say("one")
    early = Asked(at=clock(), generation=1)
    clock.tick(5)
    keeper.store.reactions.react(keeper.chat.user_id, reply.reply_id, DOWN)
    keeper.store.contexts.feedback(keeper.chat.user_id, reply.conversation_id, Feeling.WORSE)
    keeper.promise(reply.reply_id, LOVE, asked=early)
    keeper.promise(reply.conversation_id, feeling=Feeling.BETTER, asked=early)
    until(lambda: not keeper.waiting)
    assert keeper.events() == [("made", "downvote"), ("superseded", "love")]
    impression = keeper.store.impressions.find(reply.reply_id)
    assert impression.reaction is DOWN
    (talk,) = keeper.store.contexts.conversations(keeper.chat.user_id, None, 5).items
    assert talk.feeling is Feeling.WORSE


def test_a_promise_is_told_once_though_it_is_told_often(keeper: Keeper) -> None:
    reply = keeper.chat.say("one")
    asked = Asked(generation=1)
    user_id, react = keeper.chat.user_id, keeper.store.reactions.react
    outcomes = [react(user_id, reply.reply_id, LOVE, None, None, asked) for _ in range(3)]
    assert [outcome is not None for outcome in outcomes] == [True, False, False]
    others = [Asked() for _ in range(15)]  # as many as an impression remembers besides
    for i, other in enumerate(others):
        react(user_id, reply.reply_id, (DOWN, LOVE)[i % 2], None, None, other)
    assert react(user_id, reply.reply_id, LOVE, None, None, asked) is None
    assert keeper.store.impressions.find(reply.reply_id).reaction is DOWN


@pytest.mark.parametrize("error", [NotFound(), Unauthenticated(), RuntimeError("a bug")])
def test_what_can_never_be_told_holds_up_nothing(
    keeper: Keeper, metrics: Metrics, error: Exception
) -> None:
    first, second = keeper.chat.say("one"), keeper.chat.say("two")
    keeper.poison[first.reply_id] = error
    before = metrics.spool_outcomes.labels("rejected")._value.get()
    keeper.promise(first.reply_id, LOVE)
    keeper.promise(second.reply_id, FUNNY)
    until(lambda: not keeper.waiting)
    assert [promise.target for promise in keeper.settled] == [second.reply_id]
    assert metrics.spool_outcomes.labels("rejected")._value.get() == before + 1


def test_of_the_erased_nothing_is_put_aside(keeper: Keeper, settings: Settings) -> None:
    gone = keeper.chat.say("one")
    keeper.poison[gone.reply_id] = StoreUnavailable("away")
    keeper.promise(gone.reply_id, LOVE, comment="a comment")
    keeper.store.people.erase(keeper.chat.user_id)
    keeper.poison[gone.reply_id] = Unauthenticated()
    until(lambda: not keeper.waiting)
    folder = settings.var_dir / "spool"
    named = [p for p in folder.rglob("*") if p.is_file() and gone.reply_id in str(p.read_bytes())]
    assert named == []
    assert keeper.settled == []


def test_an_erasure_that_redis_went_away_from_is_completed_when_it_is_back(
    keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    user_id, people = keeper.chat.user_id, keeper.store.people
    keeper.chat.say("one")
    erase, tries = erasure.erase_data, []

    def failing(*arguments: Any) -> None:
        tries.append(arguments)
        if len(tries) < 3:
            raise StoreUnavailable("away")
        erase(*arguments)

    monkeypatch.setattr("app.store.people.erase_data", failing)
    with pytest.raises(StoreUnavailable):
        people.erase(user_id)
    assert people.lives(user_id)  # its data, which nothing opens any more
    until(lambda: not people._unfinished)
    assert not people.lives(user_id)
    assert len(tries) == 3
    assert people.replay_erasures() == 0


def test_an_erasure_that_fails_unforeseen_holds_up_nothing(
    keeper: Keeper, metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    people, reply = keeper.store.people, keeper.chat.say("one")
    ill, well = people.create().user_id, people.create().user_id
    erase, away, mended = erasure.erase_data, {ill, well}, []

    def failing(core: Any, user_id: str) -> None:
        if user_id in away:
            away.remove(user_id)
            raise StoreUnavailable("away")
        if user_id == ill and not mended:
            raise RuntimeError("a bug")
        erase(core, user_id)

    def count(name: str, **labels: str) -> float:
        return metrics.registry.get_sample_value(name, labels) or 0.0

    monkeypatch.setattr("app.store.people.erase_data", failing)
    for user_id in (ill, well):
        with pytest.raises(StoreUnavailable):
            people.erase(user_id)
    keeper.promise(reply.reply_id, LOVE)
    until(lambda: not people.lives(well) and not keeper.waiting)
    assert people.lives(ill)
    assert count("kindred_failures_total", where="erasure") >= 1
    until(lambda: count("kindred_erasures_unfinished") == 1)
    mended.append(True)
    until(lambda: count("kindred_erasures_unfinished") == 0)
    assert not people.lives(ill)


def test_whatever_is_done_besides_promises_are_told(
    keeper: Keeper, metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing() -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(keeper.store._drainer, "_besides", failing)
    reply = keeper.chat.say("one")
    keeper.promise(reply.reply_id, LOVE)
    until(lambda: not keeper.waiting)
    assert keeper.events() == [("made", "love")]
    where = {"where": "spool.besides"}
    assert metrics.registry.get_sample_value("kindred_failures_total", where)


def test_what_the_store_cannot_take_now_waits(keeper: Keeper) -> None:
    first, second = keeper.chat.say("one"), keeper.chat.say("two")
    keeper.poison[first.reply_id] = StoreUnavailable("away")
    keeper.promise(first.reply_id, LOVE)
    keeper.promise(second.reply_id, FUNNY)
    time.sleep(0.5)
    assert keeper.waiting == 2
    keeper.poison.clear()
    until(lambda: not keeper.waiting)
    assert [promise.target for promise in keeper.settled] == [first.reply_id, second.reply_id]


def test_a_revoked_token_is_found_out_when_it_is_told(keeper: Keeper, metrics: Metrics) -> None:
    reply = keeper.chat.say("one")
    keeper.store.people.revoke(keeper.chat.user_id)
    before = metrics.spool_outcomes.labels("rejected")._value.get()
    keeper.promise(reply.reply_id, LOVE, asked=Asked(generation=1))
    keeper.promise(reply.reply_id, FUNNY, asked=Asked(generation=2))
    until(lambda: not keeper.waiting)
    assert keeper.events() == [("made", "funny")]
    assert metrics.spool_outcomes.labels("rejected")._value.get() == before + 1


def test_no_text_is_on_the_disk_and_an_erased_person_cannot_be_read(
    keeper: Keeper, own_redis: Any, settings: Any
) -> None:
    reply = keeper.chat.say("one")
    own_redis.stop()
    keeper.promise(reply.reply_id, LOVE, comment="a canary in a comment")
    (path,) = (settings.var_dir / "spool").glob("*.spool")
    data = path.read_bytes()
    assert reply.reply_id.encode() in data
    for text in (b"canary", b"love", b"comment"):
        assert text not in data
    keeper.store.ring.erase(keeper.chat.user_id)
    own_redis.start()
    until(lambda: not keeper.waiting)
    assert keeper.settled == []
    with pytest.raises(Unauthenticated):
        keeper.promise(reply.reply_id, LOVE)


@pytest.mark.parametrize("target", ["r9", "", "../etc", "r00" + "0" * 26 + "\n"])
def test_what_cannot_be_a_target_is_not_promised(keeper: Keeper, target: str) -> None:
    with pytest.raises(NotFound):
        keeper.promise(target, LOVE)
    assert keeper.waiting == 0


def test_the_next_process_tells_what_this_one_promised(
    keeper: Keeper, own_redis: Any, store_on: Any
) -> None:
    reply = keeper.chat.say("one")
    own_redis.stop()
    keeper.promise(reply.reply_id, LOVE)
    keeper.store.close()
    own_redis.start()
    told: list[Promise] = []
    heir: Store = store_on(own_redis)
    heir.keep_promises(told.append)
    until(lambda: bool(told))
    assert (told[0].target, told[0].reaction, told[0].asked.promised) == (
        reply.reply_id, LOVE, True,
    )  # fmt: skip


def test_a_store_without_a_spool_promises_nothing(chat: Any) -> None:
    reply = chat.say("one")
    with pytest.raises(KindredError) as refused:
        chat.store.promises.keep(Promise(chat.user_id, reply.reply_id, Asked(), LOVE))
    assert isinstance(refused.value, StoreUnavailable)
    assert not chat.store.promises.must_wait(reply.reply_id)


def test_a_frozen_redis_is_waited_for_a_few_times_and_then_by_the_drainer_alone(
    keeper: Keeper, own_redis: Any, metrics: Metrics
) -> None:
    pid = own_redis.pid
    os.kill(pid, signal.SIGSTOP)
    try:
        spent = []
        for _ in range(8):
            began = time.monotonic()
            with pytest.raises(StoreUnavailable):
                keeper.store.people.check(keeper.chat.user_id, 1)
            spent.append(time.monotonic() - began)
        assert sum(seconds > 0.15 for seconds in spent) == 3
        assert max(spent[3:]) < 0.15
        assert metrics.breaker_open.labels("data")._value.get() == 1
    finally:
        os.kill(pid, signal.SIGCONT)
    until(lambda: metrics.breaker_open.labels("data")._value.get() == 0)
    keeper.store.people.check(keeper.chat.user_id, 1)
