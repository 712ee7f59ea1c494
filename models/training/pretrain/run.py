"""The command behind `scripts/pretrain_encoder`: dialogs, training, before and after, folder."""

from __future__ import annotations

import argparse
import gzip
import json
from collections.abc import Callable, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

import torch
from transformers import TrainingArguments
from transformers import logging as transformers_logging

from models.checkpoint import DataSource
from models.training.corpora import (
    OWN_DIALOGS,
    OWN_SOURCES,
    PERSONALITY_CHAT,
    PUBLIC_SOURCES,
    Dialog,
    clean,
    is_held_out,
    load_own,
    load_public,
)
from models.training.encoder.folders import (
    base_record,
    public_command,
    refuse_to_replace,
    write_model,
)
from models.training.encoder.pairs import OWN_HELD_OUT_PERCENT
from models.training.encoder.trainers import ExactTrainer, Keeper, arguments, plan_steps, train
from models.training.judgements import is_held_out as is_held_out_by_name
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
    refuse_to_replace(options.out)
    if options.threads:
        torch.set_num_threads(options.threads)
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    dialogs, sources, files = _dialogs(options)
    config = {name: getattr(options, name) for name in _CONFIG}
    record = Run.open(
        options.run,
        command=public_command(PROGRAM, typed),
        config=config | {"base": None if options.random else base_record(options.base)},
        seed=options.seed,
        data=files,
    )
    model = _open(options)
    training, held = _windows(options, model, dialogs)
    record.log(
        f"{len(training)} windows of at most {options.max_tokens} tokens, {len(held)} held out"
    )
    with record.stoppable():
        before = _measure(options, model, held)
        done, steps = _train(options, record, model, training)
        after = _measure(options, model, held) if done else before
    if record.stopping:
        record.log("stopped; the same command goes on from here")
        return Outcome.STOPPED
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
    manifest = write_model(
        options.out,
        lambda folder: write_language_model(model, folder),
        base=options.tokenizer if options.random else options.base,
        name=f"kindred-{model.network.config.model_type}-pretrained",
        kind=KIND,
        command=public_command(PROGRAM, typed),
        data=sources,
        metrics=metrics,
    )
    record.log(f"encoder {manifest.version} in {options.out}")
    return Outcome.WRITTEN


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
    """(to train on, held out)."""
    parts: tuple[list[Dialog], list[Dialog]] = ([], [])
    for dialog in dialogs:
        parts[_is_held_out(dialog)].append(dialog)
    training, out = (
        cut_windows(encode_dialogs(model.tokenizer, part), options.max_tokens) for part in parts
    )
    if not out:
        raise ValueError("too few dialogs: none is held out to measure on")
    return training, out


def _is_held_out(dialog: Dialog) -> bool:
    """What any trainer of this project holds out, so that a later one is measured on texts that
    its base has never read."""
    by_name = is_held_out_by_name(dialog.id, OWN_HELD_OUT_PERCENT)
    return by_name or is_held_out(dialog.source, dialog.id)


def _dialogs(
    options: argparse.Namespace,
) -> tuple[list[Dialog], list[DataSource], list[Path]]:
    """Dialogs, what they are called in the manifest, and the files that they came from."""
    dialogs: list[Dialog] = []
    sources: list[DataSource] = []
    files: list[Path] = []
    if options.data:
        names = [name for name in PUBLIC_SOURCES if name != PERSONALITY_CHAT]  # a few hundred lines
        dialogs += load_public(options.data / "dialogs", names)
        sources += [PUBLIC_SOURCES[name] for name in names]
        files += [options.data / "dialogs" / f"{name}.jsonl.gz" for name in names]
    if options.dialogs:
        own = read_dialogs(options.dialogs)
        dialogs += own
        sources.append(DataSource(options.dialogs.name, options.licence, rows=len(own)))
        files.append(options.dialogs)
    if options.own:
        dialogs += [d for d in load_own(options.own) if d.source == OWN_DIALOGS]
        sources.append(OWN_SOURCES[OWN_DIALOGS])
        files += sorted(options.own.glob("dialogs/*.jsonl"))
    return dialogs, sources, files


def read_dialogs(path: Path) -> list[Dialog]:
    """Dialogs of a JSON-lines file (.gz): `turns` of texts or of objects with a `text`.

    Raises ValueError, naming file and line.
    """
    opener = gzip.open if path.suffix == ".gz" else open
    dialogs = []
    with opener(path, "rt", encoding="utf-8") as stream:
        for number, line in enumerate(stream, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
                texts = [t if isinstance(t, str) else t["text"] for t in row["turns"]]
                turns = tuple(filter(None, map(clean, texts)))
                name = str(row.get("id") or row.get("dialog_id") or number)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise ValueError(f"{path.name}:{number}: not a dialog: {error!r}") from None
            dialogs.append(Dialog(name, path.name, turns))
    return dialogs
