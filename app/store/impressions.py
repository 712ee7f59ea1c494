"""Replies that were shown, each with everything behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from json import dumps
from typing import cast

from app.domain import Impression, ReactionKind, Reply, Speaker, Turn
from app.errors import NotFound, StoreUnavailable, Unauthenticated
from app.store import ids, records, turns
from app.store.core import RECENT_MAX, Core, milliseconds
from app.store.keys import PersonKeys
from app.store.link.client import Argument
from app.store.sealing.codec import Cipher, Unreadable, estimate_tokens


class Impressions:
    """The impressions of people."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def get(self, user_id: str, reply_id: str) -> Impression:
        """The person's own impression (NotFound for another's, or none)."""
        ids.require(ids.REPLY, reply_id, user_id)
        impression = self.find(reply_id)
        if impression.user_id != user_id:
            raise NotFound
        return impression

    def find(self, reply_id: str) -> Impression:
        """Anyone's impression, for administrators (NotFound: none, expired or erased)."""
        if not ids.valid(ids.REPLY, reply_id):
            raise NotFound
        name = PersonKeys(reply_id).impression(reply_id)
        with self._core.client.guard() as connection:
            fields = cast("dict[bytes, bytes]", connection.hgetall(name))
        impression = read(self._core, reply_id, fields)
        if impression is None:
            if fields:
                self._core.unreadable()
            raise NotFound
        return impression

    def add_alternative(self, parent: Impression, impression: Impression) -> Reply:
        """Show another reply to the same turn; the first alternative of a reply is its only one.

        Returns the alternative that counts, so that a retry gets the one it got.

        Raises:
            NotFound: the parent or its conversation is gone.
            Unauthenticated: the person was erased.
            StoreUnavailable: Redis or the key store is away.
        """
        cipher = self._core.cipher(parent.user_id)
        impression = replace(impression, alternative_of=parent.reply.reply_id)
        names, arguments = show(self._core, cipher, impression)
        names.append(PersonKeys(parent.user_id).impression(parent.reply.reply_id))
        answer = self._core.client.run("alternative", names, arguments)
        if answer[0] == b"stored":
            return self.get(parent.user_id, answer[1].decode()).reply
        if answer[0] == b"unauthenticated":
            raise Unauthenticated
        if answer[0] != b"ok":
            raise NotFound
        return impression.reply


def show(core: Core, cipher: Cipher, impression: Impression) -> tuple[list[str], list[Argument]]:
    """The first 8 KEYS and 19 ARGV of the scripts that show a reply."""
    reply, settings = impression.reply, core.settings
    keys = PersonKeys(impression.user_id)
    ids.require(ids.REPLY, reply.reply_id, impression.user_id)
    ids.require(ids.CONVERSATION, reply.conversation_id, impression.user_id)
    now = core.clock()
    names = [
        keys.person,
        keys.conversations,
        keys.conversation(reply.conversation_id),
        keys.turns(reply.conversation_id),
        keys.recent,
        keys.impression(reply.reply_id),
        keys.owned,
        keys.events,
    ]
    arguments: list[Argument] = [
        now,
        milliseconds(now),
        impression.user_id,
        reply.conversation_id,
        impression.turn_id,
        reply.reply_id,
        turns.tail(cipher, reply.conversation_id, _turn(impression, now)),
        estimate_tokens(reply.text),
        dumps(dict(reply.variants), separators=(",", ":")),
        seal(cipher, impression),
        cipher.seal(reply.text.encode("utf-8", "surrogatepass"), f"line:{impression.user_id}"),
        core.ttl,
        core.person_ttl,
        settings.turns_max,
        settings.turn_tokens_max,
        settings.events_max,
        RECENT_MAX,
        impression.alternative_of or "",
        core.reaction_ttl,
    ]
    return names, arguments


def _turn(impression: Impression, now: float) -> Turn:
    reply = impression.reply
    return Turn(
        turn_id=ids.near(ids.TURN, impression.user_id, now),
        seq=0,
        speaker=Speaker.KINDRED,
        text=reply.text,
        created_at=reply.created_at,
        answers=impression.turn_id,
        reply_id=reply.reply_id,
        source=reply.source,
    )


def seal(cipher: Cipher, impression: Impression) -> bytes:
    """The sealed body of an impression."""
    body = records.dump(records.from_impression(impression))
    return cipher.seal(body, f"impression:{impression.reply.reply_id}")


def seal_comment(cipher: Cipher, reply_id: str, comment: str | None) -> bytes:
    """The sealed comment on a reply; empty for none."""
    if not comment:
        return b""
    return cipher.seal(comment.encode("utf-8", "surrogatepass"), f"comment:{reply_id}")


def open_comment(cipher: Cipher, reply_id: str, sealed: bytes | None) -> str | None:
    """The comment back (Unreadable where it was altered or moved)."""
    if not sealed:
        return None
    return cipher.open(sealed, f"comment:{reply_id}").decode("utf-8", "surrogatepass")


def seal_answer(cipher: Cipher, user_id: str, reply: Reply) -> bytes:
    """The reply as an idempotency record keeps it."""
    return cipher.seal(records.dump(records.from_reply(reply)), f"answer:{user_id}")


def open_answer(core: Core, cipher: Cipher, user_id: str, sealed: bytes) -> Reply:
    """The reply of an idempotency record (StoreUnavailable where it cannot be read)."""
    try:
        return records.to_reply(records.load(cipher.open(sealed, f"answer:{user_id}")))
    except Unreadable:
        core.unreadable()
        raise StoreUnavailable("The stored answer cannot be read") from None


def read(core: Core, reply_id: str, fields: Mapping[bytes, bytes]) -> Impression | None:
    """The impression of one hash; None where it is gone, unreadable, or its person was erased."""
    if b"body" not in fields:
        return None
    cipher = core.ring.cipher(fields[b"user"].decode())
    if cipher is None:
        return None
    try:
        body = cipher.open(fields[b"body"], f"impression:{reply_id}")
        comment = open_comment(cipher, reply_id, fields.get(b"comment"))
        impression = records.to_impression(records.load(body))
    except Unreadable:
        return None
    reaction = fields.get(b"reaction")
    alternative = fields.get(b"alternative")
    return replace(
        impression,
        reaction=ReactionKind(reaction.decode()) if reaction else None,
        comment=comment,
        alternative=alternative.decode() if alternative else None,
    )
