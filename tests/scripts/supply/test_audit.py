"""Known weaknesses fail, accepted ones until their day; nobody answering is never "clean"."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from scripts.supply import audit
from scripts.supply.audit import (
    ALLOWED,
    NOT_AUDITED,
    AuditError,
    look_up,
    read_allowed,
    report,
    weigh,
)
from scripts.supply.pins import ROOT, together

TODAY = date(2026, 11, 21)
ENTRY = """
[[allowed]]
id = "CVE-2026-1"
package = "Jinja2"
reason = "templates are ours alone"
added = 2026-11-01
until = {until}
"""


def document(*packages: dict[str, Any]) -> dict[str, Any]:
    """As pip-audit writes it."""
    return {"dependencies": list(packages), "fixes": []}


CLEAN = {"name": "flask", "version": "3.1.3", "vulns": []}
WEAK = {
    "name": "jinja2",
    "version": "3.1.2",
    "vulns": [
        {
            "id": "PYSEC-2026-7",
            "aliases": ["CVE-2026-1"],
            "fix_versions": ["3.1.6"],
            "description": "",
        }
    ],
}
UNKNOWN = {"name": "torch", "skip_reason": "Dependency not found"}


def test_clean(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(weigh(document(CLEAN), (), today=TODAY)) == 0
    assert "1 packages, 0 known weaknesses" in capsys.readouterr().out


def test_a_known_weakness_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(weigh(document(CLEAN, WEAK), (), today=TODAY)) == 1
    assert "jinja2 3.1.2: PYSEC-2026-7 CVE-2026-1; fixed in 3.1.6" in capsys.readouterr().out


def test_an_accepted_one_is_told_with_its_reason(capsys: pytest.CaptureFixture[str]) -> None:
    allowed = read_allowed(ENTRY.format(until="2026-11-21"))
    assert report(weigh(document(WEAK), allowed, today=TODAY)) == 0
    assert "accepted: templates are ours alone" in capsys.readouterr().out


def test_after_its_day_it_fails_again(capsys: pytest.CaptureFixture[str]) -> None:
    allowed = read_allowed(ENTRY.format(until="2026-11-20"))
    assert report(weigh(document(WEAK), allowed, today=TODAY)) == 1
    assert "was accepted until 2026-11-20" in capsys.readouterr().out


def test_an_entry_is_of_one_package(capsys: pytest.CaptureFixture[str]) -> None:
    allowed = read_allowed(ENTRY.format(until="2027-01-01").replace("Jinja2", "flask"))
    assert report(weigh(document(WEAK), allowed, today=TODAY)) == 1
    assert "accepted" not in capsys.readouterr().out


@pytest.mark.parametrize("said", [None, document(UNKNOWN), document()])
def test_where_nobody_answers_it_says_not_audited_and_never_clean(
    said: dict[str, Any] | None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(weigh(said, (), today=TODAY)) == NOT_AUDITED
    told = capsys.readouterr().out
    assert "NOT AUDITED: service not reachable" in told
    assert "this is no pass" in told
    assert "known weaknesses" not in told


@pytest.mark.parametrize("environment", [{}, {"CI": "true"}])
@pytest.mark.parametrize(
    ("audited", "status", "last"),
    [
        (0, 0, "every step was run"),
        (1, 1, ""),
        (2, 2, ""),
        (NOT_AUDITED, 0, "1 step was NOT RUN: known weaknesses (pip-audit)"),
    ],
)
def test_the_checks_count_an_audit_that_was_not_made(
    tmp_path: Path, audited: int, status: int, last: str, environment: dict[str, str]
) -> None:
    """The script itself, over tools that all pass, and an audit of that status."""
    for name in ("check", "lib/setup.sh"):
        (tmp_path / "scripts" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "scripts" / name, tmp_path / "scripts" / name)
    tools = tmp_path / ".venv" / "bin"
    tools.mkdir(parents=True)
    for name in ("python", "ruff", "mypy", "bandit"):
        ends = f'case "$*" in *"supply audit"*) exit {audited} ;; esac' if name == "python" else ":"
        (tools / name).write_text(f"#!/bin/sh\n{ends}\n")
        (tools / name).chmod(0o755)
    for name in ("requirements.txt", "locks/any.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    stamp = subprocess.run(["cksum"], input=b"", capture_output=True, check=True).stdout
    (tmp_path / ".venv" / ".installed-requirements-dev").write_bytes(stamp)
    done = subprocess.run(
        [tmp_path / "scripts" / "check"],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == status, done.stderr
    told = done.stdout.splitlines()
    assert last in told[-1] if last else told == []


def test_what_one_answer_left_out_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(weigh(document(CLEAN, UNKNOWN), (), today=TODAY)) == 0
    assert "NOT AUDITED: torch" in capsys.readouterr().out


@pytest.mark.parametrize("change", ["reason =", "until =", "package ="])
def test_an_entry_without_reason_day_or_package_is_refused(change: str) -> None:
    text = ENTRY.format(until="2027-01-01").replace(change, "other =")
    with pytest.raises(AuditError, match="entry 1"):
        read_allowed(text)


def test_the_list_in_the_tree_is_well_formed_and_of_packages_that_are_pinned() -> None:
    entries = read_allowed((ROOT / ALLOWED).read_text("utf-8"))
    assert {audit.normal(entry.package) for entry in entries} <= set(together(ROOT))
    assert all(entry.added <= entry.until for entry in entries)


def test_every_pin_is_asked_for_and_one_alone_where_nobody_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[list[str]] = []

    def answer(pins: list[Any]) -> tuple[dict[str, Any], str]:
        asked.append([pin.name for pin in pins])
        return document(*(dict(CLEAN, name=pin.name) for pin in pins)), ""

    monkeypatch.setattr(audit, "_pip_audit", answer)
    assert look_up(ROOT, today=TODAY).audited == len(together(ROOT))
    assert "torch" in asked[1]
    asked.clear()
    monkeypatch.setattr(audit, "_pip_audit", lambda pins: asked.append(pins) or (None, "refused"))  # type: ignore[func-returns-value]
    outcome = look_up(ROOT, today=TODAY)
    assert (outcome.reachable, outcome.why, len(asked)) == (False, "refused", 1)


def test_pip_audit_itself_is_told_the_pins_and_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Through the real command line, with a stand-in for the program."""
    module = tmp_path / "pip_audit.py"
    module.write_text(
        "import json, sys\n"
        "text = open(sys.argv[sys.argv.index('--requirement') + 1]).read()\n"
        "assert '--no-deps' in sys.argv and '--disable-pip' in sys.argv\n"
        "one = [{'name': n, 'version': v, 'vulns': []}\n"
        "       for n, v in (line.split('==') for line in text.split())]\n"
        "print(json.dumps({'dependencies': one, 'fixes': []}))\n",
        "utf-8",
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    found, why = audit._pip_audit([together(ROOT)["torch"]])
    assert why == ""
    assert found == json.loads(
        '{"dependencies": [{"name": "torch", "version": "2.13.0", "vulns": []}], "fixes": []}'
    )
