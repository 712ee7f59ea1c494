"""The served reranker's three pooled vectors of a pair, computed once and remembered.

What training a head changes lies behind these vectors: while Bert stays as it is, heads are fitted,
compared and even served over vectors that were computed before.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.contracts import RerankItem, RerankNetwork
from models.encoder import SAMPLE, WordPiece
from models.reranker import MAX_CONTEXT, Renderer, RerankNet, open_folder
from models.runtimes.bert_networks import Opening, open_reranker
from models.runtimes.choice import choose
from models.runtimes.torch_bert import Bert
from models.runtimes.torch_rerank import RerankHead

CACHED_PAIRS = 100_000  # about 3 KB each
_BATCH = 64


class _VectorHead(RerankHead):
    """A head that hands the vectors on, so that any runtime gives them in place of logits."""

    def judge(self, whole: Tensor, latest: Tensor, reply: Tensor) -> Tensor:
        """(…, 3 · width): the three vectors side by side."""
        return torch.cat([whole, latest, reply], dim=-1)


class _VectorNet(RerankNet):
    """A trained network without its head, in the shape that the runtimes open."""

    def __init__(self, bert: Bert) -> None:
        super().__init__(bert, 1, 1)

    def judge(self, whole: Tensor, latest: Tensor, reply: Tensor) -> Tensor:
        """(…, 3 · width): the three vectors side by side."""
        return torch.cat([whole, latest, reply], dim=-1)

    def part(self) -> RerankHead:
        """The head alone, for runtimes that compute the vectors elsewhere."""
        return _VectorHead(self.bert.config.hidden_size, 1, 1).eval().requires_grad_(False)


class PairVectors:
    """Unit vectors of pairs by the Bert of one trained folder; may serve many heads."""

    def __init__(self, network: RerankNetwork, tokens: WordPiece, version: str) -> None:
        """`network` gives (n, 3 · width) rows; `version` names the folder that it came from."""
        self._network = network
        self._known: OrderedDict[Hashable, NDArray[np.float16]] = OrderedDict()
        self.tokens, self.render, self.version = tokens, Renderer(tokens), version
        self.computed = 0  # pairs that the network was asked for

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        base: str = "auto",
        runtime: str = "auto",
        device: str = "auto",
        threads: int | None = None,
    ) -> PairVectors:
        """Open a served folder; arguments, and what is raised, are those of `Reranker.load`."""
        if threads is not None:
            torch.set_num_threads(threads)
        choice = choose(runtime, device, "auto", ranks=True)
        net, tokens, config = open_folder(folder, base)
        ids = [tokens.sequence(tokens.encode(text)[: MAX_CONTEXT - 2]) for text in SAMPLE]
        opening = Opening(choice, threads, sample=ids)
        network = open_reranker(_VectorNet(net.bert), opening)
        return cls(network, tokens, str(config["version"]))

    def of(self, items: Sequence[RerankItem]) -> tuple[Tensor, Tensor, Tensor]:
        """(n, width) vectors of contexts, of their last turns and of responses, in order.

        Kept in half precision, so they are good to three digits, the first time and later alike.
        """
        keys = [(item.context, item.response, item.latest) for item in items]
        rows = {key: self._known[key] for key in keys if key in self._known}
        missing = {key: i for key, i in zip(keys, items, strict=True) if key not in rows}
        order = sorted(missing, key=lambda key: (len(key[0]), key[0]))  # a context's pairs together
        for start in range(0, len(order), _BATCH):
            chunk = order[start : start + _BATCH]
            computed = self._network.logits([missing[key] for key in chunk])
            rows.update(zip(chunk, computed.astype(np.float16), strict=True))
            self.computed += len(chunk)
        for key, row in rows.items():
            self._known[key] = row
            self._known.move_to_end(key)
        while len(self._known) > CACHED_PAIRS:
            self._known.popitem(last=False)
        stacked = torch.from_numpy(np.stack([rows[key] for key in keys]).astype(np.float32))
        whole, latest, reply = stacked.chunk(3, dim=1)
        return whole, latest, reply


class HeadOverVectors:
    """A `RerankNetwork`: a head over vectors that are computed once for all heads."""

    def __init__(self, vectors: PairVectors, head: RerankHead) -> None:
        self._vectors, self._head = vectors, head

    def logits(self, items: Sequence[RerankItem]) -> NDArray[np.float32]:
        """(n, outputs) float32, uncalibrated."""
        with torch.inference_mode():
            rows: NDArray[np.float32] = self._head.judge(*self._vectors.of(items)).numpy()
        return rows
