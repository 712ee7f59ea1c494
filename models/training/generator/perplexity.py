"""Held-out perplexity: how well the responses of dialogs never learned are foreseen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import torch
import torch.nn.functional as F
from transformers import GPT2LMHeadModel

from models.metrics import perplexity
from models.training.generator.windows import IGNORED, Batch


def learned_nll(model: GPT2LMHeadModel, batch: Batch) -> torch.Tensor:
    """Negative log-likelihood (nats) of each learned token of a batch, shape [learned].

    The softmax is computed at learned positions only.
    """
    hidden = model.transformer(batch.inputs, use_cache=False).last_hidden_state
    learned = batch.targets != IGNORED
    logits = F.linear(hidden[learned], model.lm_head.weight)
    return F.cross_entropy(logits, batch.targets[learned], reduction="none")


class Measured(Protocol):
    """What has held-out batches: `TrainingData` and `HeldOut`."""

    def held_out_batches(self, *, full: bool) -> Iterator[tuple[str, list[Batch]]]: ...


def evaluate(model: GPT2LMHeadModel, data: Measured, *, full: bool) -> dict[str, float]:
    """Perplexity of the held-out responses per source, and `all` of them together."""
    model.eval()
    totals: dict[str, tuple[float, int]] = {}
    with torch.inference_mode():
        for source, batches in data.held_out_batches(full=full):
            for batch in batches:
                nll = learned_nll(model, batch)
                total, count = totals.get(source, (0.0, 0))
                totals[source] = (total + float(nll.sum()), count + len(nll))
    model.train()
    figures = {source: perplexity(total, count) for source, (total, count) in totals.items()}
    if totals:
        nlls, counts = zip(*totals.values(), strict=True)
        figures["all"] = perplexity(sum(nlls), sum(counts))
    return figures
