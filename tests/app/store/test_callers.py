"""API keys, administrators' sessions and outside subjects, over a real Redis."""

from __future__ import annotations

import hashlib
import time
from typing import Any

import pytest
import redis

from app.errors import InputError, NotFound, StoreUnavailable, Unauthenticated
from app.settings import Settings
from app.store.access.api_keys import Scope, split
from app.store.access.sessions import IDLE_SECONDS, LIFE_SECONDS
from app.store.store import Store
from app.telemetry import Metrics

ISSUER = "https://id.example/"


def everything(client: redis.Redis) -> bytes:
    """All that Redis holds of callers, as bytes."""
    found = []
    for key in client.keys("kindred:{access}:*"):
        kind = client.type(key)
        found.append(key)
        if kind == b"hash":
            found += [part for pair in client.hgetall(key).items() for part in pair]
        elif kind == b"zset":
            found += client.zrange(key, 0, -1)
    return b" ".join(found)


def test_of_a_key_only_a_digest_is_kept(store: Store, empty_redis: redis.Redis) -> None:
    made = store.api_keys.create(" a lab ", [Scope.INFER, Scope.OPERATE])
    prefix, secret = made.text.split(".")
    assert len(secret) == 43  # 256 bits
    assert (made.record.prefix, made.record.name) == (prefix, "a lab")
    assert made.record.scopes == {Scope.INFER, Scope.OPERATE}
    kept = everything(empty_redis)
    assert prefix.encode() in kept
    assert secret.encode() not in kept
    assert hashlib.sha256(secret.encode()).hexdigest().encode() not in kept  # nor a plain one
    found = split(made.text)
    assert found is not None
    assert store.api_keys.find(prefix).holds(found[1], time.time())


@pytest.mark.parametrize(
    "text", ["", ".", "a.b", "kindred_x.y", "kindred_" + "0" * 12, "x" * 9_000, "kindred_.\n"]
)
def test_what_is_no_key_by_its_form(text: str) -> None:
    assert split(text) is None


def test_a_key_that_makes_no_sense_is_not_made(store: Store) -> None:
    for name, scopes, life in (
        ("", [Scope.INFER], None),
        ("x" * 81, [Scope.INFER], None),
        ("a\nb", [Scope.INFER], None),
        ("a", [], None),
        ("a", [Scope.INFER], 0.0),
    ):
        with pytest.raises(InputError):
            store.api_keys.create(name, scopes, life)
    assert store.api_keys.all() == []


def test_a_key_ends_by_itself(store: Store, clock: Any) -> None:
    made = store.api_keys.create("short", [Scope.INFER], 60.0)
    _, digest = split(made.text) or ("", "")
    assert made.record.holds(digest, clock.now + 59)
    assert not made.record.holds(digest, clock.now + 60)
    assert made.record.state(clock.now + 60) == "expired"


def test_a_revoked_key_stays_revoked(store: Store, clock: Any) -> None:
    made = store.api_keys.create("gone", [Scope.INFER])
    _, digest = split(made.text) or ("", "")
    first = store.api_keys.revoke(made.record.prefix)
    clock.now += 10
    again = store.api_keys.revoke(made.record.prefix)
    assert first.revoked_at == again.revoked_at
    assert not again.holds(digest, clock.now)
    with pytest.raises(NotFound):
        store.api_keys.rotate(made.record.prefix, 60)
    with pytest.raises(NotFound):
        store.api_keys.revoke("kindred_" + "0" * 12)
    assert [key.state(clock.now) for key in store.api_keys.all()] == ["revoked"]


def test_two_secrets_hold_while_a_rotation_lasts(store: Store, clock: Any) -> None:
    old = store.api_keys.create("service", [Scope.INFER])
    new = store.api_keys.rotate(old.record.prefix, 3_600)
    third = store.api_keys.rotate(old.record.prefix, 3_600)
    digests = [(split(made.text) or ("", ""))[1] for made in (old, new, third)]
    record = store.api_keys.find(old.record.prefix)
    assert [record.holds(digest, clock.now) for digest in digests] == [False, True, True]
    later = clock.now + 3_601
    assert [record.holds(digest, later) for digest in digests] == [False, False, True]
    assert record.name == "service"


def test_the_day_of_use_is_noted_and_makes_no_key(store: Store) -> None:
    made = store.api_keys.create("used", [Scope.INFER])
    assert made.record.used_day is None
    store.api_keys.used(made.record)
    assert store.api_keys.find(made.record.prefix).used_day == time.strftime(
        "%Y-%m-%d", time.gmtime()
    )


def test_a_session_is_kept_by_its_digest_and_ends(
    store: Store, clock: Any, empty_redis: redis.Redis
) -> None:
    session_id, opened = store.sessions.open("bootstrap", "proof")
    assert session_id.encode() not in everything(empty_redis)
    assert store.sessions.use(session_id) == opened
    for strange in ("", "x", "a" * 43, session_id[:-1], session_id + "a", "é" * 43):
        assert store.sessions.use(strange) is None
    clock.now += IDLE_SECONDS - 1
    assert store.sessions.use(session_id) is not None  # and lives on
    clock.now += IDLE_SECONDS - 1
    assert store.sessions.use(session_id) is not None
    clock.now += IDLE_SECONDS + 1
    assert store.sessions.use(session_id) is None
    clock.now -= IDLE_SECONDS
    assert store.sessions.use(session_id) is None  # over is over


def test_a_session_in_use_ends_after_twelve_hours(store: Store, clock: Any) -> None:
    session_id, _ = store.sessions.open("bootstrap", "proof")
    end = clock.now + LIFE_SECONDS
    while clock.now + 1_000 < end:
        clock.now += 1_000
        assert store.sessions.use(session_id) is not None
    clock.now = end
    assert store.sessions.use(session_id) is None


def test_sessions_are_closed_one_by_one_and_all_together(
    store: Store, empty_redis: redis.Redis
) -> None:
    ids = [store.sessions.open("k", "p")[0] for _ in range(22)]
    alive = [store.sessions.use(name) is not None for name in ids]
    assert sum(alive) == 20  # of one key
    store.sessions.close(ids[-1])
    assert store.sessions.use(ids[-1]) is None
    other, _ = store.sessions.open("another", "p")
    store.sessions.close_all("k")
    assert not any(store.sessions.use(name) for name in ids)
    assert store.sessions.use(other) is not None
    assert b"kindred:{access}:sessions:k" not in empty_redis.keys("*")


def test_a_subject_is_the_same_person_each_time(
    store: Store, clock: Any, empty_redis: redis.Redis
) -> None:
    first = store.subjects.person(ISSUER, "ada@example.org", clock.now)
    again = store.subjects.person(ISSUER, "ada@example.org", clock.now)
    assert first == again
    store.people.check(first.user_id, first.generation)
    others = {
        store.subjects.person(issuer, subject, clock.now).user_id
        for issuer, subject in (
            (ISSUER, "bob"),
            (ISSUER, "ADA@example.org"),
            ("https://id.example", "/ ada@example.org"),
            ("https://other.example/", "ada@example.org"),
        )
    }
    assert len(others | {first.user_id}) == 5
    assert not any(b"ada@example" in key for key in empty_redis.keys("*"))  # ids are random letters


def test_processes_agree_who_a_subject_is(
    settings: Settings, metrics: Metrics, empty_redis: redis.Redis
) -> None:
    one, two = Store.open(settings, metrics), Store.open(settings, metrics)
    try:
        assert one.subjects.person(ISSUER, "x", 1e9) == two.subjects.person(ISSUER, "x", 1e9)
    finally:
        one.close()
        two.close()


def test_a_revocation_ends_what_was_issued_before(store: Store, clock: Any) -> None:
    person = store.subjects.person(ISSUER, "ada", clock.now)
    clock.now += 100
    store.people.revoke(person.user_id)
    for issued in (clock.now - 100, clock.now - 0.01):
        with pytest.raises(Unauthenticated):
            store.subjects.person(ISSUER, "ada", issued)
    back = store.subjects.person(ISSUER, "ada", clock.now + 1)
    assert (back.user_id, back.generation) == (person.user_id, person.generation + 1)


def test_who_was_erased_comes_back_as_somebody_new(store: Store, clock: Any) -> None:
    person = store.subjects.person(ISSUER, "ada", clock.now)
    clock.now += 100
    store.people.erase(person.user_id)
    with pytest.raises(Unauthenticated):
        store.subjects.person(ISSUER, "ada", clock.now - 100)
    clock.now += 1
    fresh = store.subjects.person(ISSUER, "ada", clock.now)
    assert fresh.user_id != person.user_id
    assert store.subjects.person(ISSUER, "ada", clock.now) == fresh


def test_a_token_from_before_an_erasure_never_leads_to_who_came_back(
    store: Store, settings: Settings, metrics: Metrics, clock: Any
) -> None:
    stolen = clock.now
    for _ in range(2):  # erased again, the first end still counts
        person = store.subjects.person(ISSUER, "ada", clock.now)
        clock.now += 100
        store.people.erase(person.user_id)
        clock.now += 1
        store.subjects.person(ISSUER, "ada", clock.now)
        with pytest.raises(Unauthenticated):
            store.subjects.person(ISSUER, "ada", stolen)
    other = Store.open(settings, metrics)  # a process that has seen nobody
    try:
        with pytest.raises(Unauthenticated):
            other.subjects.person(ISSUER, "ada", stolen)
    finally:
        other.close()


@pytest.mark.parametrize("end", ["revoke", "erase"])
def test_a_token_that_was_ended_stays_so_while_redis_is_away(
    store: Store, clock: Any, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    stolen = clock.now
    person = store.subjects.person(ISSUER, "ada", stolen)
    clock.now += 100
    getattr(store.people, end)(person.user_id)
    clock.now += 1
    back = store.subjects.person(ISSUER, "ada", clock.now)

    def away(*args: object, **more: object) -> Any:
        raise StoreUnavailable("away")

    monkeypatch.setattr(store._core.client, "guard", away)
    assert store.subjects.person(ISSUER, "ada", clock.now) == back
    with pytest.raises(Unauthenticated):
        store.subjects.person(ISSUER, "ada", stolen)
    with pytest.raises(StoreUnavailable):
        store.subjects.person(ISSUER, "nobody who was here", clock.now)
