"""How much a measure rests on: judgements and people, each counted as far as it is trusted."""

from __future__ import annotations

import statistics
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import ClassVar

_LEAST_JUDGED = 50
_LEAST_PEOPLE = 10
_LEAST_EACH = 10  # liked, and not liked
_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class Evidence:
    """Judgements, whose they are, and how many of each answer; `other` None: not asked about.

    Who is trusted as most are counts as one, who is trusted less as that much of one.
    """

    judged: float
    people: float
    liked: float
    other: float | None

    NEEDED: ClassVar[str] = (
        f"{_LEAST_JUDGED} judgements of {_LEAST_PEOPLE} people, {_LEAST_EACH} of each answer"
    )

    @classmethod
    def of(
        cls, rows: Iterable[tuple[Hashable, Hashable, bool, float]], *, one_sided: bool = False
    ) -> Evidence:
        """Of rows (who, of what, liked, trust); who says the same again has said it once.

        Args:
            one_sided: the measure is over liked ones alone.
        """
        said = {(who, what, liked): trust for who, what, liked, trust in rows}
        if not said:
            return cls(0.0, 0.0, 0.0, None if one_sided else 0.0)
        usual = statistics.median(said.values()) or 1.0
        people: dict[Hashable, float] = {}
        counts = {True: 0.0, False: 0.0}
        for (who, _, liked), trust in said.items():
            counted = min(1.0, trust / usual)
            counts[liked] += counted
            people[who] = max(people.get(who, 0.0), counted)
        judged, many = sum(counts.values()), sum(people.values())
        liked, other = (round(counts[side], 2) for side in (True, False))
        return cls(round(judged, 2), round(many, 2), liked, None if one_sided else other)

    @property
    def enough(self) -> bool:
        """Whether anything may rest on it."""
        sides = (self.liked,) if self.other is None else (self.liked, self.other)
        return (
            self.judged >= _LEAST_JUDGED - _ROUNDING
            and self.people >= _LEAST_PEOPLE - _ROUNDING
            and min(sides) >= _LEAST_EACH - _ROUNDING
        )

    def __str__(self) -> str:
        other = "" if self.other is None else f", {self.other:.0f} not"
        rows = f"{self.judged:.0f} judgements of {self.people:.0f} people"
        return f"{rows}, {self.liked:.0f} liked{other}"
