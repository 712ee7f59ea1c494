"""Idempotency keys of any POST."""

from __future__ import annotations

from typing import Any

import pytest

from app.errors import IdempotencyMismatch, InFlight, Unauthenticated
from app.store import ids
from app.store.idempotency import StoredResponse

ANSWER = StoredResponse(201, {"Location": "/v1/x"}, b'{"token":"\xff\x00secret"}')


@pytest.fixture(params=["address:10.0.0.9", "person"])
def scope(request: pytest.FixtureRequest, chat: Any) -> str:
    return chat.user_id if request.param == "person" else request.param


def test_claim_finish_and_repeat(store: Any, scope: str) -> None:
    begin, finish = store.idempotency.begin, store.idempotency.finish
    assert begin(scope, "k", "body") is None
    with pytest.raises(InFlight):
        begin(scope, "k", "body")
    with pytest.raises(IdempotencyMismatch):
        begin(scope, "k", "other")
    assert finish(scope, "k", "body", ANSWER) == ANSWER
    assert begin(scope, "k", "body") == ANSWER
    with pytest.raises(IdempotencyMismatch):
        begin(scope, "k", "other")
    assert begin("somebody else", "k", "other") is None


def test_the_first_answer_counts(store: Any, scope: str, clock: Any) -> None:
    assert store.idempotency.begin(scope, "k", "body") is None
    clock.tick(31)
    assert store.idempotency.begin(scope, "k", "body") is None
    store.idempotency.finish(scope, "k", "body", ANSWER)
    late = StoredResponse(500, {}, b"")
    assert store.idempotency.finish(scope, "k", "body", late) == ANSWER


def test_an_abandoned_key_is_free_at_once(store: Any, scope: str) -> None:
    assert store.idempotency.begin(scope, "k", "body") is None
    store.idempotency.abandon(scope, "k")
    assert store.idempotency.begin(scope, "k", "body") is None
    store.idempotency.finish(scope, "k", "body", ANSWER)
    store.idempotency.abandon(scope, "k")
    assert store.idempotency.begin(scope, "k", "body") == ANSWER


def test_only_the_claim_itself_can_be_abandoned(store: Any, scope: str, clock: Any) -> None:
    ours = store.idempotency
    assert ours.begin(scope, "k", "body", "slow") is None
    clock.tick(31)
    assert ours.begin(scope, "k", "body", "retry") is None
    ours.abandon(scope, "k", "slow")
    with pytest.raises(InFlight):
        ours.begin(scope, "k", "body", "third")
    ours.abandon(scope, "k", "retry")
    assert ours.begin(scope, "k", "body", "third") is None


def test_an_attempt_that_outlived_its_claim_still_counts(
    store: Any, scope: str, clock: Any
) -> None:
    ours = store.idempotency
    assert ours.begin(scope, "k", "body", "slow") is None
    clock.tick(31)
    assert ours.begin(scope, "k", "body", "retry") is None
    assert ours.finish(scope, "k", "body", ANSWER) == ANSWER
    assert ours.finish(scope, "k", "body", StoredResponse(201, {}, b"twice")) == ANSWER


def test_the_scope_of_an_unknown_person_is_refused(store: Any) -> None:
    with pytest.raises(Unauthenticated):
        store.idempotency.begin(ids.make("u", 1, 1.0), "k", "body")
