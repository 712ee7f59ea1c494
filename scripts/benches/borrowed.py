"""Packages of a peer's own environment, used from the service's interpreter.

They come last on the path, so that all the two have in common (torch, transformers, numpy) is the
service's: both sides of a comparison then differ in nothing else.
"""

from __future__ import annotations

import sys
from pathlib import Path

from scripts.benches import peers


def borrow(name: str) -> None:
    """Make the packages of `requirements-bench.txt`'s section importable here.

    Raises:
        peers.PeerAbsent: it is not installed, and why.
    """
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    folder = Path(peers.python_of(name)).parents[1] / "lib" / version / "site-packages"
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
