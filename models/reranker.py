"""The reranker: MiniLM as a cross-encoder over a context and a response, 80 tokens in all.

The response attends to its context from layer `join` on; the context never sees the response, so
it is computed once for all the responses of a request (see `models.runtimes.torch_bert`). Each
source of human judgement has a head of its own; P(upvote) is a calibrated mix of heads that was
chosen on judgements of a source that none of them was trained on. The serving score is named in
the model's `reranker.json`: P(upvote) - penalty · P(offensive).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from models.checkpoint import ManifestError, file_sha256, verify
from models.encoder import SAMPLE, WordPiece
from models.prompt import normalise, rerank_query
from models.runtimes.hardware import choose_device
from models.runtimes.packing import Batch, Rows, mean_rows
from models.runtimes.torch_bert import (
    Bert,
    load_bert,
    pick_dtype,
    prepare_for,
    resolve_base,
)

KIND = "reranker"
MAX_CONTEXT = 48
MAX_RESPONSE = 32
WEIGHTS = "delta.safetensors"
CONFIG = "reranker.json"


@dataclass(frozen=True)
class RerankItem:
    """A context and a response as ids; `latest` is where the context's last turn starts."""

    context: tuple[int, ...]
    response: tuple[int, ...]
    latest: int
    length: int
    """Tokens that this item adds to a batch: its response and its share of the context."""


@dataclass(frozen=True)
class RerankResult:
    """Calibrated probabilities by head, `upvote` among them, and the serving score."""

    heads: Mapping[str, float]
    serving: float


class Renderer:
    """Texts to `RerankItem`s, the same in training and serving."""

    def __init__(self, tokens: WordPiece) -> None:
        self._tokens = tokens

    def items(
        self, context: Sequence[str], responses: Sequence[str], facts: Sequence[str] = ()
    ) -> list[RerankItem]:
        """`[CLS] facts [SEP] turns [SEP]` keeps its end, `[CLS] response [SEP]` its beginning.

        Raises ValueError if the context or a response has no text.
        """
        tokens = self._tokens
        query = rerank_query(
            tokens.encode, context, facts, max_tokens=MAX_CONTEXT - 2, separator=(tokens.sep,)
        )
        ids = tokens.sequence(query)
        latest = max((i + 1 for i in range(len(ids) - 1) if ids[i] == tokens.sep), default=1)
        share = math.ceil(len(ids) / max(1, len(responses)))
        items = []
        for response in responses:
            if not normalise(response):
                raise ValueError("a response has no text")
            reply = tokens.sequence(tokens.encode(response)[: MAX_RESPONSE - 2])
            items.append(RerankItem(ids, reply, latest, len(reply) + share))
        return items


@dataclass(frozen=True)
class RerankBatch:
    """Items packed for the network: distinct contexts once, `latest` their last turns' rows."""

    batch: Batch
    latest: Rows

    @classmethod
    def of(cls, items: Sequence[RerankItem], device: torch.device | None = None) -> RerankBatch:
        """Pack items; those of one request share a context, which is packed once."""
        seen: dict[tuple[int, ...], int] = {}
        starts: list[int] = []
        owner = []
        for item in items:
            if item.context not in seen:
                seen[item.context] = len(seen)
                starts.append(item.latest)
            owner.append(seen[item.context])
        contexts = list(seen)
        batch = Batch.of(contexts, [item.response for item in items], owner, device)
        spans = [(start, len(ids)) for start, ids in zip(starts, contexts, strict=True)]
        return cls(batch, batch.contexts.within(spans))


class RerankNet(nn.Module):
    """Bert, three pooled vectors and a head of outputs.

    At the start its first output is a·cos(latest turn, response): the sentence encoder's own
    judgement, from which training departs.
    """

    def __init__(self, bert: Bert, outputs: int, hidden: int = 256) -> None:
        super().__init__()
        self.bert = bert
        width = bert.config.hidden_size
        self.mix = nn.Linear(6 * width, hidden)
        self.out = nn.Linear(hidden, outputs)
        self.cosine = nn.Linear(2, outputs)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)
        nn.init.zeros_(self.cosine.weight)
        nn.init.zeros_(self.cosine.bias)
        with torch.no_grad():
            self.cosine.weight[0, 1] = 6.0
            self.cosine.bias[0] = -3.0

    def forward(self, packed: RerankBatch, frozen: int = 0) -> Tensor:
        """Logits (n, outputs) of the packed items."""
        whole, latest, reply = self.vectors(packed, frozen)
        owner = packed.batch.owner
        return self.judge(whole[owner], latest[owner], reply)

    def vectors(self, packed: RerankBatch, frozen: int = 0) -> tuple[Tensor, Tensor, Tensor]:
        """Unit vectors (m, width) of contexts and of their last turns, (n, width) of responses."""
        batch = packed.batch
        if batch.responses is None:
            raise ValueError("a batch without responses cannot be reranked")
        x = self.bert(batch, frozen).float()
        pooled = (mean_rows(x, rows) for rows in (batch.contexts, packed.latest, batch.responses))
        whole, latest, reply = (F.normalize(vector, dim=1) for vector in pooled)
        return whole, latest, reply

    def judge(self, whole: Tensor, latest: Tensor, reply: Tensor) -> Tensor:
        """Logits (…, outputs) of three unit vectors (…, width)."""
        near = torch.stack([(whole * reply).sum(-1), (latest * reply).sum(-1)], dim=-1)
        product = torch.cat([whole * reply, latest * reply], dim=-1) * 16.0
        plain = torch.cat([whole, latest, reply, product, (latest - reply).abs()], dim=-1)
        logits: Tensor = self.out(F.gelu(self.mix(plain * 8.0))) + self.cosine(near)
        return logits


class Reranker:
    """A batch function from (context, response) items to calibrated scores.

    Pure: no threads, queues or clocks; items of different requests may be mixed freely.
    """

    def __init__(self, net: RerankNet, tokens: WordPiece, config: Mapping[str, Any]) -> None:
        self.net = net
        self._render = Renderer(tokens)
        self._device = next(net.mix.parameters()).device
        self.heads: tuple[str, ...] = tuple(config["heads"])
        self.version = str(config["version"])
        calibration = config["calibration"]
        self._scale = torch.tensor([calibration[h]["scale"] for h in self.heads])
        self._shift = torch.tensor([calibration[h]["shift"] for h in self.heads])
        upvote = config["serving"]["upvote"]
        self._weights = torch.tensor([float(upvote["weights"].get(h, 0.0)) for h in self.heads])
        self._bias = float(upvote["bias"])
        self._penalty = float(config["serving"]["penalty"])

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        base: str = "auto",
        device: str = "auto",
        dtype: str = "auto",
        threads: int | None = None,
    ) -> Reranker:
        """Load a trained folder over its base model.

        The folder is verified against its manifest and the base against the hash that the
        delta was taken from: models.checkpoint.ModelFileError otherwise. `threads` sets torch's
        intra-op threads for the whole process.
        """
        folder = Path(path)
        manifest = verify(folder, kind=KIND)
        base_folder = resolve_base(base)
        check_base(base_folder, manifest.base or {})
        if threads is not None:
            torch.set_num_threads(threads)
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        config["version"] = manifest.version
        net = RerankNet(load_bert(str(base_folder), config["join"]), len(config["heads"]))
        apply_delta(net, load_file(folder / WEIGHTS))
        chosen = choose_device(device)
        tokens = WordPiece(base_folder)
        sample = [tokens.sequence(tokens.encode(text)) for text in SAMPLE]
        net.bert = prepare_for(net.bert, chosen, pick_dtype(dtype, chosen), sample)
        return cls(net.to(chosen).eval(), tokens, config)

    def prepare(
        self,
        context_turns: Sequence[str],
        responses: Sequence[str],
        facts: Sequence[str] = (),
    ) -> list[RerankItem]:
        """Tokenise a request, the context once. ValueError where a text is empty."""
        return self._render.items(context_turns, responses, facts)

    def run(self, items: Sequence[RerankItem]) -> list[RerankResult]:
        """One result for each item, in order."""
        if not items:
            return []
        with torch.inference_mode():
            packed = RerankBatch.of(items, self._device)
            logits = self.net(packed).cpu() * self._scale + self._shift
            upvote = torch.sigmoid(logits @ self._weights + self._bias).tolist()
            rows = torch.sigmoid(logits).tolist()
        return [self._result(row, up) for row, up in zip(rows, upvote, strict=True)]

    def warm(self) -> None:
        """Run once, so that the first request does not pay for allocation."""
        self.run(self.prepare(["hi", "how was your day?"], ["long, but good.", "what?"]))

    def _result(self, row: Sequence[float], upvote: float) -> RerankResult:
        heads = dict(zip(self.heads, row, strict=True))
        heads["upvote"] = upvote
        return RerankResult(heads, upvote - self._penalty * heads.get("offensive", 0.0))


def check_base(folder: Path, expected: Mapping[str, Any]) -> None:
    """Raise ManifestError if `folder` is not the base that the delta was taken from."""
    found = file_sha256(folder / "model.safetensors")
    if found != expected.get("sha256"):
        raise ManifestError(f"{folder}: not the base model that the reranker was trained on")


def make_delta(net: RerankNet, base: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The trained tensors of `net`, as small as they can be without changing its scores.

    Matrices of Bert become int8 differences to `base` with one scale a row; everything else is
    stored as it is. Tensors of Bert that equal the base are left out.
    """
    delta: dict[str, Tensor] = {}
    for name, tensor in net.state_dict().items():
        key = name.removeprefix("bert.")
        if key == name:
            delta[name] = tensor.to(torch.float16 if tensor.dim() == 2 else torch.float32)
        elif key not in base:
            delta[name] = tensor.float()
        elif not torch.equal(tensor, base[key]):
            difference = tensor - base[key]
            if tensor.dim() < 2:
                delta[name] = difference.float()
                continue
            scale = difference.abs().amax(1).clamp_min(1e-12) / 127.0
            delta[f"{name}:rows"] = torch.round(difference / scale[:, None]).to(torch.int8)
            delta[f"{name}:scale"] = scale.float()
    return {name: tensor.contiguous() for name, tensor in delta.items()}


def apply_delta(net: RerankNet, delta: Mapping[str, Tensor]) -> None:
    """Add a delta of `make_delta` to a net that holds the base; ManifestError if it cannot be."""
    state = net.state_dict()
    for key, tensor in delta.items():
        name, _, part = key.partition(":")
        if name not in state or part == "scale":
            if part == "scale":
                continue
            raise ManifestError(f"{WEIGHTS}: unknown tensor {key}")
        target = state[name]
        if part == "rows":
            target.add_(tensor.float() * delta[f"{name}:scale"][:, None])
        elif name.startswith("bert.") and not name.endswith(".gate"):
            target.add_(tensor.float())
        else:
            target.copy_(tensor.float())
