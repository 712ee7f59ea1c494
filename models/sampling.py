"""Sampling of next tokens: temperature, top-k, nucleus and repetition rules for each row.

Every item draws its uniform numbers from its own generator before decoding begins, and a token is
the inverse of the nucleus's cumulative distribution at such a number. So what an item samples
does not depend on its batch-mates (but for float rounding at a boundary).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

# Above this share of the vocabulary one sort of everything is cheaper than topk.
_SORT_SHARE = 0.25


@dataclass(frozen=True)
class Sampling:
    """How one item's candidates are sampled.

    temperature: 0 is greedy. top_k: 0 is off. top_p: (0, 1], 1 is off (Holtzman et al. 2020).
    repetition_penalty: of what the candidate itself has said (Keskar et al. 2019), 1 is off.
    no_repeat_ngram: no n-gram twice in one candidate, 0 is off.
    """

    temperature: float = 0.8
    top_p: float = 0.9
    top_k: int = 50
    repetition_penalty: float = 1.1
    no_repeat_ngram: int = 3

    def __post_init__(self) -> None:
        if not 0.0 <= self.temperature <= 10.0:
            raise ValueError(f"temperature {self.temperature} is not in [0, 10]")
        if not 0.0 < self.top_p <= 1.0:
            raise ValueError(f"top_p {self.top_p} is not in (0, 1]")
        if self.top_k < 0 or self.no_repeat_ngram < 0:
            raise ValueError("top_k and no_repeat_ngram cannot be negative")
        if self.repetition_penalty < 1.0:
            raise ValueError(f"repetition_penalty {self.repetition_penalty} is below 1")


def uniforms(seed: int, rows: int, steps: int) -> Tensor:
    """float64 [rows, steps] in [0, 1): row r's draws depend on nothing but seed, r and steps."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand((rows, steps), generator=generator, dtype=torch.float64)


class RowSampler:
    """Chooses the next token of each living row; rows are taken out as they end."""

    def __init__(
        self, settings: Sequence[Sampling], draws: Tensor, vocabulary: int, device: torch.device
    ) -> None:
        """`settings[r]` of row r; `draws` [rows, steps] uniform numbers."""

        def column(values: list[float]) -> Tensor:
            return torch.tensor(values, dtype=torch.float32, device=device)[:, None]

        self.draws = draws.to(device, torch.float32)
        self.greedy = column([float(s.temperature == 0.0) for s in settings]) > 0
        self.temperature = column([s.temperature or 1.0 for s in settings])
        self.top_p = column([s.top_p for s in settings])
        self.top_k = column([float(s.top_k or vocabulary) for s in settings])
        self.penalty = column([s.repetition_penalty for s in settings])
        self.ngram = [s.no_repeat_ngram for s in settings]
        self.said: list[list[int]] = [[] for _ in settings]
        self.followers: list[dict[tuple[int, ...], list[int]]] = [{} for _ in settings]
        self.penalised = any(s.repetition_penalty > 1.0 for s in settings)
        self.past = torch.zeros(draws.shape, dtype=torch.long, device=device)
        self.step = 0

    def keep(self, rows: Tensor) -> None:
        """Only these rows (ascending indices) go on."""
        for name in ("draws", "greedy", "temperature", "top_p", "top_k", "penalty", "past"):
            setattr(self, name, getattr(self, name)[rows])
        order = rows.tolist()
        self.ngram = [self.ngram[row] for row in order]
        self.said = [self.said[row] for row in order]
        self.followers = [self.followers[row] for row in order]

    def choose(self, logits: Tensor, banned: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(ids [rows], their log-probabilities [rows] under the model itself).

        `logits` float32 [rows, vocabulary]; ids in `banned` are not chosen.
        """
        values, order = self._ranked(self._adjusted(logits, banned))
        probabilities = torch.softmax(values / self.temperature, dim=1)
        before = probabilities.cumsum(dim=1) - probabilities
        rank = torch.arange(values.shape[1], device=values.device)[None, :]
        allowed = (before < self.top_p) & (rank < self.top_k)
        allowed &= ~self.greedy | (rank == 0)
        allowed[:, 0] = True
        inside = (probabilities * allowed).cumsum(dim=1)
        target = self.draws[:, self.step : self.step + 1] * inside[:, -1:]
        place = (inside <= target).sum(dim=1, keepdim=True)
        place = torch.minimum(place, allowed.sum(dim=1, keepdim=True) - 1)
        ids = order.gather(1, place).squeeze(1)
        chosen = logits.gather(1, ids[:, None]).squeeze(1) - logits.logsumexp(dim=1)
        self._remember(ids)
        return ids, chosen

    def _ranked(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """(logits, ids) by falling logit: all, or as many as the widest top-k lets through."""
        widest = int(self.top_k.max())
        if widest >= _SORT_SHARE * logits.shape[1]:
            values, order = logits.sort(dim=1, descending=True)
        else:
            values, order = logits.topk(widest, dim=1)
        # Top-k goes before top-p: what it cuts has no part in the nucleus.
        rank = torch.arange(values.shape[1], device=values.device)[None, :]
        return values.masked_fill(rank >= self.top_k, float("-inf")), order

    def _adjusted(self, logits: Tensor, banned: Tensor | None) -> Tensor:
        logits = logits.clone()
        if self.penalised and self.step:
            # Only what was said is touched: the vocabulary is a thousand times wider.
            past = self.past[:, : self.step]
            raw = logits.gather(1, past)
            damped = torch.where(raw > 0, raw / self.penalty, raw * self.penalty)
            logits.scatter_(1, past, damped)
        rows, ids = self._repeats()
        if rows:
            logits[rows, ids] = float("-inf")
        if banned is not None:
            logits[:, banned] = float("-inf")
        return logits

    def _repeats(self) -> tuple[list[int], list[int]]:
        """(rows, ids) that would complete an n-gram which its row has said already."""
        rows: list[int] = []
        ids: list[int] = []
        for row, size in enumerate(self.ngram):
            if 0 < size <= len(self.said[row]):
                last = tuple(self.said[row][len(self.said[row]) - size + 1 :])
                found = self.followers[row].get(last, ())
                rows.extend([row] * len(found))
                ids.extend(found)
        return rows, ids

    def _remember(self, ids: Tensor) -> None:
        self.past[:, self.step] = ids
        for row, token in enumerate(ids.tolist()):
            said, size = self.said[row], self.ngram[row]
            said.append(token)
            if 0 < size <= len(said):
                self.followers[row].setdefault(tuple(said[-size:-1]), []).append(token)
        self.step += 1
