"""Is the candidate better, worse, or is neither shown? One rule, over measures with intervals.

Of replies that the serving model itself chose, its scores are all high: over these alone they tell
little (restriction of range), and any other model looks better than it is. So a measure over them
may only speak against a candidate; what speaks for it comes from elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from models.training.reranker.measures import Interval
from scripts.judging.evidence import Evidence

FORMAT = 2  # of the report; what another rule judged is judged anew
TOLERATED = 0.01  # that a leading measure may be lower, if it is not surely so


class Verdict(StrEnum):
    """What the evaluation says; only the first two are promoted without force."""

    BETTER = "better"  # something that decides is surely higher, and nothing surely lower
    NOT_WORSE = "not-worse"
    WORSE = "worse"
    UNKNOWN = "unknown"  # too little was held out, or only what the serving model chose


class Role(StrEnum):
    """What a measure may do."""

    DECIDES = "decides"
    GUARDS = "guards"  # it may speak against the candidate, never for it
    BESIDE = "beside"


@dataclass(frozen=True, slots=True)
class Measure:
    """One measure of both models, and of candidate less serving over the same people."""

    name: str
    candidate: Interval
    serving: Interval
    difference: Interval
    higher_is_better: bool = True
    role: Role = Role.DECIDES
    evidence: Evidence | None = None  # of the rows it is over; None: it was looked at before

    @property
    def decides(self) -> bool:
        """Whether it may speak for a candidate, and has what it takes."""
        return self.role is Role.DECIDES and self._told

    @property
    def guards(self) -> bool:
        """Whether it may speak against a candidate."""
        return self.role is not Role.BESIDE and self._told

    @property
    def _told(self) -> bool:
        enough = self.evidence is None or self.evidence.enough
        return enough and not math.isnan(self.gain.low)

    @property
    def gain(self) -> Interval:
        """The difference, turned so that above 0 is better."""
        if self.higher_is_better:
            return self.difference
        value, low, high = self.difference
        return Interval(-value, -high, -low)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Measures for the verdict, what the report says besides, and notes in words."""

    measures: list[Measure]
    details: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    lacking: list[str] = field(default_factory=list)  # heads for safety


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict, and in words what it rests on."""

    verdict: Verdict
    reasons: list[str] = field(default_factory=list)


def judge(
    measures: Sequence[Measure], *, leading: Collection[str], lacking: Collection[str] = ()
) -> Judgement:
    """The verdict over the measures that decide, and those that guard.

    Args:
        leading: names of measures that may not be lower by more than a little, sure or not.
        lacking: heads for safety that the serving model has, and the candidate has not.
    """
    guarding = [m for m in measures if m.guards]
    lower = [m for m in guarding if m.gain.high < 0]
    slipped = [m for m in guarding if m.name in leading and m.gain.value < -TOLERATED]
    if lacking or lower or slipped:
        reasons = [f"it has no head {head}, which keeps replies back" for head in lacking]
        reasons += [f"{m.name} is lower: {_words(m)}" for m in lower]
        reasons += [
            f"{m.name} is lower by more than {TOLERATED}: {_words(m)}"
            for m in slipped
            if m not in lower
        ]
        return Judgement(Verdict.WORSE, reasons)
    deciding = [m for m in measures if m.decides]
    if not deciding:
        return Judgement(Verdict.UNKNOWN, [_missing(measures)])
    higher = [m for m in deciding if m.gain.low > 0]
    if higher:
        return Judgement(Verdict.BETTER, [f"{m.name} is higher: {_words(m)}" for m in higher])
    return Judgement(Verdict.NOT_WORSE, ["no measure that decides differs surely"])


def _missing(measures: Sequence[Measure]) -> str:
    """Why nothing decides."""
    known = [m for m in measures if m.evidence is not None and m.role is not Role.BESIDE]
    if any(m.guards for m in known):
        return (
            "only replies that a model chose were judged, which favours any model but that one: "
            "judgements from elsewhere, or more explored choices, are needed"
        )
    most = max((m.evidence for m in known if m.evidence), key=lambda e: e.judged, default=None)
    return f"{most or 'no judgements'}; needed are {Evidence.NEEDED}"


def as_json(measures: Sequence[Measure]) -> list[dict[str, object]]:
    """For the report; what is not known is null."""
    return [
        {
            "name": m.name,
            "candidate": _numbers(m.candidate),
            "serving": _numbers(m.serving),
            "difference": _numbers(m.difference),
            "higher_is_better": m.higher_is_better,
            "role": m.role.value,
            "decides": m.decides,
            "evidence": None if m.evidence is None else asdict(m.evidence),
        }
        for m in measures
    ]


def markdown(
    report: Mapping[str, object], measures: Sequence[Measure], notes: Sequence[str]
) -> str:
    """The report for people."""
    lines = [
        f"# {report['kind']} {report['candidate']} against {report['serving']}: "
        f"{report['verdict']}",
        "",
        *(f"- {reason}" for reason in _list(report["reasons"])),
        "",
        "| measure | candidate | serving | difference |",
        "|---|---|---|---|",
        *(
            f"| {m.name}{_mark(m)} | {_cell(m.candidate)} | {_cell(m.serving)} "
            f"| {_cell(m.difference, signed=True)} |"
            for m in measures
        ),
        "",
        "Brackets: 95 % intervals over people. * decides nothing; ° may only speak against.",
        "",
        *(f"- {note}" for note in notes),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _mark(measure: Measure) -> str:
    if measure.decides:
        return ""
    return " °" if measure.guards else " *"


def _list(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []


def _numbers(interval: Interval) -> list[float | None]:
    return [round(x, 6) if math.isfinite(x) else None for x in interval]


def _cell(interval: Interval, *, signed: bool = False) -> str:
    form = "+.4f" if signed else ".4f"
    if math.isnan(interval.value):
        return "–"
    if math.isnan(interval.low):
        return format(interval.value, form)
    return f"{interval.value:{form}} [{interval.low:{form}}, {interval.high:{form}}]"


def _words(measure: Measure) -> str:
    return (
        f"{measure.candidate.value:.4f} against {measure.serving.value:.4f}, difference "
        f"{_cell(measure.difference, signed=True)}"
    )
