"""Commands started by the system's Python go on in `.venv`, or say what is missing."""

from __future__ import annotations

import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMMANDS = sorted(
    path.name
    for path in (ROOT / "scripts").iterdir()
    if path.is_file() and path.read_bytes().startswith(b"#!/usr/bin/env python3")
)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A tree with the environment's entry alone, and a command that says where it runs."""
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    shutil.copy(ROOT / "scripts" / "environment.py", scripts)
    (scripts / "__init__.py").touch()
    (scripts / "where").write_text(
        "import sys\n"
        "from pathlib import Path\n"
        "sys.path.insert(0, str(Path(__file__).resolve().parent.parent))\n"
        "def main(words):\n"
        "    print(sys.prefix, *words)\n"
        "    return 3\n"
        "from scripts.environment import run_in_venv\n"
        "run_in_venv(main)\n"
    )
    return tmp_path


def start(folder: Path, python: str, *flags: str) -> subprocess.CompletedProcess[str]:
    command = [python, *flags, str(folder / "scripts" / "where"), "--deep", "a b"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def system_python() -> str:
    """The Python that this environment was made with."""
    found = Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}"
    if not found.exists():
        pytest.skip("this environment's own Python is not where it was")
    return str(found)


def test_the_systems_python_goes_on_in_the_environment(elsewhere: Path) -> None:
    (elsewhere / ".venv").symlink_to(sys.prefix)
    ended = start(elsewhere, system_python(), "-I")
    assert (ended.returncode, ended.stderr) == (3, "")
    assert ended.stdout.strip() == f"{elsewhere / '.venv'} --deep a b"


def test_an_environment_of_ones_own_is_kept(elsewhere: Path) -> None:
    ended = start(elsewhere, sys.executable)
    assert (ended.returncode, ended.stdout.strip()) == (3, f"{sys.prefix} --deep a b")


def test_missing_packages_are_one_line(elsewhere: Path) -> None:
    ended = start(elsewhere, system_python(), "-S")
    assert ended.returncode == 1
    assert ended.stderr.startswith("where: requirements-train.txt is not installed in ")
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_enters_it(name: str) -> None:
    source = (ROOT / "scripts" / name).read_text(encoding="utf-8")
    last = source.rpartition('if __name__ == "__main__":\n')[2]
    assert last.lstrip().startswith(
        "from scripts.environment import run_in_venv\n\n    run_in_venv(main"
    )
    assert "main" in runpy.run_path(str(ROOT / "scripts" / name), run_name="tried")
