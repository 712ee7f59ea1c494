"""`./scripts/bench NAME [options]`: runs one benchmark."""

from __future__ import annotations

import importlib
import sys

NAMES = {
    "chat": "the whole service against a naive app, closed loop at 1, 8 and 32 clients",
    "share": "who wins the slates of 200 fixed prompts, retrieval or generator",
    "docs": "write docs/benchmarks.md from the figures of the others",
}


def main() -> int:
    """Dispatch to the benchmark that is named first."""
    if len(sys.argv) < 2 or sys.argv[1] not in NAMES:
        print("usage: ./scripts/bench NAME [options]   (NAME --help says more)\n")
        for name, what in NAMES.items():
            print(f"  {name:<8} {what}")
        return 0 if sys.argv[1:] in (["--help"], ["-h"]) else 2
    name = sys.argv.pop(1)
    sys.argv[0] = f"scripts/bench {name}"
    result: int = importlib.import_module(f"scripts.benches.{name}").main()
    return result


if __name__ == "__main__":
    sys.exit(main())
