"""Response-selection lists drawn from conversations: one true next turn among negatives."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence

from models.training.judgements import Dialog, Exchange, Selection


class DialogSampler:
    """Draws response-selection lists from conversations.

    Negatives: turns of other dialogs of the same topic, random turns, other turns of the same
    dialog, and the person's own last line come back as an echo.
    """

    def __init__(self, dialogs: Sequence[Dialog]) -> None:
        self.dialogs = [
            dialog for dialog in dialogs if any(map(dialog.is_target, range(1, len(dialog.turns))))
        ]
        self._by_topic: dict[str, list[Dialog]] = defaultdict(list)
        for dialog in self.dialogs:
            self._by_topic[dialog.topic].append(dialog)

    def draw(self, rng: random.Random, negatives: int, *, topic_only: bool = False) -> Selection:
        """One list of 1 + `negatives` responses; `topic_only` for the evaluation lists."""
        dialog = rng.choice(self.dialogs)
        targets = [i for i in range(1, len(dialog.turns)) if dialog.is_target(i)]
        i = rng.choice(targets)
        # Conversations begin with one turn, so the model meets short contexts as often as long.
        seen = 5 if topic_only else rng.choice((1, 1, 2, 3, 5))
        context = dialog.turns[max(0, i - seen) : i]
        true = dialog.turns[i]
        wrong: list[str] = []
        if not topic_only:
            if rng.random() < 0.2:
                wrong.append(dialog.turns[i - 1])
            others = [t for j, t in enumerate(dialog.turns) if j not in (i, i - 1)]
            wrong += rng.sample(others, min(len(others), rng.choice((0, 1, 1, 2))))
        pool = self._by_topic[dialog.topic]
        while len(wrong) < negatives:
            near = topic_only or rng.random() < 0.6
            other = rng.choice(pool if near else self.dialogs)
            if other is not dialog or len(pool) == 1:
                wrong.append(rng.choice(other.turns))
        facts = self._facts(dialog, i, rng)
        wrong = [text if text != true else text + " " + context[-1] for text in wrong[:negatives]]
        return Selection(dialog.source, context, (true, *wrong), facts)

    def _facts(self, dialog: Dialog, i: int, rng: random.Random) -> tuple[str, ...]:
        """Up to two facts of the person who is answered, in half of the lists that have any."""
        if not dialog.facts or rng.random() < 0.5:
            return ()
        known = dialog.facts[i - 1]
        return tuple(rng.sample(known, min(len(known), rng.choice((1, 2)))))


class ExchangeSampler:
    """Draws response-selection lists from exchanges; negatives are replies to other exchanges.

    `near[i]` may name, for exchange i, others with like contexts: the hard negatives that a
    retrieval step really brings.
    """

    def __init__(
        self, exchanges: Sequence[Exchange], near: Sequence[Sequence[int]] | None = None
    ) -> None:
        self.exchanges = list(exchanges)
        self._near = near
        self._by_topic: dict[str, list[int]] = defaultdict(list)
        for i, exchange in enumerate(self.exchanges):
            self._by_topic[exchange.topic].append(i)

    def draw(self, rng: random.Random, negatives: int, *, topic_only: bool = False) -> Selection:
        """One list of 1 + `negatives` responses."""
        i = rng.randrange(len(self.exchanges))
        exchange = self.exchanges[i]
        context = rng.choice(exchange.contexts)
        wrong: list[str] = []
        if not topic_only and rng.random() < 0.2:
            wrong.append(rng.choice(exchange.contexts))
        if not topic_only and rng.random() < 0.3:
            wrong.append(spoil(rng.choice(exchange.replies), rng))
        same = self._by_topic[exchange.topic]
        while len(wrong) < negatives:
            other = self.exchanges[self._other(i, same, rng, topic_only)]
            reply = rng.choice(other.replies)
            if reply not in exchange.replies:
                wrong.append(reply)
        return Selection(
            exchange.source, (context,), (rng.choice(exchange.replies), *wrong[:negatives])
        )

    def _other(self, i: int, same: Sequence[int], rng: random.Random, topic_only: bool) -> int:
        draw = rng.random()
        if self._near is not None and draw < 0.45:
            return rng.choice(self._near[i])
        if (topic_only or draw < 0.7) and len(same) > 3:
            return rng.choice(same)
        return rng.randrange(len(self.exchanges))


def spoil(text: str, rng: random.Random) -> str:
    """A reply gone wrong as weak generators do: looping, broken off, or with its words mixed."""
    words = text.split()
    kind = rng.randrange(3)
    if kind == 0 or len(words) < 4:
        piece = " ".join(words[: rng.randint(1, 4)])
        return " ".join([piece] * rng.randint(3, 5))
    if kind == 1:
        return " ".join(words[: max(2, len(words) // 3)])
    start = rng.randrange(len(words) - 2)
    mixed = words[start : start + 8]
    rng.shuffle(mixed)
    return " ".join(words[:start] + mixed + words[start + 8 :])
