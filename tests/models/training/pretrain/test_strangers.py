"""The second part that does not follow: told from the one that does by reading, not by counting."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

import pytest

from models.training.pretrain.windows import Examples, Marks, Turn, Window, cut_windows

MARKS = Marks(cls=0, sep=1, segments=True)
ROOM = 64


def turn(dialog: int, place: int, length: int) -> Turn:
    """Ids that say where they are from, and where they stand in their turn."""
    ids = tuple((dialog * 100 + place) * 100 + i + 2 for i in range(length))
    return Turn(ids, (True,) * length)


@pytest.fixture(scope="module")
def dialogs() -> list[list[Turn]]:
    """Long ones and short ones; turns of 1 to 40 tokens, most of them short."""
    rng = random.Random(5)
    return [
        [
            turn(d, place, min(40, 1 + int(rng.expovariate(1 / 9))))
            for place in range(rng.randrange(2, 20))
        ]
        for d in range(150)
    ]


@pytest.fixture(scope="module")
def windows(dialogs: list[list[Turn]]) -> list[Window]:
    return cut_windows(dialogs, ROOM)


@pytest.fixture(scope="module")
def examples(windows: list[Window]) -> list[dict[str, list[int]]]:
    drawn = Examples(windows, MARKS, 4000, 3, "nsp")
    return [drawn[number] for number in range(len(drawn))]


def second(example: dict[str, list[int]]) -> Iterator[tuple[int, ...]]:
    """The turns of segment B."""
    turns: list[int] = []
    for token, segment in zip(example["input_ids"], example["token_type_ids"], strict=True):
        if segment and token == MARKS.sep:
            yield tuple(turns)
            turns = []
        elif segment:
            turns.append(token)


def place_of(ids: Sequence[int]) -> tuple[int, int]:
    return divmod((ids[0] - 2) // 100, 100)


def test_a_stranger_is_whole_turns_of_another_dialog_in_their_order(
    dialogs: list[list[Turn]], examples: list[dict[str, list[int]]]
) -> None:
    for example in examples:
        own, _ = place_of(example["input_ids"][1:])
        turns = list(second(example))
        places = [place_of(ids) for ids in turns]
        (stranger,) = {dialog for dialog, _ in places}
        assert (stranger != own) == bool(example["sentence"])
        numbers = [number for _, number in places]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        assert numbers[0] > 0  # how a dialog begins never stands in the second part
        assert all(ids == dialogs[d][n].ids for ids, (d, n) in zip(turns, places, strict=True))
        assert len(example["input_ids"]) <= ROOM


def test_counting_does_not_tell_a_stranger(
    dialogs: list[list[Turn]], examples: list[dict[str, list[int]]]
) -> None:
    def ends(example: dict[str, list[int]]) -> float:
        dialog, number = place_of(list(second(example))[-1])
        return float(number == len(dialogs[dialog]) - 1)

    clues: dict[str, Callable[[dict[str, list[int]]], float]] = {
        "length": lambda e: len(e["input_ids"]),
        "length of B": lambda e: sum(e["token_type_ids"]),
        "turns of B": lambda e: len(list(second(e))),
        "first turn of B": lambda e: len(next(second(e))),
        "last turn of B": lambda e: len(list(second(e))[-1]),
        "shortest turn of B": lambda e: min(map(len, second(e))),
        "end of a dialog": ends,
    }
    assert 0.45 < sum(e["sentence"] for e in examples) / len(examples) < 0.55
    for name, clue in clues.items():
        values = [[clue(e) for e in examples if e["sentence"] == kind] for kind in (0, 1)]
        assert abs(area(*values) - 0.5) < 0.05, name


def area(one: Sequence[float], other: Sequence[float]) -> float:
    """How often a value of `one` lies below one of `other`; half where they are alike."""
    ordered = sorted([(value, 0) for value in one] + [(value, 1) for value in other])
    ranks: dict[float, list[int]] = {}
    for rank, (value, _) in enumerate(ordered):
        ranks.setdefault(value, []).append(rank)
    mean = {value: sum(places) / len(places) for value, places in ranks.items()}
    above = sum(mean[value] for value in other) - len(other) * (len(other) - 1) / 2
    return above / (len(one) * len(other))


def test_two_windows_of_one_dialog_are_no_strangers(dialogs: list[list[Turn]]) -> None:
    longest = max(dialogs, key=len)
    windows = cut_windows([longest], ROOM)
    assert len(windows) > 1
    with pytest.raises(ValueError, match="too few conversations"):
        Examples(windows, MARKS, 8, 3, "nsp")
    assert len(Examples(windows, MARKS, 8, 3)[0]["input_ids"]) <= ROOM
