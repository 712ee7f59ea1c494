"""Held-out perplexity: how well the responses of dialogs never learned are foreseen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from transformers import GPT2LMHeadModel

from models.metrics import perplexity
from models.training.generator.sharding import Group
from models.training.generator.windows import IGNORED, Batch


def learned_nll(model: GPT2LMHeadModel, batch: Batch) -> torch.Tensor:
    """Negative log-likelihood (nats) of each learned token of a batch, shape [learned].

    The softmax is computed at learned positions only.
    """
    hidden = model.transformer(batch.inputs, use_cache=False).last_hidden_state
    learned = batch.targets != IGNORED
    logits = F.linear(hidden[learned], model.lm_head.weight)
    return F.cross_entropy(logits.float(), batch.targets[learned], reduction="none")


class ResponseLoss(torch.nn.Module):
    """The loss of a batch as one module, so that sharding can wrap all of it."""

    def __init__(self, model: GPT2LMHeadModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """The sum (nats) over learned tokens; inputs and targets [rows, length]. bf16 on CUDA."""
        with torch.autocast("cuda", torch.bfloat16, enabled=inputs.is_cuda):
            return learned_nll(self.model, Batch(inputs, targets)).sum()


class Measured(Protocol):
    """What has held-out batches: `TrainingData` and `HeldOut`."""

    def held_out_batches(self, *, full: bool) -> Iterator[tuple[str, list[Batch]]]: ...


@dataclass(frozen=True)
class Total:
    """Negative log-likelihood (nats) of `tokens` target tokens together."""

    nll: float
    tokens: int


def measure(
    nll_of: Callable[[Batch], float], data: Measured, *, full: bool, group: Group | None = None
) -> dict[str, Total]:
    """The totals of the held-out responses of each source; the group shares the batches out.

    Every process must call it: a sharded model computes together or not at all.
    """
    group = group or Group()
    totals: dict[str, Total] = {}
    with torch.no_grad():
        for source, batches in data.held_out_batches(full=full):
            nll, tokens = 0.0, 0
            for start in range(0, len(batches), group.count):
                place = start + group.rank
                # Whoever has no batch left computes one that does not count.
                value = nll_of(batches[min(place, len(batches) - 1)])
                if place < len(batches):
                    nll, tokens = nll + value, tokens + batches[place].tokens
            nll, count = group.sum((nll, tokens))
            if count:
                totals[source] = Total(nll, int(count))
    return totals


def perplexities(totals: Mapping[str, Total]) -> dict[str, float]:
    """Perplexity of each source, and of `all` of them together if there are any."""
    figures = {source: perplexity(total.nll, total.tokens) for source, total in totals.items()}
    if totals:
        nll = sum(total.nll for total in totals.values())
        figures["all"] = perplexity(nll, sum(total.tokens for total in totals.values()))
    return figures


def evaluate_totals(model: GPT2LMHeadModel, data: Measured, *, full: bool) -> dict[str, Total]:
    """As `measure`, of a model in this process."""
    training = model.training
    model.eval()
    totals = measure(lambda batch: float(learned_nll(model, batch).sum()), data, full=full)
    model.train(training)
    return totals


def evaluate(model: GPT2LMHeadModel, data: Measured, *, full: bool) -> dict[str, float]:
    """Perplexity of the held-out responses per source, and `all` of them together."""
    return perplexities(evaluate_totals(model, data, full=full))
