"""The model that is tuned: loaded, sampled as serving does, written as serving reads it."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoTokenizer, GPT2LMHeadModel, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from models.checkpoint import (
    MANIFEST_NAME,
    DataSource,
    Manifest,
    content_version,
    file_sha256,
    load_manifest,
    verify,
    write_manifest,
)
from models.generator import KIND, GenerateItem, Generation, Generator
from models.runtimes.choice import Choice
from models.runtimes.gpt2 import make_runtime
from models.sampling import Sampling
from models.training.tuning.contexts import Context

NAME = "kindred-generator-tuned"
# The service's default temperature (docs of KINDRED_TEMPERATURE); the rest is Sampling's own.
SERVING = Sampling(temperature=0.6)
# Contexts that are decoded together: bounds the memory of their caches.
_TOGETHER = 16


@dataclass(frozen=True)
class Base:
    """The model that tuning starts from and is leashed to."""

    path: str
    name: str
    version: str
    sha256: str
    data: tuple[DataSource, ...]

    def to_json(self) -> dict[str, str]:
        """As it stands in the tuned model's manifest."""
        return {"id": self.name, "version": self.version, "sha256": self.sha256}


def describe(path_or_id: str) -> Base:
    """What is known of a generator's folder (verified, if it has a manifest) or hub id.

    Raises models.checkpoint.ModelFileError for a folder that is altered.
    """
    folder = Path(path_or_id)
    if not folder.is_dir():
        return Base(path_or_id, path_or_id, "hub", "", (DataSource(path_or_id, "see its card"),))
    weights = {path.name: file_sha256(path) for path in sorted(folder.glob("*.safetensors"))}
    if (folder / MANIFEST_NAME).exists():
        manifest = verify(folder, kind=KIND)
        digest = weights.get("model.safetensors", "")
        return Base(str(folder), manifest.name, manifest.version, digest, manifest.data)
    if not weights:
        raise ValueError(f"{folder}: holds no safetensors")
    digest = next(iter(weights.values()))
    return Base(str(folder), folder.name, content_version(weights), digest, ())


def load_policy(path_or_id: str) -> tuple[GPT2LMHeadModel, PreTrainedTokenizerBase]:
    """The network in fp32 on the CPU and its tokenizer. Raises OSError if they cannot be had."""
    transformers_logging.disable_progress_bar()
    model = GPT2LMHeadModel.from_pretrained(
        path_or_id, use_safetensors=True, dtype=torch.float32, trust_remote_code=False
    )
    tokenizer = AutoTokenizer.from_pretrained(path_or_id, trust_remote_code=False)
    return model, tokenizer


def served(model: GPT2LMHeadModel, tokenizer: PreTrainedTokenizerBase) -> Generator:
    """A serving generator over a snapshot of the network's weights, in fp32."""
    device = str(next(model.parameters()).device)
    plain = GPT2LMHeadModel(model.config)
    plain.load_state_dict(model.state_dict())
    choice = Choice("torch", device, "fp32", "as tuned")
    return Generator(make_runtime(plain.to(device), choice), tokenizer, "tuning")


def answers(
    generator: Generator,
    contexts: Sequence[Context],
    n: int,
    sampling: Sampling,
    seed: int,
    max_new_tokens: int,
) -> list[tuple[Generation, ...]]:
    """At most `n` distinct usable responses to each context; what is drawn follows from `seed`."""
    items = [
        GenerateItem(
            generator.encode_context(context.turns, context.facts),
            n=n,
            seed=seed + number,
            max_new_tokens=max_new_tokens,
            sampling=sampling,
        )
        for number, context in enumerate(contexts)
    ]
    found: list[tuple[Generation, ...]] = []
    for begin in range(0, len(items), _TOGETHER):
        results = generator.run(items[begin : begin + _TOGETHER])
        found += [result.candidates for result in results]
    return found


def write_served(
    folder: Path,
    base: Base,
    state: Mapping[str, Tensor],
    *,
    command: str,
    metrics: Mapping[str, Any],
    data: Sequence[DataSource],
    people: Iterable[str] = (),
) -> Manifest:
    """Write fp16 weights, tokenizer and manifest; an old folder is replaced when all is written.

    `people`: keyed hashes of those whose reactions or words were learned from.
    """
    # From the base's own configuration: training leaves marks in the live one.
    model, tokenizer = load_policy(base.path)
    model.load_state_dict(dict(state))
    fresh = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    model.half().save_pretrained(fresh)
    tokenizer.save_pretrained(fresh)
    # transformers writes weights readable by their owner alone.
    for path in fresh.iterdir():
        path.chmod(0o644)
    manifest = write_manifest(
        fresh,
        name=NAME,
        kind=KIND,
        command=command,
        data=merged(base.data, data),
        metrics=metrics,
        base=base.to_json(),
        people=people,
        made_of=_manifests(base.path),
    )
    shutil.rmtree(folder, ignore_errors=True)
    fresh.replace(folder)
    return manifest


def rewrite_metrics(folder: Path, metrics: Mapping[str, Any]) -> Manifest:
    """The folder's manifest with other metrics; its files stay."""
    old = load_manifest(folder)
    return write_manifest(
        folder,
        name=old.name,
        kind=old.kind,
        command=old.command,
        data=old.data,
        metrics=metrics,
        base=old.base,
        made_of=[old],
    )


def _manifests(path_or_id: str) -> list[Manifest]:
    folder = Path(path_or_id)
    return [load_manifest(folder)] if (folder / MANIFEST_NAME).exists() else []


def merged(*sources: Sequence[DataSource]) -> tuple[DataSource, ...]:
    """All sources, each name once."""
    return tuple({source.name: source for part in sources for source in part}.values())
