"""Texts of known lengths, made of words that are one token each.

So a pair has exactly the tokens that a bench names, for every tokenizer of the family, and
no side profits from cutting. Lengths of messages follow `data/bench/lengths.json`, a histogram of
455,912 turns of public chats in WordPiece tokens, `[CLS]` and `[SEP]` counted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scripts.benches.service import ROOT

HISTOGRAM = ROOT / "data" / "bench" / "lengths.json"
PROMPTS = ROOT / "data" / "bench" / "prompts.txt"
FRAME = 2  # [CLS] and [SEP] of a text; a pair has one [SEP] more

Pair = tuple[str, str]


@dataclass(frozen=True)
class Lengths:
    """How long messages are: token counts and how many messages have each."""

    tokens: NDArray[np.int64]
    counts: NDArray[np.int64]

    @classmethod
    def read(cls, path: Path = HISTOGRAM) -> Lengths:
        """The committed histogram. ValueError where it is none."""
        raw = json.loads(path.read_text(encoding="utf-8"))["counts"]
        tokens = np.array([int(key) for key in raw], dtype=np.int64)
        counts = np.array(list(raw.values()), dtype=np.int64)
        if not len(tokens) or tokens.min() <= FRAME or counts.min() < 1:
            raise ValueError(f"{path}: not a histogram of lengths")
        return cls(tokens, counts)

    @property
    def mean(self) -> float:
        """Tokens of a message, on average."""
        return float((self.tokens * self.counts).sum() / self.counts.sum())

    def quantile(self, q: float) -> int:
        """The length that a share `q` of messages does not exceed."""
        order = np.argsort(self.tokens)
        reached = np.cumsum(self.counts[order]) >= q * self.counts.sum()
        return int(self.tokens[order][int(np.argmax(reached))])

    def draw(self, n: int, random: np.random.Generator) -> NDArray[np.int64]:
        """Lengths of `n` messages."""
        return random.choice(self.tokens, size=n, p=self.counts / self.counts.sum())


@cache
def words(tokenizer_file: str) -> tuple[tuple[str, int], ...]:
    """Words of the bench's own prompts that are one token each, with their ids, sorted."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(tokenizer_file)
    tokenizer.no_padding()
    found = {}
    for word in sorted(set(re.findall(r"[a-z]+", PROMPTS.read_text(encoding="utf-8").lower()))):
        ids = tokenizer.encode(word, add_special_tokens=False).ids
        if len(ids) == 1:
            found[word] = ids[0]
    return tuple(found.items())


def messages(lengths: Sequence[int], tokenizer_file: str, seed: int) -> list[str]:
    """A message of each length in tokens, its frame counted."""
    known = [word for word, _ in words(tokenizer_file)]
    random = np.random.default_rng(seed)
    return [
        " ".join(known[i] for i in random.integers(0, len(known), int(length) - FRAME))
        for length in lengths
    ]


def slates(count: int, size: int, tokens: int, tokenizer_file: str, seed: int) -> list[list[Pair]]:
    """`count` contexts with `size` responses each; every pair has exactly `tokens` tokens.

    A context has three fifths of them, as in the shipped reranker (48 of 80).
    """
    context = 3 * tokens // 5
    response = tokens - context - FRAME - 1
    left = messages([context + FRAME] * count, tokenizer_file, seed)
    right = messages([response + FRAME] * count * size, tokenizer_file, seed + 1)
    return [[(left[i], reply) for reply in right[i * size : (i + 1) * size]] for i in range(count)]
