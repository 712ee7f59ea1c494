"""Runs `scripts/train_generator` in processes of its own, as a person would."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any

import torch

from models.training.generator.states import load_state
from models.training.record import read_metrics
from tests.models.training.generator.talk import ROOT, TINY_OPTIONS

SCRIPT = ROOT / "scripts" / "train_generator"
PATIENCE = 300.0  # seconds, on a busy machine


def load_script() -> Any:
    """The command as a module, to call its functions in this process."""
    loader = SourceFileLoader("train_generator_script", str(SCRIPT))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    script = importlib.util.module_from_spec(spec)
    loader.exec_module(script)
    return script


def start(*words: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
    )


def finish(process: subprocess.Popen[str]) -> str:
    out = process.communicate(timeout=PATIENCE)[0]
    assert process.returncode == 0, out
    return out


def run(*words: object) -> str:
    return finish(start(*words))


def wait_for_step(folder: Path, step: int, process: subprocess.Popen[str]) -> None:
    """Until the run has gone that far and saved something."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        rows = read_metrics(folder)
        if rows and rows[-1]["step"] >= step and list(folder.glob("state-*.json")):
            return
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.05)
    raise AssertionError("the run does not come to its steps")


def weights(folder: Path) -> dict[str, torch.Tensor]:
    state = load_state(folder)
    assert state is not None
    model: dict[str, torch.Tensor] = state["model"]
    return model


def losses(folder: Path) -> dict[int, float]:
    """The loss of each step; a step that was done again after a kill counts as it was then."""
    return {int(row["step"]): row["loss"] for row in read_metrics(folder) if "loss" in row}


def training(public: Path, folder: Path, *more: object) -> Sequence[object]:
    every_step = ("--tell-seconds", 0, "--save-seconds", 0)
    return ("--data", public, "--run", folder, *TINY_OPTIONS, *every_step, *more)
