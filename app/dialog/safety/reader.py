"""The input screen: rules, a linear reader and a sentence reader, each there when the next is not.

Rules need nothing but the words. The linear reader (`models/text_reader.py`) can only add to them.
The sentence reader (`models/sentence_reader.py`, asked through `app.serving.screens`) weighs what
both said and decides; where it is missing, late or fails, the first two decide without it. All are
handed in, and trained by `scripts/train_safety`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace

from app.dialog.safety.messages import Danger, Reading
from app.dialog.safety.tricks import Trick
from app.dialog.safety.verdict import ABUSE, CRISIS, MINOR, TRICK, Sentences, ruled_by, weigh
from app.dialog.safety.words import normalise

Margins = Callable[[str, str], Mapping[str, float]]
"""How far heads are above their thresholds, of a text and its normalised words."""

OTHER, LOSS = "other", "loss"  # whom a crisis is about, of those that the head above found

_WINDOW = 320  # characters: a danger in one sentence is not thinned by a page around it
_STEP = 200
_WINDOWS_MAX = 12
_PASSAGES_MAX = 6  # a sentence reader costs more, and is less thinned by what stands around


class InputScreen:
    """Reads messages; `margins` is the linear reader's, None where there is none."""

    def __init__(
        self,
        margins: Margins | None = None,
        failed: Callable[[], None] = lambda: None,
        sentences: Sentences | None = None,
    ) -> None:
        self._margins = margins
        self._failed = failed
        self._sentences = sentences

    def read(self, message: str, source: str | None = "") -> Reading:
        """What a message speaks of.

        `source` is where it comes from (`Sentences.hear`); None where it is not to have the
        sentence reader, which is everybody's.
        """
        plain = normalise(message)
        ruled = Reading.of_words(message, plain)
        margins: Mapping[str, float] = {}
        try:
            margins = self.margins(message, plain)
            if (decided := self._decided(message, source, ruled, margins)) is not None:
                return decided
        except Exception:  # noqa: BLE001  whatever a reader does, the rules have read
            self._failed()
        return joined(ruled, _above(margins))

    def margins(self, message: str, plain: str | None = None) -> Mapping[str, float]:
        """What the linear reader says of the message; each head by its best window."""
        best: dict[str, float] = {}
        if self._margins is None:
            return best
        plain = normalise(message) if plain is None else plain
        for text, words in _windows(message, plain):
            for head, above in self._margins(text, words).items():
                best[head] = max(above, best.get(head, above))
        return best

    def _decided(
        self, message: str, source: str | None, ruled: Reading, margins: Mapping[str, float]
    ) -> Reading | None:
        if self._sentences is None or source is None:
            return None
        heard = self._sentences.hear(passages(message), source)
        if heard is None:  # counted where it was asked
            return None
        found = weigh(ruled, margins, heard.logits, self._sentences.stack)
        if heard.whole:
            return decided(ruled, found, heard.logits)
        # What is missing might have said yes: what was heard adds to the others and lowers nothing.
        yes = {question for question, said in found.items() if said}
        whom = {head for head in (OTHER, LOSS) if heard.logits.get(head, 0.0) > 0.0}
        return joined(ruled, {*yes, *whom, *_above(margins)})


def decided(ruled: Reading, found: Mapping[str, bool], whom: Mapping[str, float]) -> Reading:
    """The reading where each question was decided; of a danger or trick the rules say which.

    Args:
        found: by question the decision.
        whom: the logits of `OTHER` and `LOSS`, for a danger that the rules did not see.
    """
    danger = (ruled.danger or _whom(whom)) if found[CRISIS] else None
    by_rules = ruled_by(ruled)
    learned = {question for question, yes in found.items() if yes and not by_rules[question]}
    tricks = ruled.tricks if found[TRICK] else frozenset[Trick]()
    if TRICK in learned:
        tricks = frozenset({Trick.ORDER})
        learned = (learned - {TRICK}) | {f"{TRICK}-{Trick.ORDER}"}
    return Reading(
        danger=danger,
        abusive=found[ABUSE] and danger is None,  # care comes before a boundary
        minor=found[MINOR],
        tricks=tricks,
        learned=frozenset(learned - ({ABUSE} if danger is not None else set())),
    )


def _above(margins: Mapping[str, float]) -> set[str]:
    return {head for head, above in margins.items() if above > 0.0}


def joined(ruled: Reading, heads: Collection[str]) -> Reading:
    """What the rules saw, and which heads of readers beside it: nothing is lowered."""
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


def passages(message: str) -> list[str]:
    """What the sentence reader reads of a message: the whole, and a long one in parts as well."""
    return [message, *_parts(message, _PASSAGES_MAX)]


def _whom(logits: Mapping[str, float]) -> Danger:
    """Whom a danger is about that the rules did not see."""
    other, loss = logits.get(OTHER, -1.0), logits.get(LOSS, -1.0)
    if max(other, loss) <= 0.0:
        return Danger.SELF
    return Danger.LOSS if loss > other else Danger.OTHER


def _windows(message: str, plain: str) -> Iterator[tuple[str, str]]:
    """The message and its words; a long one also in parts that overlap."""
    yield message, plain
    for part in _parts(message, _WINDOWS_MAX):
        yield part, normalise(part)


def _parts(message: str, most: int) -> Iterator[str]:
    """Overlapping parts of a long message, about so many at most; none of a short one."""
    if len(message) <= _WINDOW:
        return
    step = max(_STEP, len(message) // most)
    overlap = _WINDOW - _STEP
    for start in range(0, len(message) - _STEP // 2, step):
        yield message[start : start + max(_WINDOW, step + overlap // 2)]
