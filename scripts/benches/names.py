"""Which benches there are, by name."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from types import ModuleType

# Name on the command line → what it does. The module has the same name, with `_` for `-`; one
# that measures has TITLE, `show(result)` and, where it has pictures, `charts(result)`.
NAMES = {
    "chat": "the whole service, a naive app and the same on service-streamer, closed loop",
    "chat-gpt2-small": "the same with GPT-2 small, 124 M, as everybody's generator",
    "overload": "load steps up to ten times what N = 10 holds: the control against fixed N",
    "share": "who wins the slates of 200 fixed prompts, retrieval or generator",
    "gain": "what N generated candidates are worth, and what they cost",
    "frontend": "the HTTP path without models: milliseconds, and requests a core",
    "generate": "GPT-2 small, 10 candidates of 20 tokens for 8 requests, against transformers",
    "rerank": "cross-encoders at 80 tokens against the libraries that serve them",
    "ladder-cpu": "BERT-base on one thread a worker, rung by rung to ours",
    "ladder-gpu": "BERT-base from 128 tokens with a slow tokenizer, rung by rung to ours",
    "tokenize": "slow and fast tokenizers, one text at a time and batched",
    "cores": "three models on few cores: free threads or turns, coalesced or one by one",
    "retrieval": "FAISS kinds at 10⁴…10⁷ vectors: build, bytes, latency, recall@10",
    "peers": "install what the benches compare with, in environments of their own",
    "quality": "each runtime and precision: agreement with torch fp32, and speed",
    "plots": "draw the pictures of the figures that the others saved",
    "docs": "write docs/benchmarks.md from the figures of the others",
}


def module(name: str) -> ModuleType:
    """The module of a bench.

    Raises:
        ImportError: it needs a package that is not installed.
    """
    return importlib.import_module(f"scripts.benches.{name.replace('-', '_')}")


def benches() -> Iterator[tuple[str, ModuleType | ImportError]]:
    """The benches that measure something, in the order of NAMES; or why one cannot be had here."""
    for name in NAMES:
        try:
            found = module(name)
        except ImportError as error:
            yield name, error
            continue
        if hasattr(found, "TITLE"):
            yield name, found
