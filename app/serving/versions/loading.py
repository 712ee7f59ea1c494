"""Loads and checks the models; whatever is wrong becomes one line that says what to change."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError

from app.errors import StartupError
from app.serving.screens import replies as output_screen
from app.serving.screens import sentences as input_screen
from app.serving.screens.sentences import load_sentences
from app.serving.versions.canary import try_generator, try_reranker
from app.serving.versions.indexing import load_retriever
from app.settings import Settings
from models.checkpoint import ModelFileError, content_version, load_manifest
from models.contracts import EncoderModel, GeneratorModel, RerankerModel
from models.encoder import Encoder
from models.generator import Generator
from models.registry import Registry
from models.reranker import Reranker
from models.runtimes.choice import choose
from models.runtimes.hardware import use_threads
from models.runtimes.remote import (
    Dialect,
    Endpoint,
    RemoteEncoder,
    RemoteGenerator,
    RemoteReranker,
)
from models.sentence_reader import SentenceReader
from retrieval.retriever import Retriever

_LINE_CHARS = 300
_SCREEN_THREADS = 1
Remote = TypeVar("Remote", RemoteEncoder, RemoteReranker, RemoteGenerator)

# RuntimeError is torch's: no such device, tensors that do not fit, no memory.
_LOAD_ERRORS = (ModelFileError, SafetensorError, OSError, ValueError, LookupError, RuntimeError)


@dataclass(frozen=True, slots=True)
class Models:
    """What an engine serves with; no generator where no candidates are wanted.

    `sentences` reads messages, `replies` what the generator wrote; without them, rules and the
    linear readers read alone.
    """

    encoder: EncoderModel
    reranker: RerankerModel
    generator: GeneratorModel | None
    retriever: Retriever
    sentences: SentenceReader | None = None
    replies: SentenceReader | None = None

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
        progress: told what is loaded, and what each model runs on and why.

    Raises:
        StartupError: names the setting, the file and what is wrong.
    """
    use_threads(threads_for(settings))
    progress("loading the encoder")
    encoder = load_encoder(settings)
    progress(f"encoder: {encoder.runtime}")
    progress("loading the reranker")
    with _one_line("KINDRED_RERANKER"):
        reranker = load_reranker(settings, encoder)
    progress(f"reranker: {reranker.runtime}")
    generator = None
    if settings.candidates_max > 0:
        progress("loading the generator")
        with _one_line("KINDRED_GENERATOR"):
            generator = load_generator(settings)
        progress(f"generator: {generator.runtime}")
    progress("loading the index")
    retriever = load_retriever(settings, encoder)
    sentences = load_screen(settings, progress)
    replies = None if generator is None else load_screen(settings, progress, output_screen.FOLDER)
    return Models(encoder, reranker, generator, retriever, sentences, replies)


def load_screen(
    settings: Settings, progress: Callable[[str], None], name: str = input_screen.FOLDER
) -> SentenceReader | None:
    """A screen's sentence reader, on the CPU with one thread: it is asked a few texts at once.

    Raises StartupError where it is there and cannot be used.
    """
    with _one_line("KINDRED_RUNTIME, KINDRED_DEVICE and KINDRED_DTYPE"):
        main = choose(settings.runtime, settings.device, settings.dtype)
    reader = load_sentences(
        settings.artifacts_dir,
        name,
        runtime=settings.runtime,
        device="cpu",
        threads=_SCREEN_THREADS,
        alone=(main.runtime, main.device) != ("torch", "cpu"),
    )
    if reader is not None:
        progress(f"{name}: {reader.runtime}")
        if reader.alone:
            use_threads(1)
    return reader


def load_version(
    settings: Settings,
    encoder: EncoderModel,
    kind: str,
    version: str,
    installed: str,
    heads: Collection[str] = (),
) -> RerankerModel | GeneratorModel:
    """A registered version of a kind, verified, warmed and tried; for a native thread.

    Args:
        installed: the version that the settings name, which need not be registered.
        heads: of the reranker that the settings name; see `try_reranker`.

    Raises:
        RegistryError, ModelFileError, CanaryFailed, or whatever else is wrong with it.
    """
    folder = folder_of(settings, kind, version, installed)
    if kind == "reranker":
        reranker = load_reranker(settings, encoder, folder)
        reranker.warm()
        try_reranker(reranker, settings, heads=() if version == installed else heads)
        return reranker
    generator = load_generator(settings, folder)
    generator.warm()
    try_generator(generator, settings)
    return generator


def folder_of(settings: Settings, kind: str, version: str, installed: str) -> Path | None:
    """The verified folder of a registered version; None: the one that the settings name.

    Raises:
        RegistryError, ModelFileError: it is not there, or not what it was.
    """
    registry = Registry(settings.var_dir)
    if version == installed and not registry.holds(kind, version):
        return None
    return registry.verified(kind, version)


def threads_for(settings: Settings) -> int:
    """Intra-op threads of each model: as set, else this worker's share of the usable cores."""
    if settings.threads > 0:
        return settings.threads
    return max(1, len(os.sched_getaffinity(0)) // settings.workers)


def load_encoder(settings: Settings) -> EncoderModel:
    """The encoder alone. Raises StartupError, naming the setting and what is wrong."""
    with _one_line("KINDRED_ENCODER"):
        if _is_url(settings.encoder):
            endpoint = _endpoint(settings, settings.encoder, settings.encoder_key)
            return _awake(RemoteEncoder.connect(endpoint, version=settings.remote_version))
        return Encoder.load(settings.encoder or "auto", **_local(settings))


def load_reranker(
    settings: Settings, encoder: EncoderModel, folder: Path | None = None
) -> RerankerModel:
    """The reranker of a folder; None: the one that the settings name."""
    if folder is None and _is_url(settings.reranker):
        endpoint = _endpoint(settings, settings.reranker, settings.reranker_key)
        return _awake(RemoteReranker.connect(endpoint, version=settings.remote_version))
    path = folder or Path(settings.reranker_path)
    base = _base_of_reranker(settings, encoder, path)
    return Reranker.load(path, base=base, **_local(settings))


def load_generator(settings: Settings, folder: Path | None = None) -> GeneratorModel:
    """The generator of a folder; None: the one that the settings name.

    Raises:
        StartupError: a context and a reply do not fit in.
    """
    if folder is None and _is_url(settings.generator):
        dialect = Dialect(
            form=settings.remote_form,
            extensions=settings.remote_extensions,
            logprobs=settings.remote_logprobs,
        )
        endpoint = _endpoint(settings, settings.generator, settings.generator_key)
        model = settings.remote_model
        remote = RemoteGenerator.connect(endpoint, model=model, dialect=dialect)
        return _with_room(_awake(remote), settings)
    options = _local(settings)
    del options["cache"]
    if settings.dtype == "int8":  # its products are too small to gain by it
        options["dtype"] = "auto"
    return _with_room(Generator.load(folder or settings.generator_path, **options), settings)


def _with_room(generator: GeneratorModel, settings: Settings) -> GeneratorModel:
    """The same generator, if a context and a reply fit in."""
    positions = generator.positions
    if settings.context_tokens + settings.new_tokens > positions:
        raise StartupError(
            f"KINDRED_CONTEXT_TOKENS and KINDRED_NEW_TOKENS: {settings.context_tokens} + "
            f"{settings.new_tokens} tokens, but the generator has {positions} positions"
        )
    return generator


def _local(settings: Settings) -> dict[str, Any]:
    """What every model that runs here is loaded with."""
    return {
        "runtime": settings.runtime,
        "device": settings.device,
        "dtype": settings.dtype,
        "threads": threads_for(settings),
        "cache": settings.var_dir / "compiled",
    }


def _is_url(name: str) -> bool:
    return name.startswith(("http://", "https://"))


def _endpoint(settings: Settings, url: str, key: str) -> Endpoint:
    return Endpoint(url, key=key, seconds=settings.remote_timeout_ms / 1000)


def _awake(model: Remote) -> Remote:
    """The first answer may take long; whose thread asks later opens connections of its own."""
    model.warm()
    model.close()
    return model


def _base_of_reranker(settings: Settings, encoder: EncoderModel, folder: Path) -> str:
    """The configured encoder if the reranker was trained on it, else the packaged base."""
    if not settings.encoder or _is_url(settings.encoder):
        return "auto"
    base = load_manifest(folder).base or {}
    trained_on = content_version({"model.safetensors": str(base.get("sha256"))})
    return settings.encoder if trained_on == encoder.version else "auto"


@contextmanager
def _one_line(setting: str) -> Iterator[None]:
    try:
        yield
    except _LOAD_ERRORS as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise StartupError(f"{setting}: {lines[0][:_LINE_CHARS]}") from error
