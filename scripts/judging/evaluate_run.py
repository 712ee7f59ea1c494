"""What `scripts/evaluate` does: read what is held out, compare, judge, and keep the report."""

from __future__ import annotations

import argparse
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from app.settings import Settings, load_settings
from models.checkpoint import Manifest, verify, write_atomically
from models.registry import INSTALLED, Registry
from models.training.record import revision
from scripts.judging import generators, rerankers
from scripts.judging.heldout import HeldOut, from_dataset, from_file
from scripts.judging.scoring import load
from scripts.judging.verdict import FORMAT, Comparison, as_json, judge, markdown


def run(options: argparse.Namespace, command: str) -> int:
    """Evaluate as the command line asks; the exit status.

    Raises:
        ModelFileError, RegistryError, NothingHeldOut, BadExample, KindredError, OSError: one line.
    """
    settings = load_settings()
    registry = Registry(settings.var_dir)
    serving_folder = options.serving or serving_of(settings, registry, options.kind)
    candidate = verify(options.candidate, kind=options.kind)
    serving = verify(serving_folder, kind=options.kind)
    held = _held_out(options, settings)
    people = held.described["people"]
    print(f"{len(held.examples)} judgements of {people} people, {options.part} part", flush=True)
    comparison = _compare(options, serving_folder, held, settings.encoder)
    leading = rerankers.LEADING if options.kind == "reranker" else generators.LEADING
    judgement = judge(comparison.measures, leading=leading, lacking=comparison.lacking)
    report = _report(options.kind, candidate, serving, held, command)
    report |= {"lacking": comparison.lacking}
    report |= {"verdict": judgement.verdict.value, "reasons": judgement.reasons}
    report |= {"measures": as_json(comparison.measures), **comparison.details}
    text = markdown(
        {**report, "candidate": candidate.version, "serving": serving.version},
        comparison.measures,
        comparison.notes,
    )
    path = _keep(options, registry, candidate, report, text)
    print(f"\n{text}\nkept in {path}", flush=True)
    return 0


def serving_of(settings: Settings, registry: Registry, kind: str) -> Path:
    """The folder of what serves everybody now."""
    version = registry.serving(kind)
    if version and version != INSTALLED:
        return registry.verified(kind, version)
    return Path(settings.reranker_path if kind == "reranker" else settings.generator_path)


def threads_of(options: argparse.Namespace) -> int:
    """As asked for, else every core that may be used."""
    return int(options.threads or len(os.sched_getaffinity(0)))


def _held_out(options: argparse.Namespace, settings: Settings) -> HeldOut:
    if options.examples is not None:
        return from_file(options.examples, part=options.part)
    folder = options.dataset or settings.var_dir / "dataset"
    return from_dataset(folder, part=options.part, seed=options.seed)


def _compare(options: argparse.Namespace, serving: Path, held: HeldOut, encoder: str) -> Comparison:
    threads = threads_of(options)
    drawn = {"resamples": options.resamples, "seed": options.seed}
    if options.kind == "generator":
        sides = [generators.Reader(folder, threads) for folder in (options.candidate, serving)]
        return generators.compare(sides[0], sides[1], held, **drawn)
    ours, theirs = (load(folder, threads, encoder) for folder in (options.candidate, serving))
    most = options.impressions_max
    return rerankers.compare(ours, theirs, held, silence=options.silence, most=most, **drawn)


def _report(
    kind: str, candidate: Manifest, serving: Manifest, held: HeldOut, command: str
) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "kind": kind,
        "candidate": {"version": candidate.version, "name": candidate.name},
        "serving": {"version": serving.version, "name": serving.name},
        "data": dict(held.described),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command,
        "revision": revision(),
    }


def _keep(
    options: argparse.Namespace,
    registry: Registry,
    candidate: Manifest,
    report: dict[str, Any],
    text: str,
) -> Path:
    """Beside the candidate's place in the registry, or where `--out` says; Markdown next to it."""
    if options.out is None:
        path = registry.save_report(options.kind, candidate.version, report)
    else:
        path = options.out
        write_atomically(path, json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    write_atomically(path.with_suffix(".md"), text)
    return path
