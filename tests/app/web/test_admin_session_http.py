"""The admin pages' session: how it begins, what forged calls meet, and how it ends."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.store.access.api_keys import Scope
from app.store.access.sessions import IDLE_SECONDS
from app.store.store import Store
from tests.app.web.helpers import ADMIN_KEY, Edge, Script, assert_problem

PATH = "/admin/v1/session"
FLAG = {"state": "ENABLED", "variants": {"on": True}, "defaultVariant": "on"}


def log_in(client: FlaskClient, key: str = ADMIN_KEY, **more: Any) -> dict[str, Any]:
    answer = client.post(PATH, headers={"X-API-Key": key}, **more)
    assert answer.status_code == 201, answer.text
    return dict(answer.json)


def change(client: FlaskClient, token: str | None, **headers: str) -> TestResponse:
    sent = {"X-CSRF-Token": token} if token is not None else {}
    return client.put("/admin/v1/flags/x", json=FLAG, headers={**sent, **headers})


def cookie_of(answer: TestResponse) -> str:
    (line,) = answer.headers.getlist("Set-Cookie")
    return line


def test_a_key_is_exchanged_for_a_session_that_needs_no_key(edge: Edge) -> None:
    client = edge.client
    assert client.get(PATH).json["signed_in"] is False
    session = log_in(client)
    assert session["scopes"] == sorted(Scope)
    state = client.get(PATH).json
    assert state == session
    assert client.get("/admin/v1/flags").status_code == 200
    assert change(client, session["csrf_token"]).status_code == 201
    assert edge.client.get("/admin/v1/flags").status_code == 401  # another browser


def test_the_cookie_is_out_of_reach(edge: Edge) -> None:
    plain = edge.client.post(PATH, headers={"X-API-Key": ADMIN_KEY})
    line = cookie_of(plain)
    assert re.match(r"kindred-admin=[\w-]{43}; ", line)
    assert {"HttpOnly", "SameSite=Strict", "Path=/admin"} <= set(line.split("; "))
    assert "Secure" not in line.split("; ")
    assert plain.text.find(line.split("=")[1].split(";")[0]) == -1
    safe = edge.client.post(PATH, headers={"X-API-Key": ADMIN_KEY}, base_url="https://kindred.test")
    line = cookie_of(safe)
    assert line.startswith("__Secure-kindred-admin=")
    assert {"Secure", "HttpOnly", "SameSite=Strict", "Path=/admin"} <= set(line.split("; "))


@pytest.mark.faults(34)
def test_row_34_a_change_without_the_sessions_token_is_403(edge: Edge, script: Script) -> None:
    client = edge.client
    good = log_in(client)["csrf_token"]
    other = log_in(edge.client)["csrf_token"]
    for token in (None, "", "x", good[:-1], good + "A", other, "é"):
        assert_problem(change(client, token), 403, "forgery-refused")
    for method in ("POST", "PUT", "DELETE"):
        path = {"POST": "/admin/v1/flags/x/toggle"}.get(method, "/admin/v1/flags/x")
        assert_problem(client.open(path, method=method, json={"state": "DISABLED"}), 403)
    assert_problem(client.delete(PATH), 403, "forgery-refused")
    assert client.get("/admin/v1/flags").json["flags"] == {}
    assert change(client, good).status_code == 201


@pytest.mark.faults(34)
@pytest.mark.parametrize(
    "origin",
    ["null", "", "http://[", "http://localhost.evil", "http://evil@localhost", "localhost"],
)
def test_row_34_an_origin_that_is_not_ours_is_refused(edge: Edge, origin: str) -> None:
    client = edge.client
    token = log_in(client)["csrf_token"]
    assert_problem(change(client, token, Origin=origin), 403, "forgery-refused")
    assert change(client, token, Origin="http://localhost").status_code == 201


@pytest.mark.faults(34)
def test_row_34_a_browser_that_names_another_site_is_refused(edge: Edge) -> None:
    client = edge.client
    token = log_in(client)["csrf_token"]
    for headers in (
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost.evil.example"},
        {"Origin": "http://localhost:81"},
    ):
        assert_problem(change(client, token, **headers), 403, "forgery-refused")
        assert_problem(client.get("/admin/v1/flags", headers=headers), 403)
    for headers in ({"Sec-Fetch-Site": "same-origin"}, {"Origin": "http://localhost"}):
        assert change(client, token, **headers).status_code in (200, 201)


def test_logging_out_ends_the_session_for_good(edge: Edge) -> None:
    client = edge.client
    token = log_in(client)["csrf_token"]
    kept = client.get_cookie("kindred-admin", path="/admin")
    assert kept is not None
    answer = client.delete(PATH, headers={"X-CSRF-Token": token})
    assert answer.status_code == 204
    assert "Expires=Thu, 01 Jan 1970" in cookie_of(answer)
    client.set_cookie("kindred-admin", kept.value, path="/admin")
    assert_problem(client.get("/admin/v1/flags"), 401)


def test_a_login_is_always_a_new_session(edge: Edge) -> None:
    client = edge.client
    log_in(client)
    planted = client.get_cookie("kindred-admin", path="/admin")
    log_in(client)
    mine = client.get_cookie("kindred-admin", path="/admin")
    assert planted is not None
    assert mine is not None
    assert planted.value != mine.value
    client.set_cookie("kindred-admin", planted.value, path="/admin")
    assert_problem(client.get("/admin/v1/flags"), 401)  # what was there before is over


def test_a_session_cannot_prolong_itself(edge: Edge) -> None:
    client = edge.client
    token = log_in(client)["csrf_token"]
    assert_problem(client.post(PATH, headers={"X-CSRF-Token": token}), 401)


def test_a_session_may_what_its_key_may(edge: Edge, store: Store) -> None:
    client = edge.client
    session = log_in(client, store.api_keys.create("reader", [Scope.READ_REACTIONS]).text)
    assert session["scopes"] == ["read_reactions"]
    assert client.get("/admin/v1/reactions").status_code == 200
    assert_problem(change(client, session["csrf_token"]), 403, "insufficient-scope")


def test_a_session_ends_with_its_key_and_with_its_secret(
    make: Any, script: Script, store: Store
) -> None:
    made = store.api_keys.create("first", [Scope.WRITE_FLAGS])
    one = make(script).client
    log_in(one, made.text)
    store.api_keys.rotate(made.record.prefix, 0.0)
    fresh = make(script)  # its keys are read anew
    for edge, client in ((fresh, fresh.client),):
        kept = one.get_cookie("kindred-admin", path="/admin")
        assert kept is not None
        client.set_cookie("kindred-admin", kept.value, path="/admin")
        assert_problem(client.get("/admin/v1/flags"), 401)
        assert edge.client.get(PATH).json["signed_in"] is False


def test_a_session_ends_with_the_bootstrap_key(make: Any, script: Script) -> None:
    from dataclasses import replace

    from flask import Flask

    from app.web.register import register

    edge = make(script)
    client = edge.client
    log_in(client)
    kept = client.get_cookie("kindred-admin", path="/admin")
    app = Flask("kindred-under-test", static_folder=None)
    register(app, replace(edge.services, admin_key="another-key-of-this-test-suite"))
    other = app.test_client()
    assert kept is not None
    other.set_cookie("kindred-admin", kept.value, path="/admin")
    assert other.get(PATH).json["signed_in"] is False


def test_a_session_ends_half_an_hour_after_its_last_use(
    edge: Edge, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = edge.client
    log_in(client)
    monkeypatch.setattr(store.sessions, "_core", _later(store, IDLE_SECONDS + 1))
    assert client.get(PATH).json["signed_in"] is False
    assert_problem(client.get("/admin/v1/flags"), 401)


def _later(store: Store, seconds: float) -> Any:
    from dataclasses import replace

    core = store.sessions._core
    return replace(core, clock=lambda: core.clock() + seconds)


def test_a_key_is_looked_at_before_a_session(edge: Edge) -> None:
    client = edge.client
    log_in(client)
    assert_problem(client.get("/admin/v1/flags", headers={"X-API-Key": "wrong"}), 401)


def test_nothing_of_a_session_is_logged(edge: Edge, capsys: pytest.CaptureFixture[str]) -> None:
    client = edge.client
    session = log_in(client)
    kept = client.get_cookie("kindred-admin", path="/admin")
    change(client, "wrong")
    change(client, session["csrf_token"])
    logged = "".join(capsys.readouterr())
    assert kept is not None
    for secret in (kept.value, session["csrf_token"], ADMIN_KEY):
        assert secret not in logged
    assert "forgery-refused" in logged
