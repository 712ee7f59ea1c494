"""The command behind `scripts/measure_personalization`: score once, then measure; resumable."""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from models.checkpoint import ModelFileError, load_manifest
from models.encoder import Encoder
from models.training.examples import BadExample, Example
from models.training.record import Run, RunConflict
from models.training.reranker.comparison.floor import TextEncoder
from models.training.reranker.comparison.recall import fingerprint
from models.training.reranker.comparison.trials import WEAK_BOT
from models.training.reranker.family.folder import WANTED, open_scorer
from models.training.reranker.personal import data as personal_data
from models.training.reranker.personal import report as personal_report
from models.training.reranker.personal.data import Judgement
from models.training.reranker.personal.measure import (
    ONE_MOMENT,
    OWN_MOMENT,
    Pull,
    measure,
    summary,
)
from models.training.reranker.scorer import PairScorer

CHUNK = 640
_TINY = 1e-6
Matrix = NDArray[Any]


class Refused(Exception):
    """The command cannot be carried out; the message says why in one line."""


class Stopped(Exception):
    """The run was asked to stop; what is done is kept."""


def run(options: argparse.Namespace, command: str, pull: Pull | None = None) -> int:
    """Measure and write; 0 when the table has been written or the run was stopped.

    pull: the serving bias, which lives in a room that models may not enter.
    Raises Refused for a model, data or a run's folder that are not what they should be.
    """
    torch.set_num_threads(options.threads)
    try:
        record, sources = _prepare(options, command)
        scorer = open_scorer(options.model)
        encoder = Encoder.load(options.base, runtime="torch", dtype="fp32")
    except (ModelFileError, BadExample, RunConflict, ValueError, OSError) as error:
        raise Refused(str(error)) from error
    with record.stoppable():
        try:
            found = _measure_all(record, sources, Kept(record, scorer, encoder), pull, options)
        except Stopped:
            record.log("stopped; the same command goes on from here")
            return 0
    name = options.name or scorer.name
    written = personal_report.write(found, name, options.out)
    record.finish({"sources": list(found)})
    print(personal_report.markdown(found, name))
    record.log(f"written: {', '.join(str(path) for path in written)}")
    return 0


def _prepare(options: argparse.Namespace, command: str) -> tuple[Run, dict[str, list[Judgement]]]:
    sources: dict[str, list[Judgement]] = {}
    files: list[Path] = []
    if options.data is not None:
        sources["dialogue_eval"] = personal_data.dialogue_eval(options.data)
        sources["Topical-Chat"] = personal_data.topical_chat(options.data)
        files = [
            options.data / "reactions" / "dialogue_eval.jsonl.gz",
            options.data / "dialogs" / "topical_chat.jsonl.gz",
        ]
    if options.examples is not None:
        sources["reactions"] = personal_data.reactions(options.examples)
        files.append(options.examples)
    chosen = {name: personal_data.some(mine, options.limit) for name, mine in sources.items()}
    config = {
        "limit": options.limit,
        "resamples": options.resamples,
        "model": load_manifest(options.model).version,
        "base": options.base,
    }
    record = Run.open(options.run, command=command, config=config, seed=options.seed, data=files)
    return record, chosen


def _measure_all(
    record: Run,
    sources: dict[str, list[Judgement]],
    kept: Kept,
    pull: Pull | None,
    options: argparse.Namespace,
) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for step, (source, judgements) in enumerate(sources.items()):
        record.log(f"{source}: {len(judgements)} judgements")
        raters = personal_data.raters(judgements, kept.score, kept)
        found[source] = {}
        for moment in (ONE_MOMENT, OWN_MOMENT):
            measured = measure(
                raters,
                moment,
                pull=pull,
                leave_out=WEAK_BOT,
                seed=options.seed,
                tell=_stopper(record),
            )
            result = None if measured is None else summary(measured, options.resamples)
            found[source][moment] = result
            if result is not None:
                gain = result["all"]["differences"]["with the past - without"][0]
                record.log(f"  {moment}: {result['all']['pairs']} pairs, gain {gain:+.4f}")
                record.report(step, **{f"gain {source} {moment}": gain})
    return found


def _stopper(record: Run) -> Callable[[], None]:
    def stop() -> None:
        if record.stopping:
            raise Stopped

    return stop


class Kept:
    """Logits and vectors of many texts, computed in chunks and kept in the run's folder.

    A run that goes on finds whole chunks where it left them.
    """

    def __init__(self, record: Run, scorer: PairScorer, encoder: TextEncoder) -> None:
        overall = next((head for head in WANTED if head in scorer.heads), scorer.heads[0])
        order = [overall, *(head for head in scorer.heads if head != overall)]
        self._columns = [scorer.heads.index(head) for head in order]
        self._record, self._scorer, self._encoder = record, scorer, encoder

    def score(self, examples: Sequence[Example]) -> Matrix:
        """Logits (n, heads), the overall head first."""

        def logits(chunk: Sequence[Example]) -> Matrix:
            p = np.clip(self._scorer.score(chunk)[:, self._columns], _TINY, 1.0 - _TINY)
            found: Matrix = np.log(p / (1.0 - p)).astype(np.float32)
            return found

        return self._chunks("scores", examples, fingerprint(examples), logits)

    def encode(self, texts: Sequence[str], batch_size: int = 64) -> NDArray[np.float32]:
        """(n, dimension) unit vectors."""
        name = hashlib.sha256("\x1e".join(texts).encode()).hexdigest()[:12]
        return self._chunks(
            "vectors", texts, name, lambda chunk: self._encoder.encode(chunk, batch_size)
        )

    def _chunks(
        self, kind: str, items: Sequence[Any], name: str, compute: Callable[[Any], Matrix]
    ) -> Matrix:
        folder = self._record.folder / kind / name
        folder.mkdir(parents=True, exist_ok=True)
        progress = self._record.progress(len(items), kind)
        parts: list[Matrix] = []
        for start in range(0, len(items), CHUNK):
            path = folder / f"{start}.npy"
            if not path.exists():
                _stopper(self._record)()
                half_written = path.with_suffix(".tmp.npy")
                np.save(half_written, compute(items[start : start + CHUNK]))
                half_written.replace(path)
                progress.update(len(items[start : start + CHUNK]))
            parts.append(np.load(path))
        return np.concatenate(parts) if parts else np.zeros((0, 1), np.float32)
