"""`./scripts/bench NAME [options]`: runs one benchmark. `names.NAMES` lists them."""

from __future__ import annotations

import signal
import sys
from types import FrameType

from scripts.benches.names import NAMES, module


def main() -> int:
    """Dispatch to the benchmark that is named first."""
    if len(sys.argv) < 2 or sys.argv[1] not in NAMES:
        print("usage: ./scripts/bench NAME [options]   (NAME --help says more)\n")
        width = max(map(len, NAMES))
        for name, what in NAMES.items():
            print(f"  {name:<{width}}  {what}")
        return 0 if sys.argv[1:] in (["--help"], ["-h"]) else 2
    name = sys.argv.pop(1)
    sys.argv[0] = f"scripts/bench {name}"
    try:
        bench = module(name)
    except ImportError as error:
        print(f"scripts/bench {name}: {error}: see requirements-bench.txt", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, _end)  # what it started ends with it
    status: int = bench.main()
    return status


def _end(signum: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + signum)


if __name__ == "__main__":
    sys.exit(main())
