"""Every pinned version, torch too, looked up for known weaknesses by pip-audit.

pip-audit ends well, and says "no known vulnerabilities", where its service answers for no package
at all. Here that is a third outcome beside clean and found: not audited, with a status of its own.
It does not fail ./scripts/check, since a machine without that service could never pass; that counts
it, in its last line, as a step that was not run, with CI=true and without.

What is known and accepted stands in locks/allowed.toml, with the reason and a last day::

    [[allowed]]
    id = "GHSA-…"        # or PYSEC-…, CVE-…: any name of the weakness
    package = "…"
    reason = "…"
    added = 2026-11-21
    until = 2027-02-01   # after it, the weakness fails the checks again
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from scripts.supply.pins import LOCKS, Pin, normal, together

ALLOWED = f"{LOCKS}/allowed.toml"
CLEAN, FOUND, NOT_AUDITED = 0, 1, 3
"""Exit statuses; 2 is argparse's."""
_SECONDS = 600.0
_FIELDS = {"id": str, "package": str, "reason": str, "added": date, "until": date}


class AuditError(Exception):
    """The audit could not be made for a reason of ours; the message names it."""


@dataclass(frozen=True)
class Allowed:
    """A weakness that is accepted until a day, and why."""

    id: str
    package: str
    reason: str
    added: date
    until: date


@dataclass(frozen=True)
class Finding:
    """A pinned version with a known weakness."""

    package: str
    version: str
    ids: tuple[str, ...]
    fixed_in: tuple[str, ...]
    allowed: Allowed | None = None


@dataclass(frozen=True)
class Audit:
    """What came of it. `reachable` is false where the service answered for no package."""

    audited: int
    not_audited: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    expired: tuple[Allowed, ...] = ()
    why: str = ""
    reachable: bool = field(default=True)

    @property
    def failed(self) -> bool:
        """Whether something is known that nobody accepted, or no longer."""
        return bool(self.expired) or any(found.allowed is None for found in self.findings)


def read_allowed(text: str) -> tuple[Allowed, ...]:
    """The allow-list.

    Raises:
        AuditError: a field that is missing, empty or of another kind, or one too many.
    """
    entries = []
    for number, entry in enumerate(tomllib.loads(text).get("allowed", []), 1):
        wrong = [
            name
            for name, kind in _FIELDS.items()
            if not isinstance(entry.get(name), kind) or not entry[name]
        ]
        wrong += sorted(entry.keys() - _FIELDS.keys())
        if wrong:
            raise AuditError(f"{ALLOWED}: entry {number}: {', '.join(wrong)}")
        entries.append(Allowed(**entry))
    return tuple(entries)


def look_up(root: Path, *, today: date) -> Audit:
    """Ask for one package first: where nobody answers, the other hundred are spared.

    Raises:
        AuditError: the allow-list is not well formed, or pip-audit is not installed.
    """
    allowed = read_allowed((root / ALLOWED).read_text(encoding="utf-8"))
    pins = list(together(root).values())
    document, why = _pip_audit(pins[:1])
    if not _answered(document):
        return Audit(0, tuple(sorted(pin.name for pin in pins)), why=why, reachable=False)
    document, why = _pip_audit(pins)
    return weigh(document, allowed, today=today, why=why)


def weigh(
    document: Mapping[str, Any] | None,
    allowed: Sequence[Allowed],
    *,
    today: date,
    why: str = "",
) -> Audit:
    """pip-audit's JSON and the allow-list, as one outcome."""
    if not _answered(document):
        return Audit(0, why=why, reachable=False)
    packages = document["dependencies"] if document else []
    skipped = tuple(sorted(one["name"] for one in packages if "skip_reason" in one))
    findings = [
        _finding(one, known, allowed, today) for one in packages for known in one.get("vulns", [])
    ]
    expired = tuple(entry for entry in allowed if entry.until < today)
    return Audit(len(packages) - len(skipped), skipped, tuple(findings), expired)


def report(outcome: Audit) -> int:
    """Print the outcome; the exit status."""
    if not outcome.reachable:
        reason = f" ({outcome.why})" if outcome.why else ""
        packages = f"{len(outcome.not_audited)} packages" if outcome.not_audited else "any package"
        print(f"pip-audit: NOT AUDITED: service not reachable{reason}")
        print(f"pip-audit: nothing is known of {packages}: this is no pass. Run it where it can be")
        return NOT_AUDITED
    for found in outcome.findings:
        fixed = f"; fixed in {', '.join(found.fixed_in)}" if found.fixed_in else ""
        accepted = f"; accepted: {found.allowed.reason}" if found.allowed else ""
        print(f"pip-audit: {found.package} {found.version}: {' '.join(found.ids)}{fixed}{accepted}")
    for entry in outcome.expired:
        print(f"{ALLOWED}: {entry.id} of {entry.package} was accepted until {entry.until}")
    if outcome.not_audited:
        print(f"pip-audit: NOT AUDITED: {', '.join(outcome.not_audited)}")
    print(f"pip-audit: {outcome.audited} packages, {len(outcome.findings)} known weaknesses")
    return FOUND if outcome.failed else CLEAN


def _answered(document: Mapping[str, Any] | None) -> bool:
    packages = document.get("dependencies", []) if document else []
    return any("skip_reason" not in one for one in packages)


def _finding(
    package: Mapping[str, Any], known: Mapping[str, Any], allowed: Sequence[Allowed], today: date
) -> Finding:
    ids = (known["id"], *known.get("aliases", ()))
    name = normal(package["name"])
    entry = next(
        (
            one
            for one in allowed
            if one.id in ids and normal(one.package) == name and today <= one.until
        ),
        None,
    )
    fixed = tuple(known.get("fix_versions", ()))
    return Finding(name, package["version"], ids, fixed, entry)


def _pip_audit(pins: Sequence[Pin]) -> tuple[dict[str, Any] | None, str]:
    """pip-audit's document, or None and its last words. It installs and resolves nothing."""
    with tempfile.TemporaryDirectory(prefix="kindred-audit-") as folder:
        file = Path(folder) / "pins.txt"
        # Without markers: what another platform installs is looked up here too.
        file.write_text("".join(f"{pin.name}=={pin.version}\n" for pin in pins), "utf-8")
        command = [sys.executable, "-m", "pip_audit", "--requirement", str(file)]
        command += ["--no-deps", "--disable-pip", "--format", "json", "--progress-spinner", "off"]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            return None, f"no answer within {_SECONDS:.0f} s"
    if "No module named pip_audit" in done.stderr:
        raise AuditError("pip-audit is not installed: ./scripts/check installs it")
    words = done.stderr.strip().splitlines()
    try:
        document: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        return None, words[-1] if words else f"it ended with status {done.returncode}"
    return document, ""
