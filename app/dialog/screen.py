"""The output screen: reasons for which a candidate may not be shown.

Generated text is judged by every rule; the reviewed bank by those that depend on the moment.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from app.dialog.likeness import near, plain, resemblance, shingles
from app.dialog.safety import is_crisis
from app.domain import Candidate, Source

# Of harmless generated lines one in a hundred is above 0.94: the head knows one source of
# offence, and the rules below know the plain words.
OFFENSIVE_LIMIT = 0.95
_REPEAT_LIKENESS = 0.6  # against what was said to this person lately
_ECHO_LIKENESS = 0.75  # against the person's own message
_TWIN_LIKENESS = 0.7  # against a better candidate of the same slate
_WORDS_MIN = 2

_SLURS = re.compile(
    r"\b(?:fag(?:got)?s?|nigg(?:er|a)s?|retard(?:ed|s)?|kikes?|spics?|chinks?|trann(?:y|ies)|"
    r"cunts?|whores?|sluts?|rap(?:e|ed|ing|ist)|kill yourself|kys|go die|child porn)\b",
    re.IGNORECASE,
)
_SEXUAL = re.compile(
    r"\b(?:porn|dicks?|cock|pussy|blow ?job|hand ?job|orgasm|masturbat\w+|naked|nudes?|"
    r"horny|tits|boobs?|cum(?:ming)?|f+u+c+k+\w*)\b",
    re.IGNORECASE,
)
_HUMAN = re.compile(
    r"\b(?:i am|i'm|i was) (?:a |an )?(?:real |actual )?(?:human|person|man|woman|guy|girl|boy|"
    r"mother|father|mom|dad|teacher|nurse|student|doctor|married|pregnant|born|years old|"
    r"\d+ years old)\b|"
    r"\bmy (?:wife|husband|boyfriend|girlfriend|mom|mum|mother|dad|father|parents|son|daughter|"
    r"kids?|children|sister|brother|family|grand(?:ma|pa|mother|father)|uncle|aunt|cousin|boss|"
    r"job|house|home|car|dog|cat|school|friends?|birthday|childhood|body)\b|"
    r"\bi'?m from\b|\bwhen i was (?:a |in |young|little|\w+ years)|"
    r"\bi (?:live|grew up|work|went|ate|drove|drive|moved|visited|bought|graduated|married|"
    r"cooked|played|used to|"
    r"have (?:a |an |two |three )?"
    r"(?:dog|cat|kid|kids|son|daughter|brother|sister|wife|husband|child|children|pet|pets))\b",
    re.IGNORECASE,
)
_PERSONAL_DATA = re.compile(
    r"[\w.+-]+@[\w-]+\.\w+|https?://|www\.|\b(?:\+?\d[\d\s().-]{7,}\d)\b", re.IGNORECASE
)
_ADVICE = re.compile(
    r"\b(?:\d+ ?(?:mg|milligrams?|pills?|tablets?)|overdose|stop taking your|you should sue|"
    r"diagnos\w+ you)\b",
    re.IGNORECASE,
)
_HARM = re.compile(
    r"\b(?:(?:kill|hurt|cut|hang) your ?sel(?:f|ves)|end your life|better off dead|"
    r"(?:nobody|no one) (?:would|will) (?:miss|care about) you|"
    r"(?:take|swallow) (?:more|all|some)\b.{0,20}\bpills|(?:cutting|starving) (?:helps|works))\b",
    re.IGNORECASE,
)
_INSULT = re.compile(
    r"\b(?:you(?:'re| are| r)|ur) (?:(?:so|such|just|really|very|an?|the|being|too) ){0,3}"
    r"(?:stupid|dumb|idiot|moron|ugly|worthless|pathetic|disgusting|fat|loser|useless|crazy|"
    r"liar|freak|bitch|asshole|annoying)\b|\b(?:shut up|i hate you|go away|screw you|"
    r"(?:nobody|no one) (?:cares|likes you|asked you))\b",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.!?…][\"')\]]*\s*$")
_TEXT_RULES = (
    ("offensive", _SLURS),
    ("harm", _HARM),
    ("insult", _INSULT),
    ("sexual", _SEXUAL),
    ("human-claim", _HUMAN),
    ("personal-data", _PERSONAL_DATA),
    ("advice", _ADVICE),
)
_JOKING = frozenset({"kind:joke", "feeling:playful"})


@dataclass(frozen=True, slots=True)
class Moment:
    """What the screen must know of the moment: the message, what was said lately, a crisis."""

    message: str
    recent: tuple[frozenset[str], ...]  # shingles of Kindred's last lines, newest first
    crisis: bool
    logprob_min: float = float("-inf")  # of generated text, nats a token

    @classmethod
    def of(
        cls,
        message: str,
        recent_replies: Iterable[str],
        *,
        crisis: bool,
        logprob_min: float = float("-inf"),
    ) -> Moment:
        """Prepare the texts once for all candidates."""
        recent = tuple(shingles(text) for text in recent_replies)
        return cls(message, recent, crisis, logprob_min)


def screen(candidates: Iterable[Candidate], moment: Moment) -> tuple[Candidate, ...]:
    """The same candidates in the same order, each with the reasons that keep it back.

    Twins are judged against better ones, so the order of judging is by score.
    """
    order = sorted(candidates, key=_standing, reverse=True)
    judged: dict[str, Candidate] = {}
    kept: list[frozenset[str]] = []
    for candidate in order:
        line = shingles(candidate.text)
        reasons = [*candidate.filters, *_reasons(candidate, line, moment)]
        if not reasons and near(line, kept, _TWIN_LIKENESS):
            reasons.append("twin")
        if not reasons:
            kept.append(line)
        judged[candidate.candidate_id] = candidate.with_(filters=tuple(dict.fromkeys(reasons)))
    return tuple(judged[candidate.candidate_id] for candidate in candidates)


def _standing(candidate: Candidate) -> tuple[float, float]:
    return (
        candidate.score if candidate.score is not None else float("-inf"),
        candidate.retrieval_score or 0.0,
    )


def _reasons(candidate: Candidate, line: frozenset[str], moment: Moment) -> Iterable[str]:
    generated = candidate.source is not Source.RETRIEVAL
    if generated or candidate.origin.get("memory"):  # what people tell is nobody's reviewed text
        yield from (name for name, rule in _TEXT_RULES if rule.search(candidate.text))
        if is_crisis(candidate.text):
            yield "harm"
    if generated:
        if candidate.score is None:
            yield "unscored"
        if candidate.logprob is not None and candidate.logprob < moment.logprob_min:
            yield "unsure"  # its own model finds it unlikely: a small one then makes up words
        if _broken(candidate.text):
            yield "broken"
        if not (candidate.origin.get("finished", True) or _SENTENCE_END.search(candidate.text)):
            yield "unfinished"
    if candidate.heads.get("offensive", 0.0) >= OFFENSIVE_LIMIT and generated:
        yield "offensive"
    if moment.crisis and (generated or _JOKING & set(candidate.tags)):
        yield "crisis"
    if near(line, moment.recent, _REPEAT_LIKENESS):
        yield "repeat"
    if resemblance(line, shingles(moment.message)) >= _ECHO_LIKENESS:
        yield "echo"


def _broken(text: str) -> bool:
    """Too short to be a reply, a loop of the same words, or unbalanced marks."""
    words = plain(text).split()
    if len(words) < _WORDS_MIN:
        return True
    pairs = list(itertools.pairwise(words))
    looping = len(pairs) >= 6 and len(set(pairs)) / len(pairs) < 0.7
    stutter = any(a == b for a, b in pairs)
    return looping or stutter or text.count("(") != text.count(")") or text.count('"') % 2 == 1


def reasons_of(candidates: Collection[Candidate]) -> list[str]:
    """Every reason of every candidate, for counting."""
    return [reason for candidate in candidates for reason in candidate.filters]
