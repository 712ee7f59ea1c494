"""alg=none, HS/RS confusion, expired, wrong audience, tampered: all of RFC 8725 (row 29)."""

from __future__ import annotations

import base64
import hmac
import json
import time
import warnings
from typing import Any

import jwt
import pytest
from jwt.warnings import InsecureKeyLengthWarning

from tests import provider
from tests.faults.conftest import StartService
from tests.faults.service import Service

pytestmark = [pytest.mark.faults(29), pytest.mark.slow]


@pytest.fixture(scope="module")
def trusting(module_services: StartService, tmp_path_factory: pytest.TempPathFactory) -> Service:
    """The service beside an identity provider."""
    path = tmp_path_factory.mktemp("provider") / "keys.json"
    path.write_text(provider.key_set())
    return module_services(
        jwks_file=path,
        jwt_issuer=provider.NAME,
        jwt_audience=provider.AUDIENCE,
        jwt_algorithms=provider.ALGORITHMS,
    )


def secret_of(service: Service) -> str:
    return (service.var / "jwt_secret").read_text().strip()


def own_attacks(service: Service) -> dict[str, str]:
    """What attackers make of a guest's good token."""
    good = service.guest()
    secret, said = secret_of(service), jwt.decode(good, options={"verify_signature": False})
    head, body, signature = good.split(".")
    now = int(time.time())

    def signed(key: str = secret, algorithm: str = "HS256", **changes: Any) -> str:
        kept = {k: v for k, v in {**said, **changes}.items() if v is not None}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InsecureKeyLengthWarning)  # an attacker does not mind
            return jwt.encode(kept, key, algorithm=algorithm)

    def segment(value: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    assert service.call("GET", "/v1/conversations", signed()).status == 200  # the secret is right
    none = segment({"alg": "none", "typ": "JWT"})
    # By hand: the library signs with no empty secret.
    digest = hmac.digest(b"", f"{head}.{body}".encode(), "sha256")
    by_nothing = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    return {
        "alg none": f"{none}.{body}.",
        "alg none, signature kept": f"{none}.{body}.{signature}",
        "another HMAC": signed(algorithm="HS512"),
        "signed by the empty secret": f"{head}.{body}.{by_nothing}",
        "another signature": f"{head}.{body}.{signature[::-1]}",
        "another secret": signed("x" * 40),
        "expired": signed(iat=now - 7_200, exp=now - 1),
        "issued in the future": signed(iat=now + 3_600),
        "wrong audience": signed(aud="elsewhere"),
        "several audiences": signed(aud=["kindred", "elsewhere"]),
        "wrong issuer": signed(iss="elsewhere"),
        "tampered claims": f"{head}.{segment({**said, 'sub': 'u01' + '0' * 26})}.{signature}",
        "another generation": signed(gen=said["gen"] + 1),
        "a person who does not exist": signed(sub="u01" + "0" * 26),
        **{f"no {name}": signed(**{name: None}) for name in ("sub", "gen", "exp", "iat", "aud")},
    }


def test_a_forged_token_of_ours_is_401(trusting: Service) -> None:
    for name, token in own_attacks(trusting).items():
        answer = trusting.call("GET", "/v1/conversations", token)
        assert answer.status == 401, (name, answer.text)
        assert answer.headers["www-authenticate"].endswith('error="invalid_token"'), name
        assert trusting.chat(token, "hello").status == 401, name


def test_a_forged_token_of_the_provider_is_401(trusting: Service) -> None:
    for good in (provider.token(), provider.token(algorithm="ES256")):
        assert trusting.call("GET", "/v1/conversations", good).status == 200
    for name, token in provider.attacks(secret_of(trusting)):
        answer = trusting.call("GET", "/v1/conversations", token)
        assert answer.status == 401, (name, answer.text)


def test_an_ended_token_stays_ended_in_the_real_service(trusting: Service) -> None:
    guest = trusting.guest()
    assert trusting.chat(guest, "hello").status == 200
    fresh = trusting.call("POST", "/v1/auth/revoke", guest, {})
    assert fresh.status == 200
    assert trusting.call("GET", "/v1/conversations", guest).status == 401
    assert trusting.chat(guest, "hello").status == 401
    assert trusting.call("GET", "/v1/conversations", fresh.json["token"]).status == 200
    old = provider.token(iat=int(time.time()) - 60, sub="to be revoked")
    assert trusting.call("GET", "/v1/conversations", old).status == 200
    assert trusting.call("POST", "/v1/auth/revoke", old, {}).status == 204
    assert trusting.call("GET", "/v1/conversations", old).status == 401
    assert trusting.chat(old, "hello").status == 401


def test_nothing_of_a_token_is_logged(trusting: Service) -> None:
    token = provider.token(sub="canary-subject-5c1f")
    assert trusting.call("GET", "/v1/conversations", token).status == 200
    forged = token[:-6] + "AAAAAA"
    assert trusting.call("GET", "/v1/conversations", forged).status == 401
    log = trusting.log()
    assert '"kind": "unauthenticated"' in log
    for part in ("canary-subject-5c1f", *token.split(".")):
        assert part not in log
