"""The output screen's reader: what machines wrote is read beside the reranker, or is not said."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

import gevent
import numpy as np
import pytest
from gevent.monkey import get_original

from app.dialog.screen.machine import MachineText
from app.domain import Candidate, Source
from app.serving.load.request import Request, current_request
from app.serving.screens.replies import REASONS, UNREAD, Replies
from app.telemetry import Metrics
from models.checkpoint import ModelFileError
from models.contracts import EncodeItem

HEADS = ("human_claim", "harm")
Lock = get_original("threading", "Lock")


class Reader:
    """A logit of 2 for each head whose name stands in the text, the limits at 1 and at 3."""

    version = "fake"
    heads = HEADS
    stack: ClassVar = {
        "human_claim": {"sentence": 1.0, "bias": -1.0},
        "harm": {"sentence": 1.0, "bias": -3.0},
    }

    def __init__(self, fault: Callable[[], Any] = lambda: None) -> None:
        self.fault = fault
        self.asked: list[str] = []

    def prepare(self, texts: Sequence[str]) -> list[EncodeItem]:
        self.asked += texts
        return [EncodeItem((101, *(int(head in text) for head in HEADS), 102)) for text in texts]

    def run(self, items: Sequence[EncodeItem]) -> list[Any]:
        self.fault()
        return [np.array([2.0 * flag for flag in item.ids[1:-1]]) for item in items]

    def warm(self) -> None:
        pass


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def opened(metrics: Metrics) -> Iterator[Callable[[Any], Replies]]:
    lanes: list[Replies] = []

    def open_(reader: Any) -> Replies:
        lanes.append(Replies(reader, metrics))
        return lanes[-1]

    yield open_
    for lane in lanes:
        lane.close()


def failures(metrics: Metrics) -> float | None:
    return metrics.registry.get_sample_value("kindred_failures_total", {"where": "output_screen"})


def soon() -> float:
    return time.monotonic() + 5.0


def candidate(name: str, text: str, source: Source = Source.GENERATOR) -> Candidate:
    return Candidate(name, text, source)


def test_a_head_above_its_own_limit_is_a_reason(opened: Any, metrics: Metrics) -> None:
    reading = opened(Reader()).begin(["all good", "a human_claim", "a harm", "human_claim"], soon())
    assert reading.wait() == [(), ("human-claim",), (), ("human-claim",)]
    assert failures(metrics) == 0


def test_the_bank_is_not_read_and_reasons_stand_beside_those_there_are(opened: Any) -> None:
    reader = Reader()
    candidates = [
        candidate("r", "a human_claim", Source.RETRIEVAL),
        candidate("g", "a human_claim").with_(filters=("unsure",)),
        candidate("h", "all good"),
    ]
    read = MachineText.begin(candidates, opened(reader), soon()).judged(candidates)
    assert [one.filters for one in read] == [(), ("unsure", "human-claim"), ()]
    assert reader.asked == ["a human_claim", "all good"]


def test_without_a_reader_or_a_machine_nothing_is_asked(opened: Any) -> None:
    written, banked = candidate("g", "harm"), candidate("r", "harm", Source.RETRIEVAL)
    assert MachineText.begin([written], None, soon()).judged([written]) == (written,)
    reader = Reader()
    assert MachineText.begin([banked], opened(reader), soon()).judged([banked]) == (banked,)
    assert not reader.asked


def test_what_could_not_be_read_is_not_said(opened: Any, metrics: Metrics) -> None:
    def fail() -> None:
        raise RuntimeError("no memory")

    written, banked = candidate("g", "all good"), candidate("r", "hi", Source.RETRIEVAL)
    read = MachineText.begin([written, banked], opened(Reader(fail)), soon())
    assert [one.filters for one in read.judged([written, banked])] == [UNREAD, ()]
    assert failures(metrics) == 1


def test_a_reader_that_hangs_is_waited_for_until_the_deadline_only(opened: Any) -> None:
    lock = Lock()
    lock.acquire()

    def hang() -> None:
        with lock:
            pass

    lane = opened(Reader(hang))
    try:
        started = time.monotonic()
        reading = lane.begin(["all good"], started + 0.05)
        assert reading.wait() == [UNREAD]
        assert time.monotonic() - started < 2.0
    finally:
        lock.release()


def test_one_text_that_gives_no_number_leaves_the_others_read(opened: Any) -> None:
    reader = Reader()
    run = reader.run
    reader.run = lambda items: [  # type: ignore[method-assign]
        row * np.nan if item.ids[2] else row for item, row in zip(items, run(items), strict=True)
    ]
    assert opened(reader).begin(["all good", "harm", "human_claim"], soon()).wait() == [
        (),
        UNREAD,
        ("human-claim",),
    ]


def test_the_load_control_hears_of_what_was_not_read(opened: Any) -> None:
    def fail() -> None:
        raise RuntimeError("no memory")

    request = Request(began=0.0)
    token = current_request.set(request)
    try:
        opened(Reader(fail)).begin(["all good"], soon()).wait()
        assert request.missed
    finally:
        current_request.reset(token)


def test_who_leaves_takes_what_waits_out_of_the_queue(opened: Any) -> None:
    lock = Lock()
    lock.acquire()

    def hang() -> None:
        with lock:
            pass

    lane = opened(Reader(hang))
    try:
        first = lane.begin(["all good"], soon())
        gevent.sleep(0.01)  # it runs now
        read = MachineText.begin([candidate("g", "all good")], lane, soon())
        assert lane.backlog().items == 1
        read.cancel()
        assert lane.backlog().items == 0
    finally:
        lock.release()
    assert first.wait() == [()]


def test_another_readers_heads_are_refused(metrics: Metrics) -> None:
    reader = Reader()
    reader.heads = ("crisis",)  # type: ignore[assignment]
    with pytest.raises(ModelFileError, match="crisis"):
        Replies(reader, metrics)


def test_every_head_that_is_trained_has_its_reason() -> None:
    from scripts.safety.sets import OUTPUT_LABELS

    assert set(REASONS) == set(OUTPUT_LABELS)
