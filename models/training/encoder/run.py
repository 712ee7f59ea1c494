"""The command behind `scripts/train_encoder`: rows, training, before and after, the folder."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets.utils import disable_progress_bars
from numpy.typing import NDArray
from transformers import logging as transformers_logging

from models.checkpoint import DataSource
from models.training.corpora import OWN_SOURCES, PUBLIC_SOURCES
from models.training.encoder import measure
from models.training.encoder.files import read_text_rows
from models.training.encoder.folders import (
    base_record,
    public_command,
    refuse_to_replace,
    write_model,
)
from models.training.encoder.network import embed, open_network, served_alike, write_network
from models.training.encoder.objectives import (
    FIELDS,
    Rows,
    build_loss,
    conversation_rows,
    file_rows,
)
from models.training.encoder.pairs import (
    Conversations,
    Drawer,
    Pair,
    forms,
    held_out_pairs,
    read_conversations,
    texts_of,
)
from models.training.encoder.trainer import build_trainer, try_steps
from models.training.encoder.trainers import plan_steps, train
from models.training.judgements import Exchange
from models.training.record import Run
from models.training.stopping import Stopped, stops_at_once

KIND = "encoder"
RATES = {"softmax": 2e-5, "cosine": 2e-5, "triplet": 2e-5, "negatives": 5e-5}
"""Learning rates of the objectives; those of the library's examples, more for large batches."""


@dataclass(frozen=True)
class Material:
    """What a run trains on and is measured by."""

    rows: Rows
    pairs: Sequence[Pair]
    bank: Sequence[Exchange]
    sources: Sequence[DataSource]
    learned: frozenset[str] = frozenset()  # forms of texts that no query may have


class Outcome(Enum):
    """How a run ended."""

    WRITTEN = "written"
    STOPPED = "stopped"
    WORSE = "worse"


def run(options: argparse.Namespace, arguments: Sequence[str]) -> Outcome:
    """Train (or go on), measure and write.

    Raises OSError or ValueError for data, bases and folders that cannot be used.
    """
    try:
        with stops_at_once():
            return _run(options, arguments)
    except Stopped:
        print("stopped; the same command goes on from here", flush=True)
        return Outcome.STOPPED


def _run(options: argparse.Namespace, arguments: Sequence[str]) -> Outcome:
    refuse_to_replace(options.out, KIND)
    if options.threads:
        torch.set_num_threads(options.threads)
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    disable_progress_bars()
    record = Run.open(
        options.run,
        command=public_command("scripts/train_encoder", arguments),
        config=_config(options),
        seed=options.seed,
        data=_files(options),
    )
    material = _material(options)
    asked = measure.asked_for(material.bank, material.learned)
    record.log(f"held out: {len(material.pairs)} pairs, {len(asked)} bank entries")
    with record.stoppable():
        network, steps = _train(options, record, material)
    if network is None:
        raise Stopped
    with record.stoppable():
        before, after = _rankings(options, record, material, network)
    return _judge(options, record, material, network, (before, after), steps, arguments)


def _rankings(
    options: argparse.Namespace, record: Run, material: Material, network: Any
) -> tuple[Mapping[str, measure.Ranking], Mapping[str, measure.Ranking]]:
    """The rankings of the base and of the trained network.

    Raises Stopped; the last state is the finished one, so only the measuring is lost.
    """

    def rank(measured: Any) -> Mapping[str, measure.Ranking]:
        def vectors(texts: Sequence[str]) -> NDArray[np.float32]:
            if record.stopping:
                raise Stopped
            return embed(measured, texts)

        return measure.rankings(vectors, material.pairs, material.bank, learned=material.learned)

    record.log("measuring the base and the trained encoder on what was held out")
    return rank(open_network(options.base, options.max_tokens)), rank(network)


def _train(options: argparse.Namespace, record: Run, material: Material) -> tuple[Any, int]:
    """(the trained network or None where it was stopped, steps)."""
    steps = options.steps
    if steps is None:
        trial = _network_and_loss(options, material.rows)
        steps = plan_steps(record, options.minutes, try_steps(*trial, material.rows, options.batch))
        del trial
    network, loss = _network_and_loss(options, material.rows)
    trainer = build_trainer(
        network,
        loss,
        material.rows,
        record,
        steps=steps,
        batch=options.batch,
        rate=_rate(options),
        seed=options.seed,
        save_minutes=options.save_minutes,
    )
    done = not record.stopping and train(trainer, record)
    return (network if done else None), steps


def _network_and_loss(options: argparse.Namespace, rows: Rows) -> tuple[Any, Any]:
    torch.manual_seed(options.seed)
    network = open_network(options.base, options.max_tokens)
    loss = build_loss(
        options.objective,
        network,
        classes=len(rows.classes),
        bidirectional=not options.one_way,
        scale=options.scale,
        margin=options.margin,
    )
    return network, loss.to(network.device)


def _judge(
    options: argparse.Namespace,
    record: Run,
    material: Material,
    network: Any,
    found: tuple[Mapping[str, measure.Ranking], Mapping[str, measure.Ranking]],
    steps: int,
    arguments: Sequence[str],
) -> Outcome:
    before, after = found
    document, lines = measure.report(before, after)
    for line in lines:
        record.log(line)
    reasons = measure.worse(before, after)
    if not before:
        reasons = ["nothing that was held out is left to measure on"]
    metrics = {
        "objective": options.objective,
        "steps": steps,
        "rows": steps * options.batch,
        "minutes": round(record.document["seconds"] / 60.0, 1),  # with the measuring
        "held_out": document,
        "worse": reasons,
    }
    record.finish(metrics)
    for reason in reasons:
        record.log(f"it got worse: {reason}")
    if reasons and not options.force:
        record.log("not written; --force writes it all the same")
        return Outcome.WORSE
    command = public_command("scripts/train_encoder", arguments)
    _write(options, record, material, network, metrics, command)
    return Outcome.WRITTEN


def _write(
    options: argparse.Namespace,
    record: Run,
    material: Material,
    network: Any,
    metrics: Mapping[str, Any],
    command: str,
) -> None:
    manifest = write_model(
        options.out,
        lambda folder: write_network(network, folder),
        tokenizer=options.base,
        name=f"kindred-encoder-{options.objective}",
        kind=KIND,
        command=command,
        data=material.sources,
        metrics=metrics,
        base=base_record(options.base),
    )
    record.log(f"encoder {manifest.version} in {options.out}")
    trouble = served_alike(network, options.out)
    if trouble:
        record.log(f"it cannot serve as KINDRED_ENCODER here: {trouble}")


def _material(options: argparse.Namespace) -> Material:
    """Read all data. Raises OSError or ValueError."""
    public = options.data if options.data.is_dir() else options.measure_on
    training, held, bank = read_conversations(public, options.own)
    sources = [*OWN_SOURCES.values()] if options.own else []
    if public:
        sources += PUBLIC_SOURCES.values()
    if options.data.is_dir():
        drawer = Drawer(
            training,
            options.seed,
            hard=max(options.hard_negatives, options.objective != "negatives"),
            paraphrases=options.paraphrases if options.objective == "negatives" else 0.0,
        )
        rows = conversation_rows(options.objective, drawer, options.seed)
        pairs = held_out_pairs(held, options.pool, answers=forms(texts_of(training)))
        return Material(rows, pairs, bank, sources)
    return _of_file(options, held, bank)


def _of_file(
    options: argparse.Namespace, held: Conversations, bank: Sequence[Exchange]
) -> Material:
    """Rows of a file; measured is what was held out, but for the texts that the file holds."""
    optional = ("negative",) if options.objective == "negatives" else ()
    texts = read_text_rows(options.data, FIELDS[options.objective], optional)
    rows = file_rows(options.objective, texts, options.seed, options.highest_score)
    learned = forms(text for row in texts for text in (row.first, row.second, row.negative))
    pairs = held_out_pairs(held, options.pool, answers=learned, asked=learned)
    source = DataSource(options.data.name, options.licence, rows=len(texts))
    return Material(rows, pairs, bank, [source], learned)


def _files(options: argparse.Namespace) -> list[Path]:
    """The files that are read, for the record's hashes."""
    folders = [options.data if options.data.is_dir() else options.measure_on]
    files = [] if options.data.is_dir() else [options.data]
    files += [p for folder in folders if folder for p in sorted((folder / "dialogs").glob("*.gz"))]
    if options.own:
        files += sorted(options.own.glob("bank/*.jsonl")) + sorted(
            options.own.glob("dialogs/*.jsonl")
        )
    return files


_CONFIG = (
    *("objective", "base", "steps", "minutes", "batch", "rate", "max_tokens", "hard_negatives"),
    *("paraphrases", "one_way", "scale", "margin", "highest_score"),
)


def _config(options: argparse.Namespace) -> dict[str, Any]:
    """What the trained weights depend on besides data and seed; a folder's name does not count."""
    config = {name: getattr(options, name) for name in _CONFIG}
    return config | {"base": base_record(options.base), "rate": _rate(options)}


def _rate(options: argparse.Namespace) -> float:
    return float(options.rate or RATES[options.objective])
