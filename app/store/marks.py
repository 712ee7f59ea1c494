"""Whether a conversation is one of danger, kept so that Redis, its log and its backups do not tell.

The field `marks` of a conversation is a row of entries, `<turn id><sealed state>` each. Every
message adds one when it is saved, whatever it says, and every reply puts one in the place of those
that its message has found: so what is written is of the same shape and length whether anybody is in
danger or not. The scripts, which cannot open an entry, never drop one that nobody has read, and of
two messages at once neither takes the other's mark away.
"""

from __future__ import annotations

from collections.abc import Mapping

from app.domain import UserContext
from app.store import ids
from app.store.core import Core
from app.store.sealing.codec import Cipher, Unreadable

_NONE, _NOW, _BEFORE = b"0", b"1", b"2"  # no danger; in this very message; in an earlier one
_ID = len(ids.make(ids.TURN, 0, 0.0))
_ENTRY = _ID + len(Cipher(bytes(32)).seal(_NONE, ""))
BYTES_MAX = 64 * _ENTRY  # of messages without a reply; beyond it only a mark is added


def seal(cipher: Cipher, conversation_id: str, *, crisis: bool) -> bytes:
    """What a message adds; the script puts the id of its turn in front."""
    return cipher.seal(_NOW if crisis else _NONE, _where(conversation_id))


def settled(core: Core, cipher: Cipher, context: UserContext, *, crisis: bool) -> bytes:
    """The entry that stands for all that the message has found; `crisis`: marked in any case."""
    turn_id = context.message.turn_id
    state = _state(core, cipher, context.conversation_id, turn_id, context.marks)
    if context.crisis:
        state = _BEFORE
    elif crisis:
        state = max(state, _NOW)
    return turn_id.encode() + cipher.seal(state, _where(context.conversation_id))


def before(
    core: Core, cipher: Cipher, conversation_id: str, turn_id: str, clear: bytes, found: bytes
) -> bool:
    """Whether another message than this one has marked the conversation.

    `clear`: the turn that an earlier release noted, empty for none.
    """
    if clear and clear != turn_id.encode():
        return True
    return _state(core, cipher, conversation_id, turn_id, found) == _BEFORE


def marked(core: Core, cipher: Cipher, conversation_id: str, fields: Mapping[bytes, bytes]) -> bool:
    """Whether the conversation of this hash is marked."""
    if b"crisis" in fields:  # of an earlier release
        return True
    found = fields.get(b"marks", b"")
    return _state(core, cipher, conversation_id, "", found) != _NONE


def _state(core: Core, cipher: Cipher, conversation_id: str, turn_id: str, found: bytes) -> bytes:
    """What these entries say to the message of a turn; one that cannot be read is taken for a mark:
    rather too gentle than not enough."""
    worst = _NONE
    for start in range(0, len(found), _ENTRY):
        entry = found[start : start + _ENTRY]
        try:
            state = cipher.open(entry[_ID:], _where(conversation_id))
        except Unreadable:
            core.unreadable()
            state = _BEFORE
        if state != _NONE:
            own = state == _NOW and entry[:_ID] == turn_id.encode()
            worst = max(worst, _NOW if own else _BEFORE)
    return worst


def _where(conversation_id: str) -> str:
    return f"marks:{conversation_id}"
