"""What stands behind the servers of these tests: made-up models, and the real local ones."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from models.encoder import Encoder
from models.generator import GenerateItem, Generator
from models.reranker import Reranker
from models.sampling import Sampling

ARTIFACTS = Path(__file__).parents[3] / "artifacts"


@dataclass(frozen=True)
class Completion:
    """One choice: its text, log-probabilities of its tokens, and whether it ended itself."""

    text: str
    logprobs: list[float]
    finished: bool


class ServedModels(Protocol):
    """The three models of a service."""

    dimension: int

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """A unit vector for each text."""

    def rerank(self, turns: Sequence[str], texts: Sequence[str]) -> list[float]:
        """A probability for each text."""

    def complete(
        self, turns: Sequence[str], n: int, seed: int, tokens: int, sampling: Sampling
    ) -> list[Completion]:
        """At most `n` replies."""


class FakeModels:
    """Vectors of hashes, scores of shared words, replies of a list; the same for the same input."""

    dimension = 8

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """See ServedModels."""
        rows = []
        for text in texts:
            seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
            row = np.random.default_rng(seed).normal(size=self.dimension)
            rows.append((row / np.linalg.norm(row)).tolist())
        return rows

    def rerank(self, turns: Sequence[str], texts: Sequence[str]) -> list[float]:
        """See ServedModels."""
        said = set(" ".join(turns).lower().split())
        return [
            (len(said & set(text.lower().split())) + 1 / (2 + len(text))) / (2 + len(said))
            for text in texts
        ]

    def complete(
        self, turns: Sequence[str], n: int, seed: int, tokens: int, sampling: Sampling
    ) -> list[Completion]:
        """See ServedModels."""
        return [
            Completion(f"Reply {seed}.{row} to {turns[-1]}", [-0.5, -1.0 - row], row % 2 == 0)
            for row in range(n)
        ]


class LocalModels:
    """The shipped models on this machine, one call at a time."""

    def __init__(self) -> None:
        exact: dict[str, Any] = {"runtime": "torch", "device": "cpu", "dtype": "fp32"}
        self.encoder = Encoder.load(threads=1, **exact)
        self.reranker = Reranker.load(ARTIFACTS / "reranker", **exact)
        self.generator = Generator.load(ARTIFACTS / "generator", **exact)
        self.dimension = self.encoder.dimension
        self._one = threading.Lock()

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """See ServedModels."""
        with self._one:
            return [row.tolist() for row in self.encoder.encode(texts)]

    def rerank(self, turns: Sequence[str], texts: Sequence[str]) -> list[float]:
        """See ServedModels."""
        with self._one:
            results = self.reranker.run(self.reranker.prepare(turns, texts))
        return [result.heads["upvote"] for result in results]

    def complete(
        self, turns: Sequence[str], n: int, seed: int, tokens: int, sampling: Sampling
    ) -> list[Completion]:
        """See ServedModels."""
        with self._one:
            item = GenerateItem(self.generator.encode_context(turns), n, seed, tokens, sampling)
            candidates = self.generator.run([item])[0].candidates
        return [
            Completion(one.text, [one.mean_logprob] * one.token_count, one.finished)
            for one in candidates
        ]
