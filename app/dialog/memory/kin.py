"""What a clause says of the people and the animals in the speaker's life."""

from __future__ import annotations

import re
from collections.abc import Iterator

from app.dialog.memory import values
from app.dialog.memory.claims import Claim
from app.dialog.memory.words import COUNTED_KIN, KIN, PETS, PLURALS

_I = re.IGNORECASE
_ITEMS_MAX = 6  # read of "I have …"

_KIN = "|".join(sorted(map(re.escape, KIN), key=len, reverse=True))
_PET = "|".join(sorted(map(re.escape, PETS), key=len, reverse=True))
_MORE = (
    r"((?:other|older|younger|little|big|baby|twin|eldest|oldest|youngest|elder|second|new|late|"
    r"step|half) )?"
)
_CALLED = (
    r"(?:'s name is|s name is|'s called| is called| is named|, called|, named| called| named|"
    r" named after himself|'s name's|,)?"
)
_WHO = re.compile(rf"\b(?:my|our) {_MORE}({_KIN}|{_PET}){_CALLED} ([^\W\d_].*)", _I)
_WHO_TURNED = re.compile(
    rf"([^\W\d_]\S{{0,30}}) is my {_MORE}({_KIN}|{_PET})\b(?!'|s\b| \w+'s).*", _I
)
_NAMED_KIN = re.compile(r"'?s name|called|named", _I)
_HAVE = re.compile(
    r"(?:I|we|I've|we've)(?: also| just| recently)? (?:have|got|adopted|bought|own) (.+)", _I
)
_HAVE_NOT = re.compile(
    r"(?:I|we) (?:don't|no longer) have (?:an?|any) ([\w ]+?)(?: anymore| yet| at all)?[.!]*", _I
)
_HAD_ITEM = re.compile(
    rf"(?:and )?(an?|\d{{1,2}}|one|two|three|four|five|six|seven)"
    rf"((?: (?:little|big|small|old|young|older|younger|baby|twin|black|white|lovely|new|rescue|"
    rf"cute|wonderful|tiny|golden|brown|grey|orange|beautiful|pet))*)"
    rf" ({_PET}|{'|'.join(sorted(COUNTED_KIN, key=len, reverse=True))})\b"
    rf"(?!'| (?:phobia|allergy|person|food|house|tank|costume|problem|joke|story|idea|hair))"
    rf"(?:,? (?:called|named|whose name is|, ))?\s*(.*)",
    _I,
)
_BROKE_UP = re.compile(
    r"(?:I (?:just |recently )?(?:broke|split) up with my (\w+)|my (\w+) and I (?:just |recently )?"
    r"(?:broke up|split up)|my (\w+) (?:left|dumped|broke up with) me)\b.*",
    _I,
)


def others(clause: str) -> Iterator[Claim]:
    """Family, friends and pets, with their names where they are told."""
    if match := _BROKE_UP.fullmatch(clause):
        who = next(group for group in match.groups() if group)
        yield Claim(f"person:{who.lower()}", "person", holds=False)
        yield Claim("status", "status", holds=False)
    elif match := _HAVE_NOT.fullmatch(clause):
        kind = match[1].lower()
        slot = f"pet:{PETS[kind]}" if kind in PETS else f"person:{kind}"
        yield Claim(slot, "pet" if kind in PETS else "person", holds=False)
    elif match := _HAVE.fullmatch(clause):
        yield from _owned(match[1])
    elif (match := _WHO_TURNED.fullmatch(clause)) and (found := values.name(match[1], sure=False)):
        yield _kin(match[2], match[3], found[0])
    elif (match := _WHO.search(clause)) and not re.search(
        r"\b(?:was|were) (?:called|named)", clause
    ):
        sure = bool(_NAMED_KIN.search(match[0][: match.start(3) - match.start()]))
        rest = re.sub(r"^not \w+,? (?:but|it's|it is) ", "", match[3])
        if found := values.name(rest, sure=sure):
            yield _kin(match[1], match[2], found[0])


def _owned(what: str) -> Iterator[Claim]:
    """Each pet or relative of a list: "a dog called Rex and two cats"."""
    for part in re.split(
        r",? and (?=an? |\d|one |two |three )|, (?=an? |\d|two |three )", what[:300]
    )[:_ITEMS_MAX]:
        match = _HAD_ITEM.match(part)
        if not match:
            return
        count, kind, rest = match[1], match[3].lower(), match[4]
        found = values.name(rest.lstrip(", "), sure=bool(re.search(r"called|named", part, _I)))
        single = count.lower() in ("a", "an", "one")
        if found:
            named_too = re.match(r"(?:,| and|, and) (\S+)", found[1])
            other = values.name(named_too[1], sure=False) if named_too else None
            if single or not other:
                yield _kin(match[2].strip() + " " if match[2] else "", kind, found[0])
                continue
            yield _several(kind, count, f"{found[0]} and {other[0]}")
        elif not rest or re.match(
            r"(?:at home|and|last|yesterday|today|recently|this|for|from|already|because|"
            r"named|too|now|who|that|but|with|in|,|[.!:)(]|as well|which|so)",
            rest,
            _I,
        ):
            thing = f"{count.lower()}{match[2].lower()} {kind}"
            yield _unnamed(kind, thing)


def _unnamed(kind: str, thing: str) -> Claim:
    slot = f"pet:{PETS[kind]}" if kind in PETS else f"person:{_single(kind)}"
    return Claim(slot, "pet" if kind in PETS else "person", thing, f"I have {thing}.")


def _several(kind: str, count: str, names: str) -> Claim:
    slot = f"pet:{PETS[kind]}" if kind in PETS else f"person:{_single(kind)}"
    text = f"My {kind} are called {names}."
    return Claim(slot, "pet" if kind in PETS else "person", names, text)


def _single(kind: str) -> str:
    if kind in PLURALS:
        return PLURALS[kind]
    return kind[:-1] if kind.endswith("s") and kind[:-1] in COUNTED_KIN else kind


def _kin(more: str | None, who: str, name: str) -> Claim:
    who = who.lower()
    if who in PETS:
        return Claim(f"pet:{PETS[who]}", "pet", name, f"My {PETS[who]} is called {name}.")
    relation = f"{(more or '').lower()}{who}"
    return Claim(f"person:{relation}", "person", name, f"My {relation} is called {name}.")
