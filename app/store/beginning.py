"""Beginning to answer a message: what the script of it is told, and what its answer means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from app.domain import Reply, Turn, UserContext
from app.errors import StoreUnavailable
from app.store import marks, profile, traits, turns
from app.store.core import LEASE_SECONDS, PAUSE_SECONDS, Core
from app.store.keys import PersonKeys
from app.store.link.client import Argument
from app.store.sealing.codec import Cipher, estimate_tokens


@dataclass(frozen=True, slots=True)
class BeginRequest:
    """A message to answer. `keys` are the caller's idempotency names of it ('m:…', 'k:…')."""

    user_id: str
    generation: int
    conversation_id: str | None  # None: a new conversation
    text: str
    keys: tuple[str, ...] = ()
    fingerprint: str = ""  # of the request's body
    crisis: bool = False  # marks the conversation at once, whatever becomes of the answer
    minor: bool = False  # marks the person likewise: they said that they are under 18


@dataclass(frozen=True, slots=True)
class Begun:
    """The context to answer, or the reply that was already given.

    `context.crisis` says what was marked before this message; its own mark is kept all the same.
    """

    context: UserContext
    stored: Reply | None = None


def begin(
    core: Core,
    request: BeginRequest,
    cipher: Cipher,
    conversation_id: str,
    turn: Turn,
    *,
    new: bool,
) -> list[Any]:
    """Run begin.lua; what it answers (StoreUnavailable where Redis is away)."""
    settings = core.settings
    keys = PersonKeys(request.user_id)
    arguments: list[Argument] = [
        turn.created_at,
        request.generation,
        request.user_id,
        conversation_id,
        int(new),
        turns.tail(cipher, conversation_id, turn),
        estimate_tokens(turn.text),
        cipher.digest(request.fingerprint),
        LEASE_SECONDS,
        core.ttl,
        core.person_ttl,
        core.idempotency_ttl,
        settings.turns_max,
        settings.turn_tokens_max,
        settings.conversations_max,
        int(request.crisis),
        PAUSE_SECONDS,
        traits.seal(cipher, request.user_id, minor=request.minor),
        int(request.minor),
        core.reaction_ttl,
        marks.seal(cipher, conversation_id, crisis=request.crisis),
        marks.BYTES_MAX,
    ]
    names = [
        keys.person,
        keys.conversations,
        keys.conversation(conversation_id),
        keys.turns(conversation_id),
        keys.facts,
        keys.tastes,
        keys.recent,
        keys.owned,
        *map(keys.idempotency, request.keys),
    ]
    answer: list[Any] = core.client.run("begin", names, arguments)
    return answer


def context_of(
    core: Core, user_id: str, cipher: Cipher, conversation_id: str, answer: list[Any]
) -> UserContext:
    """What answering needs, of an answer that began with "ok".

    Raises:
        StoreUnavailable: the message that was saved does not open.
    """
    _, turn_id, (clear, found), entries, facts, tastes, recent, _, (since, disclosed, sealed) = (
        answer
    )
    parsed = turns.parse_all(core, cipher, conversation_id, entries)
    kept = turns.for_answering(parsed, turn_id.decode())
    if not kept or kept[-1].turn_id != turn_id.decode():
        raise StoreUnavailable("The saved message cannot be read")
    return UserContext(
        user_id=user_id,
        conversation_id=conversation_id,
        message=kept[-1],
        turns=tuple(kept),
        facts=tuple(profile.open_facts(core, cipher, user_id, facts[1::2])),
        tastes=tuple(profile.open_tastes(core, cipher, user_id, tastes)),
        recent_replies=tuple(profile.open_lines(core, cipher, user_id, recent)),
        crisis=marks.before(core, cipher, conversation_id, turn_id.decode(), clear, found),
        marks=found,
        minor=traits.minor(core, cipher, user_id, sealed),
        talking_since=float(since),
        disclosed_at=float(disclosed) if disclosed else None,
    )
