"""Who holds most of what is under way is refused first, where others ask too."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from dataclasses import replace

import pytest

from app.errors import Overloaded
from app.serving.load.controller import ENCODER, LoadController
from app.serving.load.crowding import Crowding
from tests.app.serving.load.world import EMPTY, World

FLOOD, PERSON = "192.0.2.1", "192.0.2.2"


def test_shares_are_of_what_is_under_way() -> None:
    crowding = Crowding(0.0)
    for source in (FLOOD, FLOOD, FLOOD, PERSON):
        crowding.arrived(source, 1.0)
        crowding.entered(source)
    assert crowding.share(FLOOD) == 0.75
    assert crowding.share(PERSON) == 0.25
    assert crowding.share("another") == 0.0
    assert crowding.share("") == 0.0  # nobody's
    crowding.left(FLOOD)
    crowding.left(PERSON)
    assert crowding.share(FLOOD) == 1.0
    assert crowding.share(PERSON) == 0.0


def test_who_is_alone_takes_nothing_from_anybody() -> None:
    crowding = Crowding(0.0)
    crowding.arrived(PERSON, 0.0)
    for second in range(1, 60):
        crowding.arrived(FLOOD, float(second))
        crowding.entered(FLOOD)
        there = crowding.share(FLOOD) > 0.0
        # Somebody who asked is reckoned with for ten seconds at least and twenty at most.
        assert there if second < 10 else True
        assert not there if second >= 20 else True
    crowding.arrived(FLOOD, 1_000.0)
    assert crowding.share(FLOOD) == 0.0


@pytest.fixture
def control(world: World) -> LoadController:
    return world.controller(in_flight_max=40)


def let_in(control: LoadController, source: str, tries: int, kept: ExitStack) -> int:
    """How many of so many requests at once are let in; they stay until `kept` ends."""
    done = 0
    for _ in range(tries):
        with suppress(Overloaded):
            kept.enter_context(control.admission(source=source))
            done += 1
    return done


def test_a_flood_leaves_room_for_who_comes_beside_it(control: LoadController) -> None:
    with ExitStack() as kept:
        alone = let_in(control, FLOOD, 60, kept)
        assert let_in(control, PERSON, 1, kept) == 0  # nobody knew that somebody would come
    with ExitStack() as kept:
        beside = let_in(control, FLOOD, 60, kept)
        assert let_in(control, PERSON, 3, kept) == 3
    assert 0.4 * alone < beside < 0.8 * alone


def test_a_queue_that_one_filled_is_open_to_others(world: World, control: LoadController) -> None:
    with ExitStack() as kept:
        let_in(control, PERSON, 1, kept)
    with ExitStack() as kept:
        assert let_in(control, FLOOD, 1, kept) == 1
        for tokens in range(0, 200_000, 500):
            world.backlogs[ENCODER] = replace(EMPTY, items=10, tokens=tokens)
            if not let_in(control, FLOOD, 1, kept):
                break
        assert let_in(control, PERSON, 1, kept) == 1


def test_many_who_ask_little_are_not_held_back(control: LoadController) -> None:
    with ExitStack() as kept:
        one_each = sum(let_in(control, f"198.51.100.{i}", 1, kept) for i in range(40))
    with ExitStack() as kept:
        nobodys = let_in(control, "", 40, kept)
    assert one_each == nobodys
