"""Flag definitions, under one version that every change raises."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.errors import Conflict, NotFound, StoreUnavailable
from app.store.core import Core
from app.store.keys import FLAG_DEFINITIONS, FLAG_STATES, FLAG_VERSION
from app.telemetry import get_logger

_KEYS = [FLAG_DEFINITIONS, FLAG_STATES, FLAG_VERSION]
_STATES = ("ENABLED", "DISABLED")
_DEFAULT_STATE = _STATES[0]
FLAGS_MAX = 200  # each costs every message its evaluation, and stands in every reply
_PAUSE_MIN, _PAUSE_MAX = 1.0, 5.0  # seconds without a question after Redis gave no answer


@dataclass(frozen=True, slots=True)
class FlagSet:
    """All flags as of one version: key → flagd definition (with its state)."""

    version: int = 0
    definitions: Mapping[str, dict[str, Any]] = field(default_factory=dict)


Sound = Callable[[str, Mapping[str, Any]], bool]
"""Whether a flag of this key may be defined so."""


class Flags:
    """The flags: `current` for chat, the other verbs for administrators."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._last = FlagSet()
        self._sound: Sound = lambda _key, _definition: True
        self._read: dict[str, tuple[bytes, dict[str, Any] | None]] = {}
        self._checked = float("-inf")  # monotonic seconds
        self._ask_from = float("-inf")  # monotonic seconds: before, the last good ones serve
        self._pause = 0.0

    def demand(self, sound: Sound) -> None:
        """From now on a definition that is not sound counts as one that cannot be read.

        Whoever wires the store hands the schema in: which definitions are sound, the store does
        not know.
        """
        self._sound = sound
        self._read = {}
        known = self._last.definitions
        self._last = FlagSet(
            self._last.version, {name: known[name] for name in known if sound(name, known[name])}
        )

    def all(self) -> FlagSet:
        """All flags as they are now.

        A definition that cannot be read, or is not sound, keeps its last good form, or is left out.

        Raises:
            StoreUnavailable: Redis is away.
        """
        version, definitions, states = self._core.client.run("flags_all", _KEYS, [])
        state_of = dict(zip(states[::2], states[1::2], strict=True))
        read: dict[str, tuple[bytes, dict[str, Any] | None]] = {}
        found: dict[str, dict[str, Any]] = {}
        for key, text in zip(definitions[::2], definitions[1::2], strict=True):
            name = key.decode(errors="replace")
            state = state_of.get(key, _DEFAULT_STATE.encode()).decode(errors="replace")
            read[name] = self._reading(name, text)
            definition = self._good(name, read[name][1], state)
            if definition is not None:
                found[name] = definition
        self._read = read
        self._last = FlagSet(int(version), dict(sorted(found.items())))
        self._answered()
        return self._last

    def _reading(self, name: str, text: bytes) -> tuple[bytes, dict[str, Any] | None]:
        """A text and what it defines, where that is sound; one that stayed is not read again.

        One flag's change makes every worker read all of them, and to check a long rule takes
        milliseconds.
        """
        known = self._read.get(name)
        if known is not None and known[0] == text:
            return known
        definition = _parse(text)
        sound = definition is not None and self._sound(
            name, {**definition, "state": _DEFAULT_STATE}
        )
        return text, definition if sound else None

    def _good(
        self, name: str, definition: dict[str, Any] | None, state: str
    ) -> dict[str, Any] | None:
        """What is stored, where it is sound; else its last good form, switched as it is now."""
        if definition is None or state not in _STATES:
            get_logger("store").error("flag_unreadable", flag=name)
            definition = self._last.definitions.get(name)
        if definition is None or state not in _STATES:
            return definition
        return {**definition, "state": state}

    def current(self, max_age: float = 0.5) -> FlagSet:
        """The flags as they were at most `max_age` seconds ago; the last good ones on failure.

        A change made through this object is seen at once. A Redis that gives no answer is asked
        again after a second, later after up to 5, so that messages do not wait for it one by one.
        """
        now = time.monotonic()
        if now - self._checked < max_age or now < self._ask_from:
            return self._last
        # Set before the question, so that others need not ask, nor wait, while Redis is slow.
        self._ask_from = now + _PAUSE_MAX
        try:
            with self._core.client.guard() as connection:
                version = int(connection.get(FLAG_VERSION) or 0)
            if version != self._last.version:
                return self.all()
            self._answered()
        except StoreUnavailable:
            self._pause = min(max(_PAUSE_MIN, 2 * self._pause), _PAUSE_MAX)
            self._ask_from = time.monotonic() + self._pause
        return self._last

    @property
    def last(self) -> FlagSet:
        """The flags as they were last read; nothing is asked."""
        return self._last

    def get(self, key: str) -> dict[str, Any]:
        """One definition (NotFound where there is none)."""
        definition = self.all().definitions.get(key)
        if definition is None:
            raise NotFound
        return definition

    def put(self, key: str, definition: Mapping[str, Any], expected: int | None = None) -> int:
        """Make or replace a flag; the new version.

        Raises:
            Conflict: the flags have another version than `expected`, or a new one would be one
                more than `FLAGS_MAX`.
            StoreUnavailable: Redis is away.
        """
        rest = {name: value for name, value in definition.items() if name != "state"}
        arguments = [
            key,
            json.dumps(rest, separators=(",", ":"), ensure_ascii=False, allow_nan=False),
            str(definition.get("state", _DEFAULT_STATE)),
            "" if expected is None else str(expected),
            str(FLAGS_MAX),
        ]
        return self._changed(self._core.client.run("flag_put", _KEYS, arguments))

    def delete(self, key: str, expected: int | None = None) -> int:
        """Delete a flag; the new version (NotFound, Conflict, StoreUnavailable)."""
        arguments = [key, "" if expected is None else str(expected)]
        return self._changed(self._core.client.run("flag_delete", _KEYS, arguments))

    def toggle(self, key: str, state: str) -> int:
        """Set a flag's state, ENABLED or DISABLED; the version (NotFound, StoreUnavailable)."""
        if state not in _STATES:
            raise ValueError(f"a flag's state is ENABLED or DISABLED, not {state!r}")
        return self._changed(self._core.client.run("flag_toggle", _KEYS, [key, state]))

    def _changed(self, answer: list[Any]) -> int:
        if answer[0] == b"not-found":
            raise NotFound
        if answer[0] == b"conflict":
            raise Conflict(f"The flags have version {int(answer[1])} by now")
        if answer[0] == b"full":
            raise Conflict(f"There are {FLAGS_MAX} flags, and no more may be: delete one first")
        self._answered()
        self._checked = float("-inf")
        return int(answer[1])

    def _answered(self) -> None:
        self._checked, self._ask_from, self._pause = time.monotonic(), float("-inf"), 0.0


def _parse(text: bytes) -> dict[str, Any] | None:
    try:
        definition = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return definition if isinstance(definition, dict) else None
