"""Runs the command of a recorded run again, and compares what came out.

A run says what it depends on (`record.Run`): revision of the code, hashes of the data, seed and
configuration. What differs is said before anything runs; metrics are compared within a tolerance,
as sums on other machines and with other numbers of threads are rounded otherwise. Figures of time
and memory say what machine it was, and are not compared.
"""

from __future__ import annotations

import json
import math
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.checkpoint import file_sha256
from models.training.record import RUN_FILE, revision

# Whole words of a name: `sentiment.auc` holds a "time", and is a figure of the model all the same.
_OF_THE_MACHINE = re.compile(
    r"(?<![a-z])(?:(?:milli|micro|nano)?seconds?|minutes?|hours?|(?:run|wall)?times?|timings?"
    r"|speed(?:up)?|throughput|memory|rss|(?:kilo|mega|giga)?bytes?|[kmg]i?b|ms|us|eta)(?![a-z])"
    r"|(?:per_|/)s(?:ec)?(?![a-z])"
)


# Commands that write a model or a table to `--out`, some by default where the shipped one lies.
_WRITES_OUT = frozenset(
    f"scripts/{name}"
    for name in (
        "train_reranker",
        "retrain_head",
        "train_encoder",
        "pretrain_encoder",
        "tune_generator",
        "compare_rerankers",
        "measure_personalization",
    )
)
_PUBLISHES = "--publish"  # of simulate: its tables go to the docs


class NotReproducible(ValueError):
    """The folder holds no finished run, or its command cannot be run again."""


@dataclass(frozen=True)
class Row:
    """One figure: as recorded, as it came out now (None: it did not), and whether they agree."""

    name: str
    recorded: float
    now: float | None
    agrees: bool


def read_run(folder: Path) -> dict[str, Any]:
    """The document of a finished run. Raises NotReproducible."""
    path = folder / RUN_FILE
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise NotReproducible(f"{path}: cannot be read: {error}") from error
    missing = [name for name in ("command", "data", "metrics") if name not in document]
    if missing:
        why = "it has not finished" if missing == ["metrics"] else f"it has no {missing[0]}"
        raise NotReproducible(f"{path}: {why}")
    return document


def command_line(document: Mapping[str, Any], run: Path, changed: Mapping[str, str]) -> list[str]:
    """The words of the recorded command, its `--run` this folder, its `--out` within it.

    What the run had written stays as it is. `changed` maps names of options to the values that they
    have here: a folder of data, say.

    Raises:
        NotReproducible: no command of `scripts/`, or an option that it does not have.
    """
    words = shlex.split(str(document["command"]))
    # However it was started: `.venv/bin/python scripts/x …` and `/…/scripts/x …` are the same.
    start = next((i for i, word in enumerate(words) if "scripts/" in word), None)
    if start is None:
        raise NotReproducible(f"not a command of scripts/: {document['command']!r}")
    script = words[start][words[start].rindex("scripts/") :]
    words = [script, *(word for word in words[start + 1 :] if word != _PUBLISHES)]
    for name, value in changed.items():
        if not _set(words, name, value):
            raise NotReproducible(f"the command has no --{name}: {shlex.join(words)}")
    if not _set(words, "run", str(run)):
        words += ["--run", str(run)]
    out = str(run / "out")
    if script in _WRITES_OUT and "out" not in changed and not _set(words, "out", out):
        words += ["--out", out]
    return words


def differences(document: Mapping[str, Any], words: Sequence[str]) -> Iterator[str]:
    """A line for each thing that is not as it was: code, data that differ or are not found.

    Data are looked for by name below the folders that the command names.
    """
    made_by = [str(name) for name in document.get("revisions", [document.get("revision", "")])]
    then, now = made_by[-1], revision()
    if len(set(made_by)) > 1:
        names = ", then ".join(name or "what is unknown" for name in made_by)
        yield f"code: the run was made by {names}, as it was resumed; this is {now or 'unknown'}"
    elif then != now:
        yield f"code: the run was made by {then or 'what is unknown'}, this is {now or 'unknown'}"
    elif then.endswith("+"):
        yield f"code: files differed from {then[:-1]} then, and differ now; maybe otherwise"
    files = _files(words)
    for name, sha256 in document["data"].items():
        found = files.get(name.rpartition("/")[2], [])
        # Where the folders have the names that they had then, the file is the one within them.
        found = [path for path in found if path.as_posix().endswith(f"/{name}")] or found
        if not found:
            yield f"data: {name} is not below any folder that the command names"
        elif all(file_sha256(path) != sha256 for path in found):
            yield f"data: {name} has changed ({found[0]})"


def compare(recorded: Mapping[str, Any], now: Mapping[str, Any], tolerance: float) -> list[Row]:
    """Every figure that was recorded, beside what came out.

    Two agree where they differ by at most `tolerance` of the larger, or by `tolerance` itself where
    both are below 1, as shares and probabilities are.
    """
    found = dict(numbers(now))
    rows = []
    for name, value in numbers(recorded):
        if _OF_THE_MACHINE.search(name.lower()):
            continue
        other = found.get(name)
        rows.append(Row(name, value, other, other is not None and _agree(value, other, tolerance)))
    return rows


def numbers(metrics: Any, prefix: str = "") -> Iterator[tuple[str, float]]:
    """(dotted name, value) of every number within nested metrics."""
    if isinstance(metrics, bool) or metrics is None or isinstance(metrics, str):
        return
    if isinstance(metrics, int | float):
        yield prefix, float(metrics)
    elif isinstance(metrics, Mapping):
        for name, inner in metrics.items():
            yield from numbers(inner, f"{prefix}.{name}" if prefix else str(name))
    elif isinstance(metrics, Iterable):
        for i, inner in enumerate(metrics):
            yield from numbers(inner, f"{prefix}[{i}]")


def _agree(a: float, b: float, tolerance: float) -> bool:
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) and math.isnan(b)
    return abs(a - b) <= tolerance * max(1.0, abs(a), abs(b))


def _set(words: list[str], name: str, value: str) -> bool:
    """Give an option another value in place; False where it is not among the words."""
    for i, word in enumerate(words):
        if word == f"--{name}" and i + 1 < len(words):
            words[i + 1] = value
            return True
        if word.startswith(f"--{name}="):
            words[i] = f"--{name}={value}"
            return True
    return False


def _files(words: Sequence[str]) -> dict[str, list[Path]]:
    """Files by name, below the folders among the words, and those of the project itself."""
    root = Path(__file__).resolve().parents[2]
    named = [Path(word.partition("=")[2] if word.startswith("--") else word) for word in words[1:]]
    places = [place for place in named if place.name and place.exists()]
    files: dict[str, list[Path]] = {}
    for place in (*places, root / "data", root / "artifacts"):
        inside = [place] if place.is_file() else sorted(place.rglob("*"))
        for path in inside:
            if path.is_file():
                files.setdefault(path.name, []).append(path)
    return files
