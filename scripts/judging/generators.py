"""A candidate generator against the serving one: how well each foresees the replies people liked.

Tokenizers differ, so what is compared is bits for each byte of the reply, the end of it included;
lower is better. What was not liked is measured beside it, and decides nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from models.checkpoint import verify
from models.prompt import MAX_CONTEXT_TOKENS, context_ids, plain_encoder
from models.training.examples import Example
from models.training.reranker.measures import Statistic, interval
from scripts.judging.evidence import Evidence
from scripts.judging.heldout import UPVOTE, HeldOut, cluster
from scripts.judging.verdict import Comparison, Measure, Role

LEADING = ("bits a byte, liked",)


class Reader:
    """A generator that reads replies instead of writing them."""

    def __init__(self, folder: Path, threads: int) -> None:
        """Raises ModelFileError where the folder is no verified generator."""
        import torch
        from transformers import AutoTokenizer, GPT2LMHeadModel

        self.version = verify(folder, kind="generator").version
        torch.set_num_threads(threads)
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
        model = GPT2LMHeadModel.from_pretrained(folder, use_safetensors=True, **options)
        self._model = model.eval().to(self._device)
        self._tokenizer = AutoTokenizer.from_pretrained(folder, **options)

    def bits(self, example: Example) -> float:
        """Bits of the reply and its end, after its context."""
        import torch
        import torch.nn.functional as F

        positions = int(self._model.config.n_positions)
        before = min(MAX_CONTEXT_TOKENS, positions // 2)
        context = context_ids(self._tokenizer, example.context, example.facts, before)
        reply = plain_encoder(self._tokenizer)(example.response)[: positions - len(context) - 1]
        ids = [*context, *reply, int(self._tokenizer.eos_token_id)]
        with torch.inference_mode():
            inputs = torch.tensor([ids], device=self._device)
            logits = self._model(inputs[:, :-1]).logits[0, len(context) - 1 :]
            loss = F.cross_entropy(logits.float(), inputs[0, len(context) :], reduction="sum")
        return float(loss) / math.log(2)


def compare(
    candidate: Reader, serving: Reader, held: HeldOut, *, resamples: int = 1_000, seed: int = 7
) -> Comparison:
    """Both on the same replies."""
    upvotes = [e for e in held.examples if e.head == UPVOTE]
    measures = []
    for name, liked in ((LEADING[0], True), ("bits a byte, not liked", False)):
        rows = [e for e in upvotes if (e.label > 0.5) == liked]
        if rows:
            measures.append(_measure(name, candidate, serving, rows, liked, resamples, seed))
    return Comparison(measures)


def _measure(
    name: str,
    candidate: Reader,
    serving: Reader,
    rows: Sequence[Example],
    liked: bool,
    resamples: int,
    seed: int,
) -> Measure:
    sizes = np.array([len(e.response.encode()) for e in rows], dtype=np.float64)
    clusters = [cluster(e) for e in rows]
    given = np.array([e.weight for e in rows])

    def rate(bits: Sequence[float]) -> Statistic:
        mine = np.asarray(bits)

        def statistic(weights: Any) -> float:
            total = float((weights * given * sizes).sum())
            return float((weights * given * mine).sum() / total) if total else math.nan

        return statistic

    ours, theirs = (rate([one.bits(e) for e in rows]) for one in (candidate, serving))
    first, second, gap = (
        interval(one, clusters, resamples=resamples, seed=seed)
        for one in (ours, theirs, lambda w: ours(w) - theirs(w))
    )
    evidence = Evidence.of(
        ((cluster(e), (e.context, e.response), True, e.weight) for e in rows), one_sided=True
    )
    role = Role.DECIDES if liked else Role.BESIDE
    return Measure(name, first, second, gap, False, role, evidence)
