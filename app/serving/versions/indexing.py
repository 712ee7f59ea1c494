"""The index at start: opened, or built first where it is missing or stale."""

from __future__ import annotations

import fcntl
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import gevent

from app.errors import StartupError
from app.settings import Settings
from models.contracts import EncoderModel
from retrieval.corpus import Corpus, CorpusError, load_corpus
from retrieval.index import BankIndex, IndexMismatch, build_index, open_index
from retrieval.retriever import Retriever

_POLL_SECONDS = 0.1
_PROGRESS_SECONDS = 2.0  # between two lines


def load_retriever(settings: Settings, encoder: EncoderModel) -> Retriever:
    """The retriever over the bank of `data_dir` and the index of `var_dir/index`.

    Raises:
        StartupError: no bank, a bank that cannot be read, or no place for the index.
    """
    try:
        corpus = load_corpus(settings.data_dir)
    except (CorpusError, OSError, UnicodeDecodeError) as error:
        raise StartupError(f"KINDRED_DATA_DIR: {error}") from error
    folder = settings.var_dir / "index"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        return Retriever(corpus, _open_or_build(folder, corpus, encoder))
    except OSError as error:
        raise StartupError(f"KINDRED_VAR_DIR: the index in {folder}: {error}") from error


def _open_or_build(folder: Path, corpus: Corpus, encoder: EncoderModel) -> BankIndex:
    try:
        return open_index(folder, corpus, encoder.version)
    except IndexMismatch as mismatch:
        reason = str(mismatch)
    # Workers start together: one builds, the others wait and open what it built.
    with _locked(folder.with_name(f"{folder.name}.lock")):
        try:
            return open_index(folder, corpus, encoder.version)
        except IndexMismatch:
            _say(f"building the index ({reason})")
            for left in folder.parent.glob(f"{folder.name}.*/"):  # by a build that was killed
                shutil.rmtree(left, ignore_errors=True)
            build_index(folder, corpus, encoder.encode, encoder.version, _progress())
        try:
            return open_index(folder, corpus, encoder.version)
        except IndexMismatch as error:
            raise StartupError(f"the index that was just built does not open: {error}") from error


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file; it ends with the process, whatever ends that."""
    with path.open("w") as file:
        told = False
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not told:
                    _say("waiting for the index that another worker builds")
                    told = True
                gevent.sleep(_POLL_SECONDS)
        yield


def _progress() -> Callable[[int, int], None]:
    """A function that says on stderr what is done and what is left, every few seconds."""
    start = time.monotonic()
    last = start

    def progress(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if done == total:
            _say(f"index built: {total} texts in {now - start:.0f} s")
        elif now - last >= _PROGRESS_SECONDS:
            last = now
            left = (now - start) / done * (total - done)
            _say(f"building the index: {done} of {total} texts, about {left:.0f} s left")

    return progress


def _say(line: str) -> None:
    print(f"kindred: {line}", file=sys.stderr, flush=True)
