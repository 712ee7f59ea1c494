"""The FAISS index over the bank: inner products of unit vectors, of contexts and of replies.

Small banks are searched exactly (`IndexFlatIP`); past `GRAPH_ROWS` rows an HNSW graph (Malkov and
Yashunin, 2016) keeps a search in the low milliseconds. A manifest ties the files to the corpus
and the encoder they were made with: an index that does not match refuses to load.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

from retrieval.corpus import Corpus

Vectors = NDArray[np.float32]
Embed = Callable[[Sequence[str]], Vectors]
Progress = Callable[[int, int], None]

GRAPH_ROWS = 100_000
_GRAPH_NEIGHBOURS = 32
_FILES = ("contexts.faiss", "replies.faiss")
_CHUNK = 256
COMMAND = "scripts/build_index"


class IndexMismatch(ValueError):
    """The index is missing, altered, or made from another corpus or encoder."""


@dataclass(frozen=True, slots=True)
class IndexManifest:
    """What an index was made from, and the sha256 of its files."""

    corpus: str
    encoder: str
    dimension: int
    contexts: int
    replies: int
    faiss: str
    command: str
    files: dict[str, str]


@dataclass(frozen=True, slots=True)
class BankIndex:
    """Two searchable matrices whose rows follow `Corpus.contexts` and `Corpus.replies`."""

    contexts: faiss.Index
    replies: faiss.Index
    manifest: IndexManifest

    @property
    def version(self) -> str:
        """A short name that changes with the corpus and the encoder."""
        text = f"{self.manifest.corpus}:{self.manifest.encoder}"
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def build_index(
    folder: Path,
    corpus: Corpus,
    embed: Embed,
    encoder: str,
    progress: Progress | None = None,
) -> IndexManifest:
    """Embed the bank and write the index to `folder`, replacing what was there in one rename.

    Args:
        embed: list of n texts → (n, dimension) float32 rows of unit length.
        encoder: the encoder's version, kept in the manifest.
        progress: called with (texts done, texts in all).
    """
    contexts, replies = corpus.contexts, corpus.replies
    texts = [text for text, _ in contexts] + [text for text, _ in replies]
    rows = _embed_all(texts, embed, progress)
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=folder.parent))
    try:
        for name, part in zip(_FILES, (rows[: len(contexts)], rows[len(contexts) :]), strict=True):
            faiss.write_index(_index_of(part), str(fresh / name))
        manifest = IndexManifest(
            corpus=corpus.sha256,
            encoder=encoder,
            dimension=int(rows.shape[1]),
            contexts=len(contexts),
            replies=len(replies),
            faiss=faiss.__version__,
            command=COMMAND,
            files={name: _sha256(fresh / name) for name in _FILES},
        )
        (fresh / "manifest.json").write_text(json.dumps(asdict(manifest), indent=2) + "\n")
        _swap(fresh, folder)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    return manifest


def open_index(folder: Path, corpus: Corpus, encoder: str) -> BankIndex:
    """Load an index, on the GPU where FAISS has one.

    Raises:
        IndexMismatch: says what does not match, and the command that mends it.
    """
    manifest = _read_manifest(folder)
    for name, built, wanted in (
        ("corpus", manifest.corpus, corpus.sha256),
        ("encoder", manifest.encoder, encoder),
    ):
        if built != wanted:
            raise IndexMismatch(
                f"the index in {folder} was built from another {name} "
                f"({built[:12]}, now {wanted[:12]}): run {COMMAND}"
            )
    for name, digest in manifest.files.items():
        path = folder / name
        if not path.is_file() or _sha256(path) != digest:
            raise IndexMismatch(f"{path} is missing or altered: run {COMMAND}")
    contexts, replies = (_to_device(faiss.read_index(str(folder / name))) for name in _FILES)
    return BankIndex(contexts, replies, manifest)


def _embed_all(texts: Sequence[str], embed: Embed, progress: Progress | None) -> Vectors:
    parts = []
    for start in range(0, len(texts), _CHUNK):
        parts.append(np.asarray(embed(texts[start : start + _CHUNK]), dtype=np.float32))
        if progress is not None:
            progress(min(start + _CHUNK, len(texts)), len(texts))
    return np.concatenate(parts)


def _index_of(rows: Vectors) -> faiss.Index:
    dimension = rows.shape[1]
    kind = "Flat" if len(rows) < GRAPH_ROWS else f"HNSW{_GRAPH_NEIGHBOURS}"
    index = faiss.index_factory(dimension, kind, faiss.METRIC_INNER_PRODUCT)
    index.add(np.ascontiguousarray(rows))
    return index


def _to_device(index: faiss.Index) -> faiss.Index:
    if hasattr(faiss, "StandardGpuResources") and faiss.get_num_gpus() > 0:
        return faiss.index_cpu_to_all_gpus(index)
    return index


def _read_manifest(folder: Path) -> IndexManifest:
    try:
        return IndexManifest(**json.loads((folder / "manifest.json").read_text()))
    except FileNotFoundError:
        raise IndexMismatch(f"no index in {folder}: run {COMMAND}") from None
    except (ValueError, TypeError) as error:
        raise IndexMismatch(f"{folder}/manifest.json cannot be read ({error})") from None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _swap(fresh: Path, folder: Path) -> None:
    old = folder.with_name(f"{fresh.name}.old")
    if folder.exists():
        os.rename(folder, old)
    os.rename(fresh, folder)
    shutil.rmtree(old, ignore_errors=True)
