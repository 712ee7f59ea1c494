"""What rerankers are compared on: one subset of judged pairs, the same for every family.

The training part takes half of its pairs from ACCENTOR, three tenths from response selection (a
true next turn beside one that is not) and a tenth each from DiaSafety and dialogue_eval. Parts are
drawn from shuffled orders of fixed seed, so that a smaller subset is a part of a larger one. What
is held out here is held out of the served reranker's training too.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from models.prompt import normalise
from models.training.examples import Example, read_examples
from models.training.judgements import (
    Dialog,
    Judged,
    is_held_out,
    load_accentor,
    load_dialogs,
    load_liking,
    load_safety,
    read_rows,
)

SHARES = {"accentor": 0.5, "selection": 0.3, "diasafety": 0.1, "dialogue_eval": 0.1}
HEADS = {
    "accentor": "accentor",
    "selection": "selection",
    "diasafety": "offensive",
    "dialogue_eval": "liking",
}
PAIRS = 40_000
SEED = 7
DEV_PAIRS = 3000
SELECTION_TEST_PAIRS = 4000
CONTEXT_TURNS = 5
# Of the negatives: turns of another dialog of the topic, any turn, another turn of the same dialog.
NEAR, ANY = 0.6, 0.2
# Turns to select are there by the hundred thousand: "all" keeps them at their share of ACCENTOR.
SELECTION_MOST = 90_000

Examples = list[Example]
Item = TypeVar("Item")


@dataclass(frozen=True)
class Subset:
    """Examples by source; no conversation of one part is in another."""

    train: Mapping[str, Examples]
    dev: Mapping[str, Examples]
    test: Mapping[str, Examples]

    def heads(self) -> tuple[str, ...]:
        """The heads that the training part has both kinds of labels for, in order."""
        seen: dict[str, set[bool]] = {}
        for example in flat(self.train):
            seen.setdefault(example.head, set()).add(example.label > 0.5)
        return tuple(head for head, kinds in seen.items() if len(kinds) == 2)


def flat(part: Mapping[str, Examples]) -> Examples:
    """All examples of a part, source by source."""
    return [example for examples in part.values() for example in examples]


def common_subset(
    data: Path, size: int = PAIRS, seed: int = SEED, sources: Sequence[str] = tuple(SHARES)
) -> Subset:
    """The common subset: about `size` pairs to train on (0: all judgements), less what is left out.

    `sources` leaves whole sources out without giving the others more: what is learned of one
    kind of judgement from the others is then measured at equal numbers. dev has at most 3,000 pairs
    a source; test is whole, as published or as held out, for whoever measures to cut.

    Raises FileNotFoundError, and ValueError for a source that there is not.
    """
    unknown = sorted(set(sources) - set(SHARES))
    if unknown:
        raise ValueError(f"unknown source {unknown[0]!r}: one of {', '.join(SHARES)}")
    parts: dict[str, dict[str, Examples]] = {"train": {}, "dev": {}, "test": {}}
    for source in sources:
        wanted = round(size * SHARES[source]) if size else None
        for name, examples in _LOADERS[source](data, wanted, seed).items():
            parts[name][source] = examples
    return Subset(parts["train"], parts["dev"], parts["test"])


def data_files(data: Path, sources: Sequence[str] = tuple(SHARES)) -> list[Path]:
    """The files that `common_subset` reads, for a run's record."""
    names = [name for source in sources for name in _FILES[source]]
    return [data / f"{name}.jsonl.gz" for name in names]


def from_examples(path: Path) -> Subset:
    """Examples of a file (see `models.training.examples`), split by conversation and rater.

    Raises BadExample, naming the line; FileNotFoundError.
    """
    from models.training.splits import split

    examples = [e for e in read_examples(path) if _visible(e.context[-1], e.response)]
    parts = split(examples)
    by_source = {name: _by_source(rows) for name, rows in parts.items()}
    return Subset(by_source["train"], by_source["dev"], by_source["test"])


def _by_source(examples: Iterable[Example]) -> dict[str, Examples]:
    grouped: dict[str, Examples] = {}
    for example in examples:
        grouped.setdefault(example.source, []).append(example)
    return grouped


def _visible(*texts: str) -> bool:
    return all(map(normalise, texts))


def _shuffled(items: Iterable[Item], seed: int, name: str) -> list[Item]:
    """In an order that depends on nothing but seed, name and the items' own order."""
    order = list(items)
    random.Random(f"{seed}:{name}").shuffle(order)
    return order


def _take(groups: Iterable[Sequence[Example]], count: int | None) -> Examples:
    """Whole groups until there are `count` examples; all where it is None."""
    taken: Examples = []
    for group in groups:
        if count is not None and len(taken) >= count:
            break
        taken.extend(group)
    return taken


def _examples(source: str, part: str, row: Judged, rater: str = "") -> Examples:
    """The examples of judged responses to one context; those nobody can see are left out.

    ACCENTOR numbers its dialogs anew in every part, so the part belongs to the name.
    """
    group = f"{source}:{part}:{row.unit}"
    conversation = f"{source}:{part}:{row.unit.split(':')[0]}"
    return [
        Example(source, HEADS[source], row.context, text, label, group, conversation, rater)
        for text, label in zip(row.responses, row.labels, strict=True)
        if _visible(text) and row.context and _visible(row.context[-1])
    ]


def _accentor(data: Path, count: int | None, seed: int) -> dict[str, Examples]:
    limits = {"train": count, "dev": DEV_PAIRS, "test": None}
    return {
        part: _take(
            (
                _examples("accentor", part, row)
                for row in _order(load_accentor(data, part), seed, part)
            ),
            limit,
        )
        for part, limit in limits.items()
    }


def _diasafety(data: Path, count: int | None, seed: int) -> dict[str, Examples]:
    names = {"train": ("train", count), "dev": ("val", DEV_PAIRS), "test": ("test", None)}
    return {
        part: _take(
            (
                _examples("diasafety", name, row)
                for row in _order(load_safety(data, name), seed, name)
            ),
            limit,
        )
        for part, (name, limit) in names.items()
    }


def _order(rows: Sequence[Judged], seed: int, part: str) -> list[Judged]:
    return list(rows) if part == "test" else _shuffled(rows, seed, part)


def _dialogue_eval(data: Path, count: int | None, seed: int) -> dict[str, Examples]:
    """Users' ratings of dialogs; whoever rated a held-out dialog is not trained on at all."""
    path = data / "reactions" / "dialogue_eval.jsonl.gz"
    rater = {row["dialog_id"]: str(row.get("worker", "")) for row in read_rows(path)}
    rows = load_liking(data, "dialogue_eval")
    held = {row.unit for row in rows if is_held_out(row.unit)}
    known = {rater[unit] for unit in held} - {""}
    parts: dict[str, list[Judged]] = {"train": [], "dev": [], "test": []}
    for row in rows:
        if row.unit in held:
            parts["dev" if _is_dev(row.unit) else "test"].append(row)
        elif rater[row.unit] not in known:
            parts["train"].append(row)
    parts["train"] = _shuffled(parts["train"], seed, "dialogue_eval")
    limits = {"train": count, "dev": DEV_PAIRS, "test": None}
    return {
        part: _take(
            (_examples("dialogue_eval", part, row, rater[row.unit]) for row in mine),
            limits[part],
        )
        for part, mine in parts.items()
    }


def _is_dev(name: str) -> bool:
    """Which half of what is held out calibrates; the other half is the test."""
    return is_held_out(f"dev:{name}", 50)


def _selection(data: Path, count: int | None, seed: int) -> dict[str, Examples]:
    parts: dict[str, list[Dialog]] = {"train": [], "dev": [], "test": []}
    for dialog in load_dialogs(data):
        if not is_held_out(dialog.name):
            parts["train"].append(dialog)
        else:
            parts["dev" if _is_dev(dialog.name) else "test"].append(dialog)
    wanted = SELECTION_MOST if count is None else count
    limits = {"train": wanted, "dev": DEV_PAIRS, "test": SELECTION_TEST_PAIRS}
    return {
        part: _take(_drawn(_shuffled(dialogs, seed, f"selection:{part}"), seed), limits[part])
        for part, dialogs in parts.items()
    }


def _drawn(dialogs: Sequence[Dialog], seed: int) -> Iterator[Examples]:
    """True next turns beside one negative each: first one of every dialog, then a second, …"""
    targets = [
        _shuffled(filter(dialog.is_target, range(1, len(dialog.turns))), seed, dialog.name)
        for dialog in dialogs
    ]
    topics: dict[str, list[Dialog]] = {}
    for dialog in dialogs:
        topics.setdefault(dialog.topic, []).append(dialog)
    for turn in range(max(map(len, targets), default=0)):
        for dialog, mine in zip(dialogs, targets, strict=True):
            if turn < len(mine):
                rng = random.Random(f"{seed}:{dialog.name}:{turn}")
                yield _pair(dialog, mine[turn], topics[dialog.topic], dialogs, rng)


def _pair(
    dialog: Dialog,
    i: int,
    near: Sequence[Dialog],
    all_of_them: Sequence[Dialog],
    rng: random.Random,
) -> Examples:
    # Conversations begin with one turn, so short contexts are met as often as long ones.
    seen = rng.choice((1, 1, 2, 3, CONTEXT_TURNS))
    context = dialog.turns[max(0, i - seen) : i]
    wrong = _negative(dialog, i, near, all_of_them, rng)
    if not wrong:
        return []
    name = f"{dialog.source}:{dialog.name}"
    return [
        Example("selection", "selection", context, text, label, f"{name}:{i}", name)
        for text, label in ((dialog.turns[i], 1.0), (wrong, 0.0))
    ]


def _negative(
    dialog: Dialog,
    i: int,
    near: Sequence[Dialog],
    all_of_them: Sequence[Dialog],
    rng: random.Random,
) -> str:
    """A turn that is not the true one; empty where a few draws find none."""
    for _ in range(8):
        draw = rng.random()
        if draw < NEAR + ANY:
            other = rng.choice(near if draw < NEAR else all_of_them)
            text = rng.choice(other.turns) if other is not dialog else ""
        else:
            text = rng.choice(dialog.turns[:i] + dialog.turns[i + 1 :])
        if text and text != dialog.turns[i]:
            return text
    return ""


_LOADERS: dict[str, Callable[[Path, int | None, int], dict[str, Examples]]] = {
    "accentor": _accentor,
    "selection": _selection,
    "diasafety": _diasafety,
    "dialogue_eval": _dialogue_eval,
}
_FILES = {
    "accentor": [f"reactions/accentor_{part}" for part in ("train", "dev", "test")],
    "selection": [
        f"dialogs/{name}" for name in ("self_dialogue", "topical_chat", "synthetic_persona_chat")
    ],
    "diasafety": ["reactions/diasafety"],
    "dialogue_eval": ["reactions/dialogue_eval"],
}
