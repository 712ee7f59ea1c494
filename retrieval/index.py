"""The index over the bank: inner products of unit vectors, of contexts and of replies.

How rows are indexed follows from how many there are (`retrieval.kinds`). A manifest ties the files
to the corpus and the encoder they were made with, and says of which kind each is and how it is
searched: an index that does not match refuses to load.
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

import numpy as np

from retrieval import table
from retrieval.corpus import Corpus
from retrieval.kinds import Kind, kind_for
from retrieval.lists import Vectors
from retrieval.spool import Spool
from retrieval.table import Table

Embed = Callable[[Sequence[str]], Vectors]
Progress = Callable[[int, int], None]

_FILES = ("contexts.faiss", "replies.faiss")
_CHUNK = 256
COMMAND = "scripts/build_index"


class IndexMismatch(ValueError):
    """The index is missing, altered, or made from another corpus or encoder."""


@dataclass(frozen=True, slots=True)
class IndexManifest:
    """What an index was made from, and of each file its sha256 and its kind."""

    corpus: str
    encoder: str
    dimension: int
    contexts: int
    replies: int
    faiss: str
    command: str
    files: dict[str, str]
    kinds: dict[str, Kind]


@dataclass(frozen=True, slots=True)
class BankIndex:
    """Two searchable tables whose rows follow `Corpus.contexts` and `Corpus.replies`."""

    contexts: Table
    replies: Table
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
    threads: int = 0,
) -> IndexManifest:
    """Embed the bank and write the index to `folder`, replacing what was there in one rename.

    Vectors go to a file beside the index as they are made, and from there into it chunk by chunk:
    they never stand in memory all at once.

    Args:
        embed: list of n texts → (n, dimension) float32 rows of unit length.
        encoder: the encoder's version, kept in the manifest.
        progress: called with (texts done, texts in all).
        threads: FAISS's own while it builds; 0: as many as there are cores.
    """
    texts = [text for text, _ in corpus.contexts] + [text for text, _ in corpus.replies]
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=folder.parent))
    try:
        with Spool(fresh / "rows.spool", len(texts)) as spool:
            _embed_all(texts, embed, spool, progress)
            manifest = _write_tables(fresh, corpus, spool, encoder, threads)
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
    contexts, replies = (_open_table(folder / name, manifest) for name in _FILES)
    for part, found, rows in (
        ("contexts", contexts.size, len(corpus.contexts)),
        ("replies", replies.size, len(corpus.replies)),
    ):
        if found != rows:
            raise IndexMismatch(
                f"the index in {folder} holds {found} {part}, the corpus {rows}: run {COMMAND}"
            )
    return BankIndex(contexts, replies, manifest)


def _embed_all(texts: Sequence[str], embed: Embed, spool: Spool, progress: Progress | None) -> None:
    for start in range(0, len(texts), _CHUNK):
        spool.append(np.asarray(embed(texts[start : start + _CHUNK]), dtype=np.float32))
        if progress is not None:
            progress(min(start + _CHUNK, len(texts)), len(texts))


def _write_tables(
    folder: Path, corpus: Corpus, spool: Spool, encoder: str, threads: int
) -> IndexManifest:
    contexts = len(corpus.contexts)
    kinds = {}
    for name, start, stop in zip(_FILES, (0, contexts), (contexts, spool.size), strict=True):
        rows = spool.part(start, stop)
        kinds[name] = kind_for(rows.size, rows.dimension, gpu=table.has_gpu())
        table.build(rows, kinds[name], threads).save(folder / name)
    return IndexManifest(
        corpus=corpus.sha256,
        encoder=encoder,
        dimension=spool.dimension,
        contexts=contexts,
        replies=spool.size - contexts,
        faiss=table.FAISS_VERSION,
        command=COMMAND,
        files={name: _sha256(folder / name) for name in _FILES},
        kinds=kinds,
    )


def _open_table(path: Path, manifest: IndexManifest) -> Table:
    try:
        opened = table.load(path, manifest.kinds[path.name])
    except (RuntimeError, KeyError, ValueError) as error:
        raise IndexMismatch(f"{path} does not open ({error}): run {COMMAND}") from error
    if opened.dimension != manifest.dimension:
        raise IndexMismatch(f"{path} has rows of {opened.dimension} numbers: run {COMMAND}")
    return opened


def _read_manifest(folder: Path) -> IndexManifest:
    try:
        raw = json.loads((folder / "manifest.json").read_text())
        raw["kinds"] = {name: Kind(**kind) for name, kind in raw["kinds"].items()}
        return IndexManifest(**raw)
    except FileNotFoundError:
        raise IndexMismatch(f"no index in {folder}: run {COMMAND}") from None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
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
