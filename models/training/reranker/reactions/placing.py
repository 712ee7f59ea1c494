"""Puts linear functions of a response's vector into a served head, whose format stays.

The two hidden units that matter least give way to each: gelu(x) - gelu(-x) = x, so that what is
put in their place is exact but for the rounding to halves. Bert's part of the folder is untouched.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from models.checkpoint import load_manifest, write_atomically
from models.reranker import CONFIG, WEIGHTS
from models.runtimes.torch_rerank import RerankHead
from models.training.reranker.reactions.logistic import Array

PREFIX = "reactions."
SERVED = "upvote"
UNIT = 20.0  # vectors times this have columns of about unit variance (width 384)


@dataclass(frozen=True)
class Fitted:
    """One head: logit = trust · logit_before + theta · reply + shift, theta (width,)."""

    head: str
    theta: Array
    shift: float
    trust: float
    metrics: Mapping[str, float]


def head_of(folder: Path) -> RerankHead:
    """The head of a served folder, in fp32 on the CPU, without its Bert."""
    return head_from(load_file(folder / WEIGHTS))


def same_bert(one: Path, other: Path) -> bool:
    """Whether two served folders differ in nothing but their heads."""
    if load_manifest(one).base != load_manifest(other).base:
        return False
    a, b = (
        {name: tensor for name, tensor in load_file(folder / WEIGHTS).items() if _of_bert(name)}
        for folder in (one, other)
    )
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def forget_reactions(config: dict[str, Any], weights: dict[str, Tensor]) -> None:
    """Take away the heads of an earlier retraining; their hidden units are free then."""
    if "reactions" in config:
        config["serving"]["upvote"] = config.pop("reactions")["upvote_before"]
    kept = [i for i, head in enumerate(config["heads"]) if not head.startswith(PREFIX)]
    config["heads"] = [config["heads"][i] for i in kept]
    config["calibration"] = {head: config["calibration"][head] for head in config["heads"]}
    for name in ("out.weight", "out.bias", "cosine.weight", "cosine.bias"):
        weights[name] = weights[name][kept].clone()


def place(
    config: dict[str, Any], weights: dict[str, Tensor], fitted: Sequence[Fitted], hidden: Tensor
) -> dict[str, float]:
    """Put the fitted heads into tensors and configuration; how far each other head moved.

    `hidden` (n, units) are outputs of the hidden layer on pairs of the service: what a unit gives
    there decides how much it matters, and its mean goes into the biases. Returned is the root of
    the mean squared change of each head's logits on them.
    """
    tensors = {name: weights[name].float() for name in weights if not _of_bert(name)}
    width = tensors["mix.weight"].shape[1] // 6
    effect = tensors["out.weight"].abs().amax(0) * hidden.std(0)
    units = torch.argsort(effect)[: 2 * len(fitted)]
    lost = tensors["out.weight"][:, units]
    moved = ((hidden[:, units] - hidden[:, units].mean(0)) @ lost.T).square().mean(0)
    tensors["out.bias"] += lost @ hidden[:, units].mean(0)
    tensors["out.weight"][:, units] = 0.0
    tensors["mix.weight"][units] = 0.0
    tensors["mix.bias"][units] = 0.0
    for one, (plus, minus) in zip(fitted, units.view(-1, 2).tolist(), strict=True):
        theta = torch.from_numpy(one.theta).float()
        scale = max(1e-6, float(theta.norm()) / UNIT)  # keeps halves precise whatever its length
        # `judge` multiplies its inputs by 8; the response stands third among them.
        tensors["mix.weight"][plus, 2 * width : 3 * width] = theta / scale / 8.0
        tensors["mix.weight"][minus, 2 * width : 3 * width] = -theta / scale / 8.0
        row = torch.zeros(1, tensors["out.weight"].shape[1])
        row[0, plus], row[0, minus] = scale, -scale
        tensors["out.weight"] = torch.cat([tensors["out.weight"], row])
        tensors["out.bias"] = torch.cat([tensors["out.bias"], torch.tensor([one.shift])])
        tensors["cosine.weight"] = torch.cat([tensors["cosine.weight"], torch.zeros(1, 2)])
        tensors["cosine.bias"] = torch.cat([tensors["cosine.bias"], torch.zeros(1)])
    halves = {name: t.half() if t.dim() == 2 else t for name, t in tensors.items()}
    weights.update({name: tensor.contiguous() for name, tensor in halves.items()})
    names = list(config["heads"])
    _serve(config, fitted)
    return dict(zip(names, moved.sqrt().tolist(), strict=True))


def _serve(config: dict[str, Any], fitted: Sequence[Fitted]) -> None:
    """Name the new heads, and make P(upvote) what the reactions say."""
    before = config["serving"]["upvote"]
    for one in fitted:
        config["heads"].append(PREFIX + one.head)
        config["calibration"][PREFIX + one.head] = {"scale": 1.0, "shift": 0.0}
        if one.head == SERVED:
            weights = {head: one.trust * weight for head, weight in before["weights"].items()}
            weights[PREFIX + SERVED] = 1.0
            upvote = {"weights": weights, "bias": one.trust * before["bias"]}
            config["serving"]["upvote"] = upvote
    config["reactions"] = {"upvote_before": before}


def write_tensors(folder: Path, config: Mapping[str, Any], weights: Mapping[str, Tensor]) -> None:
    """These tensors and this configuration as a served folder's files; no manifest."""
    save_file(dict(weights), folder / WEIGHTS)
    write_atomically(folder / CONFIG, json.dumps(config, indent=2) + "\n")


def head_from(weights: Mapping[str, Tensor]) -> RerankHead:
    """The head among the tensors of a folder."""
    hidden, inputs = weights["mix.weight"].shape
    head = RerankHead(inputs // 6, len(weights["out.bias"]), hidden)
    head.load_state_dict({n: t.float() for n, t in weights.items() if not _of_bert(n)})
    return head.eval().requires_grad_(False)


def hidden_of(head: RerankHead, whole: Tensor, latest: Tensor, reply: Tensor) -> Tensor:
    """(n, hidden): the hidden layer alone, as the head's outputs with one unit each."""
    hidden = head.mix.out_features
    probe = RerankHead(head.mix.in_features // 6, hidden, hidden)
    with torch.no_grad():
        probe.mix.load_state_dict(head.mix.state_dict())
        probe.out.weight.copy_(torch.eye(hidden))
        probe.cosine.weight.zero_()
        probe.cosine.bias.zero_()
        return probe.judge(whole, latest, reply)


def _of_bert(name: str) -> bool:
    return name.startswith("bert.")
