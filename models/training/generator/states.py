"""The saved states of a run: whole or not there, the last two kept, a torn one passed over.

A state is `state-<step>.pt` (weights, optimizers, progress; tensors whole, whatever number of
processes shared them) with `state-<step>.json`, which holds its sha256 and is written last. So a
state that a crash or a full disk cut short has no matching hash, and the one before is used.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from models.checkpoint import file_sha256, write_atomically

KEPT = 2


def save_state(folder: Path, step: int, state: Mapping[str, Any]) -> Path:
    """Write the state of a step, then remove all but the newest KEPT."""
    path = folder / f"state-{step:08d}.pt"
    half_written = folder / f".{path.name}.tmp"
    with half_written.open("wb") as stream:
        torch.save(dict(state), stream)
        stream.flush()
        os.fsync(stream.fileno())
    digest = file_sha256(half_written)
    half_written.replace(path)
    write_atomically(path.with_suffix(".json"), json.dumps({"step": step, "sha256": digest}))
    for old in _states(folder)[KEPT:]:
        old.with_suffix(".json").unlink(missing_ok=True)
        old.unlink()
    return path


def load_state(folder: Path, log: Callable[[str], None] = lambda line: None) -> Any:
    """The newest state that is whole, on the CPU; None if there is none."""
    for path in _states(folder):
        if _is_whole(path):
            # Mapped, not read: each of several processes then touches only what it keeps.
            return torch.load(path, weights_only=True, mmap=True, map_location="cpu")
        log(f"{path.name} is torn: passed over")
    return None


def _states(folder: Path) -> list[Path]:
    """Newest first."""
    return sorted(folder.glob("state-*.pt"), reverse=True)


def _is_whole(path: Path) -> bool:
    try:
        said = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        return bool(said["sha256"] == file_sha256(path))
    except (OSError, ValueError, KeyError, TypeError):
        return False
