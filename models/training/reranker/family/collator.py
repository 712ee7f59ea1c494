"""Coded pairs as the padded tensors that a network reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from models.training.reranker.family.tokens import Coded, Template


@dataclass(frozen=True)
class Collator:
    """Coded pairs to padded tensors: one joint sequence, or context and response apart.

    Joint batches hold `ids`, `mask`, `types` (n, L) and where context, its last turn and response
    lie as 0/1 rows `context`, `latest`, `response` (n, L). Batches of parts hold `context_ids`
    (n, C), `context_lengths` (n,), `response_ids` (n, R), `response_lengths` (n,).
    """

    pad: int
    template: Template | None = None

    def __call__(self, pairs: Sequence[Coded]) -> dict[str, Tensor]:
        """Pad to the longest of these pairs."""
        if self.template is None:
            return self._parts(pairs)
        return self._joint(pairs, self.template)

    def _parts(self, pairs: Sequence[Coded]) -> dict[str, Tensor]:
        return {
            "context_ids": _padded([p.context for p in pairs], self.pad),
            "context_lengths": torch.tensor([len(p.context) for p in pairs]),
            "response_ids": _padded([p.response for p in pairs], self.pad),
            "response_lengths": torch.tensor([len(p.response) for p in pairs]),
        }

    def _joint(self, pairs: Sequence[Coded], t: Template) -> dict[str, Tensor]:
        rows: dict[str, list[list[int]]] = {
            name: [] for name in ("ids", "mask", "types", "context", "latest", "response")
        }
        for p in pairs:
            sizes = (len(t.before), len(p.context), len(t.between), len(p.response), len(t.behind))
            rows["ids"].append([*t.before, *p.context, *t.between, *p.response, *t.behind])
            rows["mask"].append([1] * sum(sizes))
            rows["types"].append([k for k, n in zip(t.types, sizes, strict=True) for _ in range(n)])
            rows["context"].append([0] * sizes[0] + [1] * sizes[1])
            rows["latest"].append([0] * (sizes[0] + p.latest) + [1] * (sizes[1] - p.latest))
            rows["response"].append([0] * sum(sizes[:3]) + [1] * sizes[3])
        longest = max(map(len, rows["ids"]))
        return {
            name: _padded(mine, self.pad if name == "ids" else 0, longest)
            for name, mine in rows.items()
        }


def _padded(rows: Sequence[Sequence[int]], pad: int, longest: int = 0) -> Tensor:
    longest = max(longest, *map(len, rows)) if rows else longest
    return torch.tensor([[*row, *[pad] * (longest - len(row))] for row in rows], dtype=torch.long)
