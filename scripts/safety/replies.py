"""Trains the sentence reader of the output screen on replies that must be kept back, by reason.

Each file of `data/screen/outputs-*.jsonl` has one author. A fold leaves each author out, and what
the fits say of left-out texts alone chooses the limits; lines of the bank, which were reviewed, say
what a companion says all day.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.dialog import screen
from models.checkpoint import DataSource
from models.sentence_reader import SentenceSettings
from models.training.sentence_reader.fit import Lesson, Recipe
from models.training.text_reader.fit import threshold
from models.training.text_reader.texts import HARMLESS, BadText, read_texts
from scripts.safety.fits import Fits
from scripts.safety.sets import OUTPUT_LABELS
from scripts.safety.writing import write_sentences

NAME = "kindred-output-screen-sentences"
HEADS = OUTPUT_LABELS
_OWN = DataSource("Kindred's texts for the output screen (data/screen)", "Apache-2.0")
_BANK = DataSource("Kindred's own bank", "Apache-2.0")
_UNSURE = 0.3  # how much a text that is kept back for one reason says of the others
Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Text:
    """A reply, its label, and the fold that leaves it out."""

    text: str
    label: str
    fold: int
    banked: bool = False


@dataclass(frozen=True)
class Options:
    """What a run is asked for.

    `alarms`: the share of left-out harmless texts that each head may keep back; they come near what
    is bad. `banked`: the same of left-out lines of the bank.
    """

    out: Path
    run: Path
    recipe: Recipe
    alarms: float = 0.01
    banked: float = 0.001
    base: str = "auto"


def material(folder: Path, bank: Sequence[str], lines: int, seed: int) -> list[Text]:
    """Every text of `outputs-*.jsonl`, and so many lines of the bank.

    Raises:
        BadText: there are fewer than two authors, or a file is not in its form.
    """
    files = sorted(folder.glob("outputs-*.jsonl"))
    if len(files) < 2:
        raise BadText(f"{folder}: outputs-*.jsonl of two authors at least are needed")
    found: dict[str, Text] = {}
    for fold, path in enumerate(files):
        for one in read_texts(path, (*HEADS, HARMLESS)):
            found.setdefault(one.text, Text(one.text, one.label, fold))
    chosen = random.Random(seed).sample(sorted(set(bank) - found.keys()), min(lines, len(bank)))
    for number, text in enumerate(chosen):
        found[text] = Text(text, HARMLESS, number % len(files), banked=True)
    return list(found.values())


def train_replies(
    texts: Sequence[Text],
    options: Options,
    command: str,
    said: Callable[[str], None] = print,
) -> dict[str, dict[str, float]]:
    """Fold, choose the limits, fit on everything, write the folder; what the folds said."""
    fits = Fits(options.base, options.recipe, options.run, said)
    lessons = [lesson_of(text) for text in texts]
    logits = np.zeros((len(texts), len(HEADS)))
    for fold in sorted({text.fold for text in texts}):
        out = [i for i, text in enumerate(texts) if text.fold == fold]
        left = set(out)
        net = fits.fit(f"fold {fold}", [x for i, x in enumerate(lessons) if i not in left])
        logits[out] = fits.logits(net, [texts[i].text for i in out])
    limits, told = _limits(texts, logits, options)
    net = fits.fit("everything", lessons)
    stack = {head: {"sentence": 1.0, "bias": -limit} for head, limit in limits.items()}
    write_sentences(
        options.out,
        net,
        SentenceSettings(options.recipe.depth, HEADS, stack),
        options.recipe,
        fits.base,
        name=NAME,
        command=command,
        data=(_OWN, _BANK),
        metrics={"folds": told},
    )
    return told


def lesson_of(text: Text) -> Lesson:
    """What a text says of each head, and how much."""
    targets = np.array([float(text.label == head) for head in HEADS], dtype=np.float32)
    sure = text.label == HARMLESS
    weights = np.where(targets > 0, 1.0, 1.0 if sure else _UNSURE).astype(np.float32)
    return Lesson(text.text, text.text.lower(), targets, weights)


def _limits(
    texts: Sequence[Text], logits: Scores, options: Options
) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """The logit above which each head keeps a reply back, and what the folds say of it."""
    labels = np.array([text.label for text in texts])
    banked = np.array([text.banked for text in texts])
    near = (labels == HARMLESS) & ~banked
    ruled = np.array([bool(screen.judge(text.text)) for text in texts])
    limits: dict[str, float] = {}
    told: dict[str, dict[str, float]] = {}
    caught = np.zeros(len(texts), dtype=bool)
    for place, head in enumerate(HEADS):
        column = logits[:, place]
        limits[head] = max(
            threshold(column, near, options.alarms), threshold(column, banked, options.banked)
        )
        above = column > limits[head]
        caught |= above
        told[head] = _shares(above, ruled, labels == head)
    told["all"] = _shares(caught, ruled, labels != HARMLESS)
    told["alarms"] = _shares(caught, ruled, near)
    told["bank"] = _shares(caught, ruled, banked)
    return limits, told


def _shares(
    above: NDArray[np.bool_], ruled: NDArray[np.bool_], of: NDArray[np.bool_]
) -> dict[str, float]:
    """The share of some texts that words, the reader, and either find."""
    found = {"words": ruled, "sentences": above, "either": above | ruled}
    texts = max(int(of.sum()), 1)
    return {"texts": float(of.sum())} | {
        name: round(float((mask & of).sum()) / texts, 4) for name, mask in found.items()
    }
