"""The judged replies that a run began with, kept until it ends.

What people reacted to grows from day to day, so a run that is resumed reads what it kept, not the
dataset. These are texts of people: the folder is for its owner alone, and is removed when the run
has ended. `run.json` has their number and a hash only.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from models.training.examples import Example, read_examples, write_examples
from models.training.generator.replies import held_unit
from models.training.record import RUN_FILE, RunConflict

PINNED_FOLDER = "judged"
_FILE = "replies.jsonl"


def fingerprint(judged: Sequence[Example]) -> dict[str, object]:
    """How many replies there are, and a sha256 of all that a run learns from them."""
    digest = hashlib.sha256()
    for e in judged:
        learned = [e.source, e.context, e.facts, e.response, min(1.0, e.weight), held_unit(e)]
        digest.update(json.dumps(learned).encode() + b"\n")
    return {"count": len(judged), "sha256": digest.hexdigest()}


def pin(run: Path, judged: Sequence[Example]) -> None:
    """Keep the replies in the run's folder, unless there are none."""
    if not judged:
        return
    folder = run / PINNED_FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    write_examples(folder / _FILE, judged)
    (folder / _FILE).chmod(0o600)


def pinned(run: Path) -> list[Example] | None:
    """What a run that has begun kept; None if it kept nothing. BadExample for a damaged file."""
    path = run / PINNED_FOLDER / _FILE
    return list(read_examples(path)) if path.exists() and (run / RUN_FILE).exists() else None


def check_pinned(run: Path, judged: Sequence[Example]) -> None:
    """Raises RunConflict if these are not the replies that the run in the folder began with."""
    if not (run / RUN_FILE).exists():
        return
    document = json.loads((run / RUN_FILE).read_text(encoding="utf-8"))
    began, now = document["config"].get("replies"), fingerprint(judged)
    if began != now:
        was = began.get("count") if isinstance(began, dict) else began
        raise RunConflict(
            f"{run}: the run there began with {was} judged replies, which are not these "
            f"{now['count']}, and it keeps no copy of them; begin another with --run"
        )


def unpin(run: Path) -> None:
    """Remove what the run kept."""
    shutil.rmtree(run / PINNED_FOLDER, ignore_errors=True)
