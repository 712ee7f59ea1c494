"""API keys at the edge: what each may do, how one ends, and what wrong ones meet."""

from __future__ import annotations

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis
from limits import RateLimitItem

from app.errors import KindredError, StartupError
from app.settings import Settings
from app.store.access.api_keys import Scope
from app.store.store import Store
from app.web.access.keys import KeyHolders
from app.web.auth import Auth
from app.web.limits import Counted, Memory, Quota
from app.web.routes import declared
from tests.app.web.helpers import ADMIN_KEY, JWT_SECRET, Edge, Person, Script, assert_problem


def call(edge: Edge, method: str, path: str, key: str, json: Any = None) -> Any:
    return edge.client.open(path, method=method, json=json, headers={"X-API-Key": key})


def routes_of(edge: Edge) -> list[tuple[str, str, frozenset[Scope]]]:
    found = []
    for rule in edge.app.url_map.iter_rules():
        operation = declared(edge.app.view_functions[rule.endpoint])
        assert operation is not None
        if operation.auth is Auth.ADMIN:
            path = rule.rule
            for argument in rule.arguments:
                path = path.replace(f"<{argument}>", "x")
            found += [
                (method, path, frozenset(operation.scopes))
                for method in rule.methods - {"HEAD", "OPTIONS"}
            ]
    return found


@pytest.mark.parametrize("scope", list(Scope))
def test_each_scope_opens_its_routes_and_no_other(
    make: Any, script: Script, store: Store, scope: Scope
) -> None:
    edge = make(script, metrics_open=False)
    key = store.api_keys.create("one", [scope]).text
    opened = 0
    for method, path, scopes in routes_of(edge):
        answer = call(edge, method, path, key, {} if method in ("POST", "PUT") else None)
        if scope in scopes:
            assert answer.status_code not in (401, 403), (method, path, answer.text)
            opened += 1
        else:
            problem = assert_problem(answer, 403, "insufficient-scope")
            assert all(name.value in problem["detail"] for name in scopes)
    assert opened or scope is Scope.INFER  # of which no route has need yet


def test_the_document_names_the_scopes(make: Any, script: Script) -> None:
    doc = make(script).client.get("/openapi.json").json
    assert doc["paths"]["/admin/v1/reactions"]["get"]["security"] == [
        {"key": ["read_reactions"]},
        {"session": ["read_reactions"]},
    ]
    assert doc["paths"]["/v1/chat"]["post"]["security"] == [{"person": []}]
    assert {"403", "429"} <= set(doc["paths"]["/admin/v1/flags"]["get"]["responses"])
    for methods in doc["paths"].values():
        for operation in methods.values():
            for alternative in operation["security"]:
                assert set(alternative) <= set(doc["components"]["securitySchemes"])


def test_metrics_can_be_closed(make: Any, script: Script, store: Store) -> None:
    edge = make(script, metrics_open=False)
    assert_problem(edge.client.get("/metrics"), 401)
    key = store.api_keys.create("prometheus", [Scope.OPERATE]).text
    for headers in ({"X-API-Key": key}, {"Authorization": f"Bearer {key}"}):
        assert "kindred_requests_total" in edge.client.get("/metrics", headers=headers).text


def test_a_key_is_no_person(edge: Edge, store: Store) -> None:
    key = store.api_keys.create("all", list(Scope)).text
    answer = edge.client.get("/v1/conversations", headers={"Authorization": f"Bearer {key}"})
    assert_problem(answer, 401)


def test_a_revoked_key_stops_within_seconds(edge: Edge, store: Store) -> None:
    made = store.api_keys.create("gone", [Scope.WRITE_FLAGS])
    assert call(edge, "GET", "/admin/v1/flags", made.text).status_code == 200
    store.api_keys.revoke(made.record.prefix)
    end = time.monotonic() + 5
    while call(edge, "GET", "/admin/v1/flags", made.text).status_code == 200:
        assert time.monotonic() < end
        time.sleep(0.1)
    assert_problem(call(edge, "GET", "/admin/v1/flags", made.text), 401)


def test_a_rotated_key_has_two_secrets(edge: Edge, store: Store) -> None:
    old = store.api_keys.create("service", [Scope.WRITE_FLAGS])
    new = store.api_keys.rotate(old.record.prefix, 60)
    for text in (old.text, new.text):
        assert call(edge, "GET", "/admin/v1/flags", text).status_code == 200
    mixed = f"{old.record.prefix}.{'A' * 43}"
    assert_problem(call(edge, "GET", "/admin/v1/flags", mixed), 401)
    assert store.api_keys.find(old.record.prefix).used_day is not None


def test_wrong_keys_are_limited_by_address(make: Any, script: Script, store: Store) -> None:
    edge = make(script, wrong_key_limit_per_minute=3)
    good = store.api_keys.create("good", [Scope.WRITE_FLAGS]).text
    assert call(edge, "GET", "/admin/v1/flags", good).status_code == 200
    for _ in range(3):
        assert_problem(call(edge, "GET", "/admin/v1/flags", "guess"), 401)
    refused = call(edge, "GET", "/admin/v1/flags", "guess")
    assert_problem(refused, 429, "quota-exceeded")
    assert refused.headers["RateLimit-Policy"] == '"wrong-keys";q=3;w=60'
    # Guessing right tells nothing any more, but who was proven goes on.
    assert_problem(call(edge, "GET", "/admin/v1/flags", ADMIN_KEY), 429)
    assert_problem(call(edge, "POST", "/admin/v1/session", ADMIN_KEY), 429)
    assert call(edge, "GET", "/admin/v1/flags", good).status_code == 200
    elsewhere = edge.client.get(
        "/admin/v1/flags",
        headers={"X-API-Key": ADMIN_KEY},
        environ_overrides={"REMOTE_ADDR": "192.0.2.7"},
    )
    assert elsewhere.status_code == 200


class AtOnce:
    """Counts as memory does, but nobody is told before all have asked."""

    def __init__(self, callers: int) -> None:
        self._memory = Memory()
        self._together = threading.Barrier(callers, timeout=20)

    def __call__(self, item: RateLimitItem, who: str, hits: int = 1) -> Counted:
        if not hits:
            self._together.wait()
        return self._memory(item, who, hits)


def shown_at_once(store: Store, texts: list[str], limit: int) -> list[str]:
    """What becomes of keys that one address shows at the same moment, none of them proven."""
    quota = Quota("wrong-keys", limit, AtOnce(len(texts)))
    holders = KeyHolders(store, ADMIN_KEY, JWT_SECRET, quota)

    def show(text: str) -> str:
        try:
            return holders.holder(text, "192.0.2.1").key
        except KindredError as error:
            return error.code

    with ThreadPoolExecutor(len(texts)) as pool:
        return list(pool.map(show, texts))


def test_many_wrong_keys_at_once_are_no_more_than_one_after_another(store: Store) -> None:
    found = shown_at_once(store, [f"guess {number}" for number in range(20)], 5)
    assert found.count("unauthenticated") <= 5
    assert found.count("quota-exceeded") >= 15


def test_one_right_key_at_once_in_many_requests_is_no_guessing(store: Store) -> None:
    key = store.api_keys.create("service", [Scope.WRITE_FLAGS])
    assert set(shown_at_once(store, [key.text] * 20, 5)) == {key.record.prefix}


def test_a_known_key_outlives_redis_for_metrics(
    make: Any, script: Script, store: Store, empty_redis: redis.Redis, settings: Settings
) -> None:
    edge = make(script, metrics_open=False)
    known = store.api_keys.create("prometheus", [Scope.OPERATE]).text
    fresh = store.api_keys.create("another", [Scope.OPERATE]).text
    assert call(edge, "GET", "/metrics", known).status_code == 200
    pid = empty_redis.info("server")["process_id"]
    os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(2.1)  # what is kept has aged
        assert call(edge, "GET", "/metrics", known).status_code == 200
        assert call(edge, "GET", "/metrics", ADMIN_KEY).status_code == 200
        assert_problem(call(edge, "GET", "/metrics", fresh), 503)
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_bootstrap_key_that_can_be_guessed_is_refused(edge: Edge) -> None:
    from dataclasses import replace

    from app.web.register import make_edge

    with pytest.raises(StartupError, match="KINDRED_ADMIN_KEY"):
        make_edge(replace(edge.services, admin_key="admin"))


def test_a_moderator_ends_a_persons_tokens(edge: Edge, store: Store) -> None:
    key = store.api_keys.create("moderator", [Scope.MODERATE]).text
    person = Person(edge)
    path = f"/admin/v1/people/{person.user_id}/revoke"
    assert call(edge, "POST", path, key).status_code == 204
    assert_problem(person("GET", "/v1/conversations"), 401)
    assert_problem(call(edge, "POST", "/admin/v1/people/u00x/revoke", key), 404)


def test_what_is_refused_is_counted_and_logged_without_secrets(
    edge: Edge, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    key = store.api_keys.create("narrow", [Scope.INFER]).text
    call(edge, "GET", "/admin/v1/flags", key)
    call(edge, "GET", "/admin/v1/flags", "a-wrong-key-that-somebody-typed")
    value = edge.services.metrics.registry.get_sample_value
    assert value("kindred_security_total", {"kind": "insufficient-scope"}) == 1
    assert value("kindred_security_total", {"kind": "key-refused"}) == 1
    logged = "".join(capsys.readouterr())
    assert "insufficient-scope" in logged
    for secret in (key, key.split(".")[1], "somebody-typed"):
        assert secret not in logged
