"""Alerts rest on metrics that exist, fire when they should, and each is in the runbook."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.telemetry import Metrics

ROOT = Path(__file__).resolve().parents[2]
ALERTS = ROOT / "deploy" / "alerts.yml"
RUNBOOK = ROOT / "docs" / "runbook.md"
# What an entry says, in this order.
PARTS = ("**Means.**", "**People notice.**", "**Look.**", "**Do.**", "**Over.**")
_SELECTOR = re.compile(r"\b(kindred_[a-z_]+)(?:\{([^}]*)\})?")
_MATCHER = re.compile(r'([a-z_]+)(=~|=)"([^"]*)"')
# Labels whose values the code writes out; statuses and routes are HTTP's.
_CODED = {"where", "outcome", "kind", "reason", "stage", "store"}


@cache
def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


@cache
def exposed() -> dict[str, set[str]]:
    """Each series of /metrics → the labels it may be selected by."""
    found: dict[str, set[str]] = {}
    metrics = Metrics()
    for made in vars(metrics).values():
        if not hasattr(made, "describe"):
            continue
        names = set(made._labelnames)
        for family in made.describe():
            kinds = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"]}
            for suffix in kinds.get(family.type, [""]):
                le = {"le"} if suffix == "_bucket" else set()
                found[family.name + suffix] = names | le
    return found


@cache
def code() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "app").rglob("*.py"))


def entries() -> dict[str, str]:
    """The runbook's entry of each alert, by its heading."""
    parts = re.split(r"^### (\w+)\n", RUNBOOK.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {
        name: re.split(r"^## ", text, flags=re.MULTILINE)[0]
        for name, text in zip(parts[1::2], parts[2::2], strict=True)
        if name.startswith("Kindred")
    }


def selectors() -> Iterator[tuple[str, str, list[tuple[str, str, str]]]]:
    for rule in rules():
        for name, inside in _SELECTOR.findall(rule["expr"]):
            yield rule["alert"], name, _MATCHER.findall(inside or "")


def test_each_alert_has_its_entry_and_each_entry_its_alert() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(names) == len(set(names))
    assert set(names) == set(entries())


@pytest.mark.parametrize("name", sorted(entries()))
def test_an_entry_says_what_to_do_and_when_it_is_over(name: str) -> None:
    text = entries()[name]
    places = [text.find(part) for part in PARTS]
    assert -1 not in places, [part for part in PARTS if part not in text]
    assert places == sorted(places)
    ends = [*places[1:], len(text)]
    for part, start, end in zip(PARTS, places, ends, strict=True):
        assert len(text[start + len(part) : end].split()) >= 3, f"{name}: {part} says nothing"


def test_alerts_name_metrics_and_labels_that_exist() -> None:
    known = exposed()
    wrong = [f"{alert}: {name}" for alert, name, _ in selectors() if name not in known]
    assert not wrong
    for alert, name, matchers in selectors():
        assert {label for label, _, _ in matchers} <= known[name], alert


def test_alerts_ask_for_values_that_the_code_gives() -> None:
    wrong = []
    for alert, _, matchers in selectors():
        for label, how, value in matchers:
            if label not in _CODED:
                continue
            for one in value.split("|") if how == "=~" else [value]:
                fixed = one.replace(".+", "")
                # A value in quotes; where the rule has `.+`, one that begins or ends so.
                begins = "" if one.startswith(".+") else '"'
                ends = "" if one.endswith(".+") else '"'
                if f"{begins}{fixed}{ends}" not in code():
                    wrong.append(f"{alert}: {label}={value}: {one}")
    assert not wrong


def test_a_failure_is_in_an_alert_or_the_runbook_says_why_not() -> None:
    counted = set(re.findall(r'failures\.labels\(f?"([^"]+)"\)', code()))
    assert counted >= {"taste", "web", "spool", "model_{model}"}
    alerted = "|".join(
        value
        for _, name, matchers in selectors()
        for label, _, value in matchers
        if (name, label) == ("kindred_failures_total", "where")
    )
    text = RUNBOOK.read_text(encoding="utf-8").partition("\n## What has no alert\n")[2]
    explained = set(re.findall(r"^- `([a-z._]+)`: ", text.partition("\n## ")[0], re.MULTILINE))
    seen = {where for where in counted if re.fullmatch(alerted, where)}
    assert counted - seen == explained  # and none that has an alert, or that nobody counts


def test_each_alert_says_how_urgent_it_is_and_where_to_read() -> None:
    for rule in rules():
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert rule["annotations"]["runbook"] == f"docs/runbook.md#{rule['alert'].lower()}"
        assert rule["annotations"]["summary"]


def test_alerts_fire_and_keep_still(tmp_path: Path) -> None:
    """By Prometheus' own evaluator, over series that are made up."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("no promtool (Debian's package prometheus has it)")
    cases = (Path(__file__).parent / "alerts_cases.yml").read_text(encoding="utf-8")
    file = tmp_path / "cases.yml"
    file.write_text(cases.replace("ALERTS", str(ALERTS)), encoding="utf-8")
    for command in (
        [promtool, "check", "rules", str(ALERTS)],
        [promtool, "test", "rules", str(file)],
    ):
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
