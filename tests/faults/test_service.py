"""The service that the fault tests stand on is real, and its parts can be killed apart."""

from __future__ import annotations

import pytest

from tests.faults.conftest import StartService
from tests.faults.service import Service, alive

pytestmark = pytest.mark.slow


def test_it_chats_and_keeps_reactions(service: Service) -> None:
    token = service.guest()
    before = service.metric("kindred_reactions_total", reaction="love")
    reply = service.chat(token, "hello there")
    assert (reply.status, reply.json["degraded"]) == (200, False)
    assert service.react(token, reply.json["reply_id"]).status == 200
    after = service.metric("kindred_reactions_total", reaction="love")
    assert after == before + 1


def test_its_parts_can_be_killed_and_come_back(start_service: StartService) -> None:
    service = start_service(faulty=True)
    token = service.guest()
    assert service.chat(token, "hello").status == 200
    old = service.redis_pid
    service.kill_redis()
    assert service.redis_pid is None
    service.start_redis()
    assert service.redis_pid not in (None, old)
    service.freeze_redis()
    service.thaw_redis()
    worker = service.kill_worker()
    assert service.wait_worker(other_than=worker) != worker
    service.wait_ready()
    assert service.chat(token, "hello again").status == 200
    service.terminate()
    assert service.wait_end() < 30
    assert not alive(service.master_pid)
