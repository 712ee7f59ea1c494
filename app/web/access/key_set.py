"""The public keys of an identity provider (JWKS, RFC 7517): fetched, kept, renewed beside requests.

Nobody waits for keys that are known: those that have aged are renewed beside the requests that they
serve, and go on serving for a day while the provider is away. A token that names an unknown key
asks for the set once more, at most once a minute whoever sends such tokens; the one question is
waited for by all who need it, each for a bounded time. Sockets are gevent's, so that a request that
waits holds up no other.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from jwt.exceptions import InvalidKeyError

from app.errors import IssuerUnavailable, Unauthenticated
from app.telemetry import get_logger

ALGORITHMS = ("RS256", "PS256", "ES256")
_KEYS_MAX = 64
_RSA_BITS_MIN = 2_048
_FRESH_SECONDS = 600.0  # then they are asked for again, beside whatever goes on
_STALE_SECONDS = 86_400.0  # then they are trusted no longer: the provider may have withdrawn them
_PAUSE_SECONDS = 60.0  # between two questions
_FIRST_PAUSE_SECONDS = 5.0  # the same, while none was ever answered
_WAIT_SECONDS = 6.0  # of a request, for a question that another one asks

PublicKey = RSAPublicKey | EllipticCurvePublicKey
Keys = Mapping[tuple[str, str], PublicKey]  # by key id and algorithm


class KeySet:
    """The keys of one provider; `read` gives the JSON of its set (OSError, ValueError)."""

    def __init__(
        self,
        read: Callable[[], bytes],
        algorithms: tuple[str, ...],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self._algorithms = algorithms
        self._clock = clock
        self._keys: Keys = {}
        self._read_at = float("-inf")
        self._asked_at = float("-inf")
        self._asking = threading.Lock()
        self.version = 0  # raised whenever the keys change

    def key(self, kid: str, algorithm: str) -> PublicKey:
        """The key of that name for that algorithm.

        Raises:
            Unauthenticated: there is none.
            IssuerUnavailable: no set could be had yet, or not for a day.
        """
        if (kid, algorithm) not in self._keys or self._age() > _STALE_SECONDS:
            self._ask_and_wait()
        if not self.trusted:
            raise IssuerUnavailable(retry_after=_FIRST_PAUSE_SECONDS)
        try:
            return self._keys[kid, algorithm]
        except KeyError:
            raise Unauthenticated from None

    @property
    def trusted(self) -> bool:
        """Whether its keys still count; those that have aged are asked for again, beside."""
        if self._age() > _FRESH_SECONDS:
            self.ask_beside()
        return self._age() <= _STALE_SECONDS

    def ask_beside(self) -> None:
        """Ask for the set in the background, unless that was done lately or is being done."""
        if self._may_ask() and self._asking.acquire(blocking=False):
            threading.Thread(target=self._ask, name="jwks", daemon=True).start()

    def _ask_and_wait(self) -> None:
        if self._may_ask() or self._asking.locked():
            if not self._asking.acquire(timeout=_WAIT_SECONDS):
                return
            if self._may_ask():
                self._ask()
            else:  # whoever was asked for has come meanwhile
                self._asking.release()

    def _may_ask(self) -> bool:
        pause = _PAUSE_SECONDS if self._keys else _FIRST_PAUSE_SECONDS
        return self._clock() - self._asked_at >= pause

    def _ask(self) -> None:
        """Read the set; the caller holds the lock, which is released here."""
        self._asked_at = self._clock()
        try:
            keys = parse(self._read(), self._algorithms)
            if set(keys) != set(self._keys) or not _same(keys, self._keys):
                self.version += 1
            self._keys, self._read_at = keys, self._clock()
        except (OSError, ValueError) as error:
            get_logger("web").warning(
                "jwks_unread", error=type(error).__name__, kept=len(self._keys)
            )
        finally:
            self._asking.release()

    def _age(self) -> float:
        return self._clock() - self._read_at


def parse(raw: bytes, algorithms: tuple[str, ...]) -> Keys:
    """The usable keys of a set; those for other ends or of other kinds are left out.

    Raises:
        ValueError: it is no key set, or no key of it can be used.
    """
    try:
        found = json.loads(raw)["keys"]
    except (KeyError, TypeError, RecursionError):
        raise ValueError("not a key set") from None
    if not isinstance(found, list):
        raise ValueError("not a key set")
    keys: dict[tuple[str, str], PublicKey] = {}
    for jwk in found[:_KEYS_MAX]:
        for algorithm in algorithms:
            key = _usable(jwk, algorithm)
            if key is not None:
                keys.setdefault((jwk["kid"], algorithm), key)
    if not keys:
        raise ValueError("a key set without a key that can be used")
    return keys


def _usable(jwk: Any, algorithm: str) -> PublicKey | None:
    """The key, where it is meant for signatures of this algorithm, public and long enough.

    A symmetric key (`oct`) never is: what is published cannot be a secret (RFC 8725, section 2.1).
    """
    if not isinstance(jwk, dict) or not isinstance(jwk.get("kid"), str):
        return None
    if jwk.get("use", "sig") != "sig" or jwk.get("alg", algorithm) != algorithm:
        return None
    if "key_ops" in jwk and jwk["key_ops"] != ["verify"]:
        return None
    kind = ("EC", "P-256") if algorithm == "ES256" else ("RSA", None)
    if (jwk.get("kty"), jwk.get("crv")) != kind:
        return None
    try:
        key = (ECAlgorithm if algorithm == "ES256" else RSAAlgorithm).from_jwk(jwk)
    except (InvalidKeyError, ValueError, TypeError):
        return None
    if isinstance(key, EllipticCurvePublicKey):
        return key
    if isinstance(key, RSAPublicKey) and key.key_size >= _RSA_BITS_MIN:
        return key
    return None  # a private key that was published, or one that is too short


def _same(one: Keys, other: Keys) -> bool:
    return all(one[name].public_numbers() == other[name].public_numbers() for name in one)
