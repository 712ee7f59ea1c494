"""Recall lists: a true next turn against nine turns of other dialogs of the same topic.

The lists are a function of the held-out dialogs, a count and a seed alone, so that every model
that is compared ranks the very same ones; `fingerprint` says so in the figures.
"""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from models.prompt import normalise
from models.training.examples import Example
from models.training.judgements import Dialog, is_held_out, load_dialogs
from models.training.selection import DialogSampler

HEAD = "selection"
SEED = 5
NEGATIVES = 9
LISTS_PER_SOURCE = 300


def held_out_dialogs(data: Path) -> list[Dialog]:
    """The conversations below `data/dialogs` that no reranker is trained on."""
    return [dialog for dialog in load_dialogs(data) if is_held_out(dialog.name)]


def draw_lists(
    dialogs: Iterable[Dialog], *, lists: int = LISTS_PER_SOURCE, seed: int = SEED
) -> dict[str, list[Example]]:
    """`lists` lists of each source as examples of head `selection`, 1 true and 9 false in a row.

    Each list is a group; facts of the person are left out, since most scorers know of none. A topic
    of one dialog has no negatives and is left out, and so is a source without any other topic.
    """
    by_source: dict[str, list[Dialog]] = {}
    for dialog in sorted(dialogs, key=lambda dialog: dialog.name):
        by_source.setdefault(dialog.source, []).append(dialog)
    drawn = {}
    for source, mine in by_source.items():
        topics = Counter(dialog.topic for dialog in mine)
        sampler = DialogSampler([dialog for dialog in mine if topics[dialog.topic] > 1])
        if sampler.dialogs:
            drawn[source] = _lists(sampler, source, lists, seed)
    return drawn


def _lists(sampler: DialogSampler, source: str, count: int, seed: int) -> list[Example]:
    rng = random.Random(f"{seed}:{source}")
    rows: list[Example] = []
    number = 0
    while number < count:
        selection = sampler.draw(rng, NEGATIVES, topic_only=True)
        if not all(map(normalise, (*selection.context, *selection.responses))):
            continue
        group = f"{source}:{number}"
        rows += [
            Example(source, HEAD, selection.context, text, float(i == 0), group, group)
            for i, text in enumerate(selection.responses)
        ]
        number += 1
    return rows


def fingerprint(examples: Iterable[Example]) -> str:
    """12 hexadecimal digits that change when any text, label or order of the lists does."""
    digest = hashlib.sha256()
    for example in examples:
        parts: Sequence[str] = (*example.context, example.response, f"{example.label:g}")
        digest.update("\x1f".join(parts).encode() + b"\x1e")
    return digest.hexdigest()[:12]
