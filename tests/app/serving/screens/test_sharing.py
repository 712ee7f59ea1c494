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


class Long(Reader):
    """As a message of many words costs; notes in which order texts were run."""

    def __init__(self, fault: Any = lambda: None) -> None:
        super().__init__(fault)
        self.ran: list[str] = []

    def prepare(self, texts: Sequence[str]) -> list[EncodeItem]:
        before = len(self.asked)
        self.asked += texts
        return [EncodeItem((before + i, *[0] * 99)) for i in range(len(texts))]

    def run(self, items: Sequence[EncodeItem]) -> list[Any]:
        self.ran += [self.asked[item.ids[0]] for item in items]
        self.fault()
        return [np.full(6, -4.0) for _ in items]


def flooded(lane: Sentences, blocked: Blocked, asked: Sequence[tuple[str, list[str]]]) -> None:
    """Sources ask for texts one after the other while the first batch runs; then it comes back."""
    callers = []
    for source, texts in asked:
        callers.append(gevent.spawn(lane.logits, texts, source))
        gevent.sleep(0.01)
    blocked.lock.release()
    gevent.joinall(callers, timeout=20, raise_error=True)


def test_who_floods_it_keeps_it_from_nobody_else(opened: Any) -> None:
    blocked = Blocked()
    reader = Long(blocked)
    lane = opened(reader)
    flood = [("flood", [f"flood {number} {part}" for part in range(7)]) for number in range(4)]
    flooded(lane, blocked, [*flood, ("ada", ["ada"]), ("ben", ["ben 0", "ben 1"])])
    assert reader.ran[0].startswith("flood 0"), "it was there first, and ran"
    assert reader.ran[1:4] == ["ada", "ben 0", "ben 1"]
    assert sorted(reader.ran) == sorted(reader.asked), "and the flood was read after them"
    assert not lane._asked, "whose texts are done is forgotten"


def test_many_short_ones_of_one_source_wait_for_the_first_of_another(opened: Any) -> None:
    blocked = Blocked()
    reader = Long(blocked)
    lane = opened(reader)
    flood = [("flood", [f"flood {number}"]) for number in range(20)]
    flooded(lane, blocked, [*flood, ("ada", ["ada"])])
    assert reader.ran[:2] == ["flood 0", "ada"]


def test_who_leaves_is_no_longer_counted(opened: Any) -> None:
    blocked = Blocked()
    lane = opened(Long(blocked))
    caller = gevent.spawn(lane.logits, ["a", "b"], "ada")
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
        lane.logits(["hi"])
        lane.logits(["a", "b", "c"])
    finally:
        lane.close()
    assert deadlines == pytest.approx([100.05, 100.11])
