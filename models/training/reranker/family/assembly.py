"""What a run of the family trains: the network that its options name, and who teaches it."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from models.checkpoint import file_sha256
from models.runtimes.torch_bert import PACKAGED_BASE_ID
from models.training.examples import Example
from models.training.record import Run
from models.training.reranker.family.bilstm import BiLstm
from models.training.reranker.family.cross_encoder import (
    MAX_TOKENS,
    CrossEncoder,
    base_path,
    load_encoder,
    load_tokenizer,
    room_of,
    words_of,
)
from models.training.reranker.family.distil import (
    DistilConfig,
    fitted_heads,
    student_of,
    teacher_logits,
)
from models.training.reranker.family.folder import Model, open_model
from models.training.reranker.family.lesson import Teaching
from models.training.reranker.family.networks import PairHead
from models.training.reranker.family.qa_lstm import LIMITS, QaLstm, own_tokenizer
from models.training.reranker.family.reduce import reduce_layers
from models.training.reranker.family.store import PairStore, store_key
from models.training.reranker.family.tokens import Limits, Template

# BERT's own rates are for 768 and more; MiniLM's narrow layers take, and want, a larger one.
NARROW, NARROW_RATE, WIDE_RATE = 512, 1e-4, 3e-5
TOKENS = "tokens"  # folder of a run in which pairs lie as ids, until the run has finished


class Stopped(Exception):
    """The run was asked to stop; the same command goes on with it."""


@dataclass(frozen=True)
class Teacher:
    """A trained folder, opened."""

    model: Model
    name: str
    version: str
    base: dict[str, Any] | None


def open_teacher(folder: Path) -> Teacher:
    """Raises models.checkpoint.ModelFileError where `folder` holds no model of the family."""
    model, _, manifest = open_model(folder)
    base = None if manifest.base is None else dict(manifest.base)
    return Teacher(model, manifest.name, manifest.version, base)


def build(
    options: argparse.Namespace,
    heads: tuple[str, ...],
    examples: Sequence[Example],
    teacher: Teacher | None,
) -> Model:
    """The untrained model that the options name; its weights follow from `options.seed`.

    Raises ValueError, in one line, where options and base do not go together.
    """
    torch.manual_seed(options.seed)
    if options.family == CrossEncoder.family:
        return _cross_encoder(options, heads, teacher)
    return _recurrent(options, heads, examples, teacher)


def _cross_encoder(
    options: argparse.Namespace, heads: tuple[str, ...], teacher: Teacher | None
) -> Model:
    if teacher is not None and options.base is None:
        network, tokenizer = _student(options, heads, teacher.model), teacher.model.tokenizer
    else:
        encoder, tokenizer = load_encoder(options.base or "auto")
        if options.layers:
            reduce_layers(encoder, options.layers, options.keep)
        network = CrossEncoder(encoder, len(heads))
    if options.max_tokens > room_of(network.encoder):
        raise ValueError(f"the encoder has positions for {room_of(network.encoder)} tokens only")
    network.freeze(options.frozen)
    limits = Limits.joint(options.max_tokens, Template.of(tokenizer).special)
    return Model(network, tokenizer, limits, heads)


def _student(options: argparse.Namespace, heads: tuple[str, ...], teacher: Model) -> CrossEncoder:
    """The teacher with fewer layers; its head too, where it judges the same kinds."""
    if not isinstance(teacher.network, CrossEncoder):
        raise ValueError("this teacher is no cross-encoder: name the student's --base")
    total = int(teacher.network.encoder.config.num_hidden_layers)
    student = student_of(teacher.network, options.layers or max(1, total // 2), options.keep)
    if teacher.heads != heads:
        fresh = CrossEncoder(student.encoder, len(heads))
        assert isinstance(fresh.head, PairHead)
        return fresh
    return student


def _recurrent(
    options: argparse.Namespace,
    heads: tuple[str, ...],
    examples: Sequence[Example],
    teacher: Teacher | None,
) -> Model:
    if options.vocabulary:
        tokenizer = own_tokenizer(_texts(examples), options.vocabulary)
    elif teacher is not None:
        tokenizer = teacher.model.tokenizer
    else:
        tokenizer = load_tokenizer(base_path(options.base or "auto"))
    if options.family == QaLstm.family:
        return Model(QaLstm(len(tokenizer), len(heads)), tokenizer, LIMITS, heads)
    student = BiLstm(len(tokenizer), len(heads))
    if teacher is not None and isinstance(teacher.model.network, CrossEncoder):
        words = words_of(teacher.model.network.encoder)
        if len(words) == len(tokenizer) and not options.vocabulary:
            student.start_from(words)
    return Model(student, tokenizer, LIMITS, heads)


def _texts(examples: Iterable[Example]) -> Iterator[str]:
    for example in examples:
        yield from (*example.context, example.response)


def learning_rate(options: argparse.Namespace, model: Model) -> float:
    """The one that was named, or what suits the encoder's width."""
    if options.lr is not None:
        return float(options.lr)
    if isinstance(model.network, CrossEncoder):
        return NARROW_RATE if model.network.encoder.config.hidden_size <= NARROW else WIDE_RATE
    return NARROW_RATE  # recurrent networks learn at the head's rate throughout


def base_card(options: argparse.Namespace, teacher: Teacher | None) -> dict[str, Any] | None:
    """What the manifest says of the base: a hub id or a folder's name, and its weights' hash."""
    if options.family != CrossEncoder.family:
        return None
    if options.base is None and teacher is not None:
        return teacher.base
    base = options.base or "auto"
    weights = Path(base_path(base)) / "model.safetensors"
    card = {"id": PACKAGED_BASE_ID if base == "auto" else portable(base)}
    if weights.is_file():
        card["sha256"] = file_sha256(weights)
    return card


def portable(word: str) -> str:
    """An argument without the folders of the machine that it was typed on."""
    return Path(word).name if Path(word).is_absolute() else word


def distil_config(options: argparse.Namespace) -> DistilConfig:
    """As named, or as the papers have it: half soft for a cross-encoder, all of it for a BiLSTM."""
    squared = options.family == BiLstm.family
    alpha = options.alpha if options.alpha is not None else (1.0 if squared else 0.5)
    cosine, mlm = (0.0, 0.0) if squared else (options.cosine, options.mlm)
    return DistilConfig(alpha, options.temperature, cosine, mlm, squared)


def teach(
    teacher: Teacher,
    model: Model,
    examples: Sequence[Example],
    config: DistilConfig,
    run: Run,
) -> Teaching:
    """The teacher's logits of all training pairs, computed once, and the teacher where it is asked.

    Raises Stopped; what was computed by then is kept.
    """
    store = kept_store(teacher.model, examples, run)
    progress = run.progress(len(store), "pairs taught")
    network = teacher.model.network.to(_device()).eval()
    logits = teacher_logits(
        run.folder / f"teacher-{teacher.version}.npy",
        network,
        store,
        teacher.model.collator(),
        fitted_heads(model.heads, teacher.model.heads),
        stopping=lambda: run.stopping,
        done=progress.update,
    )
    if logits is None:
        raise Stopped
    if not isinstance(network, CrossEncoder) or not isinstance(model.network, CrossEncoder):
        return Teaching(config, logits)
    alike = (
        network.encoder.config.hidden_size == model.network.encoder.config.hidden_size
        and network.encoder.config.vocab_size == model.network.encoder.config.vocab_size
        and teacher.model.tokenizer.get_vocab() == model.tokenizer.get_vocab()
    )
    mask = int(model.tokenizer.mask_token_id or 0)
    return Teaching(config, logits, network if alike else None, mask)


def kept_store(model: Model, examples: Sequence[Example], run: Run) -> PairStore:
    """The pairs as the model reads them, tokenised once for this run."""
    key = store_key(model.tokenizer, model.limits, examples)
    return PairStore.kept(run.folder / TOKENS, key, model.coder(), examples)


def forget_tokens(run: Run) -> None:
    """Delete the pairs that `kept_store` kept, at the run's end: they are people's texts."""
    shutil.rmtree(run.folder / TOKENS, ignore_errors=True)


def stopper(run: Run) -> Callable[[int], None]:
    """A progress callback that raises Stopped once the run was asked to stop."""

    def done(_count: int) -> None:
        if run.stopping:
            raise Stopped

    return done


def max_tokens_of(options: argparse.Namespace, teacher: Teacher | None) -> int:
    """The named length; a student reads what its teacher reads; else 80."""
    if options.max_tokens:
        return int(options.max_tokens)
    if teacher is not None and teacher.model.network.joint and options.base is None:
        return teacher.model.limits.total + Template.of(teacher.model.tokenizer).special
    return MAX_TOKENS


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
