"""Our own tokens, the bootstrap key, and that nothing is open by mistake (faults, row 29)."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import jwt
import pytest
from flask import Flask

from app.errors import StartupError, Unauthenticated
from app.store.store import Store
from app.web.access.own_tokens import Tokens
from app.web.auth import Auth, Caller
from app.web.operation import Answer, Operation
from app.web.register import make_edge, register
from app.web.routes import Routes, declared
from tests.app.web.helpers import ADMIN_KEY, JWT_SECRET, Edge, Person, Script, assert_problem

OPEN = {  # what may be called without credentials; nothing joins this list by accident
    "GET /",
    "GET /admin/",
    "GET /static/<path:name>",
    "GET /livez",
    "GET /readyz",
    "GET /health",
    "GET /metrics",
    "GET /openapi.json",
    "GET /admin/v1/session",  # it says that there is none
    "POST /v1/auth/guest",
}


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    good = {
        "iss": "kindred",
        "aud": "kindred",
        "sub": "u00" + "0" * 26,
        "gen": 1,
        "iat": now,
        "exp": now + 600,
    }
    return {k: v for k, v in {**good, **changes}.items() if v is not None}


def signed(payload: dict[str, Any], secret: str = JWT_SECRET, algorithm: str = "HS256") -> str:
    return jwt.encode(payload, secret, algorithm=algorithm)


def segment(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def forged() -> dict[str, str]:
    good = signed(claims())
    head, body, signature = good.split(".")
    none = segment({"alg": "none", "typ": "JWT"})
    return {
        "alg none": f"{none}.{body}.",
        "alg none, signature kept": f"{none}.{body}.{signature}",
        "another HMAC": signed(claims(), algorithm="HS512"),
        "RS256 in the header": f"{segment({'alg': 'RS256', 'typ': 'JWT'})}.{body}.{signature}",
        "expired": signed(claims(exp=int(time.time()) - 1)),
        "not yet issued": signed(claims(iat=int(time.time()) + 3_600)),
        "another audience": signed(claims(aud="elsewhere")),
        "a list of audiences": signed(claims(aud=["kindred", "elsewhere"])),
        "another issuer": signed(claims(iss="elsewhere")),
        "another secret": signed(claims(), "x" * 40),
        "tampered body": f"{head}.{segment(claims(sub='u01' + '0' * 26))}.{signature}",
        "tampered signature": f"{head}.{body}.{signature[:-4]}AAAA",
        "generation is text": signed(claims(gen="1")),
        "generation is true": signed(claims(gen=True)),
        "no sub": signed(claims(sub=None)),
        "no gen": signed(claims(gen=None)),
        "no exp": signed(claims(exp=None)),
        "no iat": signed(claims(iat=None)),
        "no aud": signed(claims(aud=None)),
        "no iss": signed(claims(iss=None)),
        "of another kind": jwt.encode(claims(), JWT_SECRET, headers={"typ": "logout+jwt"}),
        "of a list of kinds": f"{segment({'alg': 'HS256', 'typ': ['JWT']})}.{body}.{signature}",
        "an extension": jwt.encode(claims(), JWT_SECRET, headers={"crit": ["exp"]}),
        "unencoded payload": jwt.encode(claims(), JWT_SECRET, headers={"zip": "DEF"}),
        "five parts": f"{good}.x.x",
        "no header": f".{body}.{signature}",
        "not a token": "x",
        "too long": "x" * 5_000,
    }


@pytest.mark.faults(29)
@pytest.mark.parametrize("name", forged())
def test_row_29_a_forged_token_is_401(edge: Edge, name: str) -> None:
    answer = edge.client.get(
        "/v1/conversations", headers={"Authorization": f"Bearer {forged()[name]}"}
    )
    assert_problem(answer, 401, "unauthenticated")
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


def test_every_route_says_who_may_call_it_and_refuses_others(make: Any, script: Script) -> None:
    edge = make(script, wrong_key_limit_per_minute=1_000)
    seen = set()
    for rule in edge.app.url_map.iter_rules():
        operation = declared(edge.app.view_functions[rule.endpoint])
        assert operation is not None, rule
        for method in rule.methods - {"HEAD", "OPTIONS"}:
            seen.add(f"{method} {rule.rule}")
            if operation.auth is Auth.NONE:
                assert f"{method} {rule.rule}" in OPEN
                continue
            path = rule.rule
            for argument in rule.arguments:
                path = path.replace(f"<{argument}>", "x")
            headers = [{}, {"X-API-Key": "wrong"}, {"Authorization": "Bearer wrong"}]
            headers.append({"Cookie": f"kindred-admin={'x' * 43}"})
            if operation.auth not in (Auth.ADMIN, Auth.KEY):
                headers.append({"X-API-Key": ADMIN_KEY})
            for sent in headers:
                answer = edge.client.open(path, method=method, json={}, headers=sent)
                assert_problem(answer, 401, "unauthenticated")
                assert answer.headers["WWW-Authenticate"]
    assert seen >= OPEN
    assert len(seen) >= 33


def test_a_route_without_a_decision_who_may_call_it_is_not_served(edge: Edge) -> None:
    app, services = Flask("kindred-under-test", static_folder=None), edge.services
    routes = Routes("odd", make_edge(services))
    unscoped = Operation(
        summary="x", tag="x", auth=Auth.ADMIN, answers={200: Answer("x", media_type="text/plain")}
    )
    with pytest.raises(RuntimeError, match="scopes"):
        routes.add("GET", "/odd", lambda call: None, unscoped)
    app.add_url_rule("/odd", "odd", lambda: "anybody")
    with pytest.raises(RuntimeError, match="odd"):
        register(app, services)


def test_a_route_that_is_added_later_answers_nobody(edge: Edge) -> None:
    edge.app.add_url_rule("/later", "later", lambda: "anybody")
    assert_problem(edge.client.get("/later"), 403, "forbidden")


def test_a_person_is_no_administrator(kindred: Edge, person: Person) -> None:
    assert_problem(person("GET", "/admin/v1/reactions"), 401)
    assert_problem(person("GET", "/admin/v1/flags", headers={"X-API-Key": person.token}), 401)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Basic dTpw",
        "bearer: x",
        "Token abc",
        "Bearer \x7f",
        "Basic ÿ",
        'Digest a="',
    ],
)
def test_odd_authorization_headers_are_401(edge: Edge, header: str) -> None:
    answer = edge.client.get("/v1/conversations", headers={"Authorization": header})
    assert_problem(answer, 401)


def test_odd_admin_keys_are_401(edge: Edge) -> None:
    for key in ("", ADMIN_KEY + "x", ADMIN_KEY[:-1], "ä" * 10, "x" * 10_000):
        answer = edge.client.get("/admin/v1/flags", headers={"X-API-Key": key})
        assert_problem(answer, 401)


def test_revoking_ones_tokens_leaves_one_that_works(kindred: Edge, person: Person) -> None:
    answer = person("POST", "/v1/auth/revoke")
    assert answer.status_code == 200
    assert_problem(person("GET", "/v1/conversations"), 401)
    person.token = answer.json["token"]
    assert person("GET", "/v1/conversations").status_code == 200


def test_a_revocation_is_not_outrun_by_the_token_that_it_ends(
    kindred: Edge, store: Store, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thief who asks in the same moment would else have the only token that holds."""
    looked_at = store.people.check

    def slow(user_id: str, generation: int) -> None:
        looked_at(user_id, generation)
        store.people.revoke(user_id)  # a moderator's, between the look and the act

    monkeypatch.setattr(store.people, "check", slow)
    assert_problem(person("POST", "/v1/auth/revoke"), 401)
    monkeypatch.undo()
    generation = store.people.revoke(person.user_id)
    assert generation == 3, "the thief's request raised nothing"


def test_refresh_gives_the_same_person_a_token_that_works(kindred: Edge, person: Person) -> None:
    answer = person("POST", "/v1/auth/refresh")
    assert answer.status_code == 200
    assert answer.json["user_id"] == person.user_id
    person.token = answer.json["token"]
    assert person("GET", "/v1/conversations").status_code == 200


def test_a_revoked_generation_and_an_erased_person_are_401(kindred: Edge, store: Store) -> None:
    first, second = Person(kindred), Person(kindred)
    store.people.revoke(first.user_id)
    assert second("DELETE", "/v1/me").status_code == 200
    for person in (first, second):
        assert_problem(person("GET", "/v1/conversations"), 401)
        assert_problem(person("POST", "/v1/auth/refresh"), 401)
        assert_problem(person("POST", "/v1/chat", {"message": "hello"}), 401)


def test_tokens_in_themselves() -> None:
    tokens = Tokens(JWT_SECRET, hours=1)
    issued = tokens.issue("u00x", 3)
    caller = tokens.read(issued.token)
    assert (caller.user_id, caller.generation) == ("u00x", 3)
    assert 3_590 < issued.expires_at - time.time() <= 3_600
    with pytest.raises(Unauthenticated):
        Tokens("y" * 40, hours=1).read(issued.token)
    with pytest.raises(StartupError, match="KINDRED_JWT_SECRET"):
        Tokens("short", hours=1)


def test_a_token_that_was_verified_before_ends_all_the_same() -> None:
    tokens = Tokens(JWT_SECRET, 1 / 3_600)
    issued = tokens.issue("u00" + "0" * 26, 3)
    assert tokens.read(issued.token) == tokens.read(issued.token) == Caller("u00" + "0" * 26, 3)
    time.sleep(max(0.0, issued.expires_at - time.time()) + 0.01)
    with pytest.raises(Unauthenticated, match="expired"):
        tokens.read(issued.token)
    with pytest.raises(Unauthenticated):
        tokens.read(issued.token[:-2] + ("AA" if issued.token[-2:] != "AA" else "BB"))
