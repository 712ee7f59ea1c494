"""A message of one thing over and over is read as quickly as any other.

All that reads a message runs on the hub: a search that begins anew at each of two thousand dots
would keep everybody waiting for as many seconds as it likes.
"""

from __future__ import annotations

import time

import pytest

from app.dialog.memory import facts
from app.dialog.memory.recall import recall
from app.dialog.safety import Reading
from app.domain import Speaker, Turn

CHARS = 2_000  # KINDRED_MESSAGE_CHARS_MAX
SECONDS = 1.0  # of processor time, on a busy machine: dots took ten


def read(text: str) -> None:
    """As the edge and the pipeline do."""
    Reading.of(text)
    change = facts.learn(Turn("t1", 1, Speaker.PERSON, text, 1.8e9), ())
    facts.asks_to_forget(text)
    recall(text, change.learned)


@pytest.mark.faults(25)
@pytest.mark.parametrize("end", ["", "x?"])
@pytest.mark.parametrize(
    "unit",
    [
        *".#-!?,;:()[]{}<>|*_'\"`~ \n0a",
        *(". ", "..a", ".\n", "a. ", "a ", "k i l l ", "and I ", "my "),
    ],
)
def test_a_message_of_one_thing_is_read_at_once(unit: str, end: str) -> None:
    text = ("I like " + unit * CHARS)[: CHARS - len(end)] + end
    begun = time.process_time()
    read(text)
    assert time.process_time() - begun < SECONDS


@pytest.mark.faults(25)
def test_a_run_of_commas_before_a_question_is_looked_into_once() -> None:
    text = ", " * (CHARS // 2 - 1) + "?"
    times = []
    for _ in range(3):
        begun = time.process_time()
        facts.asks_to_forget(text)
        times.append(time.process_time() - begun)
    assert min(times) < 0.025  # 0.08 where each comma begins anew
