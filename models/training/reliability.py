"""How far each person's reactions can be trusted: a weight in [0, 1] that damps bad faith.

Three things speak against a rater, and their factors are multiplied:

agreement   On the same responses, other raters say something else. Whoever says the opposite
            (inverters) loses all weight. Whoever is merely unlike the others loses no more than
            half: that may be chance (random), which adds noise but pulls nowhere, or an honest
            taste of their own, and agreement alone cannot tell. A rater is compared with the
            weighted opinion of the others, which is estimated again with the new weights, a few
            times over, in the manner of Dawid and Skene (1979) with one figure a rater.
constancy   They always give the same judgement (always-downvote, spam-upvote), which says nothing
            of the response. One exception in a hundred is allowed, no more: lenient and strict
            people make exceptions.
rate        They judge far more than others do; what is beyond a few times the usual is damped, so
            that nobody outvotes the rest by diligence.

What is compared is a judgement less what that rater usually says, so being lenient or strict is no
disagreement. Someone with few judgements is given the benefit of the doubt. If most raters act in
bad faith, and in the same way, no such method can tell; nor can it tell inverters from honest
people whose taste is the very opposite of everybody else's.
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from models.training.examples import REACTION_HEADS, Example
from models.training.splits import normal_form

_ROUNDS = 10
_GOOD_FAITH = 2.0  # log-odds of good faith, before anything is known of a rater
_AS_USUAL = 4.0  # judgements of the usual kind that are added to everybody's own
_UNLIKE = 0.5  # what is left to somebody who is like nobody, and against nobody
_TOLD = 20.0  # shared judgements that at most speak against a taste
_SLIP = 0.01  # exceptions that somebody makes who always says the same
_PRIOR = 1.0  # others' judgements that an item's base rate counts for
_OFTEN = 4.0  # times the median number of judgements before diligence is damped


@dataclass(slots=True)
class _Rater:
    """One rater's judgements: item and label, and the rate of positive ones."""

    items: list[tuple[int, float]] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return sum(label for _, label in self.items) / len(self.items)


def weights(examples: Iterable[Example]) -> dict[str, float]:
    """A weight in [0, 1] for each rater who is named.

    The same response (up to spelling) judged by several people is what makes them comparable,
    whatever came before it. Of a reaction's heads only `upvote` is looked at: one tap is one
    judgement. Raters who share no response with anybody are weighed by entropy and rate alone.
    """
    raters, items, base = _judgements(examples)
    if not raters:
        return {}
    solo = _solo_factors(raters, statistics.fmean(base.values()))
    found = dict(solo)
    for _ in range(_ROUNDS):
        agreement = _agreement(raters, items, base, found)
        found = {name: solo[name] * agreement[name] for name in raters}
    return found


def weighed(examples: Sequence[Example], by: Mapping[str, float] | None = None) -> list[Example]:
    """The examples with their raters' weights in; one without a rater keeps its own.

    Args:
        by: weights by rater; None: estimated from these examples (only the training part, or the
            test would be chosen by what it is to test).
    """
    by = weights(examples) if by is None else by
    return [
        replace(example, weight=example.weight * by.get(example.rater, 1.0)) for example in examples
    ]


def _judgements(
    examples: Iterable[Example],
) -> tuple[dict[str, _Rater], dict[int, list[tuple[str, float]]], dict[int, float]]:
    """Raters, the judgements of each item, and the usual label of each item's head."""
    numbers: dict[tuple[str, str, str], int] = {}
    raters: dict[str, _Rater] = defaultdict(_Rater)
    items: dict[int, list[tuple[str, float]]] = defaultdict(list)
    kinds: dict[tuple[str, str], list[float]] = defaultdict(list)
    kind_of: dict[int, tuple[str, str]] = {}
    for example in examples:
        if not example.rater or (example.head in REACTION_HEADS and example.head != "upvote"):
            continue
        kind = (example.source, example.head)
        item = numbers.setdefault((*kind, normal_form(example.response)), len(numbers))
        raters[example.rater].items.append((item, example.label))
        items[item].append((example.rater, example.label))
        kinds[kind].append(example.label)
        kind_of[item] = kind
    usual = {kind: statistics.fmean(labels) for kind, labels in kinds.items()}
    return dict(raters), items, {item: usual[kind] for item, kind in kind_of.items()}


def _solo_factors(raters: Mapping[str, _Rater], usual: float) -> dict[str, float]:
    """Constancy and rate: what can be said of a rater without the others' judgements."""
    often = _OFTEN * statistics.median(len(rater.items) for rater in raters.values())
    factors = {}
    for name, rater in raters.items():
        count = len(rater.items)
        liked = rater.rate * count
        constant = max(_constancy(liked, count, usual), _constancy(count - liked, count, 1 - usual))
        factors[name] = _logistic(_GOOD_FAITH - constant) / _logistic(_GOOD_FAITH)
        factors[name] = min(1.0, factors[name]) * min(1.0, often / count)
    return factors


def _constancy(same: float, count: int, usual: float) -> float:
    """The log of how much likelier so many alike are of one who always says so than of others.

    Others' rates are distributed around the usual one (beta, with the weight of _AS_USUAL
    judgements); a rate near 1 is thus unusual, not impossible.
    """
    a = _AS_USUAL * min(max(usual, 1e-3), 1.0 - 1e-3)
    b = _AS_USUAL - a
    others = _log_beta(a + same, b + count - same) - _log_beta(a, b)
    always = same * math.log1p(-_SLIP) + (count - same) * math.log(_SLIP)
    return always - others


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _agreement(
    raters: Mapping[str, _Rater],
    items: Mapping[int, Sequence[tuple[str, float]]],
    base: Mapping[int, float],
    trusted: Mapping[str, float],
) -> dict[str, float]:
    """How likely it is, from the judgements of the others, that each rater is in good faith."""
    mood = {name: _mood(rater, base) for name, rater in raters.items()}
    sums = {
        item: (
            sum(trusted[name] * (label - base[item] - mood[name]) for name, label in judged),
            sum(trusted[name] for name, _ in judged),
        )
        for item, judged in items.items()
    }
    likeness: dict[str, tuple[float, float]] = {}
    for name, rater in raters.items():
        mine: dict[int, tuple[float, int]] = {}
        for item, label in rater.items:
            total, count = mine.get(item, (0.0, 0))
            mine[item] = (total + label - base[item] - mood[name], count + 1)
        likeness[name] = _likeness(mine, trusted[name], sums)
    usual = _usual(likeness, trusted)
    return {name: _trust(value, shared, usual) for name, (value, shared) in likeness.items()}


def _mood(rater: _Rater, base: Mapping[int, float]) -> float:
    """By how much more a rater likes things than is usual of them; near 0 where little is known."""
    more = sum(label - base[item] for item, label in rater.items)
    return more / (len(rater.items) + _AS_USUAL)


def _likeness(
    mine: Mapping[int, tuple[float, int]],
    trust: float,
    sums: Mapping[int, tuple[float, float]],
) -> tuple[float, float]:
    """(cosine of a rater's deviations from their usual and of the others' from theirs, shared).

    The others' opinion of an item is shrunk towards nothing where few of them gave one.

    Args:
        mine: the sum of the rater's deviations, and their number, by item.
        sums: everybody's weighted deviations, and weights, by item.
    """
    product = square_mine = square_others = shared = 0.0
    for item, (total, count) in mine.items():
        others = sums[item][0] - trust * total
        weight = sums[item][1] - trust * count
        if weight <= 1e-9:
            continue
        opinion = others / (weight + _PRIOR)
        deviation = total / count
        product += count * deviation * opinion
        square_mine += count * deviation**2
        square_others += count * opinion**2
        shared += count * min(1.0, weight)
    scale = math.sqrt(square_mine * square_others)
    return (product / scale if scale > 1e-12 else 0.0), shared


def _usual(likeness: Mapping[str, tuple[float, float]], trusted: Mapping[str, float]) -> float:
    """The likeness that half of the trust lies above."""
    ranked = sorted(
        (value, trusted[name] * shared) for name, (value, shared) in likeness.items() if shared
    )
    half, seen = sum(weight for _, weight in ranked) / 2, 0.0
    for value, weight in ranked:
        seen += weight
        if seen >= half:
            return value
    return 0.0


def _trust(value: float, shared: float, usual: float) -> float:
    """What a rater of that likeness is to be believed.

    A cosine over n judgements strays by about 1/sqrt(n) around what it would be over many: around
    `usual` for those who judge as most do, around 0 for those who guess or have a taste of their
    own, around -`usual` for those who invert.
    """
    if usual <= 0.0:  # nobody agrees with anybody: nothing to go by
        return 1.0
    alike = _logistic(_GOOD_FAITH + min(shared, _TOLD) * usual * (value - usual / 2))
    upright = _logistic(_GOOD_FAITH + shared * usual * (value + usual / 2))
    return upright * (_UNLIKE + (1.0 - _UNLIKE) * alike)


def _logistic(odds: float) -> float:
    return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, odds))))
