"""One turn in its list: `<seq> <tokens> <turn id> <sealed turn>`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from app.domain import Speaker, Turn
from app.store import records
from app.store.core import Core
from app.store.sealing.codec import Cipher, Unreadable


def tail(cipher: Cipher, conversation_id: str, turn: Turn) -> bytes:
    """What the scripts append after the number and the tokens."""
    sealed = cipher.seal(records.dump(records.from_turn(turn)), _where(conversation_id, turn))
    return turn.turn_id.encode() + b" " + sealed


def seq_of(entry: bytes) -> int:
    """The number of a stored turn."""
    return int(entry.split(b" ", 1)[0])


def parse(cipher: Cipher, conversation_id: str, entry: bytes) -> Turn:
    """The turn of one list entry (Unreadable where it was altered or moved)."""
    try:
        seq, _, turn_id, sealed = entry.split(b" ", 3)
    except ValueError:
        raise Unreadable("a turn of another shape") from None
    plain = cipher.open(sealed, f"turn:{conversation_id}:{turn_id.decode()}")
    return records.to_turn(records.load(plain), int(seq))


def parse_all(
    core: Core, cipher: Cipher, conversation_id: str, entries: Iterable[bytes]
) -> list[Turn]:
    """The turns that can be read; the others are counted and left out."""
    turns = []
    for entry in entries:
        try:
            turns.append(parse(cipher, conversation_id, entry))
        except Unreadable:
            core.unreadable()
    return turns


def for_answering(turns: Iterable[Turn], message_id: str) -> list[Turn]:
    """The turns up to the message to answer, which comes last, in order.

    Of several replies to one turn only the alternative shown last is kept, in the place of the
    first: the person asked for it instead.
    """
    kept: list[Turn] = []
    place: dict[str, int] = {}  # answered turn → where its reply stands in `kept`
    for turn in turns:
        if turn.speaker is Speaker.KINDRED and turn.answers in place:
            position = place[turn.answers]
            kept[position] = replace(turn, seq=kept[position].seq)
            continue
        if turn.speaker is Speaker.KINDRED and turn.answers is not None:
            place[turn.answers] = len(kept)
        kept.append(turn)
        if turn.turn_id == message_id:
            break
    return kept


def _where(conversation_id: str, turn: Turn) -> str:
    return f"turn:{conversation_id}:{turn.turn_id}"
