"""The sides of the `rerank` bench: the same slates of texts in, one score a pair out."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from scripts.benches import children, exports, peers, service, standins, texts
from scripts.benches.classifiers import (
    Classifier,
    OpenVinoClassifier,
    PackedClassifier,
    scores_in_batches,
)
from scripts.benches.peer_rerankers import PEERS
from scripts.benches.sides import Prepared

FIRST = "CrossEncoder.predict fp32"
SHIPPED = "the shipped reranker"
TOKENS, SLATE = 80, 10
BATCH = 32
_CALL_SECONDS = 900.0

Slates = list[list[texts.Pair]]


def makers(
    model: str, slates: Slates, threads: int, stack: contextlib.ExitStack
) -> Iterator[tuple[str, Callable[[], Prepared]]]:
    """Every side by name, and what makes it; processes end with `stack`."""
    pairs = [pair for slate in slates for pair in slate]
    yield FIRST, partial(sentence_transformers, model, pairs)
    for peer in PEERS:
        yield peer, partial(peer_side, peer, model, slates, threads, stack)
    for format_ in ("bf16", "int8"):
        yield f"ours: OpenVINO {format_}", partial(openvino, model, format_, pairs, threads)
    for format_ in ("fp32", "bf16"):
        yield f"ours: torch packed {format_}", partial(packed, model, format_, pairs)
    if model == "minilm":
        yield SHIPPED, partial(shipped, slates)


def sentence_transformers(model: str, pairs: list[texts.Pair]) -> Prepared:
    """`CrossEncoder.predict` as its documentation shows it; raw logits, to compare scores."""
    import torch
    from sentence_transformers import CrossEncoder

    encoder = CrossEncoder(standins.folder_of(model), device="cpu", max_length=512)
    raw = torch.nn.Identity()

    def run() -> Any:
        return encoder.predict(pairs, batch_size=BATCH, activation_fn=raw, show_progress_bar=False)

    return Prepared(_untimed(run), run)


def openvino(model: str, format_: str, pairs: list[texts.Pair], threads: int) -> Prepared:
    """The exported network; int8 is fitted to pairs that are not measured."""
    other = texts.slates(30, SLATE, TOKENS, tokenizer_of(model), seed=70)
    network = exports.network_of(model, format_, [pair for slate in other for pair in slate])
    return local(OpenVinoClassifier(model, network, format_, threads), pairs)


def packed(model: str, format_: str, pairs: list[texts.Pair]) -> Prepared:
    """The service's own torch BERT."""
    return local(PackedClassifier(model, format_=format_), pairs)


def local(classifier: Classifier, pairs: list[texts.Pair]) -> Prepared:
    """A classifier of this process, in batches of like length."""

    def run() -> Any:
        return scores_in_batches(classifier, pairs, BATCH)

    return Prepared(_untimed(run), run)


def shipped(slates: Slates) -> Prepared:
    """What the service runs: another function, as a slate's context is computed once."""
    from models.reranker import Reranker

    model = Reranker.load(service.ROOT / "artifacts" / "reranker")

    def run() -> list[float]:
        items = [item for s in slates for item in model.prepare([s[0][0]], [r for _, r in s])]
        return [result.serving for result in model.run(items)]

    return Prepared(_untimed(run), run)


def peer_side(
    peer: str, model: str, slates: Slates, threads: int, stack: contextlib.ExitStack
) -> Prepared:
    """A peer in its own process; it times itself."""
    child = stack.enter_context(
        children.Child(
            "scripts.benches.peer_rerankers",
            peer,
            python=peers.python_of(peer),
            environment={"OMP_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1"},
            said=service.ROOT / "var" / "bench" / "logs" / f"rerank-{peer}.log",
        )
    )
    folder = standins.folder_of(model)
    told = child.call("load", _CALL_SECONDS, folder=folder, threads=threads)

    def run() -> Any:
        return child.call("run", _CALL_SECONDS, slates=slates)

    return Prepared(lambda: float(run()["seconds"]), lambda: run()["scores"], told)


def tokenizer_of(model: str) -> str:
    """The tokenizer.json of a model."""
    return str(Path(standins.folder_of(model)) / "tokenizer.json")


def _untimed(run: Callable[[], Any]) -> Callable[[], None]:
    def work() -> None:
        run()

    return work
