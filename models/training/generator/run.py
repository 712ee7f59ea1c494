"""The two commands of `scripts/train_generator`: train (or resume), and export."""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import torch

from models.checkpoint import DataSource, write_atomically
from models.training import corpora
from models.training.examples import Example
from models.training.generator.config import TrainConfig
from models.training.generator.data import OWN_FILE, TOKENIZER_FOLDER, TrainingData, keep_own
from models.training.generator.export import Origin, public_command, write_samples
from models.training.generator.export import export as write_artifact
from models.training.generator.network import BASE_FIELDS, load_base
from models.training.generator.perplexity import perplexities
from models.training.generator.pinned import check_pinned, fingerprint, pin, pinned, unpin
from models.training.generator.recorder import Follower
from models.training.generator.schedule import Schedule
from models.training.generator.settings import (
    Reactions,
    config_of,
    judged_of,
    no_reactions,
    size_of,
)
from models.training.generator.sharding import Group
from models.training.generator.trainer import Trainer
from models.training.record import RUN_FILE, Run

# Where the data lies on this machine, for the export; `run.json` has names and hashes only.
PLACES_FILE = "places.json"
# The licence of replies that people judged: their texts are in no artifact.
UNPUBLISHED = "not published"


def train(options: argparse.Namespace, command: str, reactions: Reactions = no_reactions) -> int:
    """Train or resume; 0 at the end of the schedule, and when stopped before it.

    reactions: reads the dataset of reactions; called unless the run has kept what it began with.

    Raises ValueError (RunConflict and BadExample are), ModelFileError or OSError for wrong input.
    """
    began = time.monotonic()
    torch.set_num_threads(options.threads)
    if torch.cuda.is_available():
        torch.set_float32_matmul_precision("high")
    group = Group.join()
    try:
        with group.in_turn():
            run, config, data = _prepare(options, command, reactions, group)
        spent = (time.monotonic() - began) / 60.0
        trainer = _trainer(options, run, config, data, group, spent)
        run.log(f"{group.count} process(es) on {group.device}; {config}")
        finished = trainer.run()
        _end(trainer, run, finished)
    finally:
        group.leave()
    return 0


def _prepare(
    options: argparse.Namespace, command: str, reactions: Reactions, group: Group
) -> tuple[Run | Follower, TrainConfig, TrainingData]:
    """Read, clean and encode the data of a run; the first process keeps what is to be kept."""
    folder: Path = options.run
    folder.mkdir(parents=True, exist_ok=True)
    kept = pinned(folder)
    judged = judged_of(options, reactions) if kept is None else kept
    check_pinned(folder, judged)
    places = _read_places(folder)
    config = config_of(options, _base_shape(options, folder, places))
    own = keep_own(folder, options.finish_with)
    run: Run | Follower = Follower(folder)
    if not group.rank:
        run = _open(options, command, config, judged)
        if kept is None:
            pin(folder, judged)
        places["data"] = str(options.data) if options.data else None
        places["replies"] = dict(Counter(example.source for example in judged))
        places["own"] = bool(own)
        write_atomically(folder / PLACES_FILE, json.dumps(places, indent=2))
    run.log(f"reading {options.data or ''} and {len(judged)} judged replies")
    data = TrainingData(
        folder,
        corpora.load_public(options.data) if options.data else [],
        own,
        judged,
        vocabulary=config.vocabulary,
        positions=config.positions,
        tokens_per_batch=config.tokens_per_batch,
        own_share=config.own_share,
        seed=config.seed,
        log=run.log,
    )
    run.log(
        f"to learn: {len(data.train)} public dialogs, {len(data.own_train)} of our own, "
        f"{len(judged)} judged replies; {len(data.held_out)} held out"
    )
    return run, config, data


def _base_shape(
    options: argparse.Namespace, folder: Path, places: dict[str, Any]
) -> dict[str, Any]:
    """The BASE_FIELDS of `--init`; of a run that has begun, as they were then."""
    if not options.init:
        return {}
    if (folder / RUN_FILE).exists():
        document = json.loads((folder / RUN_FILE).read_text(encoding="utf-8"))
        return {name: document["config"]["model"][name] for name in BASE_FIELDS}
    base = load_base(options.init)
    base.tokenizer.save_pretrained(folder / TOKENIZER_FOLDER)
    places["base"] = [asdict(source) for source in base.data]
    return base.shape()


def _open(
    options: argparse.Namespace, command: str, config: TrainConfig, judged: Sequence[Example]
) -> Run:
    files = [options.data / f"{s}.jsonl.gz" for s in corpora.PUBLIC_SOURCES] if options.data else []
    own = options.run / OWN_FILE
    schedule = {name: getattr(options, name) for name in ("steps", "tokens", "epochs")}
    wanted = {
        "model": asdict(config),
        # The minutes are not compared: `--minutes-left` may change them.
        "schedule": {name: value for name, value in schedule.items() if value is not None},
        "init": options.init,
        "only_upvoted": options.only_upvoted,
        "replies": fingerprint(judged),
        "reply_sources": sorted(options.source),
    }
    return Run.open(
        options.run,
        command=public_command(command),
        config=wanted,
        seed=config.seed,
        data=[*files, *options.examples, *([own] if own.exists() else [])],
    )


def _trainer(
    options: argparse.Namespace,
    run: Run | Follower,
    config: TrainConfig,
    data: TrainingData,
    group: Group,
    spent: float,
) -> Trainer:
    left = options.minutes_left
    checkpointing = options.checkpointing
    if checkpointing is None:
        checkpointing = size_of(options, asdict(config) if options.init else {}).checkpointing
    return Trainer(
        run,
        config,
        data,
        _schedule(options, data, spent),
        group=group,
        base=(lambda: load_base(options.init).model) if options.init else None,
        tokens_at_once=options.tokens_at_once,
        checkpointing=checkpointing,
        # Reading counts into the time that was given.
        minutes_left=None if left is None else max(0.1, left - spent),
        save_seconds=options.save_seconds,
        report_seconds=options.report_seconds,
        tell_seconds=options.tell_seconds,
    )


def _schedule(options: argparse.Namespace, data: TrainingData, spent: float) -> Schedule:
    if options.steps is not None:
        return Schedule(steps=options.steps)
    if options.tokens is not None:
        return Schedule(tokens=options.tokens)
    if options.epochs is not None:
        return Schedule(tokens=max(1, round(options.epochs * data.epoch_tokens())))
    return Schedule(minutes=max(0.1, options.minutes - spent))


def _end(trainer: Trainer, run: Run | Follower, finished: bool) -> None:
    totals = None
    if finished:
        # Nothing is lost that cannot be measured again from the last state.
        with run.stoppable():
            totals = trainer.report(full=True)
    if totals is None:
        run.log("stopped; the same command resumes")
        return
    memory = trainer.memory()
    run.log(
        f"finished: a process held {memory['state_bytes'] / 2**20:.1f} MiB of parameters and "
        f"optimizer states, and at its peak {memory['peak_bytes'] / 2**20:.0f} MiB in all"
    )
    if isinstance(run, Run):
        place = trainer.progress
        figures = {
            "held_out_perplexity": perplexities(totals),
            "held_out_tokens": {source: total.tokens for source, total in totals.items()},
            "tokens": place.tokens,
            "steps": place.step,
            "minutes": round(place.seconds / 60.0, 1),
            "processes": trainer.group.count,
        }
        run.finish({**figures, **memory})
        unpin(run.folder)


def export(options: argparse.Namespace, reactions: Reactions = no_reactions) -> int:
    """Write the artifact (and the samples) from the run's last saved state.

    Raises FileNotFoundError if there is none, and what `train` raises for wrong input.
    """
    torch.set_num_threads(options.threads)
    run: Path = options.run
    places = _read_places(run)
    log = _logger(run / "export.log")
    public = options.data or (Path(places["data"]) if places.get("data") else None)
    if public is not None and not public.is_dir():
        log(f"{public} is not there: its perplexity is not in the manifest")
        public = None
    own: Path | None = options.finish_with
    origin = _origin(run, places, public, own, judged_of(options, reactions))
    write_artifact(run, options.artifact, origin, log, measured=not options.quick)
    if options.samples:
        write_samples(options.artifact, run, own, options.samples_file, log)
    return 0


def _origin(
    run: Path,
    places: Mapping[str, Any],
    public: Path | None,
    own: Path | None,
    judged: Sequence[Example],
) -> Origin:
    recorded = run / RUN_FILE
    document = json.loads(recorded.read_text(encoding="utf-8")) if recorded.exists() else {}
    first = [DataSource(**source) for source in places.get("base", ())]
    first += corpora.PUBLIC_SOURCES.values() if places.get("data") else ()
    late = list(corpora.OWN_SOURCES.values()) if places.get("own") else []
    late += [
        DataSource(f"Judged replies: {source}", UNPUBLISHED, rows=rows)
        for source, rows in places.get("replies", {}).items()
    ]
    if not places.get("data"):
        first, late = first + late, []
    command = document.get("command", "")
    return Origin(command, tuple(first), tuple(late), public, own, judged)


def _read_places(run: Path) -> dict[str, Any]:
    path = run / PLACES_FILE
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def _logger(path: Path) -> Callable[[str], None]:
    """A function that shows a line with the time and appends it to `path`."""

    def log(line: str) -> None:
        stamped = f"{datetime.now():%H:%M:%S} {line}"
        print(stamped, flush=True)
        with path.open("a", encoding="utf-8") as stream:
            stream.write(stamped + "\n")

    return log
