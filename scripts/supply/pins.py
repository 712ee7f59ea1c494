"""The requirements files, which people edit, and the locks, which hold the hashes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCKS = "locks"
# Served, trained, tested with. requirements-bench.txt is not locked: what the benches compare
# with lives in environments of its own, which never serve and never see a person's data.
FILES = (
    "requirements.txt",
    "requirements-onnx.txt",
    "requirements-train.txt",
    "requirements-dev.txt",
    "requirements-gpu.txt",
)
# Without a hash, and why: the first lines of requirements.txt.
UNHASHED = frozenset({"torch"})
_PIN = re.compile(
    r"^(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?P<extras>\[[^]]*\])?==(?P<version>[^\s;\\#]+)"
    r"\s*(?:;\s*(?P<marker>[^\\#]+?))?\s*(?:#.*)?$"
)
_HASH = re.compile(r"^--hash=sha256:(?P<digest>[0-9a-f]{64})$")
_INCLUDE = re.compile(r"^-r (?P<file>[a-z.-]+\.txt)$")


class PinError(ValueError):
    """A line that is no exact pin; the message names file and line."""


@dataclass(frozen=True)
class Pin:
    """One package: `name` in its normal form (PEP 503), `spelled` as the file has it."""

    name: str
    spelled: str
    version: str
    extras: str = ""
    marker: str = ""
    hashes: tuple[str, ...] = ()

    @property
    def requirement(self) -> str:
        """The pin as a requirements file says it, without hashes."""
        marker = f" ; {self.marker}" if self.marker else ""
        return f"{self.spelled}{self.extras}=={self.version}{marker}"


@dataclass(frozen=True)
class PinFile:
    """What one file says itself, and which files it begins with."""

    includes: tuple[str, ...]
    pins: Mapping[str, Pin]


def normal(name: str) -> str:
    """A package's name as registries compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read(path: Path) -> PinFile:
    """Read a requirements file or a lock.

    Raises:
        PinError: a line that is neither a comment, nor `-r FILE`, nor NAME==VERSION with hashes,
            or a name that comes twice.
    """
    includes: list[str] = []
    pins: dict[str, Pin] = {}
    for number, line in _lines(path.read_text(encoding="utf-8")):
        if include := _INCLUDE.match(line):
            includes.append(include["file"])
            continue
        pin = _pin(line)
        if pin is None:
            raise PinError(f"{path.name}:{number}: not an exact pin: {line!r}")
        if pin.name in pins:
            raise PinError(f"{path.name}:{number}: {pin.name} comes twice")
        pins[pin.name] = pin
    return PinFile(tuple(includes), pins)


def all_pins(root: Path, file: str) -> dict[str, Pin]:
    """What `file` pins together with the files that it includes.

    Raises:
        PinError: as `read`, or two files that pin one package differently.
    """
    found = read(root / file)
    pins = dict(found.pins)
    for included in found.includes:
        for name, pin in all_pins(root, str(Path(file).parent / included)).items():
            if pins.setdefault(name, pin).version != pin.version:
                raise PinError(f"{file}: {name} is {pins[name].version} and {pin.version}")
    return pins


def together(root: Path) -> dict[str, Pin]:
    """Every package of every file.

    Raises:
        PinError: as `all_pins`.
    """
    pins: dict[str, Pin] = {}
    for file in FILES:
        for name, pin in all_pins(root, file).items():
            if pins.setdefault(name, pin).version != pin.version:
                raise PinError(f"{file}: {name} is {pins[name].version} and {pin.version}")
    return pins


def _lines(text: str) -> Iterable[tuple[int, str]]:
    """(number, line) without comments and empty ones; continued lines are joined."""
    joined, start = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        start = start if joined else number
        if line.endswith("\\"):
            joined += line[:-1].strip() + " "
            continue
        whole = (joined + line.strip()).strip()
        joined = ""
        if whole and not whole.startswith("#"):
            yield start, whole


def _pin(line: str) -> Pin | None:
    words = line.split(" --hash=")
    match = _PIN.match(words[0].strip())
    hashes = [_HASH.match(f"--hash={word.strip()}") for word in words[1:]]
    if match is None or not all(hashes):
        return None
    return Pin(
        normal(match["name"]),
        match["name"],
        match["version"],
        match["extras"] or "",
        match["marker"] or "",
        tuple(found["digest"] for found in hashes if found),
    )
