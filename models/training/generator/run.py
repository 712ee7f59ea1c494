"""The two commands of `scripts/train_generator`: train (or resume), and export."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import torch

from models.checkpoint import write_atomically
from models.training import corpora
from models.training.generator.data import TrainingData
from models.training.generator.export import export as write_artifact
from models.training.generator.export import public_command, recorded_command, write_samples
from models.training.generator.trainer import TrainConfig, Trainer

COMMAND_FILE = "command.json"
STOPPED = 3


def logger(path: Path) -> Callable[[str], None]:
    """A function that shows a line with the time and appends it to `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)

    def log(line: str) -> None:
        stamped = f"{datetime.now():%H:%M:%S} {line}"
        print(stamped, flush=True)
        with path.open("a", encoding="utf-8") as stream:
            stream.write(stamped + "\n")

    return log


def config_of(options: argparse.Namespace) -> TrainConfig:
    """The run's configuration from the command line."""
    return TrainConfig(
        layers=options.layers,
        width=options.width,
        heads=options.heads,
        vocabulary=options.vocabulary,
        learning_rate=options.learning_rate,
        matrix_rate=options.matrix_rate,
        tokens_per_batch=options.tokens_per_batch,
        seed=options.seed,
    )


def make_data(
    run: Path,
    config: TrainConfig,
    public: Path,
    own: Path | None,
    log: Callable[[str], None],
) -> TrainingData:
    """Read, clean and encode the dialogs of a run."""
    return TrainingData(
        run,
        corpora.load_public(public),
        own,
        vocabulary=config.vocabulary,
        positions=config.positions,
        tokens_per_batch=config.tokens_per_batch,
        own_share=config.own_share,
        seed=config.seed,
        log=log,
    )


def train(options: argparse.Namespace, command: str) -> int:
    """Train or resume; 0 at the end of the schedule, 3 if stopped before."""
    started = time.monotonic()
    torch.set_num_threads(options.threads)
    run: Path = options.run
    log = logger(run / "log.txt")
    config = config_of(options)
    log(f"reading {options.data}")
    data = make_data(run, config, options.data, options.finish_with, log)
    log(f"{len(data.train)} dialogs to learn, {len(data.held_out)} held out")
    spent = (time.monotonic() - started) / 60.0
    # Reading counts into the time that was given.
    left = None if options.minutes_left is None else max(0.1, options.minutes_left - spent)
    trainer = Trainer(
        run,
        config,
        data,
        log,
        minutes=max(0.1, options.minutes - spent),
        minutes_left=left,
        report_seconds=options.report_seconds,
    )
    write_atomically(
        run / COMMAND_FILE, json.dumps({"command": command, "data": str(options.data)})
    )
    parameters = sum(p.numel() for p in trainer.model.parameters())
    log(f"{parameters / 1e6:.2f} M parameters, {config}")
    finished = trainer.run()
    log("finished" if finished else "stopped; the same command resumes")
    return 0 if finished else STOPPED


def export(options: argparse.Namespace) -> int:
    """Write the artifact (and the samples) from the run's last saved state."""
    torch.set_num_threads(options.threads)
    run: Path = options.run
    log = logger(run / "export.log")
    recorded = recorded_command(run, COMMAND_FILE)
    public = options.data or (Path(recorded["data"]) if recorded.get("data") else None)
    if public is not None and not public.is_dir():
        log(f"{public} is not there: no perplexity in the manifest")
        public = None
    own: Path | None = options.finish_with
    command = public_command(recorded.get("command", ""))
    write_artifact(run, options.artifact, command, None if options.quick else public, own, log)
    if options.samples:
        write_samples(options.artifact, run, own, options.samples_file, log)
    return 0
