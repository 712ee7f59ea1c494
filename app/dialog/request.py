"""One message to answer, as the web room hands it over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from app.dialog import safety, unremembered


@dataclass(frozen=True)
class ChatRequest:
    """One message of a person, as it came in (its text normalised).

    `user_id` is empty where nobody can tell now who asks: only a crisis is answered then.
    `sent` gives the lines before it as the client knows them, read only where the store is away:
    to spell them alike costs more than the message, and is done behind every quota.
    `region` is the country that the client names ("" for none; `care.regions`): where help is.
    `keys` name the request for idempotency (0 to 2: message id, Idempotency-Key), `fingerprint`
    is the hash of its body. `kept`: false for a crisis that is answered and not written down, as
    its writer sends more than can be. `source` is where it comes from, an opaque name that is
    compared and forgotten: under load, who holds most is refused first. `attended` is entered while
    the models are waited for, and ends that wait where the person has left; what they sent is saved
    by then. `read` is the input screen.
    """

    user_id: str
    generation: int
    message: str
    conversation_id: str | None = None
    keys: tuple[str, ...] = ()
    fingerprint: str = ""
    region: str = ""
    kept: bool = True
    source: str = ""
    sent: Callable[[], Sequence[unremembered.SentLine]] = field(default=tuple, compare=False)
    attended: Callable[[], AbstractContextManager[None]] = field(default=nullcontext, compare=False)
    read: Callable[[str], safety.Reading] = field(default=safety.Reading.of, compare=False)

    @cached_property
    def reading(self) -> safety.Reading:
        """What its words speak of; the edge, the admission and the pipeline all ask."""
        return self.read(self.message)

    def otherwise(self, **changes: Any) -> ChatRequest:
        """The same message with other circumstances; its words are not read again.

        A sentence reader that is late the second time would read them differently, and a crisis
        would be one no longer.
        """
        reading = self.reading
        return replace(self, read=lambda _: reading, **changes)
