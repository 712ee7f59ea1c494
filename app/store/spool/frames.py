"""The bytes of a spool's file: a magic line, then frames that tell by themselves if they are whole.

    frame    length of the payload (u32) · CRC-32 of the payload (u32) · state (u8) · payload
    payload  one line of JSON without a text: operation, person, target, time · the sealed rest

Little-endian. The state alone is ever written again, from waiting to settled: it is one byte, so
that no crash leaves half of it, and outside the checksum. A frame that is cut off or does not match
its checksum is where the file ends: what comes behind it was never acknowledged.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass

MAGIC = b"kindred spool 1\n"
PAYLOAD_MAX = 64 * 1024  # bytes: a comment is at most some kilobytes
WAITING, SETTLED = b"\x00", b"\x01"
_HEAD = struct.Struct("<II")
STATE_AT = _HEAD.size  # of the frame
OVERHEAD = _HEAD.size + 1

Read = Callable[[int, int], bytes]  # size, offset → bytes, fewer at the end of the file


@dataclass(frozen=True, slots=True)
class Entry:
    """One promise as the spool sees it: whose, about what; the rest is sealed by their key.

    `op` names it for good: however often it is told to Redis, it happens once there.
    """

    op: str
    user_id: str
    target: str  # the reply or conversation; entries of one target keep their order
    at: float  # Unix seconds when it was promised
    sealed: bytes


@dataclass(frozen=True, slots=True)
class Frame:
    """An entry found in a file."""

    offset: int
    size: int  # of the whole frame
    settled: bool
    entry: Entry


def pack(entry: Entry) -> bytes:
    """The frame of an entry that waits.

    Raises:
        ValueError: it is larger than any promise can be.
    """
    line = json.dumps([entry.op, entry.user_id, entry.target, entry.at], separators=(",", ":"))
    payload = line.encode() + b"\n" + entry.sealed
    if len(payload) > PAYLOAD_MAX:
        raise ValueError(f"an entry of {len(payload)} bytes; at most {PAYLOAD_MAX} are kept")
    return _HEAD.pack(len(payload), zlib.crc32(payload)) + WAITING + payload


def frame_at(read: Read, offset: int) -> Frame | None:
    """The whole frame that begins there; None where there is none."""
    head = read(OVERHEAD, offset)
    if len(head) < OVERHEAD:
        return None
    length, checksum = _HEAD.unpack_from(head)
    state = head[STATE_AT:]
    if length > PAYLOAD_MAX or state not in (WAITING, SETTLED):
        return None
    payload = read(length, offset + OVERHEAD)
    if len(payload) < length or zlib.crc32(payload) != checksum:
        return None
    entry = _entry(payload)
    if entry is None:
        return None
    return Frame(offset, OVERHEAD + length, state == SETTLED, entry)


def frames_of(read: Read) -> tuple[list[Frame], int]:
    """All whole frames from the beginning, and the offset behind the last of them.

    Where not even the magic line is whole (a crash while the file was made) that is none, and 0.
    """
    if read(len(MAGIC), 0) != MAGIC:
        return [], 0
    found: list[Frame] = []
    offset = len(MAGIC)
    while (frame := frame_at(read, offset)) is not None:
        found.append(frame)
        offset += frame.size
    return found, offset


def _entry(payload: bytes) -> Entry | None:
    line, _, sealed = payload.partition(b"\n")
    try:
        op, user_id, target, at = json.loads(line)
        return Entry(str(op), str(user_id), str(target), float(at), sealed)
    except (ValueError, TypeError):
        return None
