"""Folders of readers, each written as a whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from models.checkpoint import DataSource, file_sha256, write_manifest
from models.runtimes.torch_bert import PACKAGED_BASE_ID
from models.runtimes.torch_sentence import SentenceNet
from models.sentence_reader import KIND, SentenceSettings, save_folder
from models.training.sentence_reader.fit import Recipe


@contextmanager
def replaced(out: Path) -> Iterator[Path]:
    """A new folder to write to; after a block without an error it takes the place of `out`."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as made:
        folder = Path(made) / "reader"
        yield folder
        if out.exists():
            shutil.rmtree(out)
        folder.rename(out)


def write_sentences(
    out: Path,
    net: SentenceNet,
    settings: SentenceSettings,
    recipe: Recipe,
    base: Path,
    *,
    name: str,
    command: str,
    data: Sequence[DataSource],
    metrics: Mapping[str, Any],
) -> None:
    """The folder of a sentence reader.

    Args:
        base: the folder of the encoder that it was trained from; of its weights the hash is kept.
        metrics: what is told of the run beside its recipe.
    """
    with replaced(out) as folder:
        save_folder(folder, net, settings, str(base))
        write_manifest(
            folder,
            name=name,
            kind=KIND,
            command=command,
            data=data,
            metrics={"recipe": asdict(recipe), **metrics},
            base={"name": PACKAGED_BASE_ID, "sha256": file_sha256(base / "model.safetensors")},
        )
