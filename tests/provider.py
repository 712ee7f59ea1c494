"""An identity provider for tests: its keys, its tokens, and what attackers make of them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

NAME = "https://id.example/"
AUDIENCE = "kindred-api"
ALGORITHMS = "RS256,ES256"  # and not PS256
RSA_KID, EC_KID = "rsa-1", "ec-1"


@cache
def rsa_key(name: str = RSA_KID, bits: int = 2_048) -> rsa.RSAPrivateKey:
    """The provider's key, or another one."""
    return rsa.generate_private_key(65_537, bits)


@cache
def ec_key(name: str = EC_KID) -> ec.EllipticCurvePrivateKey:
    """The provider's key, or another one."""
    return ec.generate_private_key(ec.SECP256R1())


def jwk(key: Any, kid: str, **more: Any) -> dict[str, Any]:
    """A key of a set; of a private key its public half."""
    algorithm = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
    return {**algorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, "use": "sig", **more}


def key_set(*keys: dict[str, Any]) -> str:
    """The set that the provider publishes; its two good keys where none is given."""
    good = (jwk(rsa_key(), RSA_KID), jwk(ec_key(), EC_KID, alg="ES256"))
    return json.dumps({"keys": list(keys or good)})


def claims(**changes: Any) -> dict[str, Any]:
    """Good claims, with changes; None leaves one out."""
    now = int(time.time())
    good = {"iss": NAME, "aud": AUDIENCE, "sub": "ada", "iat": now, "exp": now + 600}
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def token(
    key: Any = None,
    algorithm: str = "RS256",
    headers: dict[str, Any] | None = None,
    **changes: Any,
) -> str:
    """A token of the provider; good unless something is changed."""
    kid = EC_KID if algorithm.startswith("ES") else RSA_KID
    named = {"kid": kid, **(headers or {})}
    signing = key or (ec_key() if algorithm == "ES256" else rsa_key())
    return jwt.encode(
        claims(**changes),
        signing,
        algorithm=algorithm,
        headers={name: value for name, value in named.items() if value is not None},
    )


def assembled(header: dict[str, Any], payload: dict[str, Any], signature: bytes = b"") -> str:
    """A token of any parts."""
    return f"{_segment(header)}.{_segment(payload)}.{_encode(signature)}"


def attacks(own_secret: str) -> Iterator[tuple[str, str]]:
    """Every attack of RFC 8725 (section 2) and its neighbours, by name: each must be refused."""
    yield from _of_algorithms(own_secret)
    yield from _of_signatures()
    yield from _of_forms()
    yield from _of_keys()
    yield from _of_claims()
    yield from _of_times_and_types()


def _of_algorithms(own_secret: str) -> Iterator[tuple[str, str]]:
    _, body, signature = token().split(".")
    for name in ("none", "None", "nOnE", "NONE", ""):
        yield f"alg {name!r}", assembled({"alg": name, "typ": "JWT", "kid": RSA_KID}, claims())
    none = _segment({"alg": "none", "kid": RSA_KID})
    yield "alg none, signature kept", f"{none}.{body}.{signature}"
    yield "no alg", assembled({"typ": "JWT", "kid": RSA_KID}, claims())
    yield "alg is a list", assembled({"alg": ["RS256"], "kid": RSA_KID}, claims())
    for name, secret in _public_forms().items():
        yield f"HMAC with the public key as {name}", _hmac(secret, claims())
        ours = {**claims(iss="kindred", aud="kindred", sub="u00" + "0" * 26), "gen": 1}
        yield f"HMAC with the public key as {name}, our claims", _hmac(secret, ours)
    yield "HMAC with our secret, their claims", _hmac(own_secret.encode(), claims())
    yield "an algorithm that is not configured", token(algorithm="PS256")
    yield "a longer hash", token(algorithm="RS384")
    yield "EC key named, RSA algorithm", token(headers={"kid": EC_KID})
    yield "RSA key named, EC algorithm", token(algorithm="ES256", headers={"kid": RSA_KID})
    head = _segment({"alg": "ES256", "kid": EC_KID})
    yield "RSA signature, EC algorithm", f"{head}.{body}.{signature}"


def _of_signatures() -> Iterator[tuple[str, str]]:
    head, body, signature = token().split(".")
    yield "no signature", f"{head}.{body}."
    yield "an altered signature", f"{head}.{body}.{_flipped(signature)}"
    yield "a shortened signature", f"{head}.{body}.{signature[:-8]}"
    yield "altered claims", f"{head}.{_segment(claims(sub='eve'))}.{signature}"
    other = _segment({"alg": "RS256", "kid": RSA_KID, "x": 1})
    yield "an altered header", f"{other}.{body}.{signature}"
    zeros = {"alg": "ES256", "kid": EC_KID}
    yield "an ECDSA signature of zeros", assembled(zeros, claims(), bytes(64))


def _of_forms() -> Iterator[tuple[str, str]]:
    good = token()
    head, body, signature = good.split(".")
    named = {"alg": "RS256", "kid": RSA_KID}
    yield "five parts (JWE)", f"{good}.x.x"
    yield "two parts", f"{head}.{body}"
    yield "a header that is no object", f"{_encode(b'[]')}.{body}.{signature}"
    yield "a header that is not JSON", f"{_encode(b'{')}.{body}.{signature}"
    listed = jwt.api_jws.encode(b"[]", rsa_key(), "RS256", {"kid": RSA_KID})
    yield "claims that are no object", listed
    yield "an extension that must be understood", token(headers={"crit": ["x"], "x": 1})
    yield "an unencoded payload", assembled({**named, "b64": False}, claims())
    yield "compressed", token(headers={"zip": "DEF"})
    yield "too long", token(filling="x" * 5_000)


def _of_keys() -> Iterator[tuple[str, str]]:
    stranger = rsa_key("a stranger's")
    yield "no kid", token(headers={"kid": None})
    yield "an unknown kid", token(headers={"kid": "another"})
    for kid in ("../../var/jwt_secret", "/dev/null", "' OR 1=1 --", "x" * 300, ""):
        yield f"kid {kid[:20]!r}", token(headers={"kid": kid})
    yield "kid is a number", assembled({"alg": "RS256", "kid": 1}, claims())
    yield "a stranger's key", token(stranger)
    for name, value in _own_keys(stranger).items():
        yield f"a stranger's key in {name}", token(stranger, headers={name: value})
        without = {name: value, "kid": "stranger"}
        yield f"a stranger's key in {name}, named", token(stranger, headers=without)


def _of_claims() -> Iterator[tuple[str, str]]:
    yield "another issuer", token(iss="https://evil.example/")
    yield "an issuer that begins alike", token(iss=NAME + "evil")
    yield "an issuer that is a list", assembled_and_signed(claims(iss=[NAME]))
    yield "another audience", token(aud="another-api")
    yield "other audiences", token(aud=["another-api", "kindred-api2"])
    yield "our own issuer's claims", token(iss="kindred", aud="kindred", gen=1)
    for name in ("iss", "aud", "sub", "iat", "exp"):
        yield f"no {name}", token(**{name: None})
    for subject in ("", "x" * 300, 7, ["ada"]):
        yield f"sub {str(subject)[:10]!r}", assembled_and_signed(claims(sub=subject))


def _of_times_and_types() -> Iterator[tuple[str, str]]:
    now = int(time.time())
    yield "expired", token(iat=now - 7_200, exp=now - 3_600)
    yield "not yet valid", token(nbf=now + 3_600)
    yield "issued in the future", token(iat=now + 3_600, exp=now + 7_200)
    yield "valid for two years", token(exp=now + 2 * 366 * 86_400)
    for value in ("soon", True, 1e300):
        yield f"exp {value!r}", assembled_and_signed(claims(exp=value))
    for kind in ("logout+jwt", "dpop+jwt", "secevent+jwt", "JOSE+JSON"):
        yield f"typ {kind}", token(headers={"typ": kind})
    for kind in (1, None, ["JWT"], {"JWT": 1}):
        yield f"typ is {kind!r}", assembled_and_signed(claims(), typ=kind)


def assembled_and_signed(payload: dict[str, Any], **header: Any) -> str:
    """Truly signed by the provider, whatever it says."""
    named = {"kid": RSA_KID, "typ": "JWT", **header}
    signing_input = f"{_segment({'alg': 'RS256', **named})}.{_segment(payload)}"
    signature = RSAAlgorithm(RSAAlgorithm.SHA256).sign(signing_input.encode(), rsa_key())
    return f"{signing_input}.{_encode(signature)}"


def _public_forms() -> dict[str, bytes]:
    public, forms = rsa_key().public_key(), serialization.PublicFormat
    pem = public.public_bytes(serialization.Encoding.PEM, forms.SubjectPublicKeyInfo)
    return {
        "PEM": pem,
        "PEM without its last line break": pem.rstrip(),
        "PKCS#1": public.public_bytes(serialization.Encoding.PEM, forms.PKCS1),
        "DER": public.public_bytes(serialization.Encoding.DER, forms.SubjectPublicKeyInfo),
        "JWK": json.dumps(jwk(rsa_key(), RSA_KID)).encode(),
        "modulus": str(public.public_numbers().n).encode(),
        "nothing": b"",
    }


def _own_keys(stranger: rsa.RSAPrivateKey) -> dict[str, Any]:
    return {
        "jwk": jwk(stranger, RSA_KID),
        "jku": "http://127.0.0.1:9/keys.json",
        "x5u": "http://127.0.0.1:9/chain.pem",
        "x5c": ["MIIB"],
    }


def _hmac(secret: bytes, payload: dict[str, Any]) -> str:
    head = {"alg": "HS256", "typ": "JWT", "kid": RSA_KID}
    signing_input = f"{_segment(head)}.{_segment(payload)}"
    mac = hmac.new(secret, signing_input.encode(), hashlib.sha256).digest()
    return f"{signing_input}.{_encode(mac)}"


def _flipped(signature: str) -> str:
    raw = bytearray(base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4)))
    raw[len(raw) // 2] ^= 1
    return _encode(bytes(raw))


def _segment(value: Any) -> str:
    return _encode(json.dumps(value).encode())


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
