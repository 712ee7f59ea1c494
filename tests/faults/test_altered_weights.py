"""Row 33 at the real start: pickles and altered weights are refused, named, and never opened."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from models.checkpoint import write_manifest
from tests.faults.conftest import StartService
from tests.faults.service import Service, alive

pytestmark = [pytest.mark.slow, pytest.mark.faults(33)]

ROOT = Path(__file__).parents[2]
NAMES = {
    "encoder": "model.safetensors",
    "generator": "model.safetensors",
    "reranker": "delta.safetensors",
}


class Payload:
    """Unpickled, it makes a file: what a poisoned checkpoint would do, but harmless."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return (os.mkdir, (str(self._path),))


def flip_a_bit(weights: Path, trap: Path) -> str:
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    return weights.name


def pickle_beside(weights: Path, trap: Path) -> str:
    (weights.parent / "pytorch_model.bin").write_bytes(pickle.dumps(Payload(trap)))
    return "pytorch_model.bin"


def pickle_under_its_name(weights: Path, trap: Path) -> str:
    weights.write_bytes(pickle.dumps(Payload(trap)))
    return weights.name


def pickle_alone(weights: Path, trap: Path) -> str:
    """A folder of the hub's older form, without a manifest."""
    weights.unlink()
    (weights.parent / "manifest.json").unlink()
    return pickle_beside(weights, trap)


def code_beside(weights: Path, trap: Path) -> str:
    """Code that a configuration asks to be run: never trusted."""
    (weights.parent / "modeling.py").write_text(f"import os; os.mkdir({str(trap)!r})")
    return "modeling.py"


def ended(service: Service) -> str:
    """What a service said that did not start."""
    try:
        service.wait_end(300)
    except subprocess.TimeoutExpired:
        pytest.fail("it serves with weights that are not the manifest's")
    assert not alive(service.master_pid)
    return service.log()


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize(
    "damage", [flip_a_bit, pickle_beside, pickle_under_its_name, pickle_alone, code_beside]
)
def test_row_33_the_start_is_refused(
    start_service: StartService,
    small_models: Path,
    tmp_path: Path,
    kind: str,
    damage: Callable[[Path, Path], str],
) -> None:
    folder, trap = tmp_path / kind, tmp_path / "trap"
    shutil.copytree(small_models / kind, folder)
    if not (folder / "manifest.json").exists():  # an encoder may do without one
        write_manifest(folder, name="tiny", kind=kind, command="a test")
    named = damage(folder / NAMES[kind], trap)
    service = start_service(ready=False, **{kind: folder})
    said = ended(service)
    line = next(line for line in said.splitlines() if f"KINDRED_{kind.upper()}" in line)
    assert damage is pickle_alone or named in line
    assert "Traceback" not in said
    assert not trap.exists()


SCREENS = ("safety", "toxicity", "safety-sentences", "screen-sentences")


@pytest.mark.parametrize("kind", SCREENS)
@pytest.mark.parametrize("damage", [flip_a_bit, pickle_beside, pickle_under_its_name])
def test_row_33_the_readers_of_the_screens_are_weights_too(
    start_service: StartService, tmp_path: Path, kind: str, damage: Callable[[Path, Path], str]
) -> None:
    artifacts, trap = tmp_path / "artifacts", tmp_path / "trap"
    for name in SCREENS:
        shutil.copytree(ROOT / "artifacts" / name, artifacts / name)
    (weights,) = (artifacts / kind).glob("*.safetensors")
    named = damage(weights, trap)
    said = ended(start_service(ready=False, artifacts_dir=artifacts))
    (line,) = [line for line in said.splitlines() if line.startswith("kindred: ") and kind in line]
    assert named in line
    assert "Traceback" not in said
    assert not trap.exists()
