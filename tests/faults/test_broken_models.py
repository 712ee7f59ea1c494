"""Rows 16 to 20 at the real service: models that break, for one person or for everybody.

What happens inside a batch is in `test_batch_faults.py`; here it is what people get.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.faults.conftest import StartService
from tests.faults.service import Answer, Service, alive, eventually

pytestmark = pytest.mark.slow

UNLUCKY = "zebra"  # who says this meets the fault


@pytest.fixture(scope="module")
def breakable(module_services: StartService) -> Service:
    """A service whose models can be broken and mended; shared by the tests that let it live."""
    return module_services(faulty=True, cache_mb=0)


@pytest.fixture
def broken(breakable: Service) -> Iterator[Callable[..., None]]:
    """Breaks a model for the time of one test."""
    models: list[str] = []

    def breaks(model: str, kind: str, **more: Any) -> None:
        models.append(model)
        breakable.breaks(model, kind, **more)

    yield breaks
    for model in models:
        breakable.mends(model)
    assert breakable.chat(breakable.guest(), "and now?").json["degraded"] is False


def talk_together(service: Service, lines: list[str]) -> list[Answer]:
    """Each line by a person of their own, at the same time."""
    people = [service.guest() for _ in lines]
    with ThreadPoolExecutor(len(lines)) as clients:
        return list(clients.map(service.chat, people, lines))


def is_whole(answer: Answer) -> bool:
    """A reply to which every part contributed."""
    return answer.status == 200 and bool(answer.json["text"]) and not answer.json["degraded"]


def is_rescued(answer: Answer) -> bool:
    """A reply of the reviewed bank, or a line that always fits, marked as degraded."""
    reply = answer.json
    sources = ("retrieval", "fallback")
    return answer.status == 200 and reply["degraded"] and reply["source"] in sources


@pytest.mark.faults(16)
@pytest.mark.parametrize(
    ("model", "counted"),
    [("reranker", "reranker_nan"), ("encoder", "encoder_nan"), ("generator", "generator_nan")],
)
def test_row_16_the_model_returns_nan(
    breakable: Service, broken: Callable[..., None], model: str, counted: str
) -> None:
    before = breakable.metric("kindred_failures_total", where=counted)
    broken(model, "nan", word=UNLUCKY)
    lines = [f"i saw a {UNLUCKY}", "hello there", "i went hiking", "i am so tired"]
    answers = talk_together(breakable, lines)
    assert answers[0].status == 200
    assert answers[0].json["source"] != "generator" or model == "encoder"
    assert answers[0].json["degraded"] or model == "generator"
    assert all(is_whole(answer) for answer in answers[1:]), [a.text for a in answers[1:]]
    assert breakable.metric("kindred_failures_total", where=counted) > before


@pytest.mark.faults(17)
def test_row_17_one_item_poisons_its_batch(breakable: Service, broken: Callable[..., None]) -> None:
    broken("reranker", "raises", word=UNLUCKY)
    lines = ["hello there", f"i saw a {UNLUCKY}", "i went hiking", "goodbye", "i am so tired"]
    answers = talk_together(breakable, lines)
    assert is_rescued(answers.pop(1))
    assert all(is_whole(answer) for answer in answers), [a.text for a in answers]


@pytest.mark.faults(18)
@pytest.mark.parametrize("model", ["reranker", "generator", "encoder"])
def test_row_18_out_of_memory(breakable: Service, broken: Callable[..., None], model: str) -> None:
    before = breakable.metric("kindred_failures_total", where=f"model_{model}")
    broken(model, "out_of_memory")
    answers = talk_together(breakable, ["hello there", "i went hiking", "i am so tired"])
    assert all(answer.status == 200 and answer.json["text"] for answer in answers)
    assert all(answer.json["degraded"] for answer in answers)
    assert model != "reranker" or all(is_rescued(answer) for answer in answers)
    assert breakable.metric("kindred_failures_total", where=f"model_{model}") > before


@pytest.mark.faults(20)
def test_row_20_a_system_error_inside_native_code(
    breakable: Service, broken: Callable[..., None]
) -> None:
    worker = breakable.worker_pid
    for model in ("encoder", "reranker", "generator"):
        broken(model, "system_error", word=UNLUCKY)
    answers = talk_together(breakable, [f"a {UNLUCKY}", "hello there", f"the {UNLUCKY} again"])
    assert [answer.status for answer in answers] == [200] * 3
    assert answers[0].json["degraded"]
    assert is_whole(answers[1])
    assert breakable.worker_pid == worker
    assert eventually(breakable.ready)


@pytest.mark.parametrize("screen", ["input_screen", "output_screen"])
@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("nan", marks=pytest.mark.faults(16)),
        pytest.param("out_of_memory", marks=pytest.mark.faults(18)),
        pytest.param("system_error", marks=pytest.mark.faults(20)),
    ],
)
def test_rows_16_18_20_a_reader_of_the_screens_breaks(
    breakable: Service, broken: Callable[..., None], screen: str, kind: str
) -> None:
    """Rules decide, what was not read is not said, and the worker says that it is not well."""
    worker = breakable.worker_pid
    before = breakable.metric("kindred_failures_total", where=screen)
    broken(screen, kind)
    crisis, *answers = talk_together(
        breakable, ["i want to kill myself", "hello there", "i went hiking", "i am so tired"]
    )
    assert (crisis.status, crisis.json["source"]) == (200, "safety")
    assert all(is_whole(answer) for answer in answers), [a.text for a in answers]
    if screen == "input_screen":  # of the other only the canary asks: this generator says nothing
        assert breakable.metric("kindred_failures_total", where=screen) > before
    assert eventually(lambda: f"Not well: {screen}." in _readiness(breakable), 30, "it seems well")
    breakable.mends(screen)
    assert eventually(breakable.ready, 30, "it stayed ill")
    assert breakable.worker_pid == worker


def _readiness(service: Service) -> str:
    return service.call("GET", "/readyz").text


@pytest.mark.faults(19)
@pytest.mark.parametrize("model", ["encoder", "reranker", "generator", "input_screen"])
def test_row_19_the_native_thread_hangs(start_service: StartService, model: str) -> None:
    service = start_service(
        faulty=True,
        hang_seconds=4,
        chat_deadline_ms=3_000,
        gather_deadline_ms=1_200,
        rank_deadline_ms=1_200,
        finish_deadline_ms=300,
    )
    token = service.guest()
    old = service.worker_pid
    service.breaks(model, "hangs")
    answer = service.chat(token, "hello there")
    assert answer.status == 200
    assert answer.json["text"]
    assert answer.json["degraded"] or model == "input_screen"  # the rules answer for it
    assert eventually(lambda: _unready(service), 60, "it stayed ready")
    service.mends(model)  # for the next process; this one is lost
    assert eventually(lambda: not alive(old), 60, "the worker that hangs was not replaced")
    assert service.wait_worker(other_than=old) != old
    service.wait_ready()
    assert eventually(lambda: is_whole(service.chat(token, "hello again")), 60)
    assert f"the {model} hangs" in service.log()


def _unready(service: Service) -> bool:
    """Whether it says of itself that it is not ready."""
    try:
        answer = service.call("GET", "/readyz", timeout=10.0)
    except OSError:  # it is between two workers already
        return True
    return answer.status == 503


@pytest.mark.faults(19)
def test_row_19_one_that_keeps_the_interpreter_is_ended_from_outside(
    start_service: StartService,
) -> None:
    service = start_service(faulty=True)
    token = service.guest()
    old = service.worker_pid
    service.breaks("reranker", "holds")
    with pytest.raises(OSError):  # nothing in that process can answer: the master must act
        service.chat(token, "hello there")
    service.mends("reranker")
    assert eventually(lambda: not alive(old), 90, "the master let it hang")
    service.wait_ready()
    assert service.chat(token, "hello again").status == 200


@pytest.mark.faults(20)
def test_row_20_native_code_that_ends_the_process_is_survived_by_the_service(
    start_service: StartService,
) -> None:
    service = start_service(faulty=True)
    token = service.guest()
    old = service.worker_pid
    service.breaks("generator", "crashes")
    with pytest.raises(OSError):
        service.chat(token, "hello there")
    service.mends("generator")
    assert not alive(old)
    service.wait_ready()
    assert service.chat(token, "hello again").status == 200
    assert signal.SIGSEGV.name in service.log()
