"""The command behind `scripts/pretrain_encoder`: dialogs, training, before and after, folder."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any

import torch
from transformers import TrainingArguments
from transformers import logging as transformers_logging

from models.checkpoint import DataSource
from models.training.corpora import Dialog
from models.training.encoder.folders import (
    base_record,
    public_command,
    refuse_to_replace,
    write_model,
)
from models.training.encoder.trainers import ExactTrainer, Keeper, arguments, plan_steps, train
from models.training.pretrain.dialogs import collect, part
from models.training.pretrain.masking import DialogMasking
from models.training.pretrain.measure import measure
from models.training.pretrain.networks import (
    HeadFirst,
    LanguageModel,
    longest_text,
    open_language_model,
    random_language_model,
    write_language_model,
)
from models.training.pretrain.windows import Examples, Marks, Window, cut_windows, encode_dialogs
from models.training.record import Run
from models.training.stopping import Stopped, stops_at_once

KIND = "pretrained-encoder"
PROGRAM = "scripts/pretrain_encoder"
_CONFIG = (
    *("random", "family", "tokenizer", "objective", "whole_words", "steps", "minutes", "batch"),
    *("rate", "max_tokens", "head_first"),
)


class Outcome(Enum):
    """How a run ended."""

    WRITTEN = "written"
    STOPPED = "stopped"


def run(options: argparse.Namespace, typed: Sequence[str]) -> Outcome:
    """Pretrain (or go on), measure and write.

    Raises OSError or ValueError for data, bases and folders that cannot be used.
    """
    try:
        with stops_at_once():
            return _run(options, typed)
    except Stopped:
        print("stopped; the same command goes on from here", flush=True)
        return Outcome.STOPPED


def _run(options: argparse.Namespace, typed: Sequence[str]) -> Outcome:
    refuse_to_replace(options.out, KIND)
    if options.threads:
        torch.set_num_threads(options.threads)
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    found = collect(options.data, options.dialogs, options.own, options.licence)
    config = {name: getattr(options, name) for name in _CONFIG}
    record = Run.open(
        options.run,
        command=public_command(PROGRAM, typed),
        config=config | {"base": None if options.random else base_record(options.base)},
        seed=options.seed,
        data=found.files,
    )
    model = _open(options)
    training, held = _windows(options, model, found.dialogs)
    record.log(
        f"{len(training)} windows of at most {options.max_tokens} tokens, {len(held)} held out"
    )
    with record.stoppable():
        before = _measure(options, model, held)
        done, steps = _train(options, record, model, training)
        after = _measure(options, model, held) if done else before
    if record.stopping:
        raise Stopped
    for name in before:
        record.log(f"held out, {name}: {before[name]:.4f} → {after[name]:.4f}")
    metrics = {
        "objective": options.objective,
        "whole_words": options.whole_words,
        "steps": steps,
        "windows": steps * options.batch,
        "minutes": round(record.document["seconds"] / 60.0, 1),  # with the measuring
        "parameters": sum(p.numel() for p in model.network.parameters()),
        "new_head": model.new_head,
        "held_out": {"before": before, "after": after},
    }
    record.finish(metrics)
    _write(options, record, model, metrics, found.sources, public_command(PROGRAM, typed))
    return Outcome.WRITTEN


def _write(
    options: argparse.Namespace,
    record: Run,
    model: LanguageModel,
    metrics: Mapping[str, Any],
    sources: Sequence[DataSource],
    command: str,
) -> None:
    manifest = write_model(
        options.out,
        lambda folder: write_language_model(model, folder),
        tokenizer=options.tokenizer if options.random else options.base,
        name=f"kindred-{model.network.config.model_type}-pretrained",
        kind=KIND,
        command=command,
        data=sources,
        metrics=metrics,
        base=None if options.random else base_record(options.base),
    )
    record.log(f"encoder {manifest.version} in {options.out}")


def sentence_of(objective: str) -> str:
    """ "nsp", "sop" or "" of an objective such as `mlm,nsp`."""
    return objective.partition(",")[2]


def _open(options: argparse.Namespace) -> LanguageModel:
    torch.manual_seed(options.seed)
    sentence = sentence_of(options.objective)
    if options.random:
        model = random_language_model(options.random, options.family, options.tokenizer, sentence)
    else:
        model = open_language_model(options.base, sentence)
    longest = longest_text(model.network)
    if options.max_tokens > longest:
        raise ValueError(f"--max-tokens {options.max_tokens}: the model reads at most {longest}")
    model.network.to("cuda" if torch.cuda.is_available() else "cpu")
    return model


def _train(
    options: argparse.Namespace, record: Run, model: LanguageModel, windows: Sequence[Window]
) -> tuple[bool, int]:
    """(whether the end was reached, steps)."""
    steps = options.steps
    if steps is None:
        trial = _examples(options, model, windows, 64 * options.batch)
        step = _try_steps(options, _open(options), trial)
        steps = plan_steps(record, options.minutes, step)
        torch.manual_seed(options.seed)
    callbacks: list[Any] = [Keeper(record, options.batch, "windows", options.save_minutes)]
    if model.new_head and options.head_first:
        callbacks.append(HeadFirst(model.network, round(options.head_first * steps)))
    trainer = ExactTrainer(
        model=model.network,
        args=arguments(
            TrainingArguments,
            record.folder,
            steps=steps,
            batch=options.batch,
            rate=options.rate,
            seed=options.seed,
            adam_beta2=0.98,
            adam_epsilon=1e-6,
        ),
        train_dataset=_examples(options, model, windows, steps * options.batch),
        data_collator=_masking(options, model, options.seed),
        callbacks=callbacks,
    )
    done = not record.stopping and train(trainer, record)
    return done, steps


def _try_steps(
    options: argparse.Namespace, model: LanguageModel, examples: Examples
) -> Callable[[int], None]:
    masking = _masking(options, model, options.seed)
    optimizer = torch.optim.AdamW(model.network.parameters(), lr=1e-6)
    device = next(model.network.parameters()).device

    def step(number: int) -> None:
        first = number * options.batch
        batch = masking([examples[i] for i in range(first, first + options.batch)])
        model.network.train()
        model.network(**{k: v.to(device) for k, v in batch.items()}).loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def _measure(
    options: argparse.Namespace, model: LanguageModel, windows: Sequence[Window]
) -> dict[str, float]:
    seed = options.seed + 1
    examples = _examples(options, model, windows, min(len(windows), options.measured), seed)
    found = measure(model.network, examples, _masking(options, model, seed))
    return {name: round(value, 4) for name, value in found.items()}


def _examples(
    options: argparse.Namespace,
    model: LanguageModel,
    windows: Sequence[Window],
    size: int,
    seed: int | None = None,
) -> Examples:
    marks = Marks.of(model.tokenizer, model.segments)
    sentence = sentence_of(options.objective)
    return Examples(windows, marks, size, options.seed if seed is None else seed, sentence)


def _masking(options: argparse.Namespace, model: LanguageModel, seed: int) -> DialogMasking:
    return DialogMasking(
        model.tokenizer,
        seed,
        whole_words=options.whole_words,
        sentence=sentence_of(options.objective),
    )


def _windows(
    options: argparse.Namespace, model: LanguageModel, dialogs: Sequence[Dialog]
) -> tuple[list[Window], list[Window]]:
    """(to train on, held out). Raises ValueError where nothing is held out."""
    training, held = (
        cut_windows(encode_dialogs(model.tokenizer, some), options.max_tokens)
        for some in part(dialogs)
    )
    if not held:
        raise ValueError("too few dialogs: none is held out to measure on")
    return training, held
