"""Which benches there are, by name."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from types import ModuleType

# Name on the command line → what it does. The module has the same name, with `_` for `-`; one
# that measures has TITLE, `show(result)` and, where it has pictures, `charts(result)`.
NAMES = {
    "chat": "the whole service, a naive app and the same on service-streamer, closed loop",
    "share": "who wins the slates of 200 fixed prompts, retrieval or generator",
    "frontend": "the HTTP path without models: milliseconds, and requests a core",
    "docs": "write docs/benchmarks.md from the figures of the others",
}


def module(name: str) -> ModuleType:
    """The module of a bench.

    Raises:
        ImportError: it needs a package that is not installed.
    """
    return importlib.import_module(f"scripts.benches.{name.replace('-', '_')}")


def benches() -> Iterator[tuple[str, ModuleType]]:
    """The benches that measure something, in the order of NAMES."""
    for name in NAMES:
        if hasattr(found := module(name), "TITLE"):
            yield name, found
