"""Makes the locks: the requirements' pins, each with the sha256 of every file of that version.

uv resolves all of it at once, for Linux and macOS and every CPython from 3.11 on, and says the
hashes that the registry names. The requirements stay the truth: what uv resolves must be what they
pin, no more and no less, so that a person reads every package there, also those that others need.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from scripts.supply.pins import FILES, LOCKS, UNHASHED, Pin, PinError, read, together

_PROJECT = """\
[project]
name = "locked"
version = "0"
requires-python = ">=3.11,<3.15"

[tool.uv]
environments = [
    "sys_platform == 'linux' and python_version < '3.15'",
    "sys_platform == 'darwin' and python_version < '3.15'",
]
exclude-dependencies = [{excluded}]
"""
_HEAD = """\
# The pins of {file} with the sha256 of every file of that version. Made by ./scripts/lock: edit
# {file} and run it again. torch is left out: {file_of_reason} says why.
"""


class LockError(Exception):
    """The locks cannot be made; the message says what to change."""


def make(root: Path) -> dict[str, str]:
    """The text of each lock by its path below `root`; nothing is written.

    Raises:
        LockError: uv is not there or finds no solution, or the requirements are not complete.
    """
    wanted = _wanted(root)
    found = _resolved(wanted)
    _compare(wanted, found)
    return {f"{LOCKS}/{file}": _lock(root, file, found) for file in FILES}


def write(root: Path, texts: Mapping[str, str]) -> list[str]:
    """Write the locks that differ from what is there; their paths."""
    changed = []
    for name, text in texts.items():
        path = root / name
        path.parent.mkdir(exist_ok=True)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            changed.append(name)
    return changed


def _wanted(root: Path) -> dict[str, Pin]:
    """Every file's pins: also faiss-cpu and faiss-gpu, though one environment holds one of them."""
    try:
        wanted = together(root)
    except PinError as error:
        raise LockError(str(error)) from None
    return {name: pin for name, pin in wanted.items() if name not in UNHASHED}


def _resolved(wanted: Mapping[str, Pin]) -> dict[str, Pin]:
    """What uv makes of the pins, with hashes and the packages that they need."""
    excluded = ", ".join(f'"{name}"' for name in sorted(UNHASHED))
    with tempfile.TemporaryDirectory(prefix="kindred-lock-") as name:
        folder = Path(name)
        (folder / "pyproject.toml").write_text(_PROJECT.format(excluded=excluded), "utf-8")
        (folder / "in.txt").write_text(
            "".join(f"{pin.requirement}\n" for pin in wanted.values()), "utf-8"
        )
        command = [str(Path(sys.executable).parent / "uv"), "pip", "compile", "in.txt"]
        command += ["--output-file", "out.txt", "--universal", "--python-version", "3.11"]
        command += ["--generate-hashes", "--no-annotate", "--no-header", "--quiet"]
        command += ["--system-certs", *_registry()]
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            raise LockError(f"no {command[0]}: ./scripts/lock installs it") from None
        if done.returncode:
            raise LockError(done.stderr.strip())
        return dict(read(folder / "out.txt").pins)


def _registry() -> list[str]:
    """pip's registry where one is configured: uv does not read pip's configuration."""
    command = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    return ["--default-index", said] if said else []


def _compare(wanted: Mapping[str, Pin], found: Mapping[str, Pin]) -> None:
    """The requirements name exactly what was resolved, and every package has hashes."""
    missing = sorted(found[name].requirement for name in found.keys() - wanted.keys())
    if missing:
        raise LockError("pin under «What those need»:\n  " + "\n  ".join(missing))
    unneeded = sorted(wanted.keys() - found.keys())
    if unneeded:
        raise LockError(f"no platform that is locked for needs: {', '.join(unneeded)}")
    bare = sorted(name for name, pin in found.items() if not pin.hashes)
    if bare:
        raise LockError(f"the registry names no hashes of: {', '.join(bare)}")


def _lock(root: Path, file: str, hashed: Mapping[str, Pin]) -> str:
    """The lock of one file: its own packages, and the locks of the files that it includes."""
    said = read(root / file)
    lines = [_HEAD.format(file=file, file_of_reason="requirements.txt")]
    lines += [f"-r {included}\n" for included in said.includes]
    for name, pin in sorted(said.pins.items()):
        if name in UNHASHED:
            continue
        digests = sorted(hashed[name].hashes)
        hashes = " \\\n".join(f"    --hash=sha256:{digest}" for digest in digests)
        lines.append(f"{pin.requirement} \\\n{hashes}\n")
    return "".join(lines)
