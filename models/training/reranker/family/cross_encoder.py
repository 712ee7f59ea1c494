"""BERT and its kin as cross-encoders with several heads, from any AutoModel encoder.

Context and response are one sequence (Nogueira and Cho 2019). The head reads means over the tokens
of the context, of its last turn and of the response, not `[CLS]`: in an encoder that was trained
with mean pooling, as MiniLM sentence encoders are, `[CLS]` was never trained, and a fresh
classifier on it hardly learns.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from models.runtimes.torch_bert import resolve_base
from models.training.reranker.family.networks import Output, PairHead, PairNetwork

MAX_TOKENS = 80


class CrossEncoder(PairNetwork):
    """An encoder of transformers under a `PairHead`."""

    family: ClassVar[str] = "cross-encoder"
    joint: ClassVar[bool] = True

    def __init__(self, encoder: Any, heads: int, *, hidden: int = 256) -> None:
        """`encoder` is an AutoModel; its pooler is taken out."""
        super().__init__()
        if getattr(encoder, "pooler", None) is not None:
            encoder.pooler = None
        self.encoder = encoder
        self.head = PairHead(encoder.config.hidden_size, heads, hidden=hidden, latest=True)
        self._shape = {"heads": heads, "hidden": hidden}
        self._typed = takes_types(encoder)

    def forward(self, batch: Mapping[str, Tensor]) -> Output:
        """Logits of joint sequences, and the encoder's last hidden states."""
        hidden = self.read(batch["ids"], batch["mask"], batch["types"])
        views = [_mean(hidden, batch[name]) for name in ("context", "latest")]
        return Output(self.head(views, _mean(hidden, batch["response"])), hidden)

    def read(self, ids: Tensor, mask: Tensor, types: Tensor) -> Tensor:
        """The last hidden states (n, L, width) in fp32."""
        extra = {"token_type_ids": types} if self._typed else {}
        output = self.encoder(input_ids=ids, attention_mask=mask, return_dict=True, **extra)
        hidden: Tensor = output.last_hidden_state
        return hidden.float()

    def shape(self) -> dict[str, Any]:
        """Arguments of the constructor but the encoder, whose configuration has its own file."""
        return dict(self._shape)

    def freeze(self, layers: int) -> None:
        """Keep the embeddings and the lowest `layers` as they are; 0 trains everything."""
        if not layers:
            return
        from models.training.reranker.family.reduce import find_layers

        found = find_layers(self.encoder)
        if found is None or layers > len(found):
            raise ValueError(f"there are no {layers} layers to freeze")
        for module in (self.encoder.embeddings, *list(found)[:layers]):
            module.requires_grad_(False)


def takes_types(encoder: Any) -> bool:
    """Whether an encoder tells a first text from a second by their token types."""
    named = "token_type_ids" in inspect.signature(encoder.forward).parameters
    return named and int(getattr(encoder.config, "type_vocab_size", 0) or 0) > 1


def _mean(hidden: Tensor, rows: Tensor) -> Tensor:
    """Means (n, width) over the tokens that `rows` (n, L) marks."""
    kept = rows[:, :, None].to(hidden.dtype)
    return (hidden * kept).sum(1) / kept.sum(1).clamp_min(1.0)


def load_encoder(base: str) -> tuple[Any, Any]:
    """(encoder in fp32, tokenizer) of a hub id or folder; "auto" is the packaged MiniLM.

    Only safetensors are read. Raises ValueError, in one line, where it cannot be had.
    """
    from transformers import AutoModel

    where = base_path(base)
    try:
        encoder = AutoModel.from_pretrained(where, use_safetensors=True, dtype=torch.float32)
    except (OSError, ValueError) as error:
        raise ValueError(f"{base}: no encoder: {str(error).splitlines()[0]}") from error
    return encoder.float(), load_tokenizer(where)


def load_tokenizer(where: str | Path) -> Any:
    """The tokenizer of a folder or hub id. Raises ValueError where there is none."""
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(str(where), use_fast=True)
    except (OSError, ValueError) as error:
        raise ValueError(f"{where}: no tokenizer: {str(error).splitlines()[0]}") from error


def base_path(base: str) -> str:
    """Where transformers finds a base: a folder, or the hub id as it stands."""
    return str(resolve_base("auto")) if base == "auto" else base


def room_of(encoder: Any) -> int:
    """The longest sequence that an encoder has positions for."""
    config = encoder.config
    positions = int(getattr(config, "max_position_embeddings", 0) or 1 << 30)
    # RoBERTa counts its positions from behind the padding id.
    from_padding = "roberta" in str(config.model_type)
    return positions - (int(config.pad_token_id or 0) + 1 if from_padding else 0)


def words_of(encoder: nn.Module) -> Tensor:
    """The word embeddings (vocabulary, w) of an encoder."""
    table: Any = encoder.get_input_embeddings()  # type: ignore[operator]
    weight: Tensor = table.weight.detach()
    return weight
