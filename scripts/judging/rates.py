"""How often people would have liked what each of two rerankers would have shown, from the log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from app.experiments.contrast import Contrast, contrast
from app.experiments.off_policy import ESTIMATORS, Choices, Estimate, Report, difference, evaluate
from models.contracts import RerankerModel
from models.training.reranker.measures import Interval
from scripts.judging.choosing import Usable, choices, mean_reward, score_slates, usable
from scripts.judging.evidence import Evidence
from scripts.judging.heldout import LIKED, HeldOut
from scripts.judging.verdict import Comparison, Measure, Role

_LEAST_CHOICES = 30  # logged choices, below which nothing is estimated from them
_LEAST_EFFECTIVE = 30.0  # effective sample size, below which what is estimated decides nothing
_LEAST_SEEN = 20.0  # effective choices of what either prefers, where the two differ
_CLIP = 20.0


def on_choices(
    candidate: RerankerModel,
    serving: RerankerModel,
    held: HeldOut,
    silence: str,
    resamples: int,
    seed: int,
) -> Comparison:
    """The upvote rate of what each would have shown; of IPS, SNIPS and DR only DR may decide."""
    kept = usable(held.impressions, silence=silence)
    details: dict[str, Any] = {
        "choices": len(kept.impressions), "left_out": kept.left_out, "silence": silence
    }  # fmt: skip
    if len(kept.impressions) < _LEAST_CHOICES:
        note = (
            f"Off-policy: {len(kept.impressions)} logged choices with exploration and a reaction; "
            f"at least {_LEAST_CHOICES} are needed, so none of the estimators says anything."
        )
        return Comparison([], {"off_policy": details}, [note])
    ours = score_slates(candidate, kept.impressions, "candidate")
    theirs = score_slates(serving, kept.impressions, "serving")
    rewards = [mean_reward(a, b) for a, b in zip(ours, theirs, strict=True)]
    first = choices(kept.impressions, ours, rewards, held.trust)
    second = choices(kept.impressions, theirs, rewards, held.trust)
    gap = difference(first, second, resamples=resamples, seed=seed)
    reports = [evaluate(one, resamples=resamples, seed=seed) for one in (first, second)]
    seen = contrast(first, second)
    supported = min(r.diagnostics.effective for r in reports) >= _LEAST_EFFECTIVE and seen.supports(
        _LEAST_SEEN
    )
    notes = [_seen(seen, supported)]
    details["contrast"] = asdict(seen)
    measures = _measures(reports, gap, supported, _evidence(held, kept))
    for who, report, one in zip(("candidate", "serving"), reports, (first, second), strict=True):
        details[who] = _details(report, one, resamples, seed)
        notes.append(_support(who, report))
    return Comparison(measures, {"off_policy": details}, notes)


def _evidence(held: HeldOut, kept: Usable) -> Evidence:
    return Evidence.of(
        (
            one.person or one.conversation,
            one.reply_id,
            one.reaction in LIKED,
            held.trust.get(one.person, 1.0),
        )
        for one in kept.impressions
    )


def _measures(
    reports: Sequence[Report], gap: Mapping[str, Estimate], supported: bool, evidence: Evidence
) -> list[Measure]:
    """A measure for each estimator, of the candidate beside what serves."""
    candidate, serving = reports
    return [
        Measure(
            f"upvote rate ({name.upper()})",
            candidate=_interval(candidate.estimates[name]),
            serving=_interval(serving.estimates[name]),
            difference=_interval(gap[name]),
            role=Role.DECIDES if supported and name == "dr" else Role.BESIDE,
            evidence=evidence,
        )
        for name in ESTIMATORS
    ]


def _interval(estimate: Estimate) -> Interval:
    return Interval(estimate.value, *estimate.bootstrap)


def _details(report: Report, one: Choices, resamples: int, seed: int) -> dict[str, Any]:
    """What the table has no room for: normal intervals, support, and the clipped estimates."""
    d = report.diagnostics
    clipped = evaluate(one, clip=_CLIP, resamples=resamples, seed=seed)
    return {
        "normal_intervals": {n: list(e.normal) for n, e in report.estimates.items()},
        "people": d.units,
        "effective_sample_size": d.effective,
        "weight_max": d.weight_max,
        "weight_mean": d.weight_mean,
        "unsupported": d.unsupported,
        "clipped": {
            "at": _CLIP,
            "share": clipped.diagnostics.clipped,
            "bias": clipped.diagnostics.clip_bias,
            "values": {n: e.value for n, e in clipped.estimates.items()},
        },
    }


def _seen(seen: Contrast, supported: bool) -> str:
    (a, b), (c, d) = seen.means
    return (
        f"Off-policy, where the two differ: an effective {seen.candidate:.1f} choices showed what "
        f"the candidate prefers, {seen.serving:.1f} what the serving model does; mean weights "
        f"{a:.2f} to {b:.2f} and {c:.2f} to {d:.2f}. "
        + (
            "The doubly robust rate decides."
            if supported
            else f"Fewer than {_LEAST_SEEN:.0f}, a mean weight that 1 is not in, or an effective "
            f"sample size below {_LEAST_EFFECTIVE:.0f}: the rate decides nothing, as it would "
            "rest on what the models think of themselves."
        )
    )


def _support(who: str, report: Report) -> str:
    d = report.diagnostics
    return (
        f"Off-policy, {who}: {d.choices} choices of {d.units} people, effective sample size "
        f"{d.effective:.0f}, largest weight {d.weight_max:.1f}, mean weight {d.weight_mean:.2f} "
        f"(1 where log and policy fit), {100 * d.unsupported:.1f} % of what it would show could "
        "never be shown in the log."
    )
