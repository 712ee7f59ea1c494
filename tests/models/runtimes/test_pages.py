"""The pages of the cache: no two sequences write to one page, and each sees its own tokens."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.runtimes.pages import PageTable, pages_needed

PAGE = 4


class Story:
    """A cache of letters beside the table: what each sequence would read."""

    def __init__(self, lengths: list[int], counts: list[int], steps: int) -> None:
        self.size = 1 + pages_needed(lengths, counts, steps, PAGE)
        self.cells = np.full((self.size, PAGE), -1)
        self.table = PageTable(lengths, PAGE, first=1)
        self.told = [[100 * r + i for i in range(length)] for r, length in enumerate(lengths)]
        for r, told in enumerate(self.told):
            for i, token in enumerate(told):
                self.cells[self.table.table[r, i // PAGE], i % PAGE] = token
        source, target = self.table.fork(counts)
        self.cells[target] = self.cells[source]
        self.told = [list(t) for t, n in zip(self.told, counts, strict=True) for _ in range(n)]

    def step(self, token: int) -> None:
        places = self.table.lengths.copy()
        self.table.grow()
        for r, place in enumerate(places):
            self.cells[self.table.table[r, place // PAGE], place % PAGE] = token + r
            self.told[r].append(token + r)

    def check(self) -> None:
        pages, begins = self.table.flat()
        assert pages.min() >= 1
        assert pages.max() < self.size
        for r, told in enumerate(self.told):
            own = self.cells[pages[begins[r] : begins[r + 1]]].flatten()
            assert own[: len(told)].tolist() == told


@given(
    batch=st.lists(st.tuples(st.integers(1, 14), st.integers(1, 5)), min_size=1, max_size=5),
    steps=st.integers(1, 11),
    data=st.data(),
)
def test_each_sequence_reads_what_it_wrote(
    batch: list[tuple[int, int]], steps: int, data: st.DataObject
) -> None:
    story = Story([length for length, _ in batch], [count for _, count in batch], steps)
    story.check()
    for number in range(steps):
        story.step(1000 * (number + 1))
        story.check()
        living = len(story.told)
        kept = [r for r in range(living) if data.draw(st.booleans())] or [0]
        story.table.keep(np.asarray(kept, np.int32))
        story.told = [story.told[r] for r in kept]
    assert story.table.next <= story.size


def test_whole_pages_of_a_context_are_shared_and_the_begun_one_is_not() -> None:
    table = PageTable([9], PAGE)
    source, target = table.fork([3])
    assert source.tolist() == [2, 2, 2]
    assert target.tolist() == [3, 4, 5]
    assert table.table.tolist() == [[0, 1, 3], [0, 1, 4], [0, 1, 5]]
