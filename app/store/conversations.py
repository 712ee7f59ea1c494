"""Reading conversations page by page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.domain import Conversation, Page, ReactionKind, Turn
from app.errors import FieldError, InputError, NotFound
from app.store import feelings, ids, impressions, marks, turns
from app.store.core import Core
from app.store.keys import PersonKeys
from app.store.sealing.codec import Cipher, Unreadable


@dataclass(frozen=True, slots=True)
class TurnView:
    """A turn as its person sees it, with their reaction to it."""

    turn: Turn
    reaction: ReactionKind | None = None
    comment: str | None = None


def page(core: Core, user_id: str, cursor: str | None, limit: int) -> Page:
    """A page of the person's conversations, the last used first.

    The cursor is the time and id of the last one seen, so that a page neither repeats nor skips
    conversations that were not used meanwhile.
    """
    cipher = core.cipher(user_id)
    listed = _listed(core, user_id, cursor, limit + 1)
    keys = PersonKeys(user_id)
    with core.client.pipeline() as pipe:
        for conversation_id, _ in listed[:limit]:
            pipe.hgetall(keys.conversation(conversation_id))
            pipe.lindex(keys.turns(conversation_id), -1)
        answers = pipe.execute()
    items = []
    for i, (conversation_id, _) in enumerate(listed[:limit]):
        fields, last = answers[2 * i], answers[2 * i + 1]
        if fields:  # else it has expired
            items.append(_conversation(core, cipher, conversation_id, fields, last))
    more = len(listed) > limit and limit > 0
    return Page(items, f"{listed[limit - 1][1]!r}:{listed[limit - 1][0]}" if more else None)


def turns_page(
    core: Core, user_id: str, conversation_id: str, cursor: str | None, limit: int
) -> tuple[Conversation, Page]:
    """One conversation and a page of its turns: the last ones first, in order within the page."""
    ids.require(ids.CONVERSATION, conversation_id, user_id)
    cipher, keys = core.cipher(user_id), PersonKeys(user_id)
    with core.client.pipeline() as pipe:
        pipe.hgetall(keys.conversation(conversation_id))
        pipe.lrange(keys.turns(conversation_id), 0, -1)
        fields, entries = pipe.execute()
    if fields.get(b"user") != user_id.encode():
        raise NotFound
    last = entries[-1] if entries else None
    conversation = _conversation(core, cipher, conversation_id, fields, last)
    if cursor is not None:
        if not cursor.isdecimal():
            raise _bad_cursor()
        entries = [entry for entry in entries if turns.seq_of(entry) < int(cursor)]
    shown = entries[-limit:] if limit > 0 else []
    more = len(entries) > len(shown) and bool(shown)
    views = _views(core, cipher, keys, conversation_id, shown)
    return conversation, Page(views, str(turns.seq_of(shown[0])) if more else None)


def _views(
    core: Core, cipher: Cipher, keys: PersonKeys, conversation_id: str, entries: list[bytes]
) -> list[TurnView]:
    parsed = turns.parse_all(core, cipher, conversation_id, entries)
    replies = [turn.reply_id for turn in parsed if turn.reply_id]
    with core.client.pipeline() as pipe:
        for reply_id in replies:
            pipe.hmget(keys.impression(reply_id), "reaction", "comment")
        found = dict(zip(replies, pipe.execute(), strict=True)) if replies else {}
    views = []
    for turn in parsed:
        reaction, sealed = found.get(turn.reply_id or "", (None, None))
        comment = None
        try:
            comment = impressions.open_comment(cipher, turn.reply_id or "", sealed)
        except Unreadable:
            core.unreadable()
        kind = ReactionKind(reaction.decode()) if reaction else None
        views.append(TurnView(turn, kind, comment))
    return views


def _listed(core: Core, user_id: str, cursor: str | None, count: int) -> list[tuple[str, float]]:
    """The next `count` conversations after the cursor, with the times of their last turns."""
    name = PersonKeys(user_id).conversations
    with core.client.pipeline() as pipe:
        if cursor is None:
            pipe.zrevrangebyscore(name, "+inf", "-inf", 0, count, withscores=True)
            rows = pipe.execute()[0]
        else:
            score, last = _position(cursor)
            pipe.zrevrangebyscore(name, score, score, withscores=True)
            pipe.zrevrangebyscore(name, f"({score!r}", "-inf", 0, count, withscores=True)
            ties, rest = pipe.execute()
            rows = [row for row in ties if row[0] < last.encode()] + rest
    return [(member.decode(), score) for member, score in rows[:count]]


def _position(cursor: str) -> tuple[float, str]:
    score, _, last = cursor.partition(":")
    try:
        return float(score), last
    except ValueError:
        raise _bad_cursor() from None


def _bad_cursor() -> InputError:
    return InputError("The cursor is not one of ours", [FieldError("unknown cursor", "/cursor")])


def _conversation(
    core: Core,
    cipher: Cipher,
    conversation_id: str,
    fields: Mapping[bytes, bytes],
    last: bytes | None,
) -> Conversation:
    text = ""
    for turn in turns.parse_all(core, cipher, conversation_id, [last] if last else []):
        text = turn.text
    feeling = None
    try:
        feeling = feelings.shown(cipher, conversation_id, fields.get(b"feeling"))
    except Unreadable:
        core.unreadable()
    return Conversation(
        conversation_id=conversation_id,
        created_at=float(fields[b"created"]),
        updated_at=float(fields[b"updated"]),
        turns=int(fields[b"seq"]),
        last_text=text,
        feeling=feeling,
        crisis=marks.marked(core, cipher, conversation_id, fields),
    )
