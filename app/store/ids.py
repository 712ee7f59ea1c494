"""Ids that name their own partition, so that a thing is found without a lookup.

An id is a kind letter, two hex digits of partition, and 26 characters of Crockford base32: 48 bits
of Unix milliseconds, then 80 random bits (the layout of a ULID, lower case), so that ids of one
kind sort by time. A person's conversations, turns and replies carry the person's partition;
because the partition is in the id, the number of partitions may change later.
"""

from __future__ import annotations

import hashlib
import re
import secrets

from app.errors import NotFound

PARTITIONS_MAX = 256
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_LENGTH = 26
_SHAPE = re.compile(rf"[ucrt][0-9a-f]{{2}}[{_ALPHABET}]{{{_LENGTH}}}")

_PAIRS = tuple(a + b for a in _ALPHABET for b in _ALPHABET)  # ten bits are two characters
_SHIFTS = tuple(range(5 * _LENGTH - 10, -1, -10))

_UNSAVED = "x"
PERSON = "u"
CONVERSATION = "c"
REPLY = "r"
TURN = "t"


def make(kind: str, partition: int, now: float) -> str:
    """A new id of that kind in that partition; `now` is Unix seconds."""
    milliseconds = int(now * 1000) & ((1 << 48) - 1)
    return _compose(kind, partition, (milliseconds << 80) | secrets.randbits(80))


def near(kind: str, other: str, now: float) -> str:
    """A new id in the partition of another one (NotFound where that one is malformed)."""
    return make(kind, partition_of(other), now)


def derived(kind: str, other: str, *parts: str) -> str:
    """The id that these parts always give, in the partition of another id."""
    digest = hashlib.sha256(b"\0".join(part.encode() for part in (other, *parts))).digest()
    return _compose(kind, partition_of(other), int.from_bytes(digest[:16], "big"))


def valid(kind: str, value: str) -> bool:
    """Whether this is a well-formed id of that kind."""
    return value[:1] == kind and _SHAPE.fullmatch(value) is not None


def partition_of(value: str) -> int:
    """The partition that an id names.

    Raises:
        NotFound: the id is malformed, so nothing can have it.
    """
    if _SHAPE.fullmatch(value) is None:
        raise NotFound
    return int(value[1:3], 16)


def made_at(value: str) -> float:
    """When an id was made, in Unix seconds (NotFound where it is malformed).

    Ids that are derived (of judgements made elsewhere) say nothing of time.
    """
    partition_of(value)
    bits = 0
    for letter in value[3:]:
        bits = bits << 5 | _ALPHABET.index(letter)
    return (bits >> 80) / 1000


def as_unsaved(value: str) -> str:
    """An id under which nothing is kept: what carries it was given while the store was away."""
    return _UNSAVED + value


def is_unsaved(value: str) -> bool:
    """Whether `as_unsaved` made it. Everywhere else such an id is malformed: nothing has it."""
    return value.startswith(_UNSAVED) and _SHAPE.fullmatch(value[len(_UNSAVED) :]) is not None


def require(kind: str, value: str, owner: str) -> str:
    """The id itself, where it can be the owner's: of that kind and in the owner's partition.

    Raises:
        NotFound: it cannot.
    """
    if not valid(kind, value) or partition_of(value) != partition_of(owner):
        raise NotFound
    return value


def _compose(kind: str, partition: int, bits: int) -> str:
    if not 0 <= partition < PARTITIONS_MAX:
        raise ValueError(f"partition {partition} is outside 0…{PARTITIONS_MAX - 1}")
    pairs = [_PAIRS[(bits >> shift) & 1023] for shift in _SHIFTS]
    return f"{kind}{partition:02x}{''.join(pairs)}"
