"""How the phrases of the input screen are written.

Written for `words.normalise`: one phrase a line, capitals stand for the lists below.
A phrase begins at a word and ends at one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_LISTS = {
    "END": r"(?= (?:\.|anymore|like this|now|already|soon|tonight|today|forever|rn|so bad|but))",
    "WANT": r"(?:want|wants|wanted|wanting|wish|wishes|wishing|deserve|deserves|decided|plan|plans"
    r"|planning|hope|hopes|hoping|pray|prays|praying|try|tries|trying|tried|beg|begging|tempted|"
    r"ready|prefer|wait|waiting|desperate|would like|longing|intend|intending|love|i need|"
    r"i have|meant|supposed|easier)",
    "SOON": r"(?:want to|wants to|wanted to|going to|ready to|need to|about to|trying to|tried to|"
    r"tempted to|urge to|urges to|plan to|planning to|decided to|might|will|could|should i|almost|"
    r"thinking of|thinking about|think of|think about|thought about|thought of|feel like|let me|"
    r"planning on|afraid i will)",
    "IFI": r"(?:if|when|once) i (?:died|die|disappeared|disappear|vanished|kill myself|killed "
    r"myself|jumped|(?:was|were|am) (?:to die|dead|gone|never born|not (?:here|around|alive)))",
    "MED": r"(?:pills?|tablets?|meds|medications?|medicine|tylenol|paracetamol|ibuprofen|advil|"
    r"aspirin|xanax|xans?|valium|antidepressants|painkillers|oxys?|oxycodone|fentanyl|ativan|"
    r"benadryl|insulin|prozac|zoloft|lithium|ambien|klonopin|benzos|sleeping aids|opioids)",
    "HURT": r"(?:kill|killing|killed|kills|hang|hanging|hanged|hung|shoot|shooting|shot|drown|"
    r"drowning|drowned|poison|poisoning|poisoned|unalive|off|offing|end|ending|harm|harming|harmed"
    r"|hurt|hurts|hurting|cut|cuts|cutting|burn|burns|burning|burned|burnt|stab|stabbing|slit|"
    r"starve|starving|injure|injuring|suffocate|strangle|punish|punishing|hit|hitting|scratch|"
    r"scratching|bite|biting|delete|erase|neck|rope|murder|gut|electrocute|mutilate|mutilating)",
    "THEM": r"(?:himself|herself|themself|themselves)",
    "HER": r"(?:his|her|their)",
    "PLACE": r"(?! (?:in|at|near|by|off|on|under|longer|here in|forever|until|paycheck|"
    r"with (?:my|her|him|them|a|roommates)|next|alone|there|far|together|room|out|up)\b)",
    "CHILD": r"(?:child|children|kids?|minors?|toddlers?|bab(?:y|ies)|underage|(?:little|young) "
    r"(?:girls?|boys?)|(?:[1-9]|1[0-7]) (?:year|yr|years))",
}
_DIE = (
    r"(?:be dead|be no more|not exist|not be alive|(?:not|never) wake up|cease to exist|"
    r"stop (?:existing|living|being alive)|(?:disappear|vanish|be gone|fall asleep) forever|"
    r"(?:disappear|vanish)END|sleep (?:and|to) (?:never|not)|be hit by|die"
    r"(?! (?:of (?!pain|sadness|an |this|cold)|laughing|(?:my|her|his|their|your|it|our) |hard|"
    r"on th(?:is|at|e) (?:hill|spot|inside)|happy|rich|old|album|by biggie|"
    r"than (?:eat|wear|watch|drink|listen|use|buy|admit|miss|pay))))"
)
_LISTS = {"DIE": _DIE, **_LISTS}


@dataclass(frozen=True, slots=True)
class Family:
    """Phrases that share stems; without a stem in the message they are not looked for."""

    stems: tuple[str, ...]
    phrases: re.Pattern[str]


def phrases(lines: str) -> re.Pattern[str]:
    """One expression of many phrases; a line that ends in a backslash goes on in the next."""
    whole = re.sub(r"\\\n *", "", lines.strip())
    text = "|".join(line.strip() for line in whole.splitlines())
    for name, choices in _LISTS.items():
        text = re.sub(rf"{name}(?![A-Z])", choices.replace("\\", r"\\"), text)
    return re.compile(f" (?:{text})(?= )")


def family(stems: str, lines: str) -> Family:
    """A family of phrases; stems are beginnings of words, divided by commas."""
    return Family(tuple(f" {stem.strip()}" for stem in stems.split(",")), phrases(lines))
