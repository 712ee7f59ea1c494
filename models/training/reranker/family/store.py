"""The ids of many pairs: tokenised once, kept in memory-mapped arrays."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.training.examples import Example
from models.training.reranker.family.tokens import Coded, Limits, PairCoder

_ARRAYS = ("context", "context_at", "latest", "response", "response_at")


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
