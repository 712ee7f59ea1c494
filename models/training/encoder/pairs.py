"""Conversations as pairs for the encoder: a context and what was answered, in fixed batches.

What a batch holds is a pure function of the seed and its number, so that a resumed training sees
what an uninterrupted one sees. No two pairs of a batch come from one conversation or bank entry,
or share a text: each pair's response is a fair negative for all the others.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from models.prompt import normalise
from models.training.judgements import (
    Dialog,
    Exchange,
    is_held_out,
    load_dialogs,
    load_own,
    load_small_talk,
)
from models.training.splits import normal_form

Item = TypeVar("Item", Dialog, Exchange)

CONTEXT_TURNS = 3
"""Turns of a long context, joined by line breaks as the service joins them for retrieval."""

OWN_HELD_OUT_PERCENT = 8
SHARES = {
    "self_dialogue": 0.30,
    "topical_chat": 0.10,
    "persona_chat": 0.15,
    "personality_chat": 0.10,
    "own_bank": 0.25,
    "own_dialogs": 0.10,
}
"""How often a pair comes from each source; what is not there leaves its share to the others."""

_LONG_CONTEXTS = 0.4  # share of anchors with more than the last turn
_TRIES = 50  # draws for a pair that may join a batch


@dataclass(frozen=True, slots=True)
class Pair:
    """The last turns of a context, oldest first, and what was answered; `unit` is held together."""

    source: str
    unit: str
    topic: str
    turns: tuple[str, ...]
    response: str

    @property
    def message(self) -> str:
        """The turn that is answered."""
        return self.turns[-1]

    @property
    def context(self) -> str:
        """All the turns, as the service renders them for retrieval."""
        return "\n".join(self.turns)


@dataclass(frozen=True, slots=True)
class Draw:
    """One training row: texts that belong together, and some that only look like it."""

    anchor: str
    positive: str
    hard: tuple[str, ...]
    unrelated: str
    unit: str


@dataclass(frozen=True)
class Conversations:
    """Dialogs and exchanges by source."""

    dialogs: Mapping[str, Sequence[Dialog]]
    exchanges: Mapping[str, Sequence[Exchange]]

    @property
    def size(self) -> int:
        """Dialogs and exchanges together."""
        return sum(map(len, self.dialogs.values())) + sum(map(len, self.exchanges.values()))

    def pairs(self) -> Iterator[Pair]:
        """Every context with every answer to it."""
        for dialog in (d for group in self.dialogs.values() for d in group):
            for i in range(1, len(dialog.turns)):
                if dialog.is_target(i):
                    turns = dialog.turns[max(0, i - CONTEXT_TURNS) : i]
                    yield Pair(dialog.source, dialog.name, dialog.topic, turns, dialog.turns[i])
        for exchange in (e for group in self.exchanges.values() for e in group):
            for context in exchange.contexts:
                for reply in exchange.replies:
                    unit, topic = exchange.name, exchange.topic
                    yield Pair(exchange.source, unit, topic, (context,), reply)


def read_conversations(
    data: Path | None, own: Path | None
) -> tuple[Conversations, Conversations, list[Exchange]]:
    """(train, held out, the whole own bank).

    Args:
        data: a folder with the public `dialogs/`; own: one with the project's `bank/`, `dialogs/`.

    Raises:
        FileNotFoundError: a file of the public data is not there.
        ValueError: there is nothing to train on.
    """
    dialogs = load_dialogs(data) if data else []
    talk = load_small_talk(data) if data else []
    own_dialogs, bank = load_own(own) if own else ([], [])
    public: list[Dialog | Exchange] = [*dialogs, *talk]
    ours: list[Dialog | Exchange] = [*own_dialogs, *bank]
    held = {item.name for item in public if is_held_out(item.name)}
    held |= {item.name for item in ours if is_held_out(item.name, OWN_HELD_OUT_PERCENT)}
    parts = [
        Conversations(
            _by_source(d for d in (*dialogs, *own_dialogs) if (d.name in held) == out),
            _by_source(e for e in (*talk, *bank) if (e.name in held) == out),
        )
        for out in (False, True)
    ]
    if not parts[0].size:
        raise ValueError("there are no conversations to train on")
    return parts[0], parts[1], list(bank)


def _by_source(items: Iterable[Item]) -> dict[str, list[Item]]:
    groups: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        groups[item.source].append(item)
    return dict(groups)


def held_out_pairs(
    held: Conversations,
    size: int,
    *,
    answers: Container[str],
    asked: Container[str] = frozenset(),
    seed: int = 7,
) -> list[Pair]:
    """At most `size` pairs of held-out conversations, sources taking turns, responses distinct.

    Args:
        answers: forms (see `forms`) that no response may have: texts of the training. That such
            a response is ranked high would say that it was learned by heart.
        asked: forms that neither message nor context may have.
    """
    by_source: dict[str, list[Pair]] = defaultdict(list)
    for pair in held.pairs():
        if normalise(pair.message) and normalise(pair.response):
            by_source[pair.source].append(pair)
    rng = random.Random(seed)
    for group in by_source.values():
        rng.shuffle(group)
    chosen: dict[str, Pair] = {}
    while by_source and len(chosen) < size:
        for source in sorted(by_source):
            pair = by_source[source].pop()
            if not by_source[source]:
                del by_source[source]
            response = normal_form(pair.response)
            known = response in chosen or response in answers
            known = known or any(
                normal_form(text) in asked for text in (pair.message, pair.context)
            )
            if not known and len(chosen) < size:
                chosen[response] = pair
    return list(chosen.values())


def texts_of(conversations: Conversations) -> Iterator[str]:
    """Everything that is said in them."""
    for dialogs in conversations.dialogs.values():
        for dialog in dialogs:
            yield from dialog.turns
    for exchanges in conversations.exchanges.values():
        for exchange in exchanges:
            yield from (*exchange.contexts, *exchange.replies)


def forms(texts: Iterable[str]) -> frozenset[str]:
    """What texts are known by: the whole of each, and each of its lines (turns), up to spelling."""
    return frozenset(normal_form(part) for text in texts for part in {text, *text.splitlines()})


def _key(text: str) -> str:
    return normalise(text).casefold()


class Drawer:
    """Draws batches of training rows; see the module's word on what a batch is."""

    def __init__(
        self, conversations: Conversations, seed: int, *, hard: int = 0, paraphrases: float = 0.0
    ) -> None:
        """`hard`: negatives of the anchor's own topic; `paraphrases`: the share of rows whose two
        texts are contexts of one exchange, two ways to say a thing."""
        self._seed, self.hard, self._paraphrases = seed, hard, paraphrases
        self._items: dict[str, Sequence[Dialog | Exchange]] = {
            **conversations.dialogs,
            **conversations.exchanges,
        }
        self._all = [item for items in self._items.values() for item in items]
        self._shares = [SHARES.get(source, 0.1) for source in self._items]
        self._topics: dict[tuple[str, str], list[Dialog | Exchange]] = defaultdict(list)
        for source, items in self._items.items():
            for item in items:
                self._topics[source, item.topic].append(item)

    def batch(self, number: int, size: int) -> list[Draw]:
        """Batch `number`: `size` rows, fewer where the conversations do not hold so many."""
        rng = random.Random(f"{self._seed}:{number}")
        rows: list[Draw] = []
        taken: set[str] = set()
        wrong: set[str] = set()  # the hard negatives: each stands against every row of the batch
        for _ in range(size):
            for _ in range(_TRIES):
                row = self._draw(rng)
                keys = {row.unit, _key(row.anchor), _key(row.positive)}
                hard = {_key(text) for text in row.hard}
                if len(keys) < 3 or not all(keys) or not all(hard):
                    continue
                if not keys & (taken | wrong) and not hard & (taken | keys):
                    rows.append(row)
                    taken |= keys
                    wrong |= hard
                    break
        return rows

    def _draw(self, rng: random.Random) -> Draw:
        source = rng.choices(list(self._items), self._shares)[0]
        item = rng.choice(self._items[source])
        anchor, positive = self._pair(item, rng)
        groups = (self._topics[source, item.topic], self._items[source], self._all)
        right = _right(item, anchor, positive)
        hard: list[str] = []
        for _ in range(self.hard):
            hard.append(_wrong(item, groups, right | set(map(_key, hard)), rng))
        unrelated = _wrong(item, groups[1:], right, rng)
        return Draw(anchor, positive, tuple(hard), unrelated, f"\x1f{source}:{item.name}")

    def _pair(self, item: Dialog | Exchange, rng: random.Random) -> tuple[str, str]:
        if isinstance(item, Exchange):
            if len(item.contexts) > 1 and rng.random() < self._paraphrases:
                one, other = rng.sample(item.contexts, 2)
                return one, other
            return rng.choice(item.contexts), rng.choice(item.replies)
        targets = [i for i in range(1, len(item.turns)) if item.is_target(i)]
        if not targets:
            return "", ""  # nothing in it is an answer: the caller draws again
        i = rng.choice(targets)
        turns = CONTEXT_TURNS if rng.random() < _LONG_CONTEXTS else 1
        return "\n".join(item.turns[max(0, i - turns) : i]), item.turns[i]


def _right(item: Dialog | Exchange, anchor: str, positive: str) -> set[str]:
    """Keys of what cannot be wrong beside the anchor: its own turns, and all that answers it."""
    texts = [anchor, *anchor.split("\n"), positive]
    if isinstance(item, Exchange):
        texts += (*item.contexts, *item.replies)
    return set(map(_key, texts))


def _wrong(
    item: Dialog | Exchange,
    among: Sequence[Sequence[Dialog | Exchange]],
    right: Container[str],
    rng: random.Random,
) -> str:
    """An answer given elsewhere, in the first of these groups that has one; "" where none has."""
    for group in among:
        for _ in range(_TRIES):
            other = rng.choice(group)
            if other is not item and _key(text := _answer(other, rng)) not in right:
                return text
    return ""


def _answer(item: Dialog | Exchange, rng: random.Random) -> str:
    if isinstance(item, Exchange):
        return rng.choice(item.replies)
    return item.turns[rng.randrange(1, len(item.turns))]
