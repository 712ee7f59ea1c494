"""The commands of `scripts/tune_generator`: tune, evaluate, and train the second judge."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from models.checkpoint import DataSource, load_manifest, write_atomically
from models.generator import Generator
from models.training.record import Run
from models.training.tuning.config import DPO, TuneConfig
from models.training.tuning.contexts import TEST, Talk, draw_contexts, files_of, load_talk
from models.training.tuning.evaluate import Side, compare, divergence_of, some_samples
from models.training.tuning.heldout import HeldText
from models.training.tuning.judge import SOURCES, judge_examples, train_judge
from models.training.tuning.policy import (
    SERVING,
    answers,
    describe,
    load_policy,
    rewrite_metrics,
    write_served,
)
from models.training.tuning.preferences import Preference, people_of, read_preferences
from models.training.tuning.report import table
from models.training.tuning.reward import RewardModel, open_reward
from models.training.tuning.session import Session

EVALUATION = "evaluation.json"
TABLE = "evaluation.md"
SAMPLES = "samples.md"
RANKED = "ranked"
_SAMPLED = 20
# Options whose value is a place on this machine, and what a manifest says instead.
_PLACES = {
    "--data": "DATA", "--own": "OWN", "--run": "RUN", "--examples": "EXAMPLES",
    "--preferences": "PREFERENCES", "--judge": "JUDGE", "--out": "OUT",
}  # fmt: skip


def shown_command(arguments: list[str]) -> str:
    """The command without the places of this machine."""
    words = ["scripts/tune_generator", *arguments]
    for number, word in enumerate(words[:-1]):
        if word in _PLACES:
            words[number + 1] = _PLACES[word]
        elif word in ("--model", "--reward") and Path(words[number + 1]).is_absolute():
            words[number + 1] = Path(words[number + 1]).name
    return " ".join(words)


def tune(options: argparse.Namespace, arguments: list[str]) -> int:
    """Tune, write the tuned generator and judge it; 0 also where it was stopped.

    Raises ValueError and the errors of the readers for input that cannot be used.
    """
    torch.set_num_threads(options.threads)
    config = TuneConfig.from_options(options)
    base = describe(options.model)
    files = files_of(options.data, options.own, options.examples)
    preferences = _given_pairs(options, config)
    if preferences is not None:
        files.append(Path(options.preferences))
    reward = open_reward(options.reward)
    recorded = asdict(config) | {
        "model": base.version, "reward": reward.name, "pairs": options.pairs, "keep": options.keep
    }  # fmt: skip
    if not config.lora:
        del recorded["lora"]  # runs that began before there was one go on
    run = Run.open(
        options.run, command=shown_command(arguments), config=recorded, seed=config.seed, data=files
    )
    with run.stoppable():
        run.log(f"reading; {base.name} {base.version} is tuned by {config.method}")
        talk = load_talk(options.data, options.own, options.examples)
        session = Session(
            run, config, base, talk, reward, preferences, options.pairs, options.minutes,
            options.save_seconds,
        )  # fmt: skip
        state = session.tune(keep_last=options.keep == "last")
        if state is None:
            run.log("stopped; the same command resumes")
            return 0
        data = (*talk.sources, *reward.data)
        settings: dict[str, Any] = {"method": config.method, "config": recorded}
        command = shown_command(arguments)
        write_served(
            options.out,
            base,
            state,
            command=command,
            metrics=settings,
            data=data,
            people=_people(options, config, talk),
        )
        found = _evaluate(run, options, talk, reward)
        if found is None:
            run.log("stopped before the evaluation's end; the same command resumes")
            return 0
        manifest = rewrite_metrics(options.out, settings | {"evaluation": found})
        run.finish(found)
        run.log(f"wrote {options.out.name}, version {manifest.version}")
    return 0


def _people(options: argparse.Namespace, config: TuneConfig, talk: Talk) -> frozenset[str]:
    """Whose words or judgements were learned from, as keyed hashes."""
    if config.method != DPO or options.preferences == RANKED:
        return talk.people
    return talk.people | people_of(Path(options.preferences))


def _given_pairs(options: argparse.Namespace, config: TuneConfig) -> list[Preference] | None:
    """The pairs of the file that was named; None where the method needs none, or ranks its own."""
    if config.method != DPO or options.preferences == RANKED:
        return None
    pairs = read_preferences(Path(options.preferences), config.seed)
    if not pairs:
        raise ValueError(f"{options.preferences}: holds no two responses that differ enough")
    return pairs


def evaluate_only(options: argparse.Namespace, arguments: list[str]) -> int:
    """Judge the generator in `--out` against `--model`."""
    torch.set_num_threads(options.threads)
    reward = open_reward(options.reward)
    recorded = {
        "before": describe(options.model).version, "after": describe(str(options.out)).version,
        "reward": reward.name, "contexts": options.test_contexts, "responses": options.responses,
    }  # fmt: skip
    files = files_of(options.data, options.own, options.examples)
    seed = options.seed if options.seed is not None else TuneConfig().seed
    run = Run.open(
        options.run, command=shown_command(arguments), config=recorded, seed=seed, data=files
    )
    with run.stoppable():
        talk = load_talk(options.data, options.own, options.examples)
        found = _evaluate(run, options, talk, reward)
        if found is None:
            run.log("stopped; the same command starts it again")
        else:
            run.finish(found)
    return 0


def _evaluate(
    run: Run, options: argparse.Namespace, talk: Talk, reward: RewardModel
) -> dict[str, Any] | None:
    """The evaluation, shown and written into the run's folder; None if the run was stopped."""
    seed = options.seed if options.seed is not None else TuneConfig().seed
    judge = None if options.judge is None else open_reward(options.judge)
    contexts = draw_contexts(talk.parts[TEST], options.test_contexts, f"{seed}:test")
    places = {"before": str(options.model), "after": str(options.out)}
    sides: dict[str, Side] = {}
    for name, place in places.items():
        run.log(f"{name}: {options.responses} responses to each of {len(contexts)} contexts")
        sides[name] = _side(place, contexts, options, talk, seed)
        if run.stopping:
            return None
    networks = {name: load_policy(place) for name, place in places.items()}
    tokenizer = networks["after"][1]
    divergence = divergence_of(
        networks["after"][0].eval(), networks["before"][0].eval(), tokenizer, contexts,
        sides["after"].answers,
    )  # fmt: skip
    run.log("judging")
    found = compare(contexts, sides["before"], sides["after"], reward, judge, divergence, seed)
    text = table(found)
    print(text, flush=True)
    write_atomically(run.folder / EVALUATION, json.dumps(found, indent=2) + "\n")
    write_atomically(run.folder / TABLE, text)
    samples = some_samples(
        contexts, sides["before"].answers, sides["after"].answers, _SAMPLED, seed
    )
    write_atomically(run.folder / SAMPLES, samples)
    return found


def _side(place: str, contexts: Any, options: argparse.Namespace, talk: Talk, seed: int) -> Side:
    """One model as it is served: its folder loaded by the serving code."""
    # torch in fp32, whatever else is installed: both sides and every machine alike.
    generator = Generator.load(place, runtime="torch", dtype="fp32")
    tokens = options.max_new_tokens or TuneConfig().max_new_tokens
    said = answers(generator, contexts, options.responses, SERVING, seed, tokens)
    model, tokenizer = load_policy(place)
    held = HeldText(tokenizer, talk.held_out())
    return Side(generator.version, said, options.responses, held.perplexities(model, full=True))


def judge_command(options: argparse.Namespace, arguments: list[str]) -> int:
    """Train the second judge into `--out`."""
    torch.set_num_threads(options.threads)
    examples = judge_examples(options.train_judge, options.data)
    source = SOURCES.get(
        options.train_judge, DataSource(Path(options.train_judge).name, "as exported")
    )
    print(f"{len(examples)} judgements of {source.name}", flush=True)
    seed = options.seed if options.seed is not None else TuneConfig().seed
    words = shown_command(arguments)
    train_judge(examples, options.out, command=words, seed=seed, source=source)
    print(json.dumps(load_manifest(options.out).metrics), flush=True)
    return 0
