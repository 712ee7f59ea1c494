"""Trains the sentence reader of the input screen, and weighs it beside rules and linear reader.

Two folds leave authors out, as far as a set has more than the first (`material.development`); what
the three sides say of left-out texts alone chooses the stack. Folds and the last fit are kept in a
run's folder, so that a run that was broken off goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.dialog.safety import Reading
from app.dialog.safety.verdict import LIMIT, Evidence, ruled_by
from app.dialog.safety.words import normalise
from models.ngrams import Ngrams
from models.runtimes.torch_sentence import SentenceNet
from models.sentence_reader import SentenceSettings
from models.text_reader import TextReader
from models.training.sentence_reader.fit import Lesson, Recipe
from models.training.sentence_reader.stack import fit_stack
from models.training.text_reader.fit import fit, rows_of, threshold
from scripts.safety.fits import Fits
from scripts.safety.material import EVERYDAY, FOLDS, HEADS, QUESTIONS, TURN, Material
from scripts.safety.training import OWN, PUBLIC, WHOM, examples_of
from scripts.safety.writing import write_sentences

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
_SHARES = (0.01, 0.02, 0.05, 0.1)  # of harmless texts that alarm, for which recall is told
_NAMES = ("rules", "linear", "sentence")
_HAIR = 1e-6  # by which sums of the same numbers differ, added in another order
_POSITIVE = 1.3  # how much a text counts that is to be found
_BORROWED = 0.3  # and one that was judged for another question than the head's, or by its category
_NEIGHBOURS = frozenset(
    {"everyday", "small_talk", "small-talk", "small-talk-2", "everyday-abuse", "everyday-tricks"}
)  # kinds of texts that change nothing where they stand beside another


@dataclass(frozen=True)
class Bound:
    """How often a question may be answered yes wrongly.

    `alarms`: the share of left-out harmless texts of our own, which were written to be mistaken;
    `everyday`: of left-out public turns, as people would feel it.
    """

    alarms: float
    everyday: float


BOUNDS: Mapping[str, Bound] = {
    "crisis": Bound(0.05, 0.004),  # a kind word too many; a danger that is missed is worse
    "abuse": Bound(0.05, 0.004),  # one sentence of the companion's
    "minor": Bound(0.01, 0.0005),  # it stays until the person erases themselves
    "trick": Bound(0.02, 0.004),  # nothing is obeyed, seen or not
}
"""By what a wrong yes costs."""


@dataclass(frozen=True)
class SentenceOptions:
    """What a run is asked for.

    `folds`: how many of `FOLDS` are fitted; the texts of the others choose nothing. `refit`: on
    everything in the end; without it the fit of the first fold is what is written, which never saw
    the texts that chose its stack.
    """

    out: Path
    run: Path
    recipe: Recipe
    strength: float
    public: bool
    folds: int = FOLDS
    refit: bool = True
    base: str = "auto"


@dataclass(frozen=True)
class Told:
    """What the folds say of one question on the texts of authors that were left out."""

    question: str
    weights: Mapping[str, float]
    figures: Mapping[str, float]


def train_sentences(
    material: Sequence[Material],
    linear: TextReader,
    options: SentenceOptions,
    command: str,
    said: Callable[[str], None] = print,
) -> list[Told]:
    """Fold, weigh, fit on everything, write the folder; what the folds said of each question."""
    study = _Study(material, options, said)
    logits = study.left_out()
    told = [
        _stacked(question, material, logits[:, place], linear, options)
        for place, question in enumerate(QUESTIONS)
    ]
    net = study.last() if options.refit else study.fold(0)
    stack = {one.question: one.weights for one in told}
    settings = SentenceSettings(options.recipe.depth, HEADS, stack)
    write_sentences(
        options.out,
        net,
        settings,
        options.recipe,
        study.base,
        name="kindred-input-screen-sentences",
        command=command,
        data=(OWN, *(PUBLIC if options.public else ())),
        metrics={"refit": options.refit, "folds": {one.question: one.figures for one in told}},
    )
    return told


def lesson_of(material: Material) -> Lesson:
    """What a text says of each head, and how much."""
    targets = np.zeros(len(HEADS), dtype=np.float32)
    weights = np.zeros(len(HEADS), dtype=np.float32)
    for place, head in enumerate(HEADS):
        if head not in material.labels:
            continue
        targets[place] = material.labels[head]
        own = material.kind == TURN or material.home in (
            EVERYDAY,
            "crisis" if head in WHOM else head,
        )
        weights[place] = (_POSITIVE if targets[place] else 1.0) if own else _BORROWED
    beside = material.kind in _NEIGHBOURS
    return Lesson(material.text, normalise(material.text), targets, weights, beside)


class _Study:
    """The fits of a run: each fold's, and the last."""

    def __init__(
        self, material: Sequence[Material], options: SentenceOptions, said: Callable[[str], None]
    ) -> None:
        self._material, self._options = material, options
        self._fits = Fits(options.base, options.recipe, options.run, said)
        self.base = self._fits.base
        self._lessons = [lesson_of(m) for m in material]

    def left_out(self) -> Array:
        """Logits (n, heads) of each text by the fit of its fold; nan where none left it out."""
        logits = np.full((len(self._material), len(HEADS)), np.nan)
        for fold in range(self._options.folds):
            net = self.fold(fold)
            out = [i for i, m in enumerate(self._material) if m.fold == fold]
            if out:
                logits[out] = self._fits.logits(net, [self._material[i].text for i in out])
        return logits

    def fold(self, number: int) -> SentenceNet:
        """The fit without the texts of one fold."""
        chosen = [m.fold != number for m in self._material]
        lessons = [one for one, wanted in zip(self._lessons, chosen, strict=True) if wanted]
        return self._fits.fit(f"fold {number}", lessons)

    def last(self) -> SentenceNet:
        """The fit on everything."""
        return self._fits.fit("everything", self._lessons)


def _stacked(
    question: str,
    material: Sequence[Material],
    sentence: Array,
    linear: TextReader,
    options: SentenceOptions,
) -> Told:
    """Weigh the sides of one question on its own left-out texts, everyday ones among them."""
    judged = [
        i
        for i, m in enumerate(material)
        if np.isfinite(sentence[i]) and (m.home in (question, EVERYDAY) or m.kind == TURN)
    ]
    margins = _margins(question, material, linear, options)
    chosen = [material[i] for i in judged]
    ruled = [ruled_by(Reading.of(m.text))[question] for m in chosen]
    clipped = np.clip(margins[judged], -LIMIT, LIMIT)
    sides = np.stack([np.array(ruled, dtype=float), clipped, sentence[judged]], 1)
    asked = Asked.of(question, chosen)
    weights = weights_of(sides, asked, BOUNDS[question])
    weighed = np.array([Evidence(bool(r), m, x).weighed(weights) for r, m, x in sides])
    found = {
        "rules": sides[:, 0] > 0,
        "both": (sides[:, 0] > 0) | (sides[:, 1] > 0),
        "sentence": sides[:, 2] > weights["alone"],
        "all": weighed > 0,
    }
    figures = {"texts": float(asked.found.sum()), "harmless": float(asked.harmless.sum())}
    for name, alarm in found.items():
        figures[f"recall_{name}"] = _share(alarm, asked.found)
        figures[f"alarms_{name}"] = _share(alarm, asked.harmless)
        figures[f"everyday_{name}"] = _share(alarm, asked.turns)
    for share in _SHARES:
        limit = threshold(weighed, asked.harmless, share)
        figures[f"recall_at_{share:g}"] = _share(weighed > limit, asked.found)
    return Told(question, weights, figures)


@dataclass(frozen=True)
class Asked:
    """Left-out texts that choose one question's stack; each mask is (n,).

    `found` and `harmless` are our own texts, by their labels; `turns` are public turns, of which a
    few that the rules alarm on have no label: they are counted, and not learned from (`known`).
    """

    found: Mask
    harmless: Mask
    turns: Mask
    known: Mask

    @classmethod
    def of(cls, question: str, texts: Sequence[Material]) -> Asked:
        """What the texts say of a question."""
        turns = np.array([m.kind == TURN for m in texts])
        found = np.array([m.labels.get(question, 0.0) > 0 for m in texts]) & ~turns
        known = np.array([question in m.labels for m in texts])
        return cls(found, ~found & ~turns, turns, known)


def weights_of(sides: Array, asked: Asked, bound: Bound) -> dict[str, float]:
    """The stack of a question, and the limit above which the sentence reader `alone` says yes.

    Args:
        sides: (n, 3), what rules, linear reader and sentence reader say of each text.
    """
    known, harmless, turns = asked.known, asked.harmless, asked.turns
    weights = fit_stack(sides[known], asked.found[known], harmless[known], bound.alarms, _NAMES)
    weights["alone"] = threshold(sides[:, 2], harmless, bound.alarms)
    if turns.any():
        weighed = sides @ [weights[name] for name in _NAMES]
        weights["bias"] = min(weights["bias"], -threshold(weighed, turns, bound.everyday))
        weights["alone"] = max(weights["alone"], threshold(sides[:, 2], turns, bound.everyday))
    return {**weights, "bias": weights["bias"] - _HAIR}


def _margins(
    question: str, material: Sequence[Material], linear: TextReader, options: SentenceOptions
) -> Array:
    """What linear readers that left authors out say of their texts, above the served threshold."""
    limit = next(head.threshold for head in linear.heads if head.name == question)
    known = np.array([i for i, m in enumerate(material) if question in m.labels])
    rows = _rows(linear.ngrams, material)
    examples = examples_of(rows, material, known, question)
    folds = np.array([material[i].fold for i in known])
    margins = np.zeros(len(material))
    for fold in range(options.folds):
        out = folds == fold
        if out.any():
            beta, bias = fit(examples.part(~out), options.strength)
            margins[known[out]] = examples.rows[out] @ beta + bias - limit
    return margins


def _rows(ngrams: Ngrams, material: Sequence[Material]) -> Any:
    return rows_of(ngrams, [(m.text, normalise(m.text)) for m in material])


def _share(found: NDArray[np.bool_], of: NDArray[np.bool_]) -> float:
    return round(float((found & of).sum() / max(int(of.sum()), 1)), 4)
