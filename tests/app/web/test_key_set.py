"""A provider's keys: which are used, how often it is asked, and what counts while it is away."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from typing import Any

import pytest

from app.errors import IssuerUnavailable, Unauthenticated
from app.web.access import fetch
from app.web.access.issuer import Issuer
from app.web.access.key_set import KeySet, parse
from tests import provider

BOTH = ("RS256", "ES256")


def _unbounded(*_: Any) -> Any:
    return nullcontext()


def test_of_a_key_set_only_fit_keys_are_used() -> None:
    rsa, ec = provider.rsa_key(), provider.ec_key()
    secret = {"kty": "oct", "kid": "s", "k": "c2VjcmV0", "alg": "RS256"}
    private = {**provider.RSAAlgorithm.to_jwk(rsa, as_dict=True), "kid": "p"}
    unfit = [
        secret,
        private,
        provider.jwk(provider.rsa_key("short", 1_024), "short"),
        provider.jwk(rsa, "enc", use="enc"),
        provider.jwk(rsa, "ops", key_ops=["encrypt"]),
        provider.jwk(rsa, "other", alg="RS512"),
        {key: value for key, value in provider.jwk(rsa, "x").items() if key != "kid"},
        {**provider.jwk(rsa, "broken"), "n": "!"},
        {**provider.jwk(ec, "curve"), "crv": "P-384"},
        "text",
        None,
    ]
    with pytest.raises(ValueError):
        parse(json.dumps({"keys": unfit}).encode(), BOTH)
    fit = [provider.jwk(rsa, "a"), provider.jwk(ec, "b")]
    keys = parse(json.dumps({"keys": [*unfit, *fit]}).encode(), BOTH)
    assert set(keys) == {("a", "RS256"), ("b", "ES256")}


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b'{"keys": 1}', b"[" * 100_000, b"\xff"])
def test_what_is_no_key_set(raw: bytes) -> None:
    with pytest.raises(ValueError):
        parse(raw, BOTH)


class Provider:
    """Counts how often it is asked; fails as it is told."""

    def __init__(self) -> None:
        self.text = provider.key_set()
        self.asked = 0
        self.error: Exception | None = None
        self.slow = threading.Event()
        self.slow.set()

    def __call__(self) -> bytes:
        self.asked += 1
        assert self.slow.wait(10)
        if self.error is not None:
            raise self.error
        return self.text.encode()


@pytest.fixture
def now() -> list[float]:
    return [1_000.0]


@pytest.fixture
def keys(now: list[float]) -> tuple[KeySet, Provider]:
    source = Provider()
    return KeySet(source, BOTH, clock=lambda: now[0]), source


def test_known_keys_are_asked_for_once(keys: tuple[KeySet, Provider], now: list[float]) -> None:
    found, source = keys
    for _ in range(5):
        found.key(provider.RSA_KID, "RS256")
        now[0] += 100
    assert source.asked == 1


def test_an_unknown_key_is_asked_for_once_a_minute(
    keys: tuple[KeySet, Provider], now: list[float]
) -> None:
    found, source = keys
    found.key(provider.RSA_KID, "RS256")
    for second in range(120):
        now[0] = 1_000.0 + second
        with pytest.raises(Unauthenticated):
            found.key(f"guess-{second}", "RS256")
    assert source.asked == 2
    source.text = provider.key_set(provider.jwk(provider.rsa_key("new"), "new"))
    now[0] += 60
    assert found.key("new", "RS256")
    with pytest.raises(Unauthenticated):
        found.key(provider.RSA_KID, "RS256")  # withdrawn


def test_old_keys_serve_while_the_provider_is_away_for_a_day(
    keys: tuple[KeySet, Provider], now: list[float]
) -> None:
    found, source = keys
    found.key(provider.RSA_KID, "RS256")
    source.error = OSError("away")
    for hours in (1, 12, 23.9):
        now[0] = 1_000.0 + hours * 3_600
        assert found.key(provider.RSA_KID, "RS256")
    now[0] = 1_000.0 + 25 * 3_600
    with pytest.raises(IssuerUnavailable):
        found.key(provider.RSA_KID, "RS256")
    source.error = None
    now[0] += 60
    assert found.key(provider.RSA_KID, "RS256")


def test_before_the_first_answer_nobody_is_called_wrong(
    keys: tuple[KeySet, Provider], now: list[float]
) -> None:
    found, source = keys
    source.error = ValueError("a page of HTML")
    for _ in range(3):
        with pytest.raises(IssuerUnavailable):
            found.key(provider.RSA_KID, "RS256")
    assert source.asked == 1
    source.error = None
    now[0] += 5
    assert found.key(provider.RSA_KID, "RS256")


def test_a_slow_provider_is_waited_for_by_nobody_whose_key_is_known(
    keys: tuple[KeySet, Provider], now: list[float]
) -> None:
    found, source = keys
    found.key(provider.RSA_KID, "RS256")
    now[0] += 700
    source.slow.clear()
    try:
        for _ in range(5):
            assert found.key(provider.RSA_KID, "RS256")  # though the question is still open
    finally:
        source.slow.set()
    end = time.monotonic() + 10
    while source.asked < 2:
        assert time.monotonic() < end
        time.sleep(0.01)
    assert source.asked == 2


def test_one_question_serves_all_who_wait(keys: tuple[KeySet, Provider]) -> None:
    found, source = keys
    source.slow.clear()
    got: list[Any] = []
    ask = lambda: got.append(found.key(provider.RSA_KID, "RS256"))
    threads = [threading.Thread(target=ask) for _ in range(5)]
    for thread in threads:
        thread.start()
    time.sleep(0.1)
    source.slow.set()
    for thread in threads:
        thread.join(10)
    assert len(got) == 5
    assert source.asked == 1


def withdrawn(now: list[float]) -> tuple[Provider, KeySet, Issuer, str]:
    """A token that was read, and then its provider has another key, and time has passed."""
    source = Provider()
    found = KeySet(source, BOTH, clock=lambda: now[0])
    issuer = Issuer(provider.NAME, provider.AUDIENCE, BOTH, found)
    token = provider.token()
    assert issuer.read(token).subject == "ada"
    source.text = provider.key_set(provider.jwk(provider.rsa_key("new"), "new"))
    now[0] += 700
    return source, found, issuer, token


def test_a_withdrawn_key_ends_tokens_that_were_verified_before(now: list[float]) -> None:
    _, found, issuer, token = withdrawn(now)
    with pytest.raises(Unauthenticated):
        found.key("unknown", "RS256")  # reads the set anew
    with pytest.raises(Unauthenticated):
        issuer.read(token)


def test_a_key_is_withdrawn_though_only_known_tokens_come(now: list[float]) -> None:
    source, found, issuer, token = withdrawn(now)
    with suppress(Unauthenticated):  # where the answer is there at once
        issuer.read(token)  # has the keys renewed, beside
    end = time.monotonic() + 10
    while source.asked < 2 or found._asking.locked():
        assert time.monotonic() < end
        time.sleep(0.01)
    with pytest.raises(Unauthenticated):
        issuer.read(token)


def test_what_was_verified_before_counts_for_a_day_without_the_provider(now: list[float]) -> None:
    source = Provider()
    found = KeySet(source, BOTH, clock=lambda: now[0])
    issuer = Issuer(provider.NAME, provider.AUDIENCE, BOTH, found)
    token = provider.token(exp=int(time.time()) + 3 * 86_400)
    issuer.read(token)
    source.error = OSError("away")
    now[0] += 86_000
    assert issuer.read(token).subject == "ada"
    now[0] += 1_000
    with pytest.raises(IssuerUnavailable):
        issuer.read(token)


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = {"/keys": provider.key_set().encode(), "/long": b" " * 300_000}.get(self.path, b"")
        self.send_response(302 if self.path == "/moved" else 200)
        self.send_header("Location", "/keys")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its own name
        """Say nothing."""


@pytest.fixture
def address() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_keys_are_fetched(address: str) -> None:
    assert parse(fetch.reader(f"{address}/keys", _unbounded)(), BOTH)
    for path in ("/moved", "/long"):
        with pytest.raises((OSError, ValueError)):
            fetch.reader(f"{address}{path}", _unbounded)()
    with pytest.raises(OSError):
        fetch.reader("http://127.0.0.1:1/keys", _unbounded)()
