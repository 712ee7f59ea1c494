"""Pairs as token ids: tokenised once, kept in memory-mapped arrays, padded as little as can be.

Context and response are kept apart, so that one form serves models that read them together (a
cross-encoder, whose template puts special tokens around them) and models that read each alone. A
context keeps its end, a response its beginning; `models.prompt.rerank_query` renders as in serving.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.prompt import normalise, plain_encoder, rerank_query
from models.training.examples import Example

MEGABATCH = 50
"""Batches among which pairs of like length are gathered; more pad less and mix less."""
_ARRAYS = ("context", "context_at", "latest", "response", "response_at")


@dataclass(frozen=True)
class Limits:
    """Tokens of a context, of a response and of both, without the template's own."""

    context: int
    response: int
    total: int

    @classmethod
    def joint(cls, max_tokens: int, special: int) -> Limits:
        """For one sequence of `max_tokens`: two fifths at most for the response (80: 32).

        The context gets what its response leaves. Raises ValueError where that is nothing.
        """
        room = max_tokens - special
        if room < 4:
            raise ValueError(f"{max_tokens} tokens leave no room for a context and a response")
        return cls(room, max(1, 2 * max_tokens // 5), room)


@dataclass(frozen=True)
class Template:
    """What a tokenizer puts before, between and behind two texts, and the second one's type."""

    before: tuple[int, ...]
    between: tuple[int, ...]
    behind: tuple[int, ...]
    types: tuple[int, int, int, int, int]

    @property
    def special(self) -> int:
        """How many tokens the template adds."""
        return len(self.before) + len(self.between) + len(self.behind)

    @classmethod
    def of(cls, tokenizer: Any) -> Template:
        """Read off a pair that the tokenizer renders: works for BERT's and RoBERTa's form alike."""
        one, two = (tokenizer.encode(text, add_special_tokens=False) for text in ("a", "b"))
        coded = tokenizer("a", "b", return_token_type_ids=True)
        ids, types = coded["input_ids"], coded["token_type_ids"]
        first = _find(ids, one, 0)
        second = _find(ids, two, first + len(one))
        middle = ids[first + len(one) : second]
        last = second + len(two)
        kinds = (
            types[0],
            types[first],
            types[first + len(one)] if middle else types[first],
            types[second],
            types[-1],
        )
        return cls(tuple(ids[:first]), tuple(middle), tuple(ids[last:]), kinds)


def _find(ids: Sequence[int], part: Sequence[int], start: int) -> int:
    for at in range(start, len(ids) - len(part) + 1):
        if list(ids[at : at + len(part)]) == list(part):
            return at
    raise ValueError("the tokenizer does not render a pair of texts")


@dataclass(frozen=True)
class Coded:
    """One pair as ids; `latest` is where the context's last turn begins."""

    context: tuple[int, ...]
    latest: int
    response: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.context) + len(self.response)


class PairCoder:
    """Texts to ids, with a transformers tokenizer; special tokens in a text are plain text."""

    def __init__(self, tokenizer: Any, limits: Limits) -> None:
        self.limits = limits
        self._encode = plain_encoder(tokenizer)
        separator = next((t for t in (tokenizer.sep_token_id, tokenizer.eos_token_id) if t), None)
        self._separator = () if separator is None else (int(separator),)
        self._unknown = int(tokenizer.unk_token_id or 0)

    def code(self, example: Example) -> Coded:
        """Ids of an example; a text that nobody can see is one unknown token."""
        limits = self.limits
        response = tuple(self._encode(example.response)[: limits.response]) or (self._unknown,)
        room = min(limits.context, limits.total - len(response))
        if not any(map(normalise, example.context)):
            return Coded((self._unknown,), 0, response)
        context = rerank_query(
            self._encode,
            example.context,
            example.facts,
            max_tokens=room,
            separator=self._separator,
        )
        latest = 0
        if self._separator:
            ends = (i + 1 for i in range(len(context) - 1) if context[i] == self._separator[0])
            latest = max(ends, default=0)
        return Coded(tuple(context) or (self._unknown,), latest, response)


class PairStore:
    """The ids of many pairs, in arrays that may lie on disk."""

    def __init__(self, arrays: dict[str, NDArray[Any]]) -> None:
        self._arrays = arrays

    def __len__(self) -> int:
        return len(self._arrays["latest"])

    def __getitem__(self, row: int) -> Coded:
        a = self._arrays
        context = a["context"][a["context_at"][row] : a["context_at"][row + 1]]
        response = a["response"][a["response_at"][row] : a["response_at"][row + 1]]
        return Coded(tuple(context.tolist()), int(a["latest"][row]), tuple(response.tolist()))

    def lengths(self) -> NDArray[np.int64]:
        """(n,) tokens of each pair."""
        a = self._arrays
        total: NDArray[np.int64] = np.diff(a["context_at"]) + np.diff(a["response_at"])
        return total

    @classmethod
    def of(cls, coder: PairCoder, examples: Iterable[Example]) -> PairStore:
        """Tokenise into memory."""
        coded = [coder.code(example) for example in examples]
        return cls(
            {
                "context": _flat([c.context for c in coded]),
                "context_at": _offsets([len(c.context) for c in coded]),
                "latest": np.array([c.latest for c in coded], dtype=np.int32),
                "response": _flat([c.response for c in coded]),
                "response_at": _offsets([len(c.response) for c in coded]),
            }
        )

    @classmethod
    def kept(
        cls, folder: Path, key: str, coder: PairCoder, examples: Sequence[Example]
    ) -> PairStore:
        """Memory-mapped arrays in `folder/key`, tokenised first if they are not there.

        Ids are texts to whoever has the tokenizer, so that nobody else may look into the folder.
        """
        place = folder / key
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)  # also one that an older release made
        if not place.is_dir():
            store = cls.of(coder, examples)
            half_written = folder / f".{key}.{os.getpid()}"
            half_written.mkdir(exist_ok=True)
            for name in _ARRAYS:
                np.save(half_written / f"{name}.npy", store._arrays[name])
            try:
                half_written.replace(place)
            except OSError:  # another run of the same data was faster
                shutil.rmtree(half_written)
        return cls({name: np.load(place / f"{name}.npy", mmap_mode="r") for name in _ARRAYS})


def _flat(rows: Sequence[Sequence[int]]) -> NDArray[np.int32]:
    return np.array([i for row in rows for i in row], dtype=np.int32)


def _offsets(lengths: Sequence[int]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64)


def store_key(tokenizer: Any, limits: Limits, examples: Iterable[Example]) -> str:
    """What the ids depend on, as a name: the tokenizer's content, the limits and the texts."""
    words = json.dumps(sorted(tokenizer.get_vocab().items()))
    digest = hashlib.sha256(f"{type(tokenizer).__name__}:{words}".encode())
    digest.update(repr(astuple(limits)).encode())
    for example in examples:
        texts = (example.context, example.response, example.facts)
        digest.update(json.dumps(texts, ensure_ascii=True).encode())
    return digest.hexdigest()[:16]


def plan_batches(
    lengths: Sequence[int],
    units: Sequence[Sequence[int]],
    batch: int,
    epochs: int,
    seed: int,
) -> list[list[int]]:
    """The rows of every batch of the whole run, in order; a pure function of its arguments.

    `units` are rows that stay together. Each epoch shuffles them, gathers like lengths within
    MEGABATCH batches, fills batches of at most `batch` rows and shuffles those.
    """
    batches: list[list[int]] = []
    longest = [max(lengths[row] for row in unit) for unit in units]
    for epoch in range(epochs):
        rng = random.Random(f"{seed}:{epoch}")
        order = list(range(len(units)))
        rng.shuffle(order)
        mine: list[list[int]] = []
        for start in range(0, len(order), batch * MEGABATCH):
            near = sorted(order[start : start + batch * MEGABATCH], key=longest.__getitem__)
            mine += _fill([units[i] for i in near], batch)
        rng.shuffle(mine)
        batches += mine
    return batches


def _fill(units: Iterable[Sequence[int]], batch: int) -> Iterator[list[int]]:
    rows: list[int] = []
    for unit in units:
        if rows and len(rows) + len(unit) > batch:
            yield rows
            rows = []
        rows.extend(unit)
    if rows:
        yield rows


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
