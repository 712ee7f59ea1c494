"""The input screen: rules first, and a learned reader beside them that can only add.

The learned reader (`models/text_reader.py`, trained by `scripts/train_safety`) is handed in; where
it is missing or fails, the rules read alone, and nothing that they saw is ever taken back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from app.dialog.safety.messages import Danger, Reading
from app.dialog.safety.tricks import Trick
from app.dialog.safety.words import normalise

Found = Callable[[str, str], Mapping[str, float]]
"""The heads above their thresholds, and by how much, of a text and its normalised words."""

CRISIS, ABUSE, MINOR, TRICK = "crisis", "abuse", "minor", "trick"
OTHER, LOSS = "other", "loss"  # whom a crisis is about, of those that the head above found

_WINDOW = 320  # characters: a danger in one sentence is not thinned by a page around it
_STEP = 200
_WINDOWS_MAX = 12


class InputScreen:
    """Reads messages; `found` is the learned reader, None where there is none."""

    def __init__(
        self, found: Found | None = None, failed: Callable[[], None] = lambda: None
    ) -> None:
        self._found = found
        self._failed = failed

    def read(self, message: str) -> Reading:
        """What a message speaks of."""
        plain = normalise(message)
        ruled = Reading.of_words(message, plain)
        if self._found is None:
            return ruled
        try:
            heads = self.heads(message, plain)
        except Exception:  # noqa: BLE001  whatever a reader does, the rules have read
            self._failed()
            return ruled
        return joined(ruled, heads)

    def heads(self, message: str, plain: str | None = None) -> Mapping[str, float]:
        """What the learned reader finds anywhere in the message; each head by its best window."""
        best: dict[str, float] = {}
        if self._found is None:
            return best
        for text, words in _windows(message, normalise(message) if plain is None else plain):
            for head, above in self._found(text, words).items():
                best[head] = max(above, best.get(head, above))
        return best


def joined(ruled: Reading, heads: Mapping[str, float]) -> Reading:
    """What the rules saw, and what the learned reader saw beside it: nothing is lowered."""
    danger, abusive = ruled.danger, ruled.abusive
    learned: set[str] = set()
    if danger is None and CRISIS in heads:
        danger = Danger.LOSS if LOSS in heads else Danger.OTHER if OTHER in heads else Danger.SELF
        learned.add(CRISIS)
    if not abusive and ABUSE in heads:
        abusive = True
        learned.add(ABUSE)
    if not ruled.minor and MINOR in heads:
        learned.add(MINOR)
    tricks = ruled.tricks
    if not tricks and TRICK in heads:
        tricks = frozenset({Trick.ORDER})
        learned.add(f"{TRICK}-{Trick.ORDER}")
    if not learned:
        return ruled
    return replace(
        ruled,
        danger=danger,
        abusive=abusive and danger is None,  # care comes before a boundary
        minor=ruled.minor or MINOR in heads,
        tricks=tricks,
        learned=frozenset(learned - ({ABUSE} if danger is not None else set())),
    )


def _windows(message: str, plain: str) -> Iterator[tuple[str, str]]:
    """The message and its words; a long one also in parts that overlap."""
    yield message, plain
    if len(message) <= _WINDOW:
        return
    step = max(_STEP, len(message) // _WINDOWS_MAX)
    for start in range(0, len(message) - _STEP // 2, step):
        part = message[start : start + max(_WINDOW, step)]
        yield part, normalise(part)
