"""How far each person's reactions can be trusted: a weight in [0, 1] that damps bad faith.

Three things speak against a rater, and their factors are multiplied:

agreement   On the same responses, other raters say something else: chance (random), or the
            opposite (inverters). A rater is compared with the weighted opinion of the others, which
            is estimated again with the new weights, a few times over, in the manner of Dawid and
            Skene (1979) with one figure a rater: the probability that they judge in good faith.
entropy     They always give the same judgement (always-downvote, spam-upvote), which says nothing
            of the response.
rate        They judge far more than others do; what is beyond a few times the usual is damped, so
            that nobody outvotes the rest by diligence.

Someone with few judgements is given the benefit of the doubt. If most raters act in bad faith, and
in the same way, no such method can tell.
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
_PRIOR = 1.0  # others' judgements that an item's base rate counts for
_OFTEN = 4.0  # times the median number of judgements before diligence is damped
_SLIGHT = 0.05  # bits: where nearly all judgements are alike, being like them is no sign
_VARIED = 0.5  # share of the general entropy that a rater needs for full weight


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
    """Entropy and rate: what can be said of a rater without the others' judgements."""
    often = _OFTEN * statistics.median(len(rater.items) for rater in raters.values())
    wanted = _VARIED * _entropy(usual)
    factors = {}
    for name, rater in raters.items():
        count = len(rater.items)
        # As if a few judgements of the usual kind came first: three alike are no sign of anything.
        rate = (rater.rate * count + usual * _AS_USUAL) / (count + _AS_USUAL)
        varied = min(1.0, (_entropy(rate) + _SLIGHT) / (wanted + _SLIGHT))
        factors[name] = varied * min(1.0, often / count)
    return factors


def _agreement(
    raters: Mapping[str, _Rater],
    items: Mapping[int, Sequence[tuple[str, float]]],
    base: Mapping[int, float],
    trusted: Mapping[str, float],
) -> dict[str, float]:
    """How likely it is, from the judgements of the others, that each rater is in good faith."""
    sums = {
        item: (
            sum(trusted[name] * label for name, label in judged),
            sum(trusted[name] for name, _ in judged),
        )
        for item, judged in items.items()
    }
    own: dict[str, dict[int, tuple[float, int]]] = {}
    for name, rater in raters.items():
        mine: dict[int, tuple[float, int]] = {}
        for item, label in rater.items:
            total, count = mine.get(item, (0.0, 0))
            mine[item] = (total + label, count + 1)
        own[name] = mine
    likeness: dict[str, tuple[float, float]] = {}
    for name, mine in own.items():
        likeness[name] = _likeness(mine, trusted[name], sums, base)
    usual = _usual(likeness, trusted)
    return {name: _trust(value, shared, usual) for name, (value, shared) in likeness.items()}


def _likeness(
    mine: Mapping[int, tuple[float, int]],
    trust: float,
    sums: Mapping[int, tuple[float, float]],
    base: Mapping[int, float],
) -> tuple[float, float]:
    """(cosine of a rater's and the others' deviations from the usual label, judgements shared).

    The others' opinion of an item is shrunk towards the usual label where few of them gave one.
    """
    product = square_mine = square_others = shared = 0.0
    for item, (total, count) in mine.items():
        others = sums[item][0] - trust * total
        weight = sums[item][1] - trust * count
        if weight <= 1e-9:
            continue
        opinion = weight / (weight + _PRIOR) * (others / weight - base[item])
        deviation = total / count - base[item]
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
    """The probability that a rater of that likeness judges as most do, and not by chance.

    A cosine over n judgements strays by about 1/sqrt(n) around what it would be over many: around
    `usual` for those in good faith, around 0 for those who guess (below, for those who invert).
    """
    if usual <= 0.0:  # nobody agrees with anybody: nothing to go by
        return 1.0
    odds = _GOOD_FAITH + shared * usual * (value - usual / 2)
    return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, odds))))


def _entropy(rate: float) -> float:
    """Bits of a judgement that is positive so often."""
    if rate <= 0.0 or rate >= 1.0:
        return 0.0
    return -rate * math.log2(rate) - (1.0 - rate) * math.log2(1.0 - rate)
