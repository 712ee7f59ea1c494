"""Tokens of an identity provider: who they name, and what is refused (faults, row 29)."""

from __future__ import annotations

import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from app.errors import StartupError, StoreUnavailable
from app.settings import Settings
from app.store.store import Store
from app.web.access.issuer import Issuer
from tests import provider
from tests.app.web.helpers import JWT_SECRET, Edge, Script, assert_problem

BOTH = ("RS256", "ES256")


@pytest.fixture
def outside(make: Any, script: Script, tmp_path: Path) -> Edge:
    """An app that trusts the provider."""
    path = tmp_path / "keys.json"
    path.write_text(provider.key_set())
    return make(
        script,
        jwks_file=path,
        jwt_issuer=provider.NAME,
        jwt_audience=provider.AUDIENCE,
        jwt_algorithms=provider.ALGORITHMS,
    )


def call(edge: Edge, token: str, method: str = "GET", path: str = "/v1/conversations") -> Any:
    json_ = {"message": "hi"} if path == "/v1/chat" else None
    return edge.client.open(
        path, method=method, json=json_, headers={"Authorization": f"Bearer {token}"}
    )


@pytest.mark.faults(29)
@pytest.mark.parametrize("name", [name for name, _ in provider.attacks(JWT_SECRET)])
def test_row_29_what_the_provider_did_not_sign_for_us_is_401(outside: Edge, name: str) -> None:
    token = dict(provider.attacks(JWT_SECRET))[name]
    assert_problem(call(outside, token), 401, "unauthenticated")
    assert_problem(call(outside, token, "POST", "/v1/chat"), 401, "unauthenticated")


@pytest.mark.parametrize(
    "token",
    [
        lambda: provider.token(),
        lambda: provider.token(algorithm="ES256"),
        lambda: provider.token(headers={"typ": "at+jwt"}),
        lambda: provider.token(aud=["another-api", provider.AUDIENCE]),
        lambda: provider.token(scope="openid", email="ada@example.org"),
    ],
)
def test_what_it_signed_names_one_person(outside: Edge, token: Any) -> None:
    assert call(outside, token()).status_code == 200
    assert call(outside, token(), "POST", "/v1/chat").status_code == 200
    assert call(outside, provider.token(sub="bob")).status_code == 200


def test_guests_go_on_beside_it(outside: Edge) -> None:
    guest = outside.client.post("/v1/auth/guest").json
    assert call(outside, guest["token"]).status_code == 200


def test_ours_are_not_made_of_theirs(outside: Edge) -> None:
    answer = call(outside, provider.token(), "POST", "/v1/auth/refresh")
    assert_problem(answer, 403, "forbidden")


def test_revoking_ends_what_was_issued_before(outside: Edge, store: Store) -> None:
    old = provider.token(iat=int(time.time()) - 60)
    assert call(outside, old).status_code == 200
    assert call(outside, old, "POST", "/v1/auth/revoke").status_code == 204
    for path, method in (("/v1/conversations", "GET"), ("/v1/chat", "POST")):
        assert_problem(call(outside, old, method, path), 401)
    fresh = provider.token(iat=int(time.time()) + 2)  # their clock runs ahead a little
    assert call(outside, fresh).status_code == 200


def test_who_erased_themselves_comes_back_as_somebody_new(outside: Edge) -> None:
    old = provider.token(iat=int(time.time()) - 60)
    assert call(outside, old, "DELETE", "/v1/me").status_code in (200, 204)
    assert_problem(call(outside, old), 401)
    assert call(outside, provider.token(iat=int(time.time()) + 2)).status_code == 200


@pytest.mark.parametrize("kind", ["application/json", "text/event-stream"])
def test_a_crisis_is_answered_while_nobody_can_tell_whose_it_is(
    outside: Edge, store: Store, script: Script, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """The token is checked by the provider's keys; whom it names, Redis knows alone."""

    def away(*args: object) -> None:
        raise StoreUnavailable("away")

    monkeypatch.setattr(store.subjects, "person", away)

    def say(text: str, token: str, **more: str) -> Any:
        headers = {"Authorization": f"Bearer {token}", "Accept": kind}
        return outside.client.post("/v1/chat", json={"message": text, **more}, headers=headers)

    helped = say("i want to kill myself", provider.token())
    assert helped.status_code == 200
    assert "Hello." in helped.get_data(as_text=True)
    assert [asked.user_id for asked in script.asked] == [""]
    assert_problem(say("hello", provider.token()), 503, "store-unavailable")
    assert_problem(say("i want to kill myself", provider.token(aud="elsewhere")), 401)
    assert_problem(call(outside, provider.token()), 503, "store-unavailable")
    assert len(script.asked) == 1
    # Nobody can tell either that the conversation they go on with is not theirs.
    elsewhere = script.reply(script.asked[0])
    monkeypatch.setattr(script, "reply", lambda asked: elsewhere)
    again = say("i want to kill myself", provider.token(), conversation_id="c01" + "0" * 26)
    assert "Hello." in again.get_data(as_text=True)
    noted = outside.services.metrics.registry.get_sample_value
    assert noted("kindred_security_total", {"kind": "not-theirs"}) is None


@pytest.mark.parametrize(
    ("changes", "variable"),
    [
        ({"jwt_issuer": ""}, "KINDRED_JWT_ISSUER"),
        ({"jwt_audience": ""}, "KINDRED_JWT_AUDIENCE"),
        ({"jwt_algorithms": "HS256"}, "KINDRED_JWT_ALGORITHMS"),
        ({"jwt_algorithms": "RS256,none"}, "KINDRED_JWT_ALGORITHMS"),
        ({"jwt_algorithms": ""}, "KINDRED_JWT_ALGORITHMS"),
        ({"jwks_url": "https://id.example/keys"}, "only one"),
        ({"jwks_file": Path("/nowhere")}, "KINDRED_JWKS_FILE"),
        ({"jwks_file": None, "jwks_url": "http://id.example/keys"}, "https"),
        ({"jwks_file": None, "jwks_url": "file:///etc/passwd"}, "https"),
    ],
)
def test_settings_that_do_not_fit_stop_the_start(
    settings: Settings, tmp_path: Path, changes: dict[str, Any], variable: str
) -> None:
    path = tmp_path / "keys.json"
    path.write_text(provider.key_set())
    good = {"jwks_file": path, "jwt_issuer": provider.NAME, "jwt_audience": provider.AUDIENCE}
    with pytest.raises(StartupError, match=variable):
        Issuer.configured(settings.model_copy(update={**good, **changes}), _unbounded)


def _unbounded(*_: Any) -> Any:
    return nullcontext()


def test_without_a_provider_there_is_none(settings: Settings) -> None:
    assert Issuer.configured(settings, _unbounded) is None
