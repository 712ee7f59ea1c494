"""How well an encoder finds what was answered: recall@k, MRR, and intervals by conversation.

Three rankings, each with a fixed seed, so that before and after are ranked alike:

- `response`: the true response among all responses of the pool, for the last turn alone;
  `response_long` for the last turns together;
- `same_topic`: the true response among others of the same source and topic;
- `bank`: a context that the index does not hold, its entry among all entries of the bank by their
  other contexts, which is what retrieval does when it serves.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.training.encoder.pairs import OWN_HELD_OUT_PERCENT, Pair
from models.training.judgements import Exchange, is_held_out
from models.training.splits import normal_form

Embed = Callable[[Sequence[str]], NDArray[np.float32]]
RECALLS = (1, 10)
_RESAMPLES = 1000
_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Ranking:
    """Ranks (n,) of the true ones, from 1; `units[i]` is the conversation of rank i.

    `usual` is the mean cosine of the best hits: what the service calls a usual hit moves with it.
    """

    ranks: NDArray[np.float64]
    units: tuple[str, ...]
    among: int
    usual: float | None = None

    def values(self) -> dict[str, NDArray[np.float64]]:
        """What each query counts for in each measure, (n,)."""
        recalls = {f"recall@{k}": (self.ranks <= k).astype(np.float64) for k in RECALLS}
        return {**recalls, "mrr": 1.0 / self.ranks}


@dataclass(frozen=True)
class Interval:
    """A mean and its bootstrap interval (95 %, resampled by conversation)."""

    value: float
    low: float
    high: float

    def to_json(self) -> list[float]:
        """[value, low, high], rounded."""
        return [round(number, 4) for number in (self.value, self.low, self.high)]

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def rankings(
    embed: Embed,
    pairs: Sequence[Pair],
    bank: Sequence[Exchange],
    *,
    same_topic: int = 99,
    learned: Container[str] = frozenset(),
) -> dict[str, Ranking]:
    """All rankings that the material allows; `same_topic` others stand beside each response.

    Entries of the bank of which any text has a form (`pairs.forms`) in `learned` are not asked
    for; they stay among what is ranked.
    """
    found: dict[str, Ranking] = {}
    if len(pairs) > 1:
        responses = embed([pair.response for pair in pairs])
        messages = embed([pair.message for pair in pairs])
        units = tuple(pair.unit for pair in pairs)
        found["response"] = Ranking(_ranks(messages @ responses.T), units, len(pairs))
        contexts = embed([pair.context for pair in pairs])
        found["response_long"] = Ranking(_ranks(contexts @ responses.T), units, len(pairs))
        near = _same_topic(messages, responses, pairs, same_topic)
        if near is not None:
            found["same_topic"] = near
    entries = _bank(embed, bank, learned)
    if entries is not None:
        found["bank"] = entries
    return found


def _ranks(scores: NDArray[np.float32]) -> NDArray[np.float64]:
    """(n,) rank of column i in row i of (n, m); what scores the same shares its mean rank."""
    true = np.diagonal(scores)[:, None]
    above = (scores > true).sum(axis=1)
    level = (scores == true).sum(axis=1) - 1
    ranks: NDArray[np.float64] = 1.0 + above + level / 2.0
    return ranks


def _same_topic(
    messages: NDArray[np.float32],
    responses: NDArray[np.float32],
    pairs: Sequence[Pair],
    others: int,
    seed: int = 7,
) -> Ranking | None:
    """For topics with enough responses only, so that every query is ranked among as many."""
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for i, pair in enumerate(pairs):
        groups[pair.source, pair.topic].append(i)
    rng = random.Random(seed)
    ranks: list[float] = []
    units: list[str] = []
    for rows in groups.values():
        if len(rows) <= others:
            continue
        for i in rows:
            pool = rng.sample([j for j in rows if j != i], others)
            scores = responses[[i, *pool]] @ messages[i]
            ranks.append(1.0 + int((scores[1:] > scores[0]).sum()))
            units.append(pairs[i].unit)
    return Ranking(np.array(ranks), tuple(units), others + 1) if ranks else None


def asked_for(bank: Sequence[Exchange], learned: Container[str]) -> set[int]:
    """The numbers of the held-out entries that can be asked for; see `rankings`."""
    return {
        number
        for number, entry in enumerate(bank)
        if len(entry.contexts) > 1
        and is_held_out(entry.name, OWN_HELD_OUT_PERCENT)
        and not any(normal_form(text) in learned for text in (*entry.contexts, *entry.replies))
    }


def _bank(embed: Embed, bank: Sequence[Exchange], learned: Container[str]) -> Ranking | None:
    """Each context of the entries asked for, taken out of the bank and looked up in it."""
    texts = [(text, number) for number, entry in enumerate(bank) for text in entry.contexts]
    wanted = asked_for(bank, learned)
    queries = [row for row, (_, number) in enumerate(texts) if number in wanted]
    if not queries:
        return None
    vectors = embed([text for text, _ in texts])
    owner = np.array([number for _, number in texts])
    starts = np.searchsorted(owner, np.arange(len(bank)))
    ranks, hits = [], []
    for row in queries:
        scores = vectors @ vectors[row]
        scores[row] = -np.inf  # it is taken out
        best = np.maximum.reduceat(scores, starts)
        ranks.append(1.0 + int((best > best[owner[row]]).sum()))
        hits.append(float(best.max()))
    names = tuple(bank[owner[row]].name for row in queries)
    return Ranking(np.array(ranks), names, len(bank), float(np.mean(hits)))


def intervals(ranking: Ranking, seed: int = 7) -> dict[str, Interval]:
    """Each measure with its interval."""
    return {name: _bootstrap(v, ranking.units, seed) for name, v in ranking.values().items()}


def differences(before: Ranking, after: Ranking, seed: int = 7) -> dict[str, Interval]:
    """After less before, query by query, so that what is hard for both cancels out."""
    old = before.values()
    return {
        name: _bootstrap(value - old[name], after.units, seed)
        for name, value in after.values().items()
    }


def _bootstrap(values: NDArray[np.float64], units: Sequence[str], seed: int) -> Interval:
    _, member = np.unique(np.array(units), return_inverse=True)
    sums = np.bincount(member, weights=values)
    sizes = np.bincount(member)
    rng = np.random.default_rng(seed)
    # How often each conversation is drawn; in slices, so that memory stays small.
    shares = np.full(len(sums), 1.0 / len(sums))
    means = []
    for _ in range(_RESAMPLES):
        drawn = rng.multinomial(len(sums), shares)
        means.append(float(drawn @ sums / (drawn @ sizes)))
    tail = (1.0 - _CONFIDENCE) / 2.0
    low, high = np.quantile(means, [tail, 1.0 - tail])
    return Interval(float(values.mean()), float(low), float(high))


def report(
    before: Mapping[str, Ranking], after: Mapping[str, Ranking]
) -> tuple[dict[str, Any], list[str]]:
    """(for the manifest, lines for a person): every measure before, after, and its difference."""
    document: dict[str, Any] = {}
    lines: list[str] = []
    for name, old in before.items():
        new = after[name]
        document[name] = {"queries": len(old.ranks), "among": old.among}
        if old.usual is not None and new.usual is not None:
            document[name]["usual_hit"] = [round(old.usual, 4), round(new.usual, 4)]
            lines.append(f"{name:14} cosine of a usual hit {old.usual:.3f} → {new.usual:.3f}")
        was, now, change = intervals(old), intervals(new), differences(old, new)
        for measure in was:
            document[name][measure] = {
                "before": was[measure].to_json(),
                "after": now[measure].to_json(),
                "difference": change[measure].to_json(),
            }
            lines.append(
                f"{name:14} {measure:9} {was[measure]} → {now[measure]}  "
                f"{change[measure].value:+.3f} [{change[measure].low:+.3f}, "
                f"{change[measure].high:+.3f}] of {old.among}"
            )
    return document, lines


def worse(before: Mapping[str, Ranking], after: Mapping[str, Ranking]) -> list[str]:
    """Why the trained encoder should not be kept: empty, or what it lost, in words.

    Recall@10 of responses must rise; recall@10 of the bank may not fall beyond chance.
    """
    reasons = []
    main = f"recall@{RECALLS[-1]}"
    for name in ("response", "bank"):
        if name in before:
            change = differences(before[name], after[name])[main]
            lost = change.high < 0.0 if name == "bank" else change.value <= 0.0
            if lost:
                reasons.append(f"{main} of {name} changed by {change}")
    return reasons
