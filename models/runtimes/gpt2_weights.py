"""A GPT-2's tensors as every runtime here reads them: linear weights [out, in], q, k, v fused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

# Hugging Face's names for the three activations that GPT-2 checkpoints come with.
_GELUS = {
    "gelu_new": "tanh",
    "gelu_pytorch_tanh": "tanh",
    "gelu_fast": "tanh",
    "gelu": "none",
    "relu": "relu",
}

Affine = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Block:
    """One layer. `scale` is what attention scores are multiplied with."""

    scale: float
    ln_1: Affine
    qkv: Affine
    out: Affine
    ln_2: Affine
    up: Affine
    down: Affine


@dataclass(frozen=True)
class Gpt2Weights:
    """Embeddings [vocabulary, width] and [positions, width], the layers, the output layer.

    activation: "tanh" and "none" are GELU's approximation, or "relu".
    """

    tokens: Tensor
    places: Tensor
    blocks: tuple[Block, ...]
    norm: Affine
    head: Tensor
    heads: int
    eps: float
    activation: str

    @classmethod
    def of(cls, model: Any) -> Gpt2Weights:
        """Of a transformers `GPT2LMHeadModel`; ValueError for an architecture not known here."""
        config = model.config
        if config.activation_function not in _GELUS:
            raise ValueError(f"activation {config.activation_function!r} is not known")
        state = {name: tensor.detach() for name, tensor in model.state_dict().items()}
        return cls(
            tokens=state["transformer.wte.weight"],
            places=state["transformer.wpe.weight"],
            blocks=tuple(_block(state, config, number) for number in range(config.n_layer)),
            norm=(state["transformer.ln_f.weight"], state["transformer.ln_f.bias"]),
            head=state["lm_head.weight"],
            heads=config.n_head,
            eps=config.layer_norm_epsilon,
            activation=_GELUS[config.activation_function],
        )

    @property
    def width(self) -> int:
        """Numbers of a hidden state."""
        return int(self.tokens.shape[1])

    @property
    def positions(self) -> int:
        """Tokens that a sequence may have."""
        return int(self.places.shape[0])

    @property
    def vocabulary(self) -> int:
        """Ids that the output layer knows."""
        return int(self.head.shape[0])

    def to(self, device: torch.device, dtype: torch.dtype) -> Gpt2Weights:
        """The same weights elsewhere, in another format; a tied output layer stays tied."""

        def moved(pair: Affine) -> Affine:
            return pair[0].to(device, dtype), pair[1].to(device, dtype)

        tokens = self.tokens.to(device, dtype)
        tied = self.head.data_ptr() == self.tokens.data_ptr()
        blocks = tuple(
            Block(block.scale, *(moved(part) for part in _parts(block))) for block in self.blocks
        )
        return replace(
            self,
            tokens=tokens,
            places=self.places.to(device, dtype),
            blocks=blocks,
            norm=moved(self.norm),
            head=tokens if tied else self.head.to(device, dtype),
        )


def _parts(block: Block) -> tuple[Affine, ...]:
    return (block.ln_1, block.qkv, block.out, block.ln_2, block.up, block.down)


def _block(state: Mapping[str, Tensor], config: Any, number: int) -> Block:
    name = f"transformer.h.{number}."

    def norm(part: str) -> Affine:
        return state[f"{name}{part}.weight"], state[f"{name}{part}.bias"]

    def linear(part: str) -> Affine:
        # GPT-2's Conv1D keeps [in, out].
        weight, bias = norm(part)
        return weight.T.contiguous(), bias

    scale = 1.0
    if config.scale_attn_weights:
        scale = float(config.n_embd // config.n_head) ** -0.5
    if config.scale_attn_by_inverse_layer_idx:
        scale /= number + 1
    return Block(
        ln_1=norm("ln_1"),
        qkv=linear("attn.c_attn"),
        out=linear("attn.c_proj"),
        ln_2=norm("ln_2"),
        up=linear("mlp.c_fc"),
        down=linear("mlp.c_proj"),
        scale=scale,
    )
