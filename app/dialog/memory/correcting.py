"""Corrections that name only the right word: "no, I meant Berlin", "it's Lena, not Lea"."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from app.dialog.memory import values
from app.dialog.memory.claims import Claim, named
from app.dialog.memory.clauses import Clause
from app.domain import Fact

_I = re.IGNORECASE
_START = r"(?:(?:no|nope|sorry|oops|actually|wait|ah|oh|well|and|but)[\s,.!:]+)*"
_MEANT = re.compile(
    rf"^{_START}(?:(?:I )?(?:meant(?: to say)?|mean)|I (?:actually )?said|it's actually) "
    r"([\w' \-]{1,60}?)(?:,? not ([\w' \-]{1,60}))?[.!]*$",
    _I,
)
_NOT_THAT = re.compile(
    rf"^{_START}(?:it's |its |it is |he's |she's |they're )?([\w' \-]{{1,60}}?),? (?:and )?not "
    r"([\w' \-]{1,60}?)[.!]*$",
    _I,
)
_IT_IS = re.compile(r"it(?:'s| is) (?:actually |now |really )*([\w' \-]{1,40})[.!]*", _I)
_NO_WORD = re.compile(
    r"(?:I|you|it|that|what|no|to|the|so|yes|like|if|when|how|why|this|not|is|he|she|we|they)\b", _I
)


def corrected(clause: Clause, believed: Sequence[Fact]) -> list[Claim]:
    """The claims of a correction, or none where the clause is none."""
    if not believed:
        return []
    if match := _MEANT.match(clause.shown):
        if match[2]:
            return _instead(match[1], match[2], believed)
        meant = re.search(r"\bmeant\b|it's actually", clause.shown, _I)
        return _last(match[1], believed) if clause.correcting or meant else []
    if match := _NOT_THAT.match(clause.shown):
        return _instead(match[1], match[2], believed)
    return []


def put_right(clause: Clause, denied: Claim, believed: Mapping[str, Fact]) -> list[Claim]:
    """What stands in the place of a claim that was denied just before: "…, it's Lena"."""
    match = _IT_IS.fullmatch(clause.text)
    if not match or _NO_WORD.match(match[1]):
        return []
    if denied.slot == "name":
        found = values.name(match[1], sure=True)
        return [named(found[0])] if found else []
    fact = believed.get(denied.slot)
    return swapped(fact, match[1]) if fact is not None else []


def _instead(right: str, wrong: str, believed: Sequence[Fact]) -> list[Claim]:
    right = right.split(" is ")[-1].removeprefix("called ").strip()
    same = [fact for fact in believed if fact.value.casefold() == wrong.strip().casefold()]
    if not same or len(right.split()) > 4 or _NO_WORD.match(right):
        return []
    return swapped(same[-1], right)


def _last(right: str, believed: Sequence[Fact]) -> list[Claim]:
    """The right word for what was told last: a name for a name, a thing for a thing."""
    if len(right.split()) > 3 or _NO_WORD.match(right):
        return []
    newest = max(believed, key=lambda fact: fact.created_at)
    same = [
        fact
        for fact in believed
        if fact.turn_id == newest.turn_id and fact.value[:1].isupper() == right[:1].isupper()
    ]
    return swapped(same[-1], right) if same else []


def swapped(fact: Fact, right: str) -> list[Claim]:
    """The same fact with the right word in its place; a slot that names the thing moves on."""
    right = values.cut(right)
    if fact.value.istitle() and right.islower():
        right = right.title()
    if not values.fit(right) or fact.value not in fact.text:
        return []
    text = fact.text.replace(fact.value, right)
    slot = fact.slot
    kind, _, tail = slot.partition(":")
    named = kind in ("taste", "speaks", "does", "allergy") and tail == values.key(fact.value)
    if named:
        slot = f"{kind}:{values.key(right)}"
    claim = Claim(slot, fact.kind, right, text)
    if slot == fact.slot:
        return [claim]
    return [Claim(fact.slot, fact.kind, "", holds=False), claim]
