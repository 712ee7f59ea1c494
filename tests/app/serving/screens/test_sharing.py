"""The sentence reader is everybody's: who asks for much comes after who asks for little."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gevent
import numpy as np
import pytest

from app.serving.screens.sentences import Sentences
from app.telemetry import Metrics
from models.contracts import EncodeItem
from tests.app.serving.screens.readers import Blocked, Reader


def raising() -> None:
    raise RuntimeError("no such memory")


class Noting(Reader):
    """Notes in which order texts were run."""

    def __init__(self, fault: Any = lambda: None) -> None:
        super().__init__(fault)
        self.ran: list[str] = []

    def prepare(self, texts: Sequence[str]) -> list[EncodeItem]:
        before = len(self.asked)
        self.asked += texts
        return [EncodeItem((before + i, 0, 0)) for i in range(len(texts))]

    def run(self, items: Sequence[EncodeItem]) -> list[Any]:
        assert len(items) == 1, "nobody's answer waits for another's text"
        self.ran += [self.asked[item.ids[0]] for item in items]
        self.fault()
        return [np.full(6, -4.0) for _ in items]


def flooded(lane: Sentences, blocked: Blocked, asked: Sequence[tuple[str, list[str]]]) -> None:
    """Sources ask for texts one after the other while the first batch runs; then it comes back."""
    callers = []
    for source, texts in asked:
        callers.append(gevent.spawn(lane.hear, texts, source))
        gevent.sleep(0.01)
    blocked.lock.release()
    gevent.joinall(callers, timeout=20, raise_error=True)


def test_who_floods_it_keeps_it_from_nobody_else(opened: Any) -> None:
    blocked = Blocked()
    reader = Noting(blocked)
    lane = opened(reader)
    flood = [("flood", [f"flood {number} {part}" for part in range(7)]) for number in range(4)]
    flooded(lane, blocked, [*flood, ("ada", ["ada"]), ("ben", ["ben 0", "ben 1"])])
    assert reader.ran[0] == "flood 0 0", "it was there first, and ran"
    assert reader.ran[1:3] == ["ada", "ben 0"], "and the parts of a long message can wait"
    assert "ben 1" in reader.ran[3:6]
    assert sorted(reader.ran) == sorted(reader.asked), "and the flood was read after them"
    assert not lane._asked, "whose texts are done is forgotten"


def test_many_short_ones_of_one_source_wait_for_the_first_of_another(opened: Any) -> None:
    blocked = Blocked()
    reader = Noting(blocked)
    lane = opened(reader)
    flood = [("flood", [f"flood {number}"]) for number in range(20)]
    flooded(lane, blocked, [*flood, ("ada", ["ada"])])
    assert reader.ran[:2] == ["flood 0", "ada"]


def test_one_source_does_not_fill_the_queue(opened: Any, metrics: Metrics) -> None:
    blocked = Blocked()
    lane = opened(Noting(blocked))
    callers = [
        gevent.spawn(lane.hear, [f"{n} {part}" for part in range(7)], "flood") for n in range(9)
    ]
    gevent.sleep(0.01)
    assert lane.hear(["one more"] * 7, "flood") is None
    assert lane.backlog().items < 70
    neighbour = gevent.spawn(lane.hear, ["ada"] * 7, "ada")
    gevent.sleep(0.01)
    blocked.lock.release()
    gevent.joinall([*callers, neighbour], timeout=20, raise_error=True)
    assert neighbour.value is not None
    assert all(caller.value is not None for caller in callers)


def test_what_was_not_read_in_time_is_told_with_what_was(opened: Any) -> None:
    """The whole message comes first; of the parts one that fails is missing."""
    reader = Noting()
    reader.fault = lambda: raising() if len(reader.ran) == 3 else None
    heard = opened(reader).hear(["whole", "one", "two", "three"], "ada")
    assert heard is not None
    assert not heard.whole
    assert heard.logits["crisis"] == -4.0
    assert reader.ran[0] == "whole"


def test_who_leaves_is_no_longer_counted(opened: Any) -> None:
    blocked = Blocked()
    lane = opened(Noting(blocked))
    caller = gevent.spawn(lane.hear, ["a", "b"], "ada")
    gevent.sleep(0.01)
    assert lane._asked == {"ada": 2}
    caller.kill()
    assert not lane._asked
    blocked.lock.release()


def test_each_part_of_a_long_message_has_its_time(
    metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    lane = Sentences(Reader(), metrics, clock=lambda: 100.0)
    deadlines: list[float] = []
    monkeypatch.setattr(lane, "submit", lambda _texts, deadline, _: deadlines.append(deadline))
    try:
        lane.hear(["hi"])
        lane.hear(["a", "b", "c"])
    finally:
        lane.close()
    assert deadlines == pytest.approx([100.05, 100.11])
