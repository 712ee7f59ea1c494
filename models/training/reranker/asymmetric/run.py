"""The command behind `scripts/train_reranker`: data, head start, training, export; resumable."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from models.checkpoint import DataSource
from models.encoder import Encoder
from models.reranker import WEIGHTS
from models.training.encoder.folders import public_command
from models.training.judgements import Judged, load_accentor, load_safety
from models.training.record import Run, RunConflict
from models.training.reranker.asymmetric.export import export
from models.training.reranker.asymmetric.held_out import load_held_out
from models.training.reranker.asymmetric.options import parse
from models.training.reranker.asymmetric.reacted import Reacted, read_reacted
from models.training.reranker.asymmetric.sources import Sources, liking
from models.training.reranker.asymmetric.start import Predecessor, start_tensors
from models.training.reranker.asymmetric.trainer import HEADS, Material, TrainConfig, Trainer
from models.training.stopping import Stopped, stops_at_once


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; 0 when the model is written or the run was stopped, 1 on bad input."""
    words = list(sys.argv[1:] if argv is None else argv)
    options = parse(words)
    torch.set_num_threads(options.threads)
    try:
        with stops_at_once():
            _main(options, public_command("scripts/train_reranker", words))
    except Stopped:
        _log("stopped; the same command goes on")
    except (RunConflict, ValueError, OSError) as error:
        print(f"train_reranker: {error}", file=sys.stderr)
        return 1
    return 0


def _main(options: argparse.Namespace, command: str) -> None:
    reacted = _reacted(options)
    config = _config(options, reacted)
    record = Run.open(
        options.run,
        command=command,
        config={**asdict(config), "head_lists": options.head_lists},
        seed=config.seed,
        data=_files(options),
    )
    # Before anything is written: --out may be the folder that it goes on from.
    before = None if options.init is None else Predecessor.of(options.init)
    trainer = _trained(options, config, reacted, record)

    def measured(line: str) -> None:
        if record.stopping:  # the last state is the finished one: only the measuring is lost
            raise Stopped
        record.log(line)

    with record.stoppable():
        metrics = export(
            trainer.net.cpu(),
            trainer.render,
            load_held_out(options.data, options.own, reacted),
            options.out,
            base=options.base,
            command=str(record.document["command"]),
            training=_summary(trainer, options.note),
            heads=config.heads,
            data=_private(reacted),
            people=() if reacted is None else reacted.people,
            before=before,
            log=measured,
        )
    record.finish(metrics)
    record.log(f"written: {options.out}")


def _files(options: argparse.Namespace) -> list[Path]:
    """What a run depends on: conversations, judgements, own texts, reactions, first weights."""
    folders = [options.data / name for name in ("dialogs", "reactions")]
    folders += [options.own / name for name in ("bank", "dialogs")]
    found = [path for folder in folders for path in sorted(folder.glob("*.jsonl*"))]
    init = options.init
    first = [] if init is None else [init if init.is_file() else init / WEIGHTS]
    return [*found, *first, *([] if options.reactions is None else [options.reactions])]


def _reacted(options: argparse.Namespace) -> Reacted | None:
    """The reactions to learn from, if any; ends the process where they cannot be read."""
    if options.reactions is None:
        return None
    try:
        return read_reacted(options.reactions)
    except (OSError, ValueError) as error:
        raise SystemExit(f"train_reranker: --reactions: {error}") from error


def _config(options: argparse.Namespace, reacted: Reacted | None) -> TrainConfig:
    config = TrainConfig(
        minutes=options.minutes,
        steps=options.steps,
        seed=options.seed,
        base=options.base,
        bf16=options.bf16 or torch.cuda.is_available(),
    )
    if reacted is None:
        return config
    judged = {**config.judged, **reacted.per_step()}
    return replace(config, heads=(*HEADS, *reacted.heads), judged=judged)


def _trained(
    options: argparse.Namespace, config: TrainConfig, reacted: Reacted | None, record: Run
) -> Trainer:
    """The run, from its start or from where it was stopped, to its last step. Raises Stopped."""
    sources = Sources(options.data, options.own, held_out=False)
    judged: dict[str, list[Judged]] = {
        "accentor": load_accentor(options.data, "train"),
        "offensive": load_safety(options.data, "train"),
        "liking": liking(options.data, held_out=False),
    }
    sources.add_near(Encoder.load(options.base, device="cpu", dtype="fp32"))
    trust: dict[str, Sequence[float]] = {}
    if reacted is not None:
        judged.update(reacted.train)
        trust.update(reacted.trust)
    trainer = Trainer(config, Material(sources.draw, judged, trust), options.run)
    if trainer.resume():
        record.log(f"resumed at step {trainer.step_number}, {trainer.elapsed / 60:.1f} minutes in")
    else:
        trainer.load_trained(start_tensors(options, config, judged, record.log))
    if not trainer.run(record):
        raise Stopped
    return trainer


def _summary(trainer: Trainer, note: str) -> dict[str, Any]:
    """What the manifest says of the training."""
    lists = trainer.step_number * trainer.config.lists
    return {
        "steps": trainer.step_number,
        "minutes": trainer.elapsed / 60,
        "lists": lists,
        "pairs": lists * (trainer.config.negatives + 1),
        "last": trainer.history[-1] if trainer.history else {},
        "note": note,
    }


def _private(reacted: Reacted | None) -> list[DataSource]:
    found = {} if reacted is None else reacted.sources
    return [DataSource(source, "private", rows=rows) for source, rows in found.items()]


def _log(line: str) -> None:
    print(line, flush=True)
