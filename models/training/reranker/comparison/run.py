"""The command behind `scripts/compare_rerankers`: baselines, trained folders, table, pictures."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from models.checkpoint import ModelFileError, content_version, file_sha256
from models.encoder import Encoder
from models.runtimes.torch_bert import load_bert, resolve_base
from models.training.examples import BadExample, Example, read_examples
from models.training.judgements import load_accentor
from models.training.record import Run, RunConflict
from models.training.reranker.comparison import pictures, table
from models.training.reranker.comparison.floor import (
    BigramNaiveBayes,
    EncoderCosine,
    ResponseLength,
)
from models.training.reranker.comparison.scoring import (
    Settings,
    Stopped,
    Subject,
    compare,
    subject_of,
)
from models.training.reranker.comparison.targets import BASELINE, FLOOR
from models.training.reranker.comparison.trials import Trial, as_examples, load_trials
from models.training.reranker.family.pairs import common_subset, data_files
from models.training.reranker.scorer import PairScorer

# What is no probability of any label speaks for how a reply is liked, and is no head's calibration.
_SIMPLE_HEADS = ("upvote",)


class Refused(Exception):
    """The command cannot be carried out; the message says why in one line."""


def run(options: argparse.Namespace, command: str) -> int:
    """Measure and write; 0 when the table has been written or the run was stopped.

    Raises Refused for models, data or a run's folder that are not what they should be.
    """
    torch.set_num_threads(options.threads)
    try:
        record, subjects, trials = _prepare(options, command)
    except (ModelFileError, BadExample, RunConflict, ValueError, OSError) as error:
        raise Refused(str(error)) from error
    settings = Settings(options.resamples, seconds=options.seconds, speed=not options.no_speed)
    with record.stoppable():
        try:
            rows = compare(record, subjects, trials, settings)
        except Stopped:
            record.log("stopped; the same command goes on from here")
            return 0
        except ModelFileError as error:
            raise Refused(str(error)) from error
    missing = dict(options.missing)
    written = [*table.write(rows, options.out, missing), *pictures.draw(rows, options.out)]
    record.finish({"models": [row["name"] for row in rows]})
    print(table.markdown(rows, missing))
    record.log(f"written: {', '.join(str(path) for path in written)}")
    return 0


def _prepare(options: argparse.Namespace, command: str) -> tuple[Run, list[Subject], list[Trial]]:
    from models.training.reranker.family.folder import open_scorer

    subjects = [
        *_baselines(options.data, options.base, options.pairs),
        *trained(options.models, open_scorer),
    ]
    seen = [example for path in options.seen for example in read_examples(path)]
    files = [*data_files(options.data), options.data / "reactions" / "ieval.jsonl.gz"]
    record = Run.open(
        options.run,
        command=command,
        config={"limit": options.limit, "lists": options.lists, "resamples": options.resamples},
        seed=0,  # every sample has a fixed seed of its own
        data=[*files, *options.seen],
    )
    record.log("reading the trials")
    trials = load_trials(options.data, limit=options.limit, lists=options.lists, seen=seen)
    return record, subjects, trials


def trained(
    models: Sequence[tuple[str, Path]], open_scorer: Callable[[Path], PairScorer]
) -> list[Subject]:
    """Folders as subjects. Raises ModelFileError, ValueError where two are called the same."""
    subjects = [subject_of(folder, open_scorer, title) for title, folder in models]
    for i, subject in enumerate(subjects):
        if any(other.key == subject.key for other in subjects[:i]):
            raise ValueError(f"{subject.name}: the same model twice; NAME=FOLDER tells them apart")
    return subjects


def _baselines(data: Path, base: str, pairs: int) -> list[Subject]:
    """The floor (of all ACCENTOR training pairs, of the common subset's), length and cosine."""
    reactions = data / "reactions" / "accentor_train.jsonl.gz"
    read = content_version({"accentor_train": file_sha256(reactions)})
    encoder_folder = resolve_base(base)
    encoder_file = content_version({"base": file_sha256(encoder_folder / "model.safetensors")})
    floor = {"family": FLOOR, "sources": ["accentor"]}
    simple = {"family": BASELINE, "sources": []}

    def all_of_it() -> list[Example]:
        return as_examples(load_accentor(data, "train"))

    def as_the_models() -> list[Example]:
        return common_subset(data, pairs, sources=("accentor",)).train["accentor"]

    def naive_bayes(examples: Callable[[], list[Example]]) -> Callable[[], PairScorer]:
        def fitted() -> PairScorer:
            dev = as_examples(load_accentor(data, "dev"))
            return BigramNaiveBayes("accentor").fit(examples()).calibrate(dev)

        return fitted

    def cosine() -> PairScorer:
        weights = sum(p.numel() for p in load_bert(str(encoder_folder)).parameters())
        return EncoderCosine(Encoder.load(base, device="cpu", dtype="fp32"), _SIMPLE_HEADS, weights)

    return [
        Subject(
            "candidate only", read, naive_bayes(all_of_it), title="candidate only", about=floor
        ),
        Subject(
            f"candidate only {pairs}",
            read,
            naive_bayes(as_the_models),
            title="candidate only, common subset",
            about=floor,
        ),
        Subject("response length", "1", lambda: ResponseLength(_SIMPLE_HEADS), about=simple),
        Subject("encoder cosine", encoder_file, cosine, about=simple),
    ]
