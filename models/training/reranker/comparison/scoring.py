"""Scores every reranker on every trial and keeps one row of figures a model; resumable.

In the run's folder lie `scores/<model>/<trial>.npy` and `rows/<model>.json`. A model whose row was
made of the same weights, trials and settings is not measured again; one whose scores are there is
measured without being run. The rows become the table of `comparison.table`.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from models.checkpoint import load_manifest, write_atomically
from models.training.examples import Example, write_examples
from models.training.record import Run, duration
from models.training.reranker import measures
from models.training.reranker.comparison.speed import SpeedError, measure_apart
from models.training.reranker.comparison.trials import Trial
from models.training.reranker.comparison.verdicts import Scores, judge
from models.training.reranker.scorer import PairScorer

FORMAT = 1
CHUNK = 640
"""Examples between two looks at whether to stop; whole slates of ten."""
Row = dict[str, Any]


class Stopped(Exception):
    """The run was asked to stop; what is done is kept."""


@dataclass(frozen=True)
class Subject:
    """A reranker to measure: `open` builds it; `folder` is None where it was built just now.

    title: what the table calls it in place of the scorer's own name.
    about: what the table says besides figures (family, layers, teacher, max_tokens, pairs,
    sources, train_seconds), as far as its manifest tells.
    """

    name: str
    version: str
    open: Callable[[], PairScorer]
    folder: Path | None = None
    title: str = ""
    about: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """A file name: what it is called and which weights it has."""
        return f"{re.sub(r'[^a-z0-9]+', '-', self.name.lower()).strip('-')}-{self.version}"


@dataclass(frozen=True)
class Settings:
    """What the figures depend on besides models and trials."""

    resamples: int = measures.RESAMPLES
    threads: tuple[int, ...] = (1, 2)
    seconds: float = 3.0
    speed: bool = True


def compare(
    run: Run, subjects: Sequence[Subject], trials: Sequence[Trial], settings: Settings
) -> list[Row]:
    """One row a subject, in order. Raises Stopped, and ValueError for scores that are none."""
    slates = run.folder / "slates.jsonl"
    if settings.speed and any(subject.folder for subject in subjects):
        write_examples(slates, _slates(trials))
    rows = []
    for number, subject in enumerate(subjects):
        run.log(f"{subject.name} ({number + 1} of {len(subjects)})")
        rows.append(_row(run, subject, trials, settings, slates))
        run.report(number, **_curves(rows[-1]))
    return rows


def read_rows(folder: Path) -> list[Row]:
    """The rows that a run's folder has, by file name."""
    paths = sorted((folder / "rows").glob("*.json"))
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]


def row_key(subject: Subject, trials: Iterable[Trial], settings: Settings) -> str:
    """Changes with the weights, the trials, what counts as seen, and the settings."""
    seen = [hashlib.sha256("\n".join(sorted(t.seen)).encode()).hexdigest() for t in trials]
    parts = [FORMAT, subject.key, [t.fingerprint for t in trials], seen, repr(settings)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _row(
    run: Run, subject: Subject, trials: Sequence[Trial], settings: Settings, slates: Path
) -> Row:
    path = run.folder / "rows" / f"{subject.key}.json"
    key = row_key(subject, trials, settings)
    if path.exists():
        kept: Row = json.loads(path.read_text(encoding="utf-8"))
        if kept.get("key") == key:
            run.log("  measured before")
            return kept
    scorer = subject.open()
    row: Row = {
        "key": key,
        "name": subject.title or scorer.name,
        "version": subject.version,
        "heads": list(scorer.heads),
        "parameters": scorer.parameters,
        **subject.about,
    }
    for trial in trials:
        scores = _scores(run, subject, scorer, trial)
        row[trial.name] = judge(trial, scorer.heads, scores, settings.resamples)
    if settings.speed and subject.folder is not None:
        row["speed"] = _speed(run, subject.folder, slates, settings)
    write_atomically(path, json.dumps(row, indent=1) + "\n")
    return row


def _scores(run: Run, subject: Subject, scorer: PairScorer, trial: Trial) -> Scores:
    """Scores (n, heads), read where they were kept."""
    path = run.folder / "scores" / subject.key / f"{trial.name}-{trial.fingerprint}.npy"
    if path.exists():
        kept: Scores = np.load(path)
        if kept.shape == (len(trial.examples), len(scorer.heads)):
            return kept
    began = time.monotonic()
    progress = run.progress(len(trial.examples), "pairs")
    parts: list[Scores] = []
    for start in range(0, len(trial.examples), CHUNK):
        if run.stopping:
            raise Stopped
        chunk: Sequence[Example] = trial.examples[start : start + CHUNK]
        parts.append(np.asarray(scorer.score(chunk), dtype=np.float32))
        progress.update(len(chunk))
    scores = np.concatenate(parts) if parts else np.zeros((0, len(scorer.heads)), np.float32)
    path.parent.mkdir(parents=True, exist_ok=True)
    half_written = path.with_suffix(".tmp.npy")
    np.save(half_written, scores)
    half_written.replace(path)
    run.log(f"  {trial.name}: {len(scores)} pairs in {duration(time.monotonic() - began)}")
    return scores


def _speed(run: Run, folder: Path, slates: Path, settings: Settings) -> dict[str, Any]:
    """Figures by number of threads; where a process failed, why."""
    figures: dict[str, Any] = {}
    for threads in settings.threads:
        if run.stopping:
            raise Stopped
        try:
            figures[str(threads)] = measure_apart(
                folder, slates, threads=threads, seconds=settings.seconds
            )
        except SpeedError as error:
            figures[str(threads)] = {"failed": str(error)}
            run.log(f"  speed was not measured: {error}")
    return figures


def _slates(trials: Sequence[Trial]) -> list[Example]:
    """Up to 64 recall lists: ten responses to one context beside each other, as a slate is."""
    recall = next(trial for trial in trials if trial.kind == "recall")
    return list(recall.examples[:640])


def _curves(row: Row) -> dict[str, float]:
    """The few figures that a reader of the run's curves wants."""
    auc = (row.get("accentor") or {}).get("all", {}).get("auc", [None])[0]
    hits = (row.get("recall") or {}).get("all", {}).get("recall_at_1", [None])[0]
    named = {"accentor_auc": auc, "recall_at_1": hits}
    return {name: value for name, value in named.items() if value is not None}


def subject_of(folder: Path, open_scorer: Callable[[Path], PairScorer], title: str = "") -> Subject:
    """A trained folder as a subject; what its manifest does not tell stays out.

    Raises models.checkpoint.ModelFileError.
    """
    manifest = load_manifest(folder)
    return Subject(
        title or folder.resolve().name,
        manifest.version,
        lambda: open_scorer(folder),
        folder,
        title,
        {
            "kind": manifest.kind,
            "sources": [source.name for source in manifest.data],
            **training_facts(manifest.metrics),
        },
    )


def training_facts(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """What the table wants of a manifest's metrics, as far as it is there."""
    training = metrics.get("training")
    told = dict(training) if isinstance(training, Mapping) else {}
    facts = {name: told.get(name, metrics.get(name)) for name in _FACTS}
    if facts["seconds"] is None and told.get("minutes") is not None:
        facts["seconds"] = 60.0 * float(told["minutes"])
    facts["train_seconds"] = facts.pop("seconds")
    return {name: value for name, value in facts.items() if value is not None}


_FACTS = (
    "family",
    "layers",
    "teacher",
    "teacher_version",
    "max_tokens",
    "pairs",
    "base",
    "seconds",
)
