"""Words that no generated reply may hold, by the reason for which it is kept back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_SLURS = (
    r"\b(?:fag(?:got)?s?|nigg(?:er|a)s?|retard(?:ed|s)?|kikes?|spics?|chinks?|trann(?:y|ies)|"
    r"cunts?|whores?|sluts?|rap(?:e|ed|ing|ist)|kill yourself|kys|go die|child porn)\b"
)
_SEXUAL = (
    r"\b(?:porn|dicks?|cock|pussy|blow ?job|hand ?job|orgasm|masturbat\w+|naked|nudes?|"
    r"horny|tits|boobs?|cum(?:ming)?|f+u+c+k+\w*)\b"
)
_HUMAN = (
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
    r"(?:dog|cat|kid|kids|son|daughter|brother|sister|wife|husband|child|children|pet|pets))\b"
)
_PERSONAL_DATA = r"[\w.+-]+@[\w-]+\.\w+|https?://|www\.|\b(?:\+?\d[\d\s().-]{7,}\d)\b"
_ADVICE = (
    r"\b(?:\d+ ?(?:mg|milligrams?|pills?|tablets?)|overdose|stop taking your|you should sue|"
    r"diagnos\w+ you)\b"
)
_HARM = (
    r"\b(?:(?:kill|hurt|cut|hang) your ?sel(?:f|ves)|end your life|better off dead|"
    r"(?:nobody|no one) (?:would|will) (?:miss|care about) you|"
    r"(?:take|swallow) (?:more|all|some)\b.{0,20}\bpills|(?:cutting|starving) (?:helps|works))\b"
)
_INSULT = (
    r"\b(?:you(?:'re| are| r)|ur) (?:(?:so|such|just|really|very|an?|the|being|too) ){0,3}"
    r"(?:stupid|dumb|idiot|moron|ugly|worthless|pathetic|disgusting|fat|loser|useless|crazy|"
    r"liar|freak|bitch|asshole|annoying)\b|\b(?:shut up|i hate you|go away|screw you|"
    r"(?:nobody|no one) (?:cares|likes you|asked you))\b"
)


@dataclass(frozen=True, slots=True)
class Rule:
    """A reason and its expression, for any text and for lower-case ASCII.

    What the expression finds in lower-case ASCII holds one of `parts`: looking for these first
    takes a fifth of the time.
    """

    reason: str
    anywhere: re.Pattern[str]
    in_lower_ascii: re.Pattern[str]
    parts: tuple[str, ...]

    @classmethod
    def of(cls, reason: str, pattern: str, parts: str) -> Rule:
        """A rule of an expression in lower case; parts are divided by bars."""
        return cls(
            reason, re.compile(pattern, re.IGNORECASE), re.compile(pattern), tuple(parts.split("|"))
        )

    def finds(self, lower: str) -> bool:
        """Whether lower-case ASCII holds what the rule is about."""
        return (
            any(part in lower for part in self.parts)
            and self.in_lower_ascii.search(lower) is not None
        )


RULES = (
    Rule.of(
        "offensive",
        _SLURS,
        "fag|nigg|retard|kike|spic|chink|trann|cunt|whore|slut|rap|kill yourself|kys|go die|"
        "child porn",
    ),
    Rule.of(
        "harm",
        _HARM,
        "your sel|yoursel|end your life|better off dead|about you|miss you|pills|helps|works",
    ),
    Rule.of(
        "insult",
        _INSULT,
        "you're|you are|you r|ur |shut up|hate you|go away|screw you|nobody|no one",
    ),
    Rule.of(
        "sexual",
        _SEXUAL,
        "porn|dick|cock|pussy|blow|hand|orgasm|masturbat|naked|nude|horny|tits|boob|cum|fu",
    ),
    Rule.of("human-claim", _HUMAN, "i am|i'm|im from|i was|my |i "),
    Rule.of("personal-data", _PERSONAL_DATA, "@|://|www.|0|1|2|3|4|5|6|7|8|9"),
    Rule.of("advice", _ADVICE, "mg|milligram|pill|tablet|overdose|stop taking|sue|diagnos"),
)


def reasons(text: str) -> Iterator[str]:
    """Each reason whose words the text holds."""
    if not text.isascii():  # letters that fold onto others have rules of their own
        yield from (rule.reason for rule in RULES if rule.anywhere.search(text))
        return
    lower = text.lower()
    yield from (rule.reason for rule in RULES if rule.finds(lower))
