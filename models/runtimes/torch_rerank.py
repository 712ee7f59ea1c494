"""The reranker's network in torch, and the small file that its training leaves.

The file is a delta: what training changed in the base model, so that 90 MB of base need not ship
again. Training and every runtime start from the network that `load_net` makes of the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from models.checkpoint import ManifestError, file_sha256
from models.runtimes.packing import RerankBatch, mean_rows
from models.runtimes.torch_bert import Bert, load_bert

WEIGHTS = "delta.safetensors"


class RerankHead(nn.Module):
    """From three pooled vectors to a logit for each kind of judgement.

    At the start its first output is a·cos(latest turn, response): the sentence encoder's own
    judgement, from which training departs.
    """

    def __init__(self, width: int, outputs: int, hidden: int = 256) -> None:
        super().__init__()
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

    def judge(self, whole: Tensor, latest: Tensor, reply: Tensor) -> Tensor:
        """Logits (…, outputs) of three unit vectors (…, width)."""
        near = torch.stack([(whole * reply).sum(-1), (latest * reply).sum(-1)], dim=-1)
        product = torch.cat([whole * reply, latest * reply], dim=-1) * 16.0
        plain = torch.cat([whole, latest, reply, product, (latest - reply).abs()], dim=-1)
        logits: Tensor = self.out(F.gelu(self.mix(plain * 8.0))) + self.cosine(near)
        return logits

    def part(self) -> RerankHead:
        """The head alone, on the CPU in fp32, for runtimes that compute the vectors elsewhere."""
        head = RerankHead(self.mix.in_features // 6, self.out.out_features, self.mix.out_features)
        own = head.state_dict()
        head.load_state_dict({name: self.state_dict()[name].float().cpu() for name in own})
        return head.eval().requires_grad_(False)


class RerankNet(RerankHead):
    """Bert, three pooled vectors and the head."""

    def __init__(self, bert: Bert, outputs: int, hidden: int = 256) -> None:
        super().__init__(bert.config.hidden_size, outputs, hidden)
        self.bert = bert

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


def load_net(folder: Path, base: Path, join: int, outputs: int) -> RerankNet:
    """The trained network in fp32 on the CPU; ManifestError if the delta does not fit."""
    net = RerankNet(load_bert(str(base), join), outputs)
    apply_delta(net, load_file(folder / WEIGHTS))
    return net.eval()


def check_base(folder: Path, expected: Mapping[str, Any]) -> None:
    """Raise ManifestError if `folder` is not the base that the delta was taken from."""
    found = file_sha256(folder / "model.safetensors")
    if found != expected.get("sha256"):
        raise ManifestError(f"{folder}: not the base model that the reranker was trained on")


def make_delta(net: nn.Module, base: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The trained tensors of `net`, as small as they can be without changing its scores.

    `net` holds its BERT as `bert`; `base` is that BERT's state before the training.

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


def apply_delta(net: nn.Module, delta: Mapping[str, Tensor]) -> None:
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
