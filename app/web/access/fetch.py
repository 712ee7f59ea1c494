"""One small document from one fixed address: no redirects, no long answers, no long waits."""

from __future__ import annotations

import http.client
import urllib.request
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from app.errors import StartupError
from app.web.services import BodyTimeout

_BYTES_MAX = 256 * 1024
_SECONDS = 5.0  # in all
_STEP_SECONDS = 2.0  # of one step of it: connecting, a read
_LOCAL = {"127.0.0.1", "::1", "localhost"}


class _Stay(urllib.request.HTTPRedirectHandler):
    """Keys come from the address that was configured, and from no other."""

    def redirect_request(self, *_: Any) -> None:
        """No redirect is followed; the answer counts as a failure."""


def reader(url: str, bounded: BodyTimeout) -> Callable[[], bytes]:
    """Reads the document at `url`; `bounded` ends a block after so many seconds.

    The reader raises OSError where there is no answer in time, and ValueError for one too long.

    Raises:
        StartupError: not https, which anybody on the way could answer instead.
    """
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOCAL):
        raise StartupError("KINDRED_JWKS_URL: an https address is needed")
    opener = urllib.request.build_opener(_Stay)

    def read() -> bytes:
        answer: bytes | None = None
        request = urllib.request.Request(url, headers={"Accept": "application/json"})
        try:
            with (
                bounded(_SECONDS, False),
                opener.open(request, timeout=_STEP_SECONDS) as response,
            ):
                answer = response.read(_BYTES_MAX + 1)
        except http.client.HTTPException as error:
            raise ValueError("no HTTP answer") from error
        if answer is None:
            raise TimeoutError("the answer took too long")
        if len(answer) > _BYTES_MAX:
            raise ValueError("the answer is too long")
        return answer

    return read
