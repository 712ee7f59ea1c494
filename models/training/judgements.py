"""Conversations and human judgements as training examples of the reranker.

Everything becomes one of two shapes: a `Selection`, one true next turn among negatives of the same
context, or a `Judged`, responses to one context with labels in [0, 1] under one head. Sources keep
their own head, since their judgements mean different things.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.prompt import normalise

HELD_OUT_PERCENT = 5
RATING = {"Excellent": 1.0, "Good": 1.0, "Passable": 0.0, "Not Good": 0.0, "Poor": 0.0}
PRAISE = ("interesting", "fun", "consistent", "fluent", "topic")
BLAME = ("robotic", "repetitive")


@dataclass(frozen=True)
class Dialog:
    """A conversation; `facts[i]` is what is known of the speaker of turn i."""

    source: str
    name: str
    topic: str
    turns: tuple[str, ...]
    facts: tuple[tuple[str, ...], ...] = ()
    answerable: tuple[bool, ...] = ()

    def is_target(self, i: int) -> bool:
        """Whether turn i may serve as a true response."""
        return i > 0 and (not self.answerable or self.answerable[i])


@dataclass(frozen=True)
class Exchange:
    """Several ways to say a thing, and several replies that fit each of them."""

    source: str
    name: str
    topic: str
    contexts: tuple[str, ...]
    replies: tuple[str, ...]


@dataclass(frozen=True)
class Selection:
    """`responses[0]` is the true next turn after `context`, the rest are negatives."""

    source: str
    context: tuple[str, ...]
    responses: tuple[str, ...]
    facts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Judged:
    """Responses to one context with labels in [0, 1]; `unit` groups rows judged as one."""

    head: str
    source: str
    context: tuple[str, ...]
    responses: tuple[str, ...]
    labels: tuple[float, ...]
    unit: str = ""
    facts: tuple[str, ...] = ()


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """The JSON lines of a file, gzip or plain."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as stream:
        for line in stream:
            if line.strip():
                yield json.loads(line)


def is_held_out(name: str, percent: int = HELD_OUT_PERCENT) -> bool:
    """A fixed split by name, the same in every run."""
    return int(hashlib.sha256(name.encode()).hexdigest(), 16) % 100 < percent


def load_dialogs(data: Path) -> list[Dialog]:
    """The conversations of `data/dialogs` between two people."""
    folder = data / "dialogs"
    dialogs = [
        _dialog("self_dialogue", row) for row in read_rows(folder / "self_dialogue.jsonl.gz")
    ]
    dialogs += [_dialog("topical_chat", row) for row in read_rows(folder / "topical_chat.jsonl.gz")]
    path = folder / "synthetic_persona_chat.jsonl.gz"
    dialogs += [_dialog("persona_chat", row) for row in read_rows(path)]
    return [dialog for dialog in dialogs if len(dialog.turns) > 2]


def _dialog(source: str, row: dict[str, Any]) -> Dialog:
    turns = [turn for turn in row["turns"] if normalise(turn["text"])]
    personas = row.get("personas") or {}
    facts = tuple(tuple(personas.get(turn["speaker"], ())) for turn in turns) if personas else ()
    # A rating below Good marks a turn that a person did not like: no example to follow.
    good = tuple(RATING.get(turn.get("rating"), 1.0) > 0 for turn in turns)
    texts = tuple(turn["text"] for turn in turns)
    return Dialog(source, row["dialog_id"], row.get("topic") or source, texts, facts, good)


def load_small_talk(data: Path) -> list[Exchange]:
    """personality_chat: many questions with one answer, in five styles; the style is the topic."""
    rows = read_rows(data / "dialogs" / "personality_chat.jsonl.gz")
    return [
        Exchange(
            "personality_chat",
            f"personality:{row['style']}:{row['questions'][0]}",
            row["style"],
            tuple(row["questions"]),
            (row["answer"],),
        )
        for row in rows
    ]


def load_own(folder: Path) -> tuple[list[Dialog], list[Exchange]]:
    """This project's own `bank/*.jsonl` and `dialogs/*.jsonl`; only Kindred's turns are targets."""
    exchanges = [
        Exchange(
            "own_bank",
            str(row.get("id", f"{path.stem}:{i}")),
            path.stem,
            tuple(row["contexts"]),
            tuple(row["replies"]),
        )
        for path in sorted((folder / "bank").glob("*.jsonl"))
        for i, row in enumerate(read_rows(path))
    ]
    dialogs = []
    for path in sorted((folder / "dialogs").glob("*.jsonl")):
        for i, row in enumerate(read_rows(path)):
            turns = tuple(turn["text"] for turn in row["turns"])
            ours = tuple(turn["speaker"] == "kindred" for turn in row["turns"])
            name = str(row.get("id", f"{path.stem}:{i}"))
            dialogs.append(Dialog("own_dialogs", name, path.stem, turns, (), ours))
    return dialogs, exchanges


def load_accentor(data: Path, split: str) -> list[Judged]:
    """ACCENTOR's good and bad additions (Sun et al. 2021), one example a slot."""
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in read_rows(data / "reactions" / f"accentor_{split}.jsonl.gz"):
        if normalise(row["response"]):
            groups[row["group"]].append(row)
    return [
        Judged(
            "accentor",
            "accentor",
            tuple(rows[0]["context"]),
            tuple(row["response"] for row in rows),
            tuple(float(row["label"] == "good") for row in rows),
            group,
        )
        for group, rows in groups.items()
    ]


def load_safety(data: Path, split: str) -> list[Judged]:
    """DiaSafety (Sun et al. 2022): label 1 is unsafe in its context."""
    return [
        Judged(
            "offensive",
            "diasafety",
            tuple(row["context"]),
            (row["response"],),
            (float(row["label"] == "Unsafe"),),
            str(i),
        )
        for i, row in enumerate(read_rows(data / "reactions" / "diasafety.jsonl.gz"))
        if row["split"] == split and normalise(row["response"])
    ]


def load_liking(data: Path, source: str) -> list[Judged]:
    """Users' ratings of whole dialogs with bots (`dialogue_eval`, `ieval`), given to each bot turn.

    The label is the dialog's rank among all dialogs of the source, from 0 to 1.
    """
    rows = list(read_rows(data / "reactions" / f"{source}.jsonl.gz"))
    labels = ranks([_opinion(source, row) for row in rows])
    judged: list[Judged] = []
    for row, rank in zip(rows, labels, strict=True):
        texts = [turn["text"] for turn in row["turns"]]
        for i, turn in enumerate(row["turns"]):
            if i > 0 and turn["speaker"] == "bot" and normalise(texts[i]):
                context = tuple(texts[max(0, i - 5) : i])
                judged.append(
                    Judged("liking", source, context, (texts[i],), (rank,), row["dialog_id"])
                )
    return judged


def _opinion(source: str, row: dict[str, Any]) -> float:
    if source == "ieval":
        return float(row["rating"])
    scores = row["scores"]["z scores"]
    return float(sum(scores[n] for n in PRAISE) - sum(scores[n] for n in BLAME))


def ranks(values: Iterable[float]) -> list[float]:
    """Ranks scaled to [0, 1]; ties share their mean rank."""
    values = list(values)
    order = sorted(values)
    first: dict[float, int] = {}
    count: dict[float, int] = defaultdict(int)
    for i, value in enumerate(order):
        first.setdefault(value, i)
        count[value] += 1
    last = max(1, len(values) - 1)
    return [(first[v] + (count[v] - 1) / 2) / last for v in values]


def load_topical_ratings(data: Path) -> list[Judged]:
    """Topical-Chat's ratings of single messages by the partner: Good or better against the rest."""
    judged: list[Judged] = []
    for row in read_rows(data / "dialogs" / "topical_chat.jsonl.gz"):
        texts = [turn["text"] for turn in row["turns"]]
        for i, turn in enumerate(row["turns"]):
            if i > 0 and turn.get("rating") in RATING and normalise(texts[i]):
                label = RATING[turn["rating"]]
                context = tuple(texts[max(0, i - 5) : i])
                judged.append(
                    Judged(
                        "topical", "topical_chat", context, (texts[i],), (label,), row["dialog_id"]
                    )
                )
    return judged
