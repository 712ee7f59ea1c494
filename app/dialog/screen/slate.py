"""The candidates of one moment: the reasons for which each may not be shown.

Generated text is judged by every rule and by the toxicity head; the reviewed bank by the reasons
that depend on the moment (the rules themselves it has passed before: a test reads the whole bank).
"""

from __future__ import annotations

import itertools
import operator
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from app.dialog.likeness import Likenesses, plain
from app.dialog.safety import is_crisis
from app.dialog.screen import rules
from app.dialog.screen.toxicity import Toxicity
from app.domain import Candidate, Source

# Of harmless generated lines one in a hundred is above 0.94: the head knows one source of
# offence, and the rules below know the plain words.
OFFENSIVE_LIMIT = 0.95
_REPEAT_LIKENESS = 0.6  # against what was said to this person lately
_ECHO_LIKENESS = 0.75  # against the person's own message
_TWIN_LIKENESS = 0.7  # against a better candidate of the same slate
_LEAST_LIKENESS = min(_REPEAT_LIKENESS, _ECHO_LIKENESS, _TWIN_LIKENESS)
_WORDS_MIN = 2

_SENTENCE_END = re.compile(r"[.!?…][\"')\]]*\s*$")
_JOKING = frozenset({"kind:joke", "feeling:playful"})
_FOR_ADULTS = frozenset({"topic:sexual"})


@dataclass(frozen=True, slots=True)
class Moment:
    """What the screen must know of the moment: what was said, a crisis, a minor, and how strict
    to be with generated text."""

    lines: tuple[str, ...]  # plain: the message, then Kindred's last lines
    crisis: bool
    logprob_min: float = float("-inf")  # of generated text, nats a token
    minor: bool = False
    toxicity: Toxicity | None = None  # None: the words alone

    @classmethod
    def of(
        cls,
        message: str,
        recent_replies: Iterable[str],
        *,
        crisis: bool,
        logprob_min: float = float("-inf"),
        minor: bool = False,
        toxicity: Toxicity | None = None,
    ) -> Moment:
        """Prepare the texts once for all candidates."""
        lines = (plain(message), *map(plain, recent_replies))
        return cls(lines, crisis, logprob_min, minor, toxicity)


def judge(text: str, toxicity: Toxicity | None = None) -> tuple[str, ...]:
    """The reasons that one generated text has by itself, whatever the moment.

    The quick ones first: a text that is kept back already is not read on.
    """
    if found := tuple(rules.reasons(text)):
        return found
    if is_crisis(text):
        return ("harm",)
    return ("toxic",) if toxicity is not None and toxicity.finds(text) else ()


def screen(candidates: Iterable[Candidate], moment: Moment) -> tuple[Candidate, ...]:
    """The same candidates in the same order, each with the reasons that keep it back.

    Twins are judged against better ones, so the order of judging is by score.
    """
    candidates = tuple(candidates)
    lines = [plain(candidate.text) for candidate in candidates]
    likenesses = Likenesses(lines, moment.lines, _LEAST_LIKENESS)
    message = len(candidates)
    recent = range(message + 1, message + len(moment.lines))
    judged: dict[int, Candidate] = {}
    kept: list[int] = []
    for place in sorted(range(message), key=lambda i: _standing(candidates[i]), reverse=True):
        candidate = candidates[place]
        reasons = [*candidate.filters, *_reasons(candidate, lines[place], moment)]
        if likenesses.near(place, recent, _REPEAT_LIKENESS):
            reasons.append("repeat")
        if likenesses.near(place, (message,), _ECHO_LIKENESS):
            reasons.append("echo")
        if not reasons and likenesses.near(place, kept, _TWIN_LIKENESS):
            reasons.append("twin")
        if not reasons:
            kept.append(place)
        filters = tuple(dict.fromkeys(reasons))
        same = filters == candidate.filters  # most pass: no copy of them is made
        judged[place] = candidate if same else candidate.with_(filters=filters)
    return tuple(judged[place] for place in range(message))


def too_offensive(source: Source, heads: Mapping[str, float]) -> bool:
    """Whether a reranker's heads keep a candidate back; the reviewed bank is not judged by them."""
    return source is not Source.RETRIEVAL and heads.get("offensive", 0.0) >= OFFENSIVE_LIMIT


def _standing(candidate: Candidate) -> tuple[float, float]:
    return (
        candidate.score if candidate.score is not None else float("-inf"),
        candidate.retrieval_score or 0.0,
    )


def _reasons(candidate: Candidate, line: str, moment: Moment) -> Iterable[str]:
    """The reasons that a candidate has by itself; `line` is its plain text."""
    generated = candidate.source is not Source.RETRIEVAL
    if generated or candidate.origin.get("memory"):  # what people tell is nobody's reviewed text
        yield from judge(candidate.text, moment.toxicity)
    if generated:
        yield from _of_generated(candidate, line.split(), moment)
    if moment.crisis and (generated or not _JOKING.isdisjoint(candidate.tags)):
        yield "crisis"
    if moment.minor and not _for_minors(candidate):
        yield "minor"


def _for_minors(candidate: Candidate) -> bool:
    return _FOR_ADULTS.isdisjoint(candidate.tags) and not rules.for_adults(candidate.text)


def _of_generated(candidate: Candidate, words: list[str], moment: Moment) -> Iterable[str]:
    """Reasons that generated text alone can have; `words` are its plain ones."""
    if candidate.score is None:
        yield "unscored"
    if candidate.logprob is not None and candidate.logprob < moment.logprob_min:
        yield "unsure"  # its own model finds it unlikely: a small one then makes up words
    if _broken(candidate.text, words):
        yield "broken"
    if not (candidate.origin.get("finished", True) or _SENTENCE_END.search(candidate.text)):
        yield "unfinished"
    if too_offensive(candidate.source, candidate.heads):
        yield "offensive"


def _broken(text: str, words: list[str]) -> bool:
    """Too short to be a reply, a loop of the same words, or unbalanced marks."""
    if len(words) < _WORDS_MIN:
        return True
    pairs = list(itertools.pairwise(words))
    looping = len(pairs) >= 6 and len(set(pairs)) / len(pairs) < 0.7
    stutter = any(map(operator.eq, words, words[1:]))
    return looping or stutter or text.count("(") != text.count(")") or text.count('"') % 2 == 1


def reasons_of(candidates: Collection[Candidate]) -> list[str]:
    """Every reason of every candidate, for counting."""
    return [reason for candidate in candidates for reason in candidate.filters]
