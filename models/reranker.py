"""The reranker: MiniLM as a cross-encoder over a context and a response, 80 tokens in all.

The response attends to its context from layer `join` on; the context never sees the response, so
it is computed once for all the responses of a request (see `models.runtimes.torch_bert`). Each
source of human judgement has a head of its own; P(upvote) is a calibrated mix of heads that was
chosen on judgements of a source that none of them was trained on. The serving score is named in
the model's `reranker.json`: P(upvote) - penalty · P(offensive).

`Reranker` is texts to ids, and logits to scores; what computes the logits is a `RerankNetwork` of
any runtime.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.checkpoint import verify
from models.contracts import RerankItem as RerankItem
from models.contracts import RerankNetwork
from models.contracts import RerankResult as RerankResult
from models.encoder import SAMPLE, WordPiece
from models.prompt import normalise, rerank_query
from models.runtimes.bert_networks import Opening, open_reranker
from models.runtimes.choice import choose
from models.runtimes.packing import RerankBatch as RerankBatch
from models.runtimes.torch_bert import resolve_base
from models.runtimes.torch_rerank import WEIGHTS as WEIGHTS
from models.runtimes.torch_rerank import RerankNet as RerankNet
from models.runtimes.torch_rerank import apply_delta as apply_delta
from models.runtimes.torch_rerank import check_base, load_net
from models.runtimes.torch_rerank import make_delta as make_delta

KIND = "reranker"
MAX_CONTEXT = 48
MAX_RESPONSE = 32
CONFIG = "reranker.json"


class Renderer:
    """Texts to `RerankItem`s, the same in training and serving."""

    def __init__(self, tokens: WordPiece) -> None:
        self._tokens = tokens

    def items(
        self, context: Sequence[str], responses: Sequence[str], facts: Sequence[str] = ()
    ) -> list[RerankItem]:
        """`[CLS] facts [SEP] turns [SEP]` keeps its end, `[CLS] response [SEP]` its beginning.

        Raises ValueError if the context or a response has no text.
        """
        tokens = self._tokens
        query = rerank_query(
            tokens.encode, context, facts, max_tokens=MAX_CONTEXT - 2, separator=(tokens.sep,)
        )
        ids = tokens.sequence(query)
        latest = max((i + 1 for i in range(len(ids) - 1) if ids[i] == tokens.sep), default=1)
        share = math.ceil(len(ids) / max(1, len(responses)))
        items = []
        for response in responses:
            if not normalise(response):
                raise ValueError("a response has no text")
            reply = tokens.sequence(tokens.encode(response)[: MAX_RESPONSE - 2])
            items.append(RerankItem(ids, reply, latest, len(reply) + share))
        return items


class Reranker:
    """A batch function from (context, response) items to calibrated scores.

    Pure: no threads, queues or clocks; items of different requests may be mixed freely.
    """

    local = True

    def __init__(
        self,
        network: RerankNetwork,
        tokens: WordPiece,
        config: Mapping[str, Any],
        runtime: str = "given",
    ) -> None:
        """`config` is `reranker.json` and a `version`; `runtime` says what the network is."""
        self._network, self.runtime = network, runtime
        self._render = Renderer(tokens)
        self.heads: tuple[str, ...] = tuple(config["heads"])
        self.version = str(config["version"])
        calibration = config["calibration"]
        self._scale = np.array([calibration[h]["scale"] for h in self.heads], dtype=np.float32)
        self._shift = np.array([calibration[h]["shift"] for h in self.heads], dtype=np.float32)
        upvote = config["serving"]["upvote"]
        weights = [float(upvote["weights"].get(h, 0.0)) for h in self.heads]
        self._weights = np.array(weights, dtype=np.float32)
        self._bias = np.array(upvote["bias"], dtype=np.float32)
        self._penalty = float(config["serving"]["penalty"])

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        base: str = "auto",
        runtime: str = "auto",
        device: str = "auto",
        dtype: str = "auto",
        threads: int | None = None,
        compiled: bool = False,
        sample: Sequence[str] = SAMPLE,
        cache: Path | None = None,
    ) -> Reranker:
        """Load a trained folder over its base model.

        The folder is verified against its manifest and the base against the hash that the
        delta was taken from: models.checkpoint.ModelFileError otherwise. The other arguments, and
        the ValueError where a runtime is not to be had, are those of `Encoder.load`.
        """
        choice = choose(runtime, device, dtype, ranks=True)
        choice.set_threads(threads)
        net, tokens, config = open_folder(path, base)
        ids = [tokens.sequence(tokens.encode(text)[: MAX_CONTEXT - 2]) for text in sample]
        opening = Opening(choice, threads, compiled, ids, cache=cache)
        return cls(open_reranker(net, opening), tokens, config, str(choice))

    def prepare(
        self,
        context_turns: Sequence[str],
        responses: Sequence[str],
        facts: Sequence[str] = (),
    ) -> list[RerankItem]:
        """Tokenise a request, the context once. ValueError where a text is empty."""
        return self._render.items(context_turns, responses, facts)

    def run(self, items: Sequence[RerankItem]) -> list[RerankResult]:
        """One result for each item, in order.

        Raises ValueError for ids outside the vocabulary and for items that are too long.
        """
        if not items:
            return []
        logits: NDArray[np.float32] = self._network.logits(items) * self._scale + self._shift
        upvote = _sigmoid(logits @ self._weights + self._bias).tolist()
        rows = _sigmoid(logits).tolist()
        return [self._result(row, up) for row, up in zip(rows, upvote, strict=True)]

    def warm(self) -> None:
        """Run once, so that the first request does not pay for allocation."""
        self.run(self.prepare(["hi", "how was your day?"], ["long, but good.", "what?"]))

    def _result(self, row: Sequence[float], upvote: float) -> RerankResult:
        heads = dict(zip(self.heads, row, strict=True))
        heads["upvote"] = upvote
        return RerankResult(heads, upvote - self._penalty * heads.get("offensive", 0.0))


def open_folder(
    path: str | Path, base: str = "auto"
) -> tuple[RerankNet, WordPiece, dict[str, Any]]:
    """(the network in fp32 on the CPU, its tokenizer, its configuration with the `version`).

    Raises models.checkpoint.ModelFileError where folder and base are not what they should be.
    """
    folder, base_folder = Path(path), resolve_base(base)
    manifest = verify(folder, kind=KIND)
    check_base(base_folder, manifest.base or {})
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    config["version"] = manifest.version
    net = load_net(folder, base_folder, config["join"], len(config["heads"]))
    return net, WordPiece(base_folder), config


def _sigmoid(x: NDArray[np.float32]) -> NDArray[np.float32]:
    # In this form a large negative logit does not overflow.
    sigmoid: NDArray[np.float32] = (0.5 * (np.tanh(0.5 * x) + 1.0)).astype(np.float32)
    return sigmoid
