"""Row 22 at the real service: more people than it can answer are told so at once, and come back.

How the load is controlled, step by step, is on a virtual clock in `test_load_steps.py`; how many
milliseconds it takes is what `./scripts/bench overload` measures.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.faults.conftest import StartService
from tests.faults.service import Answer, Service, eventually

pytestmark = [pytest.mark.slow, pytest.mark.faults(22)]

AT_ONCE = 2  # requests that are let in
PEOPLE = 12
WORK = 4.0  # seconds that the encoder takes for any batch: far more than a refusal


def test_row_22_the_service_refuses_early_and_a_crisis_never(start_service: StartService) -> None:
    service = start_service(faulty=True, in_flight_max=AT_ONCE, cache_mb=0)
    people = [service.guest() for _ in range(PEOPLE + 1)]
    begun = threading.Barrier(PEOPLE)

    def talk(token: str) -> Answer:
        begun.wait()
        return service.chat(token, "hello there")

    service.breaks("encoder", "slow", seconds=WORK)
    with ThreadPoolExecutor(PEOPLE) as clients:
        pending = [clients.submit(talk, token) for token in people[:-1]]
        time.sleep(WORK / 4)  # those who were let in are with the encoder now
        crisis = service.chat(people[-1], "i want to kill myself")
        answers = [future.result() for future in pending]
    service.mends("encoder")
    assert (crisis.status, crisis.json["source"]) == (200, "safety")
    assert crisis.seconds < WORK
    refused = [answer for answer in answers if answer.status == 503]
    accepted = [answer for answer in answers if answer.status == 200]
    assert len(refused) + len(accepted) == PEOPLE
    assert 1 <= len(accepted) <= AT_ONCE
    for answer in refused:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json["type"] == "urn:kindred:problem:overloaded"
        assert 1 <= int(answer.headers["retry-after"]) <= 30
    assert max(answer.seconds for answer in refused) < min(answer.seconds for answer in accepted)
    # Whoever was refused is answered when they come again.
    for token in people:
        again = eventually(lambda token=token: _answered(service, token), 60, "still refused")
        assert again.json["text"]


def _answered(service: Service, token: str) -> Answer | None:
    answer = service.chat(token, "and now?")
    assert answer.status in (200, 503), answer.text
    return answer if answer.status == 200 else None
