"""What stands beside every figure: the machine, the versions; and how a table is printed."""

from __future__ import annotations

import importlib.metadata
import json
import math
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

_PACKAGES = ("torch", "transformers", "gevent", "gunicorn", "faiss-cpu", "redis", "flask")
_EXTENSIONS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "amx_bf16", "amx_int8")


def machine() -> dict[str, Any]:
    """Processor, its useful extensions, cores, and the versions that matter."""
    model, flags = platform.processor() or platform.machine(), set()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                model = value.strip()
            elif key.strip() == "flags":
                flags = set(value.split())
    return {
        "processor": model,
        "extensions": [name for name in _EXTENSIONS if name in flags],
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in _PACKAGES},
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "-"


def describe(about: dict[str, Any]) -> str:
    """The machine in a line."""
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    extensions = " ".join(about["extensions"]) or "none of the listed extensions"
    return (
        f"{about['cores']} cores of {about['processor']} ({extensions}); "
        f"Python {about['python']}; {versions}; {about['date']}"
    )


def table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def number(value: float, digits: int = 0) -> str:
    """A figure as text; a dash where there is none."""
    return "-" if math.isnan(value) else f"{value:.{digits}f}"


def percentile(values: list[float], q: float) -> float:
    """The q-quantile of sorted values, by the nearest rank; NaN of nothing."""
    if not values:
        return float("nan")
    return values[min(len(values) - 1, int(q * len(values)))]


def progress(line: str) -> None:
    """Say on stderr what is being done."""
    print(line, file=sys.stderr, flush=True)


def save(path: Path, result: dict[str, Any]) -> None:
    """Write the figures as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
