"""From a run's state to what ships: fp16 safetensors, tokenizer, manifest, and samples to read."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from transformers import GPT2LMHeadModel

from models.checkpoint import DataSource, Manifest, write_atomically, write_manifest
from models.generator import KIND, GenerateItem, GenerateResult, Generator
from models.metrics import distinct_n
from models.sampling import Sampling
from models.training import corpora
from models.training.corpora import Dialog
from models.training.generator.data import FINISH, OWN_FILE, HeldOut, read_own
from models.training.generator.perplexity import evaluate
from models.training.generator.tokenizer import load_tokenizer
from models.training.generator.trainer import STATE_FILE, Progress, TrainConfig, new_model

NAME = "kindred-generator"
SAMPLE_CONTEXTS = 10
SAMPLES_EACH = 4
SAMPLE_SEED = 2026
Log = Callable[[str], None]


def load_run(run: Path) -> tuple[GPT2LMHeadModel, TrainConfig, Progress]:
    """The model of a run as last saved. Raises FileNotFoundError if it has saved nothing yet."""
    state = torch.load(run / STATE_FILE, weights_only=True)
    config = TrainConfig(**state["config"])
    model = new_model(config, int(load_tokenizer(run / "tokenizer").eos_token_id))
    model.load_state_dict(state["model"])
    return model.eval(), config, Progress(**state["progress"])


def export(
    run: Path, artifact: Path, command: str, public: Path | None, own: Path | None, log: Log
) -> Manifest:
    """Write `artifact` anew from the run's state; the folder is replaced when all is written.

    With `public` (the folder of public dialogs) the held-out perplexity of each source is
    measured, on the weights as shipped, and kept in the manifest.
    """
    model, config, progress = load_run(run)
    model.half().float()  # measured as shipped: rounded to fp16
    figures: dict[str, float] = {}
    if public is not None:
        log("measuring the held-out perplexity")
        figures = evaluate(model, HeldOut(run, public, own, config.tokens_per_batch), full=True)
        log("  ".join(f"{source} {value:.1f}" for source, value in figures.items()))
    fresh = artifact.with_name(f".{artifact.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    _write_model(model, fresh)
    load_tokenizer(run / "tokenizer").save_pretrained(fresh)
    manifest = write_manifest(
        fresh,
        name=NAME,
        kind=KIND,
        command=command,
        data=_sources(run, progress),
        metrics=_metrics(model, config, progress, figures),
    )
    shutil.rmtree(artifact, ignore_errors=True)
    fresh.replace(artifact)
    log(f"wrote {artifact.name}, version {manifest.version}")
    return manifest


def _write_model(model: GPT2LMHeadModel, folder: Path) -> None:
    # gelu_new is the name that every GPT-2 runtime knows; the function is the same.
    model.config.activation_function = "gelu_new"
    model.half().save_pretrained(folder)
    model.float()
    # transformers writes weights readable by their owner alone.
    for path in folder.iterdir():
        path.chmod(0o644)


def _sources(run: Path, progress: Progress) -> list[DataSource]:
    sources = list(corpora.PUBLIC_SOURCES.values())
    if progress.phase == FINISH and (run / OWN_FILE).exists():
        sources += corpora.OWN_SOURCES.values()
    return sources


def _metrics(
    model: GPT2LMHeadModel, config: TrainConfig, progress: Progress, figures: dict[str, float]
) -> dict[str, Any]:
    return {
        "held_out_perplexity": {source: round(value, 2) for source, value in figures.items()},
        "parameters": sum(p.numel() for p in model.parameters()),
        "training_tokens": progress.tokens,
        "training_steps": progress.step,
        "training_minutes": round(progress.seconds / 60.0, 1),
        "schedule_done": round(min(1.0, progress.fraction), 3),
        "config": asdict(config),
    }


def write_samples(artifact: Path, run: Path, own: Path | None, path: Path, log: Log) -> None:
    """Candidates for contexts of our own held-out dialogs, for reading. Raises ValueError."""
    contexts = sample_contexts(read_own(run, own))
    if len(contexts) < SAMPLE_CONTEXTS:
        raise ValueError("there are too few held-out dialogs of our own to sample from")
    generator = Generator.load(artifact, device="cpu")
    items = [
        GenerateItem(generator.encode_context(turns), n=SAMPLES_EACH, seed=SAMPLE_SEED + number)
        for number, turns in enumerate(contexts)
    ]
    results = generator.run(items)
    texts = [c.text for result in results for c in result.candidates]
    words = [text.lower().split() for text in texts]
    distinct = {n: distinct_n(words, n) for n in (1, 2)}
    text = _page(contexts, results, generator.version, distinct)
    write_atomically(path, text)
    log(f"wrote {path.name}: {len(texts)} candidates")


def sample_contexts(dialogs: list[Dialog], count: int = SAMPLE_CONTEXTS) -> list[tuple[str, ...]]:
    """Beginnings of held-out dialogs, each ending with a turn of the person, fixed by a seed."""
    held = [
        d
        for d in dialogs
        if d.source == corpora.OWN_DIALOGS and corpora.is_held_out(d.source, d.id)
    ]
    rng = random.Random(SAMPLE_SEED)
    rng.shuffle(held)
    found: list[tuple[str, ...]] = []
    for dialog in held:
        ends = [n + 1 for n in range(len(dialog.turns)) if dialog.speaker(n) != dialog.target]
        found.append(dialog.turns[: rng.choice(ends[:4])])
    return found[:count]


def _page(
    contexts: list[tuple[str, ...]],
    results: list[GenerateResult],
    version: str,
    distinct: dict[int, float],
) -> str:
    sampling = Sampling()
    lines = [
        "# What the generator says",
        "",
        f"{SAMPLES_EACH} candidates for each of {len(contexts)} contexts, from dialogs of "
        "`data/dialogs` that were held out of training. Neither chosen nor edited: as sampled "
        f"by version `{version}` with {sampling}, seeds from {SAMPLE_SEED} on. A candidate in a "
        "slate must still pass the reranker and the output screen; these have not.",
        "",
        f"distinct-1 {distinct[1]:.2f}, distinct-2 {distinct[2]:.2f} over all candidates. "
        "The number in brackets is the mean log-probability of a token.",
        "",
    ]
    for number, (turns, result) in enumerate(zip(contexts, results, strict=True), 1):
        lines += [f"## {number}", ""]
        # A context ends with the person, and the two alternate.
        names = ["person" if (len(turns) - n) % 2 else "Kindred" for n in range(len(turns))]
        lines += [f"> **{name}**: {turn}  " for name, turn in zip(names, turns, strict=True)]
        lines += ["", *(f"- {c.text} [{c.mean_logprob:.2f}]" for c in result.candidates), ""]
        missing = SAMPLES_EACH - len(result.candidates)
        if missing:
            lines += [f"({missing} dropped: empty, repeating or the same as another.)", ""]
    return "\n".join(lines)


def public_command(recorded: str) -> str:
    """A training command without the folder of this machine."""
    words = recorded.split()
    for flag, stand_in in (("--data", "DIALOGS"), ("--run", "RUN")):
        if flag in words:
            words[words.index(flag) + 1] = stand_in
    return " ".join(words)


def recorded_command(run: Path, file: str) -> dict[str, str]:
    """What `train` wrote down of how it was called; empty if it did not."""
    path = run / file
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}
