"""Peers in environments of their own, so that what they pin does not touch the service's.

`./scripts/bench peers` installs what `requirements-bench.txt` names into `var/bench/venvs/NAME`,
one folder for each `# venv NAME` section of it. A peer that cannot be installed keeps pip's reason,
and the benches report it as absent with that reason, never as beaten.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

from scripts.benches.service import ROOT

REQUIREMENTS = ROOT / "requirements-bench.txt"
VENVS = ROOT / "var" / "bench" / "venvs"
_HEAD = re.compile(r"^# venv (?P<name>[a-z0-9-]+)(?P<options>(?: --[a-z-]+)*)$")
_REASON = "reason.txt"
_DONE = "requirements.txt"
_INSTALL_SECONDS = 3600.0


class PeerAbsent(Exception):
    """A peer is not installed; the message says why, or how to install it."""


@dataclass(frozen=True)
class Section:
    """Requirements that are installed together by one call of pip."""

    name: str
    options: tuple[str, ...]
    lines: tuple[str, ...]


def sections(text: str) -> list[Section]:
    """The sections of a requirements file; a name may come again with other options."""
    found: list[Section] = []
    head: tuple[str, tuple[str, ...]] | None = None
    lines: list[str] = []
    for line in [*text.splitlines(), "# venv end"]:
        match = _HEAD.match(line)
        if match is None:
            if line.strip() and not line.startswith("#"):
                lines.append(line.strip())
            continue
        if head is not None:
            found.append(Section(*head, tuple(lines)))
        head, lines = (match["name"], tuple(match["options"].split())), []
    return found


def python_of(name: str) -> str:
    """The interpreter of a peer's environment. Raises PeerAbsent."""
    folder = VENVS / name
    reason = folder / _REASON
    if reason.is_file():
        raise PeerAbsent(f"could not be installed: {reason.read_text(encoding='utf-8').strip()}")
    if not (folder / _DONE).is_file():
        raise PeerAbsent("not installed: `./scripts/bench peers` installs it")
    return str(folder / "bin" / "python")


def install(name: str, wanted: list[Section]) -> str | None:
    """Make the environment anew and install its sections; the reason where pip refuses."""
    folder = VENVS / name
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, with_pip=True)
    for section in wanted:
        command = [str(folder / "bin" / "python"), "-m", "pip", "install", "--no-input"]
        command += ["--disable-pip-version-check", *section.options, *section.lines]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=_INSTALL_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            return _refused(folder, f"pip did not end within {_INSTALL_SECONDS:.0f} s")
        if done.returncode:
            errors = [line for line in done.stderr.splitlines() if "ERROR" in line]
            return _refused(folder, " ".join(errors[-2:]) or done.stderr.strip()[-300:])
    lines = "\n".join(line for section in wanted for line in section.lines)
    (folder / _DONE).write_text(lines + "\n", encoding="utf-8")
    return None


def _refused(folder: Path, reason: str) -> str:
    (folder / _REASON).write_text(reason + "\n", encoding="utf-8")
    return reason


def main() -> int:
    """Install the peers; a refused one is reported and the others go on."""
    parser = argparse.ArgumentParser(prog="scripts/bench peers", description=__doc__)
    every = sections(REQUIREMENTS.read_text(encoding="utf-8"))
    names = list(dict.fromkeys(section.name for section in every))
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME")
    parser.add_argument("--again", action="store_true", help="also what is installed already")
    options = parser.parse_args()
    refused = 0
    for name in options.only:
        wanted = [section for section in every if section.name == name]
        done = VENVS / name / _DONE
        lines = [line for section in wanted for line in section.lines]
        same = done.is_file() and done.read_text(encoding="utf-8").splitlines() == lines
        if same and not options.again:
            print(f"{name}: installed")
            continue
        print(f"{name}: installing {', '.join(lines)}", file=sys.stderr)
        reason = install(name, wanted)
        refused += reason is not None
        print(f"{name}: {reason or 'installed'}")
    return 1 if refused else 0
