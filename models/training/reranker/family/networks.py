"""What the networks of the family share: their contract, the head, and scoring of many pairs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from models.training.reranker.family.collator import Collator
from models.training.reranker.family.tokens import Coded

BATCH_TOKENS = 4096


class Output(NamedTuple):
    """Logits (n, heads), and the last hidden states (n, L, width) of a joint network."""

    logits: Tensor
    hidden: Tensor | None = None


class PairNetwork(nn.Module, ABC):
    """A network over a collated batch (see `collator.Collator`).

    `joint` says which of the two forms of a batch it reads.
    """

    family: ClassVar[str]
    joint: ClassVar[bool]

    @abstractmethod
    def forward(self, batch: Mapping[str, Tensor]) -> Output:
        """Logits of the pairs of a batch."""

    @abstractmethod
    def shape(self) -> dict[str, Any]:
        """What builds the same network again, beside its weights; JSON values."""


class PairHead(nn.Module):
    """From pooled vectors of context and response to a logit for each kind of judgement.

    Vectors, their products and distances go through one hidden layer; cosines go around it, since
    a sentence encoder's own cosine is already a judgement of fit.
    """

    def __init__(
        self, width: int, outputs: int, *, hidden: int = 256, latest: bool, dropout: float = 0.1
    ) -> None:
        """`latest`: the context's last turn is given as a third vector."""
        super().__init__()
        views = 2 if latest else 1
        self.norm = nn.LayerNorm((3 * views + 1) * width)
        self.mix = nn.Linear((3 * views + 1) * width, hidden)
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(hidden + views, outputs)

    def forward(self, views: Sequence[Tensor], response: Tensor) -> Tensor:
        """Logits (n, outputs) of one or two context vectors and the response's, (n, width) each."""
        # The head is a small part of the work, and a logit in bf16 has two digits: fp32 it is.
        with torch.autocast(response.device.type, enabled=False):
            plain = [response]
            near = []
            for view in views:
                plain += [view, view * response, (view - response).abs()]
                near.append(5.0 * F.cosine_similarity(view, response, dim=-1))
            mixed = F.gelu(self.mix(self.dropout(self.norm(torch.cat(plain, dim=-1)))))
            every = torch.cat([self.dropout(mixed), torch.stack(near, dim=-1)], dim=-1)
            logits: Tensor = self.out(every)
        return logits


def count_parameters(network: nn.Module) -> int:
    """Weights of a network, shared ones once."""
    return sum(parameter.numel() for parameter in network.parameters())


def logits_of(
    network: PairNetwork,
    pairs: Sequence[Coded],
    collate: Collator,
    *,
    tokens: int = BATCH_TOKENS,
    done: Callable[[int], None] = lambda count: None,
) -> NDArray[np.float32]:
    """Logits (n, heads) in fp32 of pairs, in order; computed in batches of like length.

    A batch holds at most `tokens` tokens, padding included. `done` hears how many pairs it had.
    """
    network.eval()
    device = next(network.parameters()).device
    order = sorted(range(len(pairs)), key=lambda row: len(pairs[row]))
    found: list[tuple[list[int], Tensor]] = []
    with torch.inference_mode():
        for rows in _runs(order, [len(pair) for pair in pairs], tokens):
            batch = collate([pairs[row] for row in rows])
            output = network({name: tensor.to(device) for name, tensor in batch.items()})
            found.append((rows, output.logits.float().cpu()))
            done(len(rows))
    heads = found[0][1].shape[1] if found else 0
    logits = np.zeros((len(pairs), heads), dtype=np.float32)
    for rows, part in found:
        logits[rows] = part.numpy()
    return logits


def _runs(order: Sequence[int], lengths: Sequence[int], tokens: int) -> list[list[int]]:
    """Rows in the given order, of ascending length, cut where padded batches would be too large."""
    runs: list[list[int]] = []
    for row in order:
        if runs and (len(runs[-1]) + 1) * lengths[row] <= tokens:
            runs[-1].append(row)
        else:
            runs.append([row])
    return runs
