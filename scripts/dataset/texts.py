"""Texts and lists of texts out of records that strangers wrote; all are brought to one spelling."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from models.prompt import normalise
from scripts.dataset.lines import BadRecord

CHARACTERS_MAX = 20_000  # of one text
TURNS_MAX = 2_000  # of one dialog
PERSON, KINDRED = "person", "kindred"  # whom an assistant's messages become
_ROLES = {
    "user": PERSON,
    "human": PERSON,
    "assistant": KINDRED,
    "gpt": KINDRED,
    "bot": KINDRED,
    "model": KINDRED,
}
_SILENT = frozenset({"system", "developer", "tool", "function"})

Turn = tuple[str, str]  # speaker, text


def text_of(value: Any, name: str) -> str:
    """A text, normalised; empty where nothing that can be seen is left (BadRecord: no text)."""
    if not isinstance(value, str):
        raise BadRecord(f"{name} must be a text, not {_kind(value)}")
    if len(value) > CHARACTERS_MAX:
        raise BadRecord(f"{name} has {len(value)} characters; {CHARACTERS_MAX} are the most")
    return normalise(value)


def needed(value: Any, name: str) -> str:
    """A text that is not empty (BadRecord otherwise)."""
    text = text_of(value, name)
    if not text:
        raise BadRecord(f"{name} is empty")
    return text


def name_of(value: Any) -> str:
    """An id as a text; empty where there is none."""
    return normalise(str(value))[:200] if isinstance(value, str | int) else ""


def texts_of(value: Any, name: str) -> tuple[str, ...]:
    """A list of texts without the empty ones; a lone text is a list of one."""
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list):
        raise BadRecord(f"{name} must be a list of texts, not {_kind(value)}")
    if len(values) > TURNS_MAX:
        raise BadRecord(f"{name} has {len(values)} texts; {TURNS_MAX} are the most")
    found = (text_of(item, f"{name}[{i}]") for i, item in enumerate(values))
    return tuple(text for text in found if text)


def turns_of(values: Any, name: str = "turns") -> list[Turn]:
    """Turns `{speaker, text}` (other keys are ignored), without the empty ones."""
    return [
        (needed(turn.get("speaker"), f"{name}[{i}].speaker"), text)
        for i, turn in enumerate(_objects(values, name))
        if (text := text_of(turn.get("text"), f"{name}[{i}].text"))
    ]


def messages_of(values: Any, name: str = "messages") -> list[Turn]:
    """Chat messages `{role, content}` or `{from, value}` as turns of a person and Kindred.

    System and tool messages are left out, and so are messages without text (calls of tools,
    pictures); content in parts is joined.
    """
    turns: list[Turn] = []
    for i, message in enumerate(_objects(values, name)):
        role = str(message.get("role", message.get("from"))).lower()
        if role in _SILENT:
            continue
        if role not in _ROLES:
            raise BadRecord(f"{name}[{i}].role is {role[:40]!r}")
        text = _content(message.get("content", message.get("value")), f"{name}[{i}].content")
        if text:
            turns.append((_ROLES[role], text))
    return turns


def content_id(texts: Iterable[str]) -> str:
    """16 hex digits of the texts, for what comes without an id."""
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]


def _content(value: Any, name: str) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        parts = [part.get("text", "") for part in _objects(value, name)]
        return " ".join(filter(None, (text_of(part, name) for part in parts)))
    return text_of(value, name)


def _objects(values: Any, name: str) -> Sequence[Mapping[str, Any]]:
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise BadRecord(f"{name} must be a list of objects")
    if len(values) > TURNS_MAX:
        raise BadRecord(f"{name} has {len(values)} entries; {TURNS_MAX} are the most")
    return values


def _kind(value: Any) -> str:
    names = {type(None): "missing", dict: "an object", list: "a list", bool: "true or false"}
    return names.get(
        type(value), "a number" if isinstance(value, int | float) else "something else"
    )
