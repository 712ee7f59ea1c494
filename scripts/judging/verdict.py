"""Is the candidate better, worse, or is neither shown? One rule, over measures with intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from models.training.reranker.measures import Interval

LEAST_JUDGED = 50  # judgements, below which nothing is said
TOLERATED = 0.01  # that the deciding measure may be lower, if it is not surely so


class Verdict(StrEnum):
    """What the evaluation says; only the first two are promoted without force."""

    BETTER = "better"  # something that decides is surely higher, and nothing surely lower
    NOT_WORSE = "not-worse"
    WORSE = "worse"
    UNKNOWN = "unknown"  # too little was held out


@dataclass(frozen=True, slots=True)
class Measure:
    """One measure of both models, and of candidate less serving over the same people."""

    name: str
    candidate: Interval
    serving: Interval
    difference: Interval
    higher_is_better: bool = True
    decides: bool = True

    @property
    def gain(self) -> Interval:
        """The difference, turned so that above 0 is better."""
        if self.higher_is_better:
            return self.difference
        value, low, high = self.difference
        return Interval(-value, -high, -low)


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict, and in words what it rests on."""

    verdict: Verdict
    reasons: list[str] = field(default_factory=list)


def judge(measures: Sequence[Measure], judged: int, *, leading: str) -> Judgement:
    """The verdict over the measures that decide; `leading` may not be lower by more than a little.

    Args:
        judged: judgements that were held out.
    """
    deciding = [m for m in measures if m.decides and not math.isnan(m.gain.value)]
    if judged < LEAST_JUDGED or all(math.isnan(m.gain.low) for m in deciding):
        return Judgement(
            Verdict.UNKNOWN,
            [f"{judged} judgements are held out; at least {LEAST_JUDGED} of several people, liked "
             "and not liked, are needed"],
        )  # fmt: skip
    lower = [m for m in deciding if m.gain.high < 0]
    slipped = [m for m in deciding if m.name == leading and m.gain.value < -TOLERATED]
    if lower or slipped:
        reasons = [f"{m.name} is lower: {_words(m)}" for m in lower]
        reasons += [
            f"{m.name} is lower by more than {TOLERATED}: {_words(m)}"
            for m in slipped
            if m not in lower
        ]
        return Judgement(Verdict.WORSE, reasons)
    higher = [m for m in deciding if m.gain.low > 0]
    if higher:
        return Judgement(Verdict.BETTER, [f"{m.name} is higher: {_words(m)}" for m in higher])
    return Judgement(Verdict.NOT_WORSE, ["no measure that decides differs surely"])


def as_json(measures: Sequence[Measure]) -> list[dict[str, object]]:
    """For the report; what is not known is null."""
    return [
        {
            "name": m.name,
            "candidate": _numbers(m.candidate),
            "serving": _numbers(m.serving),
            "difference": _numbers(m.difference),
            "higher_is_better": m.higher_is_better,
            "decides": m.decides,
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
            f"| {m.name}{'' if m.decides else ' *'} | {_cell(m.candidate)} | {_cell(m.serving)} "
            f"| {_cell(m.difference, signed=True)} |"
            for m in measures
        ),
        "",
        "Brackets: 95 % intervals over people. * does not decide.",
        "",
        *(f"- {note}" for note in notes),
    ]
    return "\n".join(lines).rstrip() + "\n"


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
