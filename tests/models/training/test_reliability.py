"""Planted trolls among honest raters: their weight falls, and the order of responses gets truer."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Callable, Mapping

import pytest

from models.training.examples import Example
from models.training.reliability import weighed, weights

RESPONSES = 60
HONEST = 40
Troll = Callable[[random.Random, float], float]
TROLLS: dict[str, Troll] = {
    "random": lambda rng, like: float(rng.random() < 0.5),
    "down": lambda rng, like: 0.0,
    "up": lambda rng, like: 1.0,
    "invert": lambda rng, like: 1.0 - float(rng.random() < like),
}


def example(rater: str, response: str, label: float, head: str = "upvote") -> Example:
    return Example("reactions", head, ("hello",), response, label, rater=rater)


def response_of(number: int) -> str:
    return f"response number {chr(97 + number // 26)}{chr(97 + number % 26)}"


def planted(seed: int, kinds: Mapping[str, int], often: int = 30) -> tuple[list[Example], list]:
    """Judgements of honest people and trolls, and the true quality of each response."""
    rng = random.Random(seed)
    quality = [rng.gauss(0.3, 1.5) for _ in range(RESPONSES)]
    likes = [1 / (1 + math.exp(-q)) for q in quality]
    rows = []

    def judge(name: str, count: int, rate: Troll) -> None:
        rows.extend(
            example(name, response_of(i), rate(rng, likes[i]))
            for i in rng.choices(range(RESPONSES), k=count)
        )

    for person in range(HONEST):
        mood = rng.gauss(0, 0.7)  # some like more than others

        def honest(rng: random.Random, like: float, mood: float = mood) -> float:
            return float(rng.random() < 1 / (1 + math.exp(-(math.log(like / (1 - like)) + mood))))

        judge(f"honest {person}", rng.randint(8, 30), honest)
    for kind, count in kinds.items():
        for person in range(count):
            judge(f"{kind} {person}", often, TROLLS[kind])
    rng.shuffle(rows)
    return rows, quality


def estimate(rows: list[Example]) -> dict[str, float]:
    totals: dict[str, list[float]] = defaultdict(lambda: [0.5, 1.0])
    for row in rows:
        totals[row.response][0] += row.weight * row.label
        totals[row.response][1] += row.weight
    return {response: up / count for response, (up, count) in totals.items()}


def agreement(rows: list[Example], quality: list[float]) -> float:
    """Share of pairs of responses whose order is the true one (Kendall, ties count half)."""
    found = estimate(rows)
    scores = [found.get(response_of(i), 0.5) for i in range(RESPONSES)]
    right = pairs = 0.0
    for i in range(RESPONSES):
        for j in range(i):
            pairs += 1
            product = (scores[i] - scores[j]) * (quality[i] - quality[j])
            right += 0.5 if product == 0 else float(product > 0)
    return right / pairs


@pytest.mark.parametrize("kind", TROLLS)
def test_each_kind_of_troll_loses_weight(kind: str) -> None:
    found: dict[str, list[float]] = defaultdict(list)
    for seed in range(5):
        rows, _ = planted(seed, {kind: 12})
        by_rater = weights(rows)
        assert all(0.0 <= weight <= 1.0 for weight in by_rater.values())
        for name, weight in by_rater.items():
            found[name.split()[0]].append(weight)
    means = {name: sum(values) / len(values) for name, values in found.items()}
    assert means["honest"] > 0.8
    # Who guesses pulls nowhere, and may have a taste of their own: half the weight is left.
    assert means[kind] < (0.75 if kind == "random" else 0.2)


def test_a_mix_of_trolls_loses_its_say_and_the_order_gets_truer() -> None:
    gains = []
    for seed in range(8):
        rows, quality = planted(seed, dict.fromkeys(TROLLS, 4), often=40)
        damped = weighed(rows)
        say = [
            sum(r.weight for r in part if not r.rater.startswith("honest"))
            for part in (rows, damped)
        ]
        shares = say[0] / len(rows), say[1] / sum(r.weight for r in damped)
        assert shares[0] > 0.4
        assert shares[1] < 0.25
        gains.append(agreement(damped, quality) - agreement(rows, quality))
    assert min(gains) > 0
    assert sum(gains) / len(gains) > 0.05


def moody(seed: int, trolls: int, often: int) -> list[Example]:
    """Most people, a fifth whose taste is another one, lenient and strict ones, and trolls."""
    rng = random.Random(seed)
    most, other = ([rng.gauss(0.3, 1.5) for _ in range(RESPONSES)] for _ in "ab")
    people = [(f"most {i}", most, rng.gauss(0, 0.7)) for i in range(30)]
    people += [(f"taste {i}", other, rng.gauss(0, 0.7)) for i in range(10)]
    people += [(f"lenient {i}", most, 2.5) for i in range(5)]
    people += [(f"strict {i}", most, -2.5) for i in range(5)]
    rows = []
    for name, quality, mood in people:
        for i in rng.choices(range(RESPONSES), k=rng.randint(often // 2, often)):
            like = 1 / (1 + math.exp(-quality[i] - mood))
            rows.append(example(name, response_of(i), float(rng.random() < like)))
    for kind, rate in TROLLS.items():
        for person in range(trolls):
            for i in rng.choices(range(RESPONSES), k=often):
                label = rate(rng, 1 / (1 + math.exp(-most[i])))
                rows.append(example(f"{kind} {person}", response_of(i), label))
    return rows


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[int(share * len(values))]


@pytest.mark.parametrize("trolls", [0, 3])
@pytest.mark.parametrize("often", [60, 150])
def test_tastes_and_moods_of_honest_people_are_not_held_against_them(
    trolls: int, often: int
) -> None:
    found: dict[str, list[float]] = defaultdict(list)
    for seed in range(4):
        for name, weight in weights(moody(seed, trolls, often)).items():
            found[name.split()[0]].append(weight)
    assert percentile(found["most"], 0.1) > 0.9
    assert percentile(found["taste"], 0.1) > 0.45
    assert percentile(found["strict"], 0.1) > 0.6
    assert percentile(found["lenient"], 0.2) > 0.6
    for kind in ("down", "up", "invert"):
        assert percentile(found[kind], 0.9) < 0.2 if trolls else kind not in found


def test_among_honest_people_little_is_lost() -> None:
    for seed in range(5):
        rows, quality = planted(seed, {})
        by_rater = weights(rows)
        assert sum(by_rater.values()) / len(by_rater) > 0.85
        assert agreement(weighed(rows), quality) > agreement(rows, quality) - 0.01


def test_newcomers_have_the_benefit_of_the_doubt() -> None:
    rows, _ = planted(1, {})
    # Three likes in a row of what others dislike say little.
    newcomer = [example("new", f"response number a{letter}", 1.0) for letter in "abc"]
    assert weights([*rows, *newcomer])["new"] > 0.5


def test_diligence_alone_does_not_outvote() -> None:
    rows, _ = planted(2, {})
    rng = random.Random(0)
    busy = [
        example("busy", f"response number a{rng.choice('abcdefgh')}", float(rng.random() < 0.5))
        for _ in range(4000)
    ]
    found = weights([*rows, *busy])
    assert found["busy"] * 4000 < 10 * 30


def test_the_six_heads_of_one_tap_are_one_judgement() -> None:
    rows, _ = planted(3, {"invert": 5})
    others = [example(r.rater, r.response, 0.0, "love") for r in rows]
    assert weights([*rows, *others]) == weights(rows)


def test_where_everybody_likes_everything_nobody_is_doubted() -> None:
    rows = [example(f"p{i}", response_of(j), 1.0) for i in range(5) for j in range(50)]
    assert min(weights(rows).values()) > 0.9
    assert weights([example("one", "hi", 1.0)]) == {"one": 1.0}


def test_unnamed_raters_and_empty_data() -> None:
    assert weights([]) == {}
    unnamed = [example("", "hi", 1.0)]
    assert weights(unnamed) == {}
    assert weighed(unnamed) == unnamed
    alone = weights([example("one", "hi", 1.0), example("one", "no", 0.0)])
    assert alone["one"] == 1.0
