"""Trains the linear reader of the input screen and chooses its thresholds by folds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.dialog.safety import Reading
from app.dialog.safety.words import normalise
from models.checkpoint import DataSource, write_manifest
from models.ngrams import Ngrams
from models.text_reader import KIND, Head, TextReader
from models.training.text_reader.fit import Examples, fit, left_out, rows_of, threshold
from scripts.safety.material import HEADS, Material
from scripts.safety.writing import replaced

OWN = DataSource("Kindred's texts for the input screen (data/safety/development)", "Apache-2.0")
PUBLIC = (
    DataSource("Self-dialogue Corpus", "BSD-3-Clause"),
    DataSource("Topical-Chat", "CDLA-Sharing-1.0"),
    DataSource("Synthetic-Persona-Chat", "CC-BY-4.0"),
    DataSource("DiaSafety (contexts)", "Apache-2.0"),
)
WHOM = ("other", "loss")
_POSITIVE_WEIGHT = 2.0  # a miss costs more than an alarm too many, before any threshold
_RULES: dict[str, Callable[[Reading], bool]] = {
    "crisis": lambda reading: reading.crisis,
    "abuse": lambda reading: reading.abusive,
    "minor": lambda reading: reading.minor,
    "trick": lambda reading: bool(reading.tricks),
}


@dataclass(frozen=True)
class Options:
    """What a training run is asked for; `alarms` is the share of harmless texts that may alarm."""

    out: Path
    strength: float
    alarms: float
    bits: int = 16
    public: bool = False


@dataclass(frozen=True)
class Judged:
    """What folds say of one head, on the texts of its own set."""

    head: str
    threshold: float
    figures: dict[str, float]
    missed: list[Material]
    alarmed: list[Material]


def train(
    material: Sequence[Material], options: Options, command: str
) -> tuple[TextReader, list[Judged]]:
    """Fit every head and write the folder; the reader, and what the folds said of each head."""
    ngrams = Ngrams(bits=options.bits)
    rows = rows_of(ngrams, [(m.text, normalise(m.text)) for m in material])
    weights = np.zeros((ngrams.buckets, len(HEADS)), dtype=np.float32)
    biases = np.zeros(len(HEADS), dtype=np.float32)
    heads: list[Head] = []
    told: list[Judged] = []
    for place, head in enumerate(HEADS):
        known = np.array([i for i, m in enumerate(material) if head in m.labels])
        examples = examples_of(rows, material, known, head)
        beta, bias = fit(examples, options.strength)
        weights[:, place], biases[place] = beta, bias
        if head in WHOM:
            heads.append(Head(head, 0.0))  # the likelier of two: who is meant
            continue
        logits = left_out(examples, options.strength)
        judged = _judge(head, [material[i] for i in known], logits, options.alarms)
        heads.append(Head(head, judged.threshold))
        told.append(judged)
    reader = TextReader(ngrams, heads, weights, biases)
    _write(reader, options, command, told)
    return reader, told


def examples_of(
    rows: Any, material: Sequence[Material], known: NDArray[Any], head: str
) -> Examples:
    """What one head learns from: the rows of the texts of which its answer is known."""
    labels = np.array([material[i].labels[head] for i in known])
    weights = np.array([material[i].weight for i in known])
    return Examples(rows[known], labels, weights * np.where(labels > 0, _POSITIVE_WEIGHT, 1), known)


def _judge(
    head: str, material: Sequence[Material], logits: NDArray[np.float64], alarms: float
) -> Judged:
    """Choose the threshold by the harmless texts of the head's set that rules let pass."""
    home = np.array([m.home == head for m in material])
    positive = np.array([m.labels[head] > 0 for m in material])
    ruled = np.array([home[i] and _RULES[head](Reading.of(m.text)) for i, m in enumerate(material)])
    harmless = home & ~positive
    limit = threshold(logits, harmless & ~ruled, alarms)
    learned = logits > limit
    either = ruled | learned

    def share(found: NDArray[np.bool_], of: NDArray[np.bool_]) -> float:
        return round(float((found & of).sum() / max(of.sum(), 1)), 4)

    public = ~np.array([m.own for m in material]) & ~positive
    figures = {
        "texts": float(home.sum()),
        "recall_rules": share(ruled, home & positive),
        "recall_learned": share(learned, home & positive),
        "recall": share(either, home & positive),
        "alarms_rules": share(ruled, harmless),
        "alarms_learned": share(learned, harmless),
        "alarms": share(either, harmless),
        "alarms_public": share(learned, public),
    }
    places = np.arange(len(material))
    missed = [material[i] for i in places[home & positive & ~either]]
    alarmed = [material[i] for i in places[harmless & either]]
    return Judged(head, limit, figures, missed, alarmed)


def _write(reader: TextReader, options: Options, command: str, told: Sequence[Judged]) -> None:
    with replaced(options.out) as folder:
        reader.save(folder)
        write_manifest(
            folder,
            name="kindred-input-screen",
            kind=KIND,
            command=command,
            data=(OWN, *(PUBLIC if options.public else ())),
            metrics={"folds": {j.head: j.figures for j in told}},
        )
