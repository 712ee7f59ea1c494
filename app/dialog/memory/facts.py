"""What a message tells of the person who wrote it: facts to keep, and facts to forget.

Rules over clauses, no model: a fact is taken only where the person plainly says it of themselves.
It reads English. Not understood, and therefore not kept: answers of one word to a question of
Kindred; third persons beyond who they are ("my sister likes jazz"), and even that inside a
sentence that reports speech; plans; irony; deaths of people and pets; "it", "them" or "there" for
something told before; and statements behind an "if" or a quotation up to the next "but". Words
that are both a name and a mood ("I'm Grace", "I'm Joy") count as a name by their capital alone.
Secrets (addresses, numbers, passwords) are never kept, neither as a value
nor in the sentence beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from hashlib import blake2s

from app.dialog.memory import values
from app.dialog.memory.being import states
from app.dialog.memory.claims import Claim, favourites, homes, tastes, used_to, work
from app.dialog.memory.clauses import Clause, clauses, spelled
from app.dialog.memory.correcting import corrected, put_right
from app.dialog.memory.forgetting import asked_for, may_ask, object_of, of_the_person
from app.dialog.memory.kin import others
from app.dialog.memory.oneself import activities, oneself, own_name
from app.domain import Fact, FactChange, Turn, UserContext

LEARNED_MAX = 8  # facts of one message
_SENTENCE_MAX = 300  # characters kept as the evidence of a fact

_RULES = (own_name, tastes, favourites, homes, work, oneself, activities, others)
# A later mention of another of these is one more, not a correction: it gets a slot of its own.
_MANY = frozenset({"person:friend", "person:cousin", "person:colleague", "person:ex"})


def learn(message: Turn, known: Sequence[Fact]) -> FactChange:
    """What the message changes in the known facts; never raises, whatever the text.

    Learned facts are at most 8 and new (not what is known already); forgotten slots are among the
    known ones. Of two statements in one message the later holds.
    """
    believed = {fact.slot: fact for fact in known}
    learned: dict[str, Fact] = {}
    forgotten: dict[str, None] = {}
    denied: Claim | None = None  # what the clause before said to be wrong
    for clause in clauses(message.text):
        wanted = object_of(spelled(clause.shown)) if may_ask(clause.shown) else None
        if wanted is not None:
            for slot in _to_forget(wanted, known, message.created_at):
                forgotten[slot] = None
            continue
        if not clause.meant:
            continue
        claims = list(_claims(clause, [*believed.values(), *learned.values()]))
        if denied is not None and not claims:
            claims = put_right(clause, denied, believed)
        for claim in claims:
            _take(claim, clause, message, believed, learned, forgotten)
        denied = next((claim for claim in claims if not claim.holds), None)
    kept = tuple(learned.values())[:LEARNED_MAX]
    slots = {fact.slot for fact in kept}
    return FactChange(kept, tuple(slot for slot in forgotten if slot not in slots))


def asks_to_forget(text: str) -> bool:
    """Whether a message asks to forget something of the person, known or not."""
    asked = (object_of(spelled(c.shown)) for c in clauses(text) if may_ask(c.shown))
    return any(what is not None and of_the_person(what) for what in asked)


def applied(context: UserContext, change: FactChange) -> UserContext:
    """The context as it is after the change: one fact a slot, the newest last."""
    if not change:
        return context
    gone = {*change.forgotten, *(fact.slot for fact in change.learned)}
    kept = (fact for fact in context.facts if fact.slot not in gone)
    return replace(context, facts=(*kept, *change.learned))


def _claims(clause: Clause, believed: Sequence[Fact]) -> Iterator[Claim]:
    corrections = corrected(clause, believed)
    if corrections:
        yield from corrections
        return
    text = clause.text
    if over := used_to(text):
        for claim in _statements(Clause(over, over, clause.sentence)):
            yield replace(claim, holds=False)
        return
    yield from _statements(clause)


def _statements(clause: Clause) -> Iterator[Claim]:
    yield from states(clause.text, greeted=clause.greeted)
    for rule in _RULES:
        yield from rule(clause.text)


def _to_forget(wanted: str, known: Sequence[Fact], now: float) -> list[str]:
    """Slots of what was named, or of the facts that the words would teach ("that I like jazz")."""
    slots = asked_for(wanted, known, now)
    if slots:
        return slots
    told = re.sub(r"^(?:about )?(?:that |how )?", "", wanted)
    taught = {claim.slot for part in clauses(told) for claim in _statements(part)}
    return [fact.slot for fact in known if fact.slot in taught]


def _take(
    claim: Claim,
    clause: Clause,
    message: Turn,
    believed: dict[str, Fact],
    learned: dict[str, Fact],
    forgotten: dict[str, None],
) -> None:
    """Enter one claim into what the message has changed so far."""
    if not claim.holds:
        for slot in _denied(claim, {**believed, **learned}):
            learned.pop(slot, None)
            if slot in believed:
                forgotten[slot] = None
        return
    if not values.fit(claim.value) or values.secret(clause.text):
        return
    slot = _slot(claim, clause, {**believed, **learned})
    old = learned.get(slot) or (believed.get(slot) if slot not in forgotten else None)
    if old is not None and _nothing_new(claim, old):
        return
    learned.pop(slot, None)
    learned[slot] = _fact(replace(claim, slot=slot), clause, message)


def _denied(claim: Claim, facts: dict[str, Fact]) -> list[str]:
    old = facts.get(claim.slot)
    if old is None:
        return []
    ours, theirs = claim.value.casefold(), old.value.casefold()
    same = not ours or ours in theirs or theirs in ours
    return [claim.slot] if same and claim.kind == old.kind else []


def _nothing_new(claim: Claim, old: Fact) -> bool:
    if old.kind == claim.kind and old.value.casefold() == claim.value.casefold():
        return True
    unnamed = claim.kind in ("pet", "person") and claim.text.startswith("I have ")
    return unnamed and not old.text.startswith("I have ")


def _slot(claim: Claim, clause: Clause, facts: dict[str, Fact]) -> str:
    old = facts.get(claim.slot)
    if claim.slot not in _MANY or old is None or clause.correcting:
        return claim.slot
    if old.value.casefold() == claim.value.casefold():
        return claim.slot
    return f"{claim.slot}:{claim.value.lower()}"


def _fact(claim: Claim, clause: Clause, message: Turn) -> Fact:
    identity = f"{claim.slot}\0{message.turn_id}".encode("utf-8", "surrogatepass")
    return Fact(
        fact_id="f" + blake2s(identity, digest_size=8).hexdigest(),
        slot=claim.slot,
        kind=claim.kind,
        value=claim.value,
        text=claim.text,
        sentence=_evidence(clause),
        turn_id=message.turn_id,
        created_at=message.created_at,
    )


def _evidence(clause: Clause) -> str:
    """The sentence as written, or its clause alone where the rest holds a secret or is long."""
    if len(clause.sentence) <= _SENTENCE_MAX and not values.secret(clause.sentence):
        return clause.sentence
    return clause.shown[:_SENTENCE_MAX]
