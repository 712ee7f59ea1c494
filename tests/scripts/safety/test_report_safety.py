"""The yearly report: what was counted, of the year that was asked for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.settings import Settings
from app.store.store import Store
from scripts.safety.report import Report, render

ROOT = Path(__file__).resolve().parents[3]
DAYS = {
    "2026-03-01": {"disclosure": 4, "referral:self": 2},
    "2026-03-02": {"break": 1, "referral:other": 1},
    "2026-11-30": {"disclosure": 1, "referral:follow-up": 1},
}


def test_the_report_adds_up() -> None:
    known = Report(2026, DAYS).as_json()
    assert known["crisis_referrals"] == {
        "total": 4,
        "by_kind": {"follow-up": 1, "other": 1, "self": 2},
    }
    assert (known["ai_disclosures"], known["break_reminders"]) == (5, 1)
    assert list(known["days"]) == sorted(DAYS)
    lines = render(Report(2026, DAYS)).splitlines()
    assert [line.split() for line in lines if line.startswith("2026-")] == [
        ["2026-03", "3", "4", "1"],
        ["2026-11", "1", "1", "0"],
    ]


def test_a_year_without_counts_is_a_report_too() -> None:
    known = Report(2024, {}).as_json()
    assert known["crisis_referrals"]["total"] == 0
    assert "Referrals" in render(Report(2024, {}))


@pytest.mark.parametrize("words", [["--json"], []])
def test_the_command_prints_what_was_counted(
    store: Store, settings: Settings, words: list[str]
) -> None:
    store.tallies.count("referral:self", "disclosure")
    store.tallies.flush()
    done = run(settings, *words)
    assert done.returncode == 0, done.stderr
    if words:
        assert json.loads(done.stdout)["crisis_referrals"] == {
            "total": 1,
            "by_kind": {"self": 1},
        }
    else:
        assert "Referrals to crisis services" in done.stdout


def test_without_redis_it_says_so_in_one_line(settings: Settings, tmp_path: Path) -> None:
    away = settings.model_copy(update={"redis_url": f"unix://{tmp_path}/none.sock"})
    done = run(away)
    assert done.returncode == 1
    assert done.stderr.startswith("scripts/report_safety: ")
    assert len(done.stderr.splitlines()) == 1


def run(settings: Settings, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("KINDRED_")}
    environment |= {"REDIS_URL": settings.redis_url, "KINDRED_VAR_DIR": str(settings.var_dir)}
    return subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "report_safety"), *words],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
