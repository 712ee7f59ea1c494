"""Loads and checks the models; whatever is wrong becomes one line that says what to change."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError

from app.errors import StartupError
from app.serving.indexing import load_retriever
from app.settings import Settings
from models.checkpoint import ModelFileError, content_version, load_manifest
from models.encoder import Encoder
from models.generator import Generator
from models.reranker import Reranker
from retrieval.retriever import Retriever

_LINE_CHARS = 300
# RuntimeError is torch's: no such device, tensors that do not fit, no memory.
_LOAD_ERRORS = (ModelFileError, SafetensorError, OSError, ValueError, LookupError, RuntimeError)


@dataclass(frozen=True, slots=True)
class Models:
    """What an engine serves with; no generator where no candidates are wanted."""

    encoder: Encoder
    reranker: Reranker
    generator: Generator | None
    retriever: Retriever

    @property
    def versions(self) -> dict[str, str]:
        """The version of each part, for slates and explanations."""
        versions = {
            "encoder": self.encoder.version,
            "reranker": self.reranker.version,
            "index": self.retriever.version,
        }
        if self.generator is not None:
            versions["generator"] = self.generator.version
        return versions


def load_models(settings: Settings, progress: Callable[[str], None]) -> Models:
    """Load all that the settings ask for.

    Args:
        progress: told the name of each part before it is loaded.

    Raises:
        StartupError: names the setting, the file and what is wrong.
    """
    threads = threads_for(settings)
    progress("encoder")
    with _one_line("KINDRED_ENCODER"):
        encoder = Encoder.load(
            settings.encoder or "auto",
            device=settings.device,
            dtype=settings.dtype,
            threads=threads,
        )
    progress("reranker")
    with _one_line("KINDRED_RERANKER"):
        reranker = Reranker.load(
            settings.reranker_path,
            base=_base_of_reranker(settings, encoder),
            device=settings.device,
            dtype=settings.dtype,
            threads=threads,
        )
    generator = None
    if settings.candidates_max > 0:
        progress("generator")
        with _one_line("KINDRED_GENERATOR"):
            generator = _load_generator(settings, threads)
    progress("index")
    retriever = load_retriever(settings, encoder)
    return Models(encoder, reranker, generator, retriever)


def threads_for(settings: Settings) -> int:
    """Intra-op threads of each model: as set, else this worker's share of the usable cores."""
    if settings.threads > 0:
        return settings.threads
    return max(1, len(os.sched_getaffinity(0)) // settings.workers)


def _base_of_reranker(settings: Settings, encoder: Encoder) -> str:
    """The configured encoder if the reranker was trained on it, else the packaged base."""
    base = load_manifest(Path(settings.reranker_path)).base or {}
    trained_on = content_version({"model.safetensors": str(base.get("sha256"))})
    return settings.encoder if settings.encoder and trained_on == encoder.version else "auto"


def _load_generator(settings: Settings, threads: int) -> Generator:
    generator = Generator.load(
        settings.generator_path,
        device=settings.device,
        dtype="auto" if settings.dtype == "int8" else settings.dtype,  # it has no int8
        threads=threads,
    )
    positions = generator.positions
    if settings.context_tokens + settings.new_tokens > positions:
        raise StartupError(
            f"KINDRED_CONTEXT_TOKENS and KINDRED_NEW_TOKENS: {settings.context_tokens} + "
            f"{settings.new_tokens} tokens, but the generator has {positions} positions"
        )
    return generator


@contextmanager
def _one_line(setting: str) -> Iterator[None]:
    try:
        yield
    except _LOAD_ERRORS as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise StartupError(f"{setting}: {lines[0][:_LINE_CHARS]}") from error
