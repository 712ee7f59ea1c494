"""Masked language models of the BERT families: opened, made at random, written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForMaskedLM,
    AutoModelForPreTraining,
    AutoTokenizer,
    TrainerCallback,
)

from models.training.encoder.folders import base_name

FAMILIES = ("bert", "roberta", "albert", "distilbert")
SENTENCE_FAMILY = {"nsp": "bert", "sop": "albert"}
SIZES = {
    "tiny": (2, 128),
    "mini": (4, 256),
    "small": (4, 512),
    "medium": (8, 512),
    "base": (12, 768),
}
"""(layers, width) of the small BERTs of Turc et al. (2019); a head is 64 wide."""

_POSITIONS = 512


@dataclass(frozen=True)
class LanguageModel:
    """A network with its tokenizer; `new_head`: its language model head was not pretrained."""

    network: Any
    tokenizer: Any
    new_head: bool

    @property
    def segments(self) -> bool:
        """Whether it reads segment numbers."""
        return int(getattr(self.network.config, "type_vocab_size", 0)) > 1


def open_language_model(base: str, sentence: str = "") -> LanguageModel:
    """A pretrained network in fp32.

    Args:
        base: "auto" (the packaged MiniLM), a folder, or a hub id.
        sentence: "nsp" or "sop" for a network with that head too.

    Raises:
        ValueError: a family that has no such objective; OSError: there is no such model.
    """
    name = base_name(base)
    config = AutoConfig.from_pretrained(name)
    _check(config.model_type, sentence)
    kind = AutoModelForPreTraining if sentence else AutoModelForMaskedLM
    network, info = kind.from_pretrained(
        name, config=config, use_safetensors=True, dtype=torch.float32, output_loading_info=True
    )
    body = f"{network.base_model_prefix}."
    new_head = any(not key.startswith(body) for key in info["missing_keys"])
    return LanguageModel(network, _tokenizer(name), new_head)


def random_language_model(
    size: str, family: str, tokenizer: str = "auto", sentence: str = ""
) -> LanguageModel:
    """A network with random weights (of torch's seed) and another model's tokenizer."""
    _check(family, sentence)
    layers, width = SIZES[size]
    heads = width // 64
    reader = _tokenizer(base_name(tokenizer))
    shape: dict[str, Any] = {
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": 4 * width,
    }
    if family == "distilbert":
        shape = {"dim": width, "n_layers": layers, "n_heads": heads, "hidden_dim": 4 * width}
    # RoBERTa counts positions from the one behind its padding id.
    offset = reader.pad_token_id + 1 if family == "roberta" else 0
    config = AutoConfig.for_model(
        family,
        **shape,
        vocab_size=len(reader),
        pad_token_id=reader.pad_token_id,
        max_position_embeddings=_POSITIONS + offset,
    )
    kind = AutoModelForPreTraining if sentence else AutoModelForMaskedLM
    return LanguageModel(kind.from_config(config), reader, new_head=False)


def _check(family: str, sentence: str) -> None:
    if family not in FAMILIES:
        raise ValueError(f"a {family} model; known families are {', '.join(FAMILIES)}")
    if sentence and SENTENCE_FAMILY[sentence] != family:
        raise ValueError(f"{sentence} is an objective of {SENTENCE_FAMILY[sentence]}, not {family}")


def _tokenizer(name: str) -> Any:
    tokenizer = AutoTokenizer.from_pretrained(name)
    tokenizer.padding_side = "right"
    return tokenizer


def longest_text(network: Any) -> int:
    """The ids that a text may have with its special tokens."""
    config = network.config
    offset = config.pad_token_id + 1 if config.model_type == "roberta" else 0
    return int(config.max_position_embeddings) - offset


def write_language_model(model: LanguageModel, folder: Path) -> None:
    """Write weights (safetensors), configuration and tokenizer."""
    # transformers 5 writes a BERT's LayerNorm under its names of 2018 unless it is told not to.
    model.network.save_pretrained(folder, save_original_format=False)
    model.tokenizer.save_pretrained(folder)


class HeadFirst(TrainerCallback):  # type: ignore[misc]
    """Trains a new head alone for the first steps, so that its noise does not spoil the body."""

    def __init__(self, network: Any, steps: int) -> None:
        self._body = list(network.base_model.parameters())
        self._steps = steps

    def on_train_begin(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        """Where the state stands, the body learns or does not."""
        self._apply(state.global_step)

    def on_step_begin(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        """Let the body go once the head's steps are done."""
        if state.global_step in (0, self._steps):
            self._apply(state.global_step)

    def _apply(self, step: int) -> None:
        for parameter in self._body:
            parameter.requires_grad_(step >= self._steps)
