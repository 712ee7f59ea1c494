"""Train a reranker of the family: cross-encoder, QA-LSTM or BiLSTM, from labels or a teacher.

    scripts/train_reranker --family cross-encoder --data DATA --out FOLDER
    scripts/train_reranker --family cross-encoder --data DATA --teacher FOLDER --layers 3 --out …

The same command goes on with a run that was stopped or killed.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models.checkpoint import DataSource, ModelFileError, file_sha256
from models.training.examples import BadExample, Example
from models.training.record import Run, RunConflict
from models.training.reranker.family.assembly import (
    Stopped,
    Teacher,
    base_card,
    build,
    distil_config,
    forget_tokens,
    kept_store,
    learning_rate,
    max_tokens_of,
    open_teacher,
    portable,
    stopper,
    teach,
)
from models.training.reranker.family.batches import Batches, plan_run
from models.training.reranker.family.calibration import fit_temperatures, measure
from models.training.reranker.family.fit import FitConfig, fit
from models.training.reranker.family.folder import Model, save
from models.training.reranker.family.networks import count_parameters, logits_of
from models.training.reranker.family.options import parse
from models.training.reranker.family.pairs import (
    Subset,
    common_subset,
    data_files,
    flat,
    from_examples,
)

LICENCES = {
    "accentor": "CC-BY-SA-4.0",
    "selection": "BSD-3-Clause, CDLA-Sharing-1.0, CC-BY-4.0 (the dialogs it is drawn from)",
    "diasafety": "Apache-2.0",
    "dialogue_eval": "MIT",
}
PATHS = ("data", "examples", "run", "out", "teacher", "base")
# What the result does not depend on: a run may go on with another value.
FREE = ("run", "out", "threads", "save_minutes", "data", "examples", "name", "held_out")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; 0 when the model is written or the run was stopped, 1 on bad input."""
    words = list(sys.argv[1:] if argv is None else argv)
    options = parse(words)
    torch.set_num_threads(options.threads)
    _quiet()
    try:
        _train(options, words)
    except Stopped:
        print("stopped; the same command goes on", flush=True)
    except (BadExample, ModelFileError, RunConflict, ValueError, OSError) as error:
        print(f"train_reranker: {error}", file=sys.stderr)
        return 1
    return 0


def _train(options: argparse.Namespace, words: Sequence[str]) -> None:
    subset, files = _data(options)
    heads = subset.heads()
    if not heads:
        raise ValueError("no head has labels of both kinds to train on")
    examples = [example for example in flat(subset.train) if example.head in heads]
    teacher = None if options.teacher is None else open_teacher(options.teacher)
    options.max_tokens = max_tokens_of(options, teacher)
    model = build(options, heads, examples, teacher)
    options.lr = learning_rate(options, model)
    command = shlex.join(["scripts/train_reranker", *map(portable, words)])
    run = Run.open(
        options.run,
        command=command,
        config=_config(options, heads, teacher),
        seed=options.seed,
        data=files,
    )
    run.log(_opening(model, subset, len(examples)))
    with run.stoppable():
        _fit(options, model, examples, teacher, run)
    seconds = float(run.document["seconds"])
    with run.stoppable():
        temperatures, figures = _measured(model, subset, options.held_out, run)
    told = _told(options, model, teacher, len(examples), seconds)
    metrics = {"training": told, **_rounded(figures)}
    manifest = save(
        options.out,
        model,
        name=options.name or options.out.name,
        temperatures=temperatures,
        command=str(run.document["command"]),
        data=[DataSource(source, LICENCES.get(source, "own")) for source in subset.train],
        metrics=metrics,
        base=base_card(options, teacher),
        people=(example.rater for part in (subset.train, subset.dev) for example in flat(part)),
    )
    run.finish({**metrics, "version": manifest.version})
    forget_tokens(run)
    run.log(f"written: {options.out} ({manifest.version})")


def _data(options: argparse.Namespace) -> tuple[Subset, list[Path]]:
    if options.examples is not None:
        return from_examples(options.examples), [options.examples]
    subset = common_subset(options.data, options.pairs, sources=options.sources)
    return subset, data_files(options.data, options.sources)


def _config(
    options: argparse.Namespace, heads: Sequence[str], teacher: Teacher | None
) -> dict[str, Any]:
    """What the result depends on, without the places where it lies."""
    config = {n: v for n, v in vars(options).items() if n not in (*FREE, *PATHS)}
    base = base_card(options, teacher)
    taught = None if teacher is None else teacher.version
    if not config["head_start"]:
        del config["head_start"]  # runs that began before there was one go on
    return {**config, "heads": list(heads), "base": base, "teacher": taught}


def _opening(model: Model, subset: Subset, count: int) -> str:
    millions = count_parameters(model.network) / 1e6
    parts = ", ".join(f"{source} {len(rows)}" for source, rows in subset.train.items())
    return (
        f"{model.network.family}, {millions:.1f} M weights; {count} pairs to learn from ({parts})"
    )


def _fit(
    options: argparse.Namespace,
    model: Model,
    examples: Sequence[Example],
    teacher: Teacher | None,
    run: Run,
) -> None:
    store = kept_store(model, examples, run)
    config = FitConfig(
        epochs=options.epochs,
        batch=options.batch,
        lr=options.lr,
        head_lr=options.head_lr,
        head_start=options.head_start,
        pairwise=options.pairwise,
        bf16=options.bf16,
        accumulate=options.accumulate,
        seed=options.seed,
        save_minutes=options.save_minutes,
    )
    teaching = None
    if teacher is not None:
        teaching = teach(teacher, model, examples, distil_config(options), run)
    plan = plan_run(store, examples, batch=config.batch, epochs=config.epochs, seed=config.seed)
    logits = None if teaching is None else teaching.logits
    batches = Batches(store, model.collator(), examples, model.heads, plan, logits)
    if not fit(model.network, batches, config, run, teaching=teaching):
        raise Stopped


def _measured(
    model: Model, subset: Subset, most: int, run: Run
) -> tuple[dict[str, float], dict[str, Any]]:
    """Temperatures from dev, and figures of dev and test; at most `most` pairs of each source."""
    began = time.monotonic()
    model.network.to("cuda" if torch.cuda.is_available() else "cpu")
    logits, rows = {}, {}
    for part, examples in (("dev", subset.dev), ("test", subset.test)):
        mine = [e for source in examples.values() for e in source[:most] if e.head in model.heads]
        coder = model.coder()
        coded = [coder.code(example) for example in mine]
        found = logits_of(model.network, coded, model.collator(), done=stopper(run))
        logits[part] = found.reshape(-1, len(model.heads)).astype(np.float32)
        rows[part] = mine
    temperatures = fit_temperatures(logits["dev"], rows["dev"], model.heads)
    figures = {
        part: measure(logits[part], rows[part], model.heads, temperatures) for part in logits
    }
    for head, values in figures["test"].items():
        run.log(f"test {head}: " + " ".join(f"{n} {v:.3f}" for n, v in values.items()))
    run.log(f"measured in {time.monotonic() - began:.0f} s")
    return temperatures, {**figures, "temperatures": temperatures}


def _told(
    options: argparse.Namespace,
    model: Model,
    teacher: Teacher | None,
    pairs: int,
    seconds: float,
) -> dict[str, Any]:
    """What the comparison's table says of the training."""
    encoder = getattr(model.network, "encoder", None)
    base = base_card(options, teacher)
    told = {
        "family": model.network.family,
        "layers": None if encoder is None else int(encoder.config.num_hidden_layers),
        "teacher": None if teacher is None else teacher.name,
        "teacher_version": None if teacher is None else teacher.version,
        "max_tokens": model.limits.total if encoder is None else options.max_tokens,
        "pairs": pairs,
        "epochs": options.epochs,
        "base": None if base is None else base["id"],
        "seconds": seconds,
        "threads": options.threads,
        "parameters": count_parameters(model.network),
        "examples_sha256": file_sha256(options.examples) if options.examples else None,
    }
    return {name: value for name, value in told.items() if value is not None}


def _rounded(value: Any) -> Any:
    """Floats to four places, NaN to null."""
    if isinstance(value, Mapping):
        return {key: _rounded(inner) for key, inner in value.items()}
    if isinstance(value, float):
        return None if np.isnan(value) else round(value, 4)
    return value


def _quiet() -> None:
    """Keep the libraries' own bars and load reports out of the output."""
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
