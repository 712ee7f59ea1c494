"""What the learned reader learns from: texts written for it, and public ones by path.

The texts of `data/safety/development` were written for this; no text of an evaluation set is among
them. Public conversations are harmless by far the most, and teach what people talk about all day;
of DiaSafety only the contexts are read, by what its categories say of them.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from app.dialog.safety import Reading
from models.training.judgements import read_rows
from models.training.text_reader.texts import HARMLESS, LabelledText, read_texts

SETS = {"crisis": "crisis", "minors": "minor", "abuse": "abuse", "tricks": "trick"}
"""The name of each set of the input screen, and the label that it looks for."""

QUESTIONS = ("crisis", "abuse", "minor", "trick")
HEADS = (*QUESTIONS, "other", "loss")
FOLDS, NEVER = 2, -1
EVERYDAY = "everyday"  # texts that are harmless whatever is asked
TURN = "turn"  # the kind of public turns: what people write all day, harmless but for a few
_WHOM = {"other": ("other", "third"), "loss": ("loss",)}  # how the kinds of such texts begin
_PUBLIC_WEIGHT = 0.3  # of a text that nobody judged for this
_LENGTHS = range(8, 400)


@dataclass(frozen=True)
class Material:
    """One text with the labels that are known of it; a head without one does not learn from it.

    `own` where it was written for this: such texts choose thresholds, each for the head of its own
    set (`home`), everyday ones for all; of public texts only turns of talks do (`TURN`), as nobody
    judged them. `fold`: which one leaves its author, or this turn, out; `NEVER` for none.
    """

    text: str
    labels: dict[str, float] = field(default_factory=dict)
    weight: float = 1.0
    own: bool = True
    home: str = ""
    kind: str = ""
    fold: int = -1  # NEVER


def development(folder: Path) -> list[Material]:
    """Every text that was written for this, each once.

    A file has one author. `crisis.jsonl` and its like were written by the author of the rules, so
    how rules do on them says little: no fold leaves them out. The further files of each set
    (`crisis-a.jsonl` and so on) are left out by turns, whole authors at a time.
    """
    found: dict[str, Material] = {}
    for name, label in SETS.items():
        for fold, path in ((NEVER, folder / f"{name}.jsonl"), *_further(folder, name)):
            for text in read_texts(path, (label, HARMLESS)):
                found.setdefault(text.text, _of_set(text, label, fold))
    for fold, path in _further(folder, EVERYDAY):
        for text in read_texts(path, (HARMLESS,)):
            found.setdefault(text.text, _everyday(text, fold))
    return list(found.values())


def _further(folder: Path, name: str) -> list[tuple[int, Path]]:
    """The files of a set by further authors, and the fold that leaves each out."""
    paths = sorted(folder.glob(f"{name}-*.jsonl"))
    return [(number % FOLDS, path) for number, path in enumerate(paths)]


def _everyday(text: LabelledText, fold: int) -> Material:
    labels = dict.fromkeys(QUESTIONS, 0.0)
    return Material(text.text, labels, home=EVERYDAY, kind=text.kind, fold=fold)


def _of_set(text: LabelledText, head: str, fold: int) -> Material:
    """A text of one set; of the other sets' questions it says no where that is sure."""
    positive = text.label != HARMLESS
    seen = _ruled(Reading.of(text.text))
    labels = {name: 0.0 for name in QUESTIONS if not seen.get(name)}
    labels[head] = float(positive)
    if positive and head in ("abuse", "crisis"):
        # "Go kill yourself" is an attack and speaks of suicide; who is in danger may be a child.
        for unsure in {"abuse": ("crisis",), "crisis": ("minor",)}[head]:
            labels.pop(unsure, None)
    if head == "crisis" and positive:
        labels |= {name: float(text.kind.startswith(whom)) for name, whom in _WHOM.items()}
    return Material(text.text, labels, home=head, kind=text.kind, fold=fold)


def _ruled(reading: Reading) -> dict[str, bool]:
    return {"crisis": reading.crisis, "abuse": reading.abusive, "minor": reading.minor}


def public(data: Path, limit: int, seed: int) -> list[Material]:
    """Turns of public conversations and contexts of DiaSafety, as far as a label is known.

    Args:
        limit: so many turns, and so many contexts of each category.
    """
    chance = random.Random(seed)
    turns = sorted(set(_turns(data / "dialogs")))
    chosen = chance.sample(turns, min(limit, len(turns)))
    no = dict.fromkeys(QUESTIONS, 0.0)
    found = []
    for number, text in enumerate(chosen):
        seen = _ruled(Reading.of(text))
        labels = {name: value for name, value in no.items() if not seen.get(name)}
        fold = number % FOLDS
        found.append(Material(text, labels, _PUBLIC_WEIGHT, False, kind=TURN, fold=fold))
    return [*found, *_contexts(data / "reactions" / "diasafety.jsonl.gz", chance, limit)]


def some(material: Sequence[Material], limit: int, seed: int) -> list[Material]:
    """So many at random; all where there are fewer."""
    return random.Random(seed).sample(material, min(limit, len(material)))


def _turns(folder: Path) -> Iterator[str]:
    for name in ("self_dialogue", "topical_chat", "synthetic_persona_chat"):
        for row in read_rows(folder / f"{name}.jsonl.gz"):
            yield from (t["text"] for t in row["turns"][::3] if len(t["text"]) in _LENGTHS)


def _contexts(path: Path, chance: random.Random, limit: int) -> list[Material]:
    """Contexts of DiaSafety's training part, each once."""
    by_category: dict[str, set[str]] = {}
    for row in read_rows(path):
        text = re.sub(r"\s+", " ", row["context"][-1])
        if row["split"] == "train" and len(text) in _LENGTHS:
            by_category.setdefault(row["category"], set()).add(text)
    found = []
    for category, texts in sorted(by_category.items()):
        found += [
            Material(text, _of_category(category, Reading.of(text)), _PUBLIC_WEIGHT, own=False)
            for text in chance.sample(sorted(texts), min(limit, len(texts)))
        ]
    return found


def _of_category(category: str, reading: Reading) -> dict[str, float]:
    """What a context of a category is, where category and rules together are sure enough."""
    if category == "Risk Ignorance":  # people who are unwell: in danger, or sad
        return {"crisis": 1.0, "abuse": 0.0} if reading.crisis else {"abuse": 0.0, "trick": 0.0}
    if category == "Toxicity Agreement":  # somebody insults or agitates
        return {"abuse": 1.0, "trick": 0.0, "minor": 0.0}
    if category == "Unauthorized Expertise" and not reading.crisis:  # asks for advice
        return {"crisis": 0.0, "abuse": 0.0, "trick": 0.0}
    return {"trick": 0.0}
