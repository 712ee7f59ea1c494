"""The selection logic on a virtual clock: no gevent, no threads, no waiting."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.serving.batching.queue import Budget, Entry, WaitingItems, padding_ratio


def entry(
    length: int, deadline: float = 10.0, priority: int = 0, group: int = 0, arrived: float = 0.0
) -> Entry[str]:
    return Entry("item", length, deadline, priority, arrived, group, 0)


entries = st.builds(
    entry,
    length=st.integers(1, 120),
    deadline=st.floats(0.1, 20.0),
    priority=st.integers(0, 2),
    group=st.integers(0, 6),
)
budgets = st.builds(Budget, tokens=st.integers(1, 600), items=st.integers(1, 12))


def filled(items: list[Entry[str]]) -> WaitingItems[str]:
    waiting: WaitingItems[str] = WaitingItems(1_000)
    waiting.add(items)
    return waiting


def by_hand(waiting: list[Entry[str]], budget: Budget) -> list[Entry[str]]:
    """The rule itself, without an index: what the batch must be."""
    if not waiting:
        return []
    head = min(waiting, key=lambda e: e.urgency)

    def place(e: Entry[str]) -> tuple[bool, int, int, tuple[int, float, int]]:
        if e.group == head.group:
            return (False, 0, 0, e.urgency)
        return (True, e.priority, abs(e.length - head.length), e.urgency)

    batch = [head]
    for e in sorted(waiting, key=place):
        longest = max(e.length, *(mate.length for mate in batch), 0)
        if e is not head and budget.admits(len(batch) + 1, longest):
            batch.append(e)
    return batch


@given(st.lists(entries, max_size=40), budgets, st.floats(0.0, 21.0))
def test_a_look_takes_the_most_urgent_within_the_budget(
    items: list[Entry[str]], budget: Budget, now: float
) -> None:
    waiting = filled(items)
    expired = waiting.expire(now)
    head = waiting.most_urgent()
    batch = waiting.take(budget)

    alive = [e for e in items if e.deadline > now]
    assert {id(e) for e in expired} == {id(e) for e in items if e.deadline <= now}
    assert bool(batch) == bool(alive)
    if alive:
        assert min(alive, key=lambda e: e.urgency) is batch[0]
        assert batch[0] is head
        assert len(batch) <= budget.items
        longest = max(e.length for e in batch)
        assert len(batch) == 1 or len(batch) * longest <= budget.tokens
    assert len(waiting) == len(alive) - len(batch)
    assert waiting.tokens == sum(e.length for e in alive) - sum(e.length for e in batch)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.lists(entries, max_size=30)),
        st.tuples(st.just("take"), budgets),
        st.tuples(st.just("expire"), st.floats(0.0, 20.0)),
        st.tuples(st.just("leave"), st.integers(0, 6)),
        st.tuples(st.just("clear"), st.none()),
    ),
    max_size=25,
)


@given(steps)
def test_the_indices_find_what_a_search_through_all_would(
    history: list[tuple[str, object]],
) -> None:
    """Whatever came, left and expired before: husks are never taken, nobody is forgotten."""
    waiting = filled([])
    alive: list[Entry[str]] = []
    for what, argument in history:
        if what == "add":
            assert isinstance(argument, list)
            waiting.add(argument)
            alive += argument
            continue
        if what == "take":
            assert isinstance(argument, Budget)
            gone, expected = waiting.take(argument), by_hand(alive, argument)
            assert [id(e) for e in gone] == [id(e) for e in expected]
        elif what == "expire":
            assert isinstance(argument, float)
            gone = waiting.expire(argument)
            assert {id(e) for e in gone} == {id(e) for e in alive if e.deadline <= argument}
        elif what == "leave":
            assert isinstance(argument, int)
            gone = waiting.remove_group(argument)
            assert [id(e) for e in gone] == [id(e) for e in alive if e.group == argument]
        else:
            gone = waiting.clear()
            assert [id(e) for e in gone] == [id(e) for e in sorted(alive, key=lambda e: e.urgency)]
        alive = [e for e in alive if all(e is not one for one in gone)]
        assert len(waiting) == len(alive)
        assert waiting.tokens == sum(e.length for e in alive)


def test_what_has_left_does_not_pile_up_behind_what_stays() -> None:
    """A thousand urgent ones pass while one waits: the queue holds no trace of them."""
    waiting = filled([entry(10, deadline=1e9, priority=1, group=1)])
    for i in range(1_000):
        waiting.add([entry(1 + i % 50, deadline=5.0, group=2)])
        waiting.remove_group(2)
    held = len(waiting._urgent) + len(waiting._ending)
    held += sum(len(shelf) for one in waiting._alike.values() for shelf in one._shelves.values())
    assert held < 500


def test_tidying_does_not_disturb_a_look_into_the_queue() -> None:
    """What has left is cleared away now and then, which may fall due while a batch is chosen."""
    waiting: WaitingItems[str] = WaitingItems(10)
    for _ in range(300):
        waiting.add([entry(10, group=1), entry(10, group=2)])
        assert len(waiting.take(Budget(tokens=100, items=4))) == 2


@given(st.lists(entries, max_size=40), budgets)
def test_every_item_is_taken_exactly_once(items: list[Entry[str]], budget: Budget) -> None:
    waiting = filled(items)
    taken: list[Entry[str]] = []
    for _ in range(len(items)):
        taken += waiting.take(budget)
    assert sorted(map(id, taken)) == sorted(map(id, items))
    assert len(waiting) == 0
    assert waiting.tokens == 0


@given(st.lists(entries, min_size=1, max_size=40), budgets)
def test_a_batch_is_as_full_as_the_budget_allows(items: list[Entry[str]], budget: Budget) -> None:
    waiting = filled(items)
    batch = waiting.take(budget)
    longest = max(e.length for e in batch)
    left = waiting.clear()
    room = len(batch) < budget.items
    assert not (room and any(budget.admits(len(batch) + 1, max(longest, e.length)) for e in left))


@given(
    st.lists(st.lists(entries, max_size=6), min_size=1, max_size=12),
    budgets,
    st.integers(1, 120),
)
def test_the_oldest_deadline_is_never_overtaken(
    arrivals: list[list[Entry[str]]], budget: Budget, length: int
) -> None:
    """Whatever arrives, an item waits for no batch but those headed by more urgent items."""
    waiting = filled([])
    watched = entry(length, deadline=5.0, group=99)
    waiting.add([watched])
    for arriving in arrivals:
        waiting.add(arriving)
        batch = waiting.take(budget)
        if any(e is watched for e in batch):
            return
        assert batch[0].urgency < watched.urgency


def test_a_submission_goes_together_before_others_of_like_length() -> None:
    waiting = filled([])
    mine = [entry(10, group=1), entry(40, group=1), entry(12, group=1)]
    waiting.add([mine[0]])
    waiting.add([entry(10, group=2), entry(11, group=2)])
    waiting.add(mine[1:])
    batch = waiting.take(Budget(tokens=120, items=3))
    assert [id(e) for e in batch] == [id(e) for e in mine]


def test_like_lengths_fill_the_batch() -> None:
    head = entry(20, deadline=1.0, group=1)
    others = [entry(length, group=10 + length) for length in (90, 21, 5, 19, 60, 22)]
    waiting = filled([head, *others])
    batch = waiting.take(Budget(tokens=1_000, items=4))
    assert sorted(e.length for e in batch) == [19, 20, 21, 22]
    assert padding_ratio(batch) == pytest.approx(1 - 82 / 88)


def test_background_waits_for_interactive_but_fills_its_batch() -> None:
    background = entry(10, deadline=1.0, priority=1, group=1)
    interactive = entry(10, deadline=9.0, priority=0, group=2)
    waiting = filled([background, interactive])
    assert waiting.take(Budget(10, 1)) == [interactive]
    waiting = filled([background, interactive])
    assert waiting.take(Budget(20, 2)) == [interactive, background]


def test_an_item_longer_than_the_budget_runs_alone() -> None:
    giant = entry(500, deadline=1.0, group=1)
    waiting = filled([giant, entry(5, group=2)])
    assert waiting.take(Budget(100, 8)) == [giant]
    assert len(waiting) == 1


def test_the_queue_is_bounded_and_groups_can_leave() -> None:
    waiting: WaitingItems[str] = WaitingItems(3)
    assert waiting.admits(3)
    assert not waiting.admits(4)
    leaving = [entry(3, group=1), entry(4, group=1)]
    staying = entry(5, group=2)
    waiting.add([*leaving, staying])
    assert not waiting.admits(1)
    assert waiting.remove_group(1) == leaving
    assert not waiting.remove(leaving[0])
    assert waiting.tokens == 5
    assert waiting.clear() == [staying]


def test_interactive_items_fill_a_batch_before_background_of_likelier_length() -> None:
    head = entry(20, deadline=1.0, group=1)
    background = entry(20, deadline=1.0, priority=1, group=2)
    interactive = entry(25, deadline=9.0, group=3)
    waiting = filled([head, background, interactive])
    assert waiting.take(Budget(50, 2)) == [head, interactive]
    assert waiting.take(Budget(50, 2)) == [background]


def test_nothing_is_taken_from_nothing() -> None:
    waiting = filled([])
    assert waiting.take(Budget(10, 10)) == []
    assert waiting.most_urgent() is None
    assert waiting.expire(1e9) == []


@pytest.mark.parametrize(("tokens", "items"), [(0, 1), (1, 0)])
def test_an_empty_budget_is_refused(tokens: int, items: int) -> None:
    with pytest.raises(ValueError, match="at least one"):
        Budget(tokens, items)


def test_a_queue_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        WaitingItems(0)
