"""What can go wrong with a model behind HTTP, one tree.

RemoteError (an OSError)                                                         asked again
├── RemoteUnreachable  no connection, so nothing was asked                       yes
├── RemoteBusy         429 or 503: not now                                       yes
├── RemoteSilent       the connection ended before a byte of the answer          if repeatable
├── RemoteBroken       the connection ended inside the answer                    if pure
├── RemoteFault        another 5xx                                               no
│   └── RemoteGatewayFault  502 or 504                                           if pure
├── RemoteTimeout      the time for the call is used up                          no
├── RemoteRefusal      another status: as it was asked, it will not be answered  no
├── RemoteAnswerError  (a ValueError too) an answer, but not to the question: no
│                      JSON, other lengths, no finite numbers, too large         no
└── BreakerOpen        not asked: too much has failed of late                    no

Embeddings and scores are pure: asking twice changes nothing. Completions are repeatable: they
have a seed, but cost the service so much that they are not asked for again once it has begun to
answer.

The messages name the address, the status and a code that the service gave. They hold no header
and no part of a body: services quote what they were sent, and that is what a person wrote.
"""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar


class Repeat(IntEnum):
    """How far asking again is from doing harm: an error's level against what a request needs."""

    NEVER = 0
    PURE = 1  # the service may have begun: only where asking twice changes and costs little
    SILENT = 2  # the service may have begun, and nothing of it was seen
    ALWAYS = 3  # the service has not begun


class RemoteError(OSError):
    """A model behind HTTP gave no result."""

    repeat: ClassVar[Repeat] = Repeat.NEVER
    counts: ClassVar[bool] = True
    """Whether the breaker takes it for a failure of the service."""


class RemoteUnreachable(RemoteError):
    """No connection: nobody listens, no such name, or TLS does not hold."""

    repeat = Repeat.ALWAYS


class RemoteBusy(RemoteError):
    """429 or 503; `retry_after` in seconds if the service said it."""

    repeat = Repeat.ALWAYS

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class RemoteSilent(RemoteError):
    """The connection ended before the first byte of an answer.

    `stale`: it had been kept from an earlier call, so its end says nothing of the service.
    """

    repeat = Repeat.SILENT

    def __init__(self, message: str, stale: bool = False) -> None:
        super().__init__(message)
        self.stale = stale


class RemoteBroken(RemoteError):
    """The connection ended, or stopped to be HTTP, inside an answer."""

    repeat = Repeat.PURE


class RemoteFault(RemoteError):
    """The service failed: a 5xx that is not 503."""


class RemoteGatewayFault(RemoteFault):
    """A proxy on the way had no answer from the service: 502 or 504."""

    repeat = Repeat.PURE


class RemoteTimeout(RemoteError):
    """The time for the call was used up."""


class RemoteRefusal(RemoteError):
    """A status that asking again will not change: 3xx, or 4xx but 429."""

    counts = False

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class RemoteAnswerError(RemoteError, ValueError):
    """An answer that is not one to the question."""


class BreakerOpen(RemoteError):
    """The service was not asked, because too many calls of late have failed."""

    counts = False
