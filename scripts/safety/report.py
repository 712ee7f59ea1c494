"""The yearly report of the crisis protocol, from the counts in Redis."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.dialog.care.tally import BREAK, DISCLOSURE, REFERRAL
from app.dialog.care.texts import CRISIS_VERSION, NOTICES_VERSION
from app.settings import Settings
from app.store import tallies
from app.store.link.client import RedisClient
from app.store.server.private_redis import PrivateRedis
from app.telemetry import Metrics

Counts = Mapping[str, Mapping[str, int]]  # day → event → how often


@dataclass(frozen=True)
class Report:
    """One year, as counted."""

    year: int
    days: Counts

    @classmethod
    def read(cls, settings: Settings, year: int) -> Report:
        """Read the counts of a year.

        Raises:
            StoreUnavailable, StartupError: Redis is away, or its URL cannot be used.
        """
        url = settings.redis_url or PrivateRedis(settings.var_dir).url
        client = RedisClient(url, settings.redis_timeout_ms / 1000, Metrics())
        try:
            return cls(year, tallies.year(client, year))
        finally:
            client.close()

    @property
    def referrals(self) -> Mapping[str, int]:
        """How often help was named, by whom it was about."""
        totals = self._totals()
        return {
            event.removeprefix(REFERRAL): times
            for event, times in sorted(totals.items())
            if event.startswith(REFERRAL)
        }

    def as_json(self) -> dict[str, Any]:
        """All of it, with every day."""
        totals = self._totals()
        return {
            "year": self.year,
            "crisis_referrals": {"total": sum(self.referrals.values()), "by_kind": self.referrals},
            "ai_disclosures": totals[DISCLOSURE],
            "break_reminders": totals[BREAK],
            "protocol": {"crisis": CRISIS_VERSION, "notices": NOTICES_VERSION},
            "days": {day: dict(sorted(counts.items())) for day, counts in self.days.items()},
        }

    def months(self) -> Mapping[str, Mapping[str, int]]:
        """The counts by month; only months in which anything was counted."""
        found: dict[str, Counter[str]] = {}
        for day, counts in self.days.items():
            found.setdefault(day[:7], Counter()).update(counts)
        return found

    def _totals(self) -> Counter[str]:
        totals: Counter[str] = Counter()
        for counts in self.days.values():
            totals.update(counts)
        return totals


def render(report: Report) -> str:
    """The report as people read it."""
    known = report.as_json()
    lines = [
        f"Kindred, crisis protocol, {report.year} (days in UTC; no person, no text)",
        "",
        f"Referrals to crisis services  {known['crisis_referrals']['total']:>8}",
        *(f"  about {kind:<22}{times:>10}" for kind, times in report.referrals.items()),
        f"Disclosures that it is an AI  {known['ai_disclosures']:>8}",
        f"Break reminders               {known['break_reminders']:>8}",
        "",
        f"{'month':<9}{'referrals':>11}{'disclosures':>13}{'breaks':>8}",
    ]
    for month, counts in report.months().items():
        referred = sum(n for event, n in counts.items() if event.startswith(REFERRAL))
        lines.append(
            f"{month:<9}{referred:>11}{counts.get(DISCLOSURE, 0):>13}{counts.get(BREAK, 0):>8}"
        )
    versions = known["protocol"]
    lines += [
        "",
        f"Protocol now in force: {versions['crisis']}, {versions['notices']}; docs/safety.md",
    ]
    return "\n".join(lines)
