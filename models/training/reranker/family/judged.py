"""The judged sources of the common subset, each read in parts of which none knows another."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from models.prompt import normalise
from models.training.examples import Example
from models.training.judgements import (
    Judged,
    is_held_out,
    load_accentor,
    load_liking,
    load_safety,
    read_rows,
)

HEADS = {"accentor": "accentor", "diasafety": "offensive", "dialogue_eval": "liking"}
DEV_PAIRS = 3000

Examples = list[Example]
Item = TypeVar("Item")


def accentor(data: Path, count: int | None, seed: int) -> dict[str, Examples]:
    """Small talk added to tasks, judged good or bad; the parts are those published."""
    limits = {"train": count, "dev": DEV_PAIRS, "test": None}
    return {
        part: take(
            (
                _examples("accentor", part, row)
                for row in _order(load_accentor(data, part), seed, part)
            ),
            limit,
        )
        for part, limit in limits.items()
    }


def diasafety(data: Path, count: int | None, seed: int) -> dict[str, Examples]:
    """Responses judged safe or unsafe; the parts are those published."""
    names = {"train": ("train", count), "dev": ("val", DEV_PAIRS), "test": ("test", None)}
    return {
        part: take(
            (
                _examples("diasafety", name, row)
                for row in _order(load_safety(data, name), seed, name)
            ),
            limit,
        )
        for part, (name, limit) in names.items()
    }


def _order(rows: Sequence[Judged], seed: int, part: str) -> list[Judged]:
    return list(rows) if part == "test" else shuffled(rows, seed, part)


def dialogue_eval(data: Path, count: int | None, seed: int) -> dict[str, Examples]:
    """Users' ratings of dialogs; whoever rated a held-out dialog is not trained on at all."""
    path = data / "reactions" / "dialogue_eval.jsonl.gz"
    rater = {row["dialog_id"]: str(row.get("worker", "")) for row in read_rows(path)}
    rows = load_liking(data, "dialogue_eval")
    held = {row.unit for row in rows if is_held_out(row.unit)}
    known = {rater[unit] for unit in held} - {""}
    parts: dict[str, list[Judged]] = {"train": [], "dev": [], "test": []}
    for row in rows:
        if row.unit in held:
            parts["dev" if is_dev(row.unit) else "test"].append(row)
        elif rater[row.unit] not in known:
            parts["train"].append(row)
    parts["train"] = shuffled(parts["train"], seed, "dialogue_eval")
    limits = {"train": count, "dev": DEV_PAIRS, "test": None}
    return {
        part: take(
            (_examples("dialogue_eval", part, row, rater[row.unit]) for row in mine),
            limits[part],
        )
        for part, mine in parts.items()
    }


def is_dev(name: str) -> bool:
    """Which half of what is held out calibrates; the other half is the test."""
    return is_held_out(f"dev:{name}", 50)


def _examples(source: str, part: str, row: Judged, rater: str = "") -> Examples:
    """The examples of judged responses to one context; those nobody can see are left out.

    ACCENTOR numbers its dialogs anew in every part, so the part belongs to the name.
    """
    group = f"{source}:{part}:{row.unit}"
    conversation = f"{source}:{part}:{row.unit.split(':')[0]}"
    return [
        Example(source, HEADS[source], row.context, text, label, group, conversation, rater)
        for text, label in zip(row.responses, row.labels, strict=True)
        if visible(text) and row.context and visible(row.context[-1])
    ]


def visible(*texts: str) -> bool:
    """Whether anybody can see each of the texts."""
    return all(map(normalise, texts))


def shuffled(items: Iterable[Item], seed: int, name: str) -> list[Item]:
    """In an order that depends on nothing but seed, name and the items' own order."""
    order = list(items)
    random.Random(f"{seed}:{name}").shuffle(order)
    return order


def take(groups: Iterable[Sequence[Example]], count: int | None) -> Examples:
    """Whole groups until there are `count` examples; all where it is None."""
    taken: Examples = []
    for group in groups:
        if count is not None and len(taken) >= count:
            break
        taken.extend(group)
    return taken
