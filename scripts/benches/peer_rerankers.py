"""Peers of the `rerank` bench, each run in its own environment as a child process.

`infinity`: its engine with its defaults for a CPU (torch, BetterTransformer where it offers it),
asked for all slates at once, as concurrent users would. `service-streamer`: its `ThreadedStreamer`
around transformers' fp32 model, a thread for each slate, batches of up to 32 and 20 ms of waiting.
Both cut texts at the tokenizer's limit, and the texts are below it.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Coroutine
from typing import Any, Protocol

from scripts.benches import children, versions

BATCH = 32
LATENCY_SECONDS = 0.02
_ANSWER_SECONDS = 600.0

Slates = list[list[tuple[str, str]]]
Told = dict[str, Any]


class Peer(Protocol):
    """One library that serves rerankers."""

    package: str

    def load(self, folder: str, threads: int) -> None:
        """Make ready."""

    def scores(self, slates: Slates) -> list[float]:
        """One number for each pair, slate by slate, all slates asked at once."""


class Infinity:
    """Infinity's engine on an event loop of its own thread."""

    package = "infinity-emb"

    def load(self, folder: str, threads: int) -> None:
        """Start the engine."""
        import torch
        from infinity_emb import AsyncEmbeddingEngine, EngineArgs

        torch.set_num_threads(threads)
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        arguments = EngineArgs(
            model_name_or_path=folder,
            engine="torch",
            device="cpu",
            batch_size=BATCH,
            model_warmup=False,  # minutes of batches of 512 tokens; the bench warms every side
        )
        self._engine = AsyncEmbeddingEngine.from_args(arguments)
        self._run(self._engine.astart())

    def scores(self, slates: Slates) -> list[float]:
        """Raw scores."""

        async def every() -> list[float]:
            asked = (
                self._engine.rerank(query=slate[0][0], docs=[d for _, d in slate], raw_scores=True)
                for slate in slates
            )
            found = await asyncio.gather(*asked)
            rows = (sorted(answers, key=lambda answer: answer.index) for answers, _ in found)
            return [float(answer.relevance_score) for row in rows for answer in row]

        scores: list[float] = self._run(every())
        return scores

    def _run(self, what: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(_ANSWER_SECONDS)


class ServiceStreamer:
    """A streamer's worker thread around a plain model."""

    package = "service-streamer"

    def load(self, folder: str, threads: int) -> None:
        """Load the model, start the worker."""
        import torch
        from service_streamer import ThreadedStreamer
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        torch.set_num_threads(threads)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        net = AutoModelForSequenceClassification.from_pretrained(
            folder, dtype=torch.float32, use_safetensors=True
        ).eval()

        def predict(pairs: list[tuple[str, str]]) -> list[float]:
            left, right = (list(part) for part in zip(*pairs, strict=True))
            encoded = tokenizer(left, right, return_tensors="pt", padding=True, truncation=True)
            with torch.inference_mode():
                found: list[float] = net(**encoded).logits[:, 0].tolist()
            return found

        self._streamer = ThreadedStreamer(predict, BATCH, LATENCY_SECONDS)

    def scores(self, slates: Slates) -> list[float]:
        """Logits."""
        # It numbers its tasks without a lock: submitted by one thread, awaited together.
        futures = [self._streamer.submit(slate) for slate in slates]
        return [score for future in futures for score in future.result(_ANSWER_SECONDS)]


PEERS: dict[str, type[Peer]] = {"infinity": Infinity, "service-streamer": ServiceStreamer}


def main() -> None:
    """`python -m scripts.benches.peer_rerankers NAME`: serve that peer."""
    peer = PEERS[sys.argv[1]]()

    def load(folder: str, threads: int) -> Told:
        peer.load(folder, threads)
        return versions.of(peer.package, "torch", "transformers", "sentence-transformers")

    def run(slates: Slates) -> Told:
        began = time.perf_counter()
        scores = peer.scores(slates)
        return {"seconds": time.perf_counter() - began, "scores": scores}

    children.serve({"load": load, "run": run})


if __name__ == "__main__":
    main()
