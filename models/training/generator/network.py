"""The network of a run, new or from given weights, and the optimizers of its parameters."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from models.checkpoint import MANIFEST_NAME, DataSource, refuse_pickles, verify
from models.generator import KIND
from models.training.generator.config import TrainConfig
from models.training.generator.muon import Muon

# No dropout: small data is seen a few times at most, and a run without chance in its steps ends
# the same however often it was stopped. The activation is GPT-2's gelu_new, in one kernel.
_WITHOUT_CHANCE: dict[str, Any] = {
    "activation_function": "gelu_pytorch_tanh",
    "resid_pdrop": 0.0,
    "embd_pdrop": 0.0,
    "attn_pdrop": 0.0,
}


def new_model(config: TrainConfig, eos: int) -> GPT2LMHeadModel:
    """A GPT-2 with tied embeddings and random weights, which follow from the seed."""
    torch.manual_seed(config.seed)
    return GPT2LMHeadModel(
        GPT2Config(
            vocab_size=config.vocabulary,
            n_positions=config.positions,
            n_embd=config.width,
            n_layer=config.layers,
            n_head=config.heads,
            bos_token_id=eos,
            eos_token_id=eos,
            **_WITHOUT_CHANCE,
        )
    )


# The fields of a `TrainConfig` that given weights decide.
BASE_FIELDS = ("layers", "width", "heads", "vocabulary", "positions", "base")


@dataclass(frozen=True)
class Base:
    """Given weights to start from, their tokenizer, what they are called and were trained on."""

    model: GPT2LMHeadModel
    tokenizer: PreTrainedTokenizerBase
    name: str
    version: str
    data: tuple[DataSource, ...] = ()

    def shape(self) -> dict[str, Any]:
        """The BASE_FIELDS of a `TrainConfig`."""
        config = self.model.config
        return {
            "layers": config.n_layer,
            "width": config.n_embd,
            "heads": config.n_head,
            "vocabulary": config.vocab_size,
            "positions": config.n_positions,
            "base": f"{self.name}@{self.version}",
        }


def load_base(folder_or_id: str) -> Base:
    """Weights of a folder (checked against its manifest, if it has one) or of a hub id.

    Safetensors only, and no code of the hub. Raises ModelFileError for a folder that is altered,
    OSError for an id that cannot be had.
    """
    transformers_logging.disable_progress_bar()
    folder = Path(folder_or_id)
    local = folder.is_dir()
    name, version = folder_or_id, ""
    data: tuple[DataSource, ...] = ()
    if local and (folder / MANIFEST_NAME).exists():
        manifest = verify(folder, kind=KIND)
        name, version, data = manifest.name, manifest.version, manifest.data
    elif local:
        refuse_pickles(folder)
        name = folder.name
    options = {"local_files_only": local, "trust_remote_code": False}
    model = GPT2LMHeadModel.from_pretrained(
        folder_or_id, use_safetensors=True, dtype=torch.float32, **_WITHOUT_CHANCE, **options
    )
    tokenizer = AutoTokenizer.from_pretrained(folder_or_id, **options)
    if not version:
        version = (getattr(model.config, "_commit_hash", None) or "unknown")[:12]
    return Base(model, tokenizer, name, version, data)


def make_optimizers(model: torch.nn.Module, config: TrainConfig) -> list[torch.optim.Optimizer]:
    """AdamW for everything, or Muon for the hidden matrices and AdamW for the rest.

    Biases and norms do not decay.
    """
    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and ".h." in n]
    tables = [p for n, p in model.named_parameters() if p.ndim == 2 and ".h." not in n]
    vectors = [p for p in model.parameters() if p.ndim < 2]
    decayed = tables if config.matrix_rate else tables + matrices
    groups = [
        {"params": decayed, "weight_decay": config.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    optimizers: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.95), fused=True)
    ]
    if config.matrix_rate:
        muon = Muon(matrices, lr=config.matrix_rate, weight_decay=config.weight_decay)
        optimizers.append(muon)
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak"] = group["lr"]
    return optimizers
