"""Where a service is, and how much of it may be used: validated before anything is sent."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

_VISIBLE = re.compile(r"[\x21-\x7e]*")
_PATH = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@%/-]*")
_HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9a-fA-F:.]+")


@dataclass(frozen=True)
class Endpoint:
    """One service.

    Args:
        url: `http(s)://host[:port][/prefix]`; the paths of the API are put after it. Redirects
            are not followed and proxies of the environment not used: who gets a person's texts
            and the key stands here.
        key: sent as `Authorization: Bearer …`; in no message, repr or log.
        seconds: for one call as a whole: connecting, asking, answers, and asking again.
        connect_seconds: of those, for each address of the host at most.
        start_seconds: for a call at start or of bulk work, in place of `seconds`.
        connections: requests in flight at a time.
        attempts: times that one request is sent at most.
        answer_bytes: the longest answer that is read.
        ca_file: PEM certificates to trust in place of the system's.

    Raises:
        ValueError: for anything outside these forms.
    """

    url: str
    key: str = field(default="", repr=False)
    seconds: float = 0.4
    connect_seconds: float = 0.2
    start_seconds: float = 15.0
    connections: int = 16
    attempts: int = 3
    answer_bytes: int = 8 * 1024 * 1024
    ca_file: str | None = None

    def __post_init__(self) -> None:
        if not _VISIBLE.fullmatch(self.url):  # urlsplit would drop line breaks without a word
            raise ValueError("a service's URL is visible ASCII")
        parts = self._parts
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("a service's URL is http(s)://host[:port][/prefix]")
        if parts.username is not None or parts.password is not None:
            raise ValueError("a service's URL holds no user name or password: use the key")
        if parts.query or parts.fragment or not _PATH.fullmatch(parts.path):
            raise ValueError("a service's URL ends with its path, written as it is sent")
        try:
            named = _HOST.fullmatch(parts.hostname) and parts.hostname.encode("idna")
        except UnicodeError:  # a label that is empty or too long
            named = None
        if not named:
            raise ValueError("a service's host is a name in ASCII or an address")
        if not _VISIBLE.fullmatch(self.key):
            raise ValueError("a key is visible ASCII")
        times = (self.seconds, self.connect_seconds, self.start_seconds)
        if not all(math.isfinite(value) and value > 0 for value in times):
            raise ValueError("a service's times are seconds above 0")
        if min(self.connections, self.attempts, self.answer_bytes) < 1:
            raise ValueError("connections, attempts and answer_bytes are at least 1")
        if self.port < 1:
            raise ValueError("a port is 1 to 65535")

    @property
    def tls(self) -> bool:
        """Whether the connection is encrypted."""
        return self._parts.scheme == "https"

    @property
    def host(self) -> str:
        """Name or address."""
        return self._parts.hostname or ""

    @property
    def port(self) -> int:
        """As written, else the scheme's."""
        written = self._parts.port
        return written if written is not None else (443 if self.tls else 80)

    @property
    def name(self) -> str:
        """`host:port`, for messages and the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def path(self, tail: str) -> str:
        """The path of an API's route behind this prefix; a `/v1` is not doubled."""
        prefix = self._parts.path.rstrip("/")
        if prefix.endswith("/v1") and tail.startswith("/v1/"):
            prefix = prefix.removesuffix("/v1")
        return prefix + tail

    @property
    def _parts(self) -> SplitResult:
        return urlsplit(self.url)
