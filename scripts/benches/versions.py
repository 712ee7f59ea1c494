"""The machine, with the versions of just those packages that a bench uses."""

from __future__ import annotations

import importlib.metadata
from typing import Any

from scripts.benches import report


def of(*packages: str) -> dict[str, str]:
    """Version by package; "-" for what is not installed."""
    return {name: _version(name) for name in packages}


def machine(*packages: str) -> dict[str, Any]:
    """`report.machine()` about these packages."""
    return {**report.machine(), "versions": of(*packages)}


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "-"
