"""Plays the seeds of `scripts/simulate`, one after the other or several at a time, and reports."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from app.errors import KindredError
from app.telemetry import configure_logging
from models.checkpoint import ModelFileError, write_atomically
from models.reranker import CONFIG, WEIGHTS
from models.training.record import Run, RunConflict
from scripts.simulation import report
from scripts.simulation.rounds import Plan, Round, Stage, Stopped

TABLE, FIGURES, PICTURE = "simulation.md", "simulation.json", "learning-simulation.svg"
DOCS = Path(__file__).resolve().parents[2] / "docs"
BEGIN, END = "<!-- simulation:begin -->", "<!-- simulation:end -->"
_POLL_SECONDS = 0.5
_TOLD_TO_STOP = (0, -signal.SIGTERM, -signal.SIGINT)  # 0: it ended its talk before
_END_SECONDS = 120.0  # a process that is to stop ends its person's talk and its Redis


def run(options: argparse.Namespace, typed: str, again: Sequence[str]) -> int:
    """Play what is missing and report; `again` starts this command anew, for one seed each."""
    configure_logging("warning")
    plan = Plan(
        arms=options.arms,
        rounds=options.rounds,
        people=options.people,
        messages=options.messages,
        exploration=options.exploration,
        threads=options.threads,
    )
    try:
        if options.seed_only is not None:
            return _play_one(options, plan)
        record = Run.open(
            options.run,
            command=typed,
            config={"plan": vars(plan) | {"arms": list(plan.arms)}},
            seed=1,
            data=inputs(options.data, options.reranker),
        )
        with record.stoppable():
            played = _play_all(record, options, plan, again)
        if not played:
            record.log("stopped; the same command goes on at the seed it was at")
            return 0
        return _report(record, options)
    except KindredError as error:
        print(f"scripts/simulate: {error.detail}", file=sys.stderr)
    except (RunConflict, ModelFileError, ValueError, OSError) as error:
        print(f"scripts/simulate: {error}", file=sys.stderr)
    return 1


def inputs(data: Path, reranker: Path) -> list[Path]:
    """The files that a result depends on."""
    files = [*sorted((data / "bank").glob("*.jsonl")), *sorted((data / "dialogs").glob("*.jsonl"))]
    prompts = data / "bench" / "prompts.txt"
    return [*files, *([prompts] if prompts.exists() else []), reranker / WEIGHTS, reranker / CONFIG]


def seed_file(run_folder: Path, seed: int) -> Path:
    """Where the result of a seed is kept."""
    return run_folder / f"seed-{seed:03d}.json"


def _play_all(record: Run, options: argparse.Namespace, plan: Plan, again: Sequence[str]) -> bool:
    """Whether every seed has its result; False where it was stopped."""
    seeds = range(1, options.seeds + 1)
    missing = [seed for seed in seeds if not seed_file(options.run, seed).exists()]
    record.log(f"simulated people: {len(missing)} of {options.seeds} seeds to play, {plan}")
    if options.processes == 1 or len(missing) < 2:
        return _in_turn(record, options, plan, missing)
    return _side_by_side(record, options, missing, again)


def _in_turn(record: Run, options: argparse.Namespace, plan: Plan, missing: list[int]) -> bool:
    if not missing:
        return True
    visits = len(plan.arms) * plan.rounds * plan.people
    done = (options.seeds - len(missing)) * visits
    progress = record.progress(options.seeds * visits, "talks", done)
    stage = _stage(options, plan)

    def tell(_arm: str, number: int, figures: Round) -> None:
        if record.stopping:
            raise Stopped
        if number == 0:
            progress.update(1, upvotes=figures.fraction)

    for seed in missing:
        try:
            _keep(record, options, seed, stage.play(seed, tell))
        except Stopped:
            return False
    return True


def _keep(record: Run, options: argparse.Namespace, seed: int, result: dict[str, Any]) -> None:
    write_atomically(seed_file(options.run, seed), json.dumps(result, indent=1) + "\n")
    _tell(record, seed, result)


def _tell(record: Run, seed: int, result: dict[str, Any]) -> None:
    last = {arm: played["rounds"][-1]["fraction"] for arm, played in result["arms"].items()}
    record.report(seed, **last)
    shown = ", ".join(f"{arm} {value:.3f}" for arm, value in last.items())
    record.log(f"seed {seed}: upvote fraction of the last round: {shown}")


def _side_by_side(
    record: Run, options: argparse.Namespace, missing: list[int], again: Sequence[str]
) -> bool:
    """Whether all seeds were played, in processes of their own; each writes its own result."""
    progress = record.progress(options.seeds, "seeds", options.seeds - len(missing))
    waiting, playing = list(missing), dict[int, subprocess.Popen[bytes]]()
    try:
        while (waiting or playing) and not record.stopping:
            while waiting and len(playing) < options.processes:
                seed = waiting.pop(0)
                # A group of its own: Ctrl-C reaches this process, which then ends them in order.
                playing[seed] = subprocess.Popen(
                    [sys.executable, *again, "--seed-only", str(seed)], start_new_session=True
                )
            time.sleep(_POLL_SECONDS)
            ended = [seed for seed, one in playing.items() if one.poll() is not None]
            if record.stopping:
                return False  # what ended, was told to: a service manager signals every process
            for seed in ended:
                path = seed_file(options.run, seed)
                status = playing.pop(seed).returncode
                if status in _TOLD_TO_STOP and not path.exists():
                    return False  # the signal to this process is on its way, or was not meant
                if status != 0 or not path.exists():
                    raise ValueError(f"seed {seed} ended with status {status}")
                _tell(record, seed, json.loads(path.read_text(encoding="utf-8")))
                progress.update(1)
    finally:
        for one in playing.values():
            one.terminate()
        for one in playing.values():
            one.wait(_END_SECONDS)
    return not (waiting or playing)


def _play_one(options: argparse.Namespace, plan: Plan) -> int:
    stopping, parent = False, os.getppid()

    def stop(*_: object) -> None:
        nonlocal stopping
        stopping = True

    def tell(_arm: str, _number: int, _figures: Round) -> None:
        if stopping or os.getppid() != parent:  # nobody is left to read the result
            raise Stopped

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    try:
        result = _stage(options, plan).play(options.seed_only, tell)
    except Stopped:
        return 0
    write_atomically(seed_file(options.run, options.seed_only), json.dumps(result, indent=1) + "\n")
    return 0


def _stage(options: argparse.Namespace, plan: Plan) -> Stage:
    return Stage(options.reranker, options.data, options.run, plan)


def _report(record: Run, options: argparse.Namespace) -> int:
    results = [
        json.loads(seed_file(options.run, seed).read_text(encoding="utf-8"))
        for seed in range(1, options.seeds + 1)
    ]
    table = report.markdown(results)
    write_atomically(options.run / TABLE, table)
    write_atomically(options.run / FIGURES, json.dumps(report.summary(results), indent=1) + "\n")
    pictures = [options.run / PICTURE]
    if options.publish:
        publish(DOCS / "simulation.md", table)
        pictures.append(DOCS / "images" / PICTURE)
    _draw(record, lambda path: report.draw(results, path), pictures)
    record.finish(report.metrics(results))
    print(table)
    return 0


def _draw(record: Run, draw: Callable[[Path], None], paths: Sequence[Path]) -> None:
    try:
        for path in paths:
            draw(path)
            record.log(f"drew {path.name}")
    except ImportError:
        record.log("no picture: matplotlib is of requirements-train.txt")


def publish(page: Path, table: str) -> None:
    """Put the table between the marks of the page. Raises ValueError where it has none."""
    text = page.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{page.name} has no place for the table ({BEGIN} … {END})")
    picture = f"![Upvotes among reactions, round by round](images/{PICTURE})"
    write_atomically(page, f"{before}{begin}\n{table}\n{picture}\n{end}{after}")
