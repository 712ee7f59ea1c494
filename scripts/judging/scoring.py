"""What a served reranker says of texts: in batches, each context once, with the time left."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from models.checkpoint import file_sha256, load_manifest
from models.contracts import RerankerModel, RerankResult
from models.reranker import Reranker

_BATCH = 16  # contexts at a time
_EVERY = 5.0  # seconds between two lines
Asked = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]
"""Context (oldest first), responses, facts."""


def load(folder: Path, threads: int, encoder: str = "") -> Reranker:
    """A reranker as the service runs it, over `encoder` if it was trained on that.

    Raises:
        ModelFileError: the folder, or the base, is not what it should be.
    """
    own = Path(encoder) / "model.safetensors"
    trained_on = (load_manifest(folder).base or {}).get("sha256")
    fits = bool(encoder) and own.is_file() and file_sha256(own) == trained_on
    return Reranker.load(folder, base=encoder if fits else "auto", threads=threads)


def score(
    model: RerankerModel, asked: Sequence[Asked], label: str = ""
) -> list[list[RerankResult]]:
    """A result for each response of each slate, in order; `label` names the model on stderr."""
    results: list[list[RerankResult]] = []
    began = told = time.monotonic()
    for begin in range(0, len(asked), _BATCH):
        slates = asked[begin : begin + _BATCH]
        items = [model.prepare(context, responses, facts) for context, responses, facts in slates]
        flat = iter(model.run([item for slate in items for item in slate]))
        results += [[next(flat) for _ in slate] for slate in items]
        if time.monotonic() - told > _EVERY:
            told = time.monotonic()
            left = (told - began) / len(results) * (len(asked) - len(results))
            print(
                f"{label}: {len(results)} of {len(asked)} slates, {left:.0f} s left",
                file=sys.stderr,
            )
    return results


def upvotes(results: Iterable[RerankResult]) -> list[float]:
    """P(upvote) of each result."""
    return [result.heads["upvote"] for result in results]
