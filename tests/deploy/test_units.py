"""The systemd units: read by systemd itself, and as closed as they say."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
UNITS = sorted((ROOT / "deploy").glob("kindred*.[st]*"))
SERVICES = [unit for unit in UNITS if unit.suffix == ".service"]
_OPEN_MOST = 2.0  # systemd's own measure, 0 (closed) to 10


class _Unit(configparser.RawConfigParser):
    """systemd's files are nearly ini: names in their own case, some of them twice."""

    def __init__(self) -> None:
        super().__init__(strict=False, delimiters=("=",), comment_prefixes=("#",))

    def optionxform(self, optionstr: str) -> str:
        return optionstr


def test_there_are_units() -> None:
    assert {unit.name for unit in UNITS} >= {
        "kindred.service",
        "kindred-daily.service",
        "kindred-daily.timer",
    }


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_a_service_is_nobody_else_and_may_write_only_its_data(unit: Path) -> None:
    said = _Unit()
    said.read(unit)
    service = said["Service"]
    assert service["User"] == "kindred"
    assert service["NoNewPrivileges"] == "yes"
    assert service["ProtectSystem"] == "strict"
    assert service["CapabilityBoundingSet"] == ""
    assert service["StateDirectoryMode"] == "0700"
    assert service["UMask"] == "0077"


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_what_a_service_starts_is_there(unit: Path) -> None:
    """Modules and scripts by their names in this tree; nothing is installed by a start."""
    for line in re.findall(r"^Exec(?:Start|StopPost)=(.+)$", unit.read_text("utf-8"), re.MULTILINE):
        program, *words = line.split()
        assert program == "/opt/kindred/.venv/bin/python"
        if words[0] == "-m":
            assert (ROOT / (words[1].replace(".", "/") + ".py")).is_file()
        else:
            assert (ROOT / words[0]).is_file()
            asked = subprocess.run(
                [sys.executable, ROOT / words[0], "--help"],
                capture_output=True,
                text=True,
                timeout=120,
                check=True,
            )
            for option in (word for word in words if word.startswith("--")):
                assert option in asked.stdout


def test_what_is_kept_too_long_ends_though_the_backup_failed() -> None:
    """Of several ExecStart the first that fails is the last; ExecStopPost runs in any case."""
    text = (ROOT / "deploy" / "kindred-daily.service").read_text("utf-8")
    assert re.findall(r"^(Exec\w+)=\S+ (\S+)", text, re.MULTILINE) == [
        ("ExecStart", "scripts/backup"),
        ("ExecStopPost", "scripts/retention"),
    ]


def test_the_grace_of_systemd_is_longer_than_that_of_the_launcher() -> None:
    said = _Unit()
    said.read(ROOT / "deploy" / "kindred.service")
    launcher = (ROOT / "scripts" / "launch.py").read_text("utf-8")
    grace = re.search(r"^_GRACE_SECONDS = ([0-9.]+)$", launcher, re.MULTILINE)
    assert grace is not None
    assert float(said["Service"]["TimeoutStopSec"]) > float(grace[1])
    assert said["Service"]["KillMode"] == "mixed"


def test_systemd_reads_them(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("no systemd-analyze")
    for unit in UNITS:
        text = unit.read_text("utf-8").replace("/opt/kindred/.venv/bin/python", sys.executable)
        (tmp_path / unit.name).write_text(text.replace("/opt/kindred", str(ROOT)), "utf-8")
    files = [str(tmp_path / unit.name) for unit in UNITS]
    done = subprocess.run(
        [analyze, "verify", "--man=no", *files],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    ours = [line for line in done.stderr.splitlines() if "kindred" in line]
    assert not ours, "\n".join(ours)
    rated = subprocess.run(
        [
            analyze,
            "security",
            "--offline=yes",
            f"--threshold={_OPEN_MOST * 10:.0f}",
            str(tmp_path / "kindred.service"),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert rated.returncode == 0, rated.stdout[-2_000:] + rated.stderr
