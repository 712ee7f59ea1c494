"""Clients hang up while their requests are queued: dropped before the batch (row 24)."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis

from app.store.server.private_redis import PrivateRedis
from tests.faults.busy import WAIT, Client, Server

pytestmark = pytest.mark.faults(24)


Join = Callable[[], Client]


@pytest.fixture
def join(server: Server) -> Iterator[Join]:
    """Makes guests, and closes what they leave open."""
    with ExitStack() as ended:

        def make() -> Client:
            client = Client(server.port)
            ended.callback(lambda: client.hang_up(rudely=False))
            return client

        yield make


def eventually(what: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT
    while not what():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.02)


@pytest.fixture
def server(
    tmp_path: Path, redis_server: PrivateRedis, empty_redis: redis.Redis
) -> Iterator[Server]:
    started = Server(tmp_path, redis_server.url)

    def up() -> bool:
        assert started.process.poll() is None, "gunicorn ended"
        try:
            socket.create_connection(("127.0.0.1", started.port), timeout=1).close()
            return bool(started.metric("kindred_in_flight_requests") == 0.0)
        except OSError:
            return False

    eventually(up)
    yield started
    started.release()
    started.process.send_signal(signal.SIGTERM)
    try:
        started.process.wait(40)
    except subprocess.TimeoutExpired:
        started.process.kill()
        started.process.wait()


def test_clients_that_hang_up_while_queued_are_dropped_before_the_batch(
    server: Server, join: Join
) -> None:
    staying = join()
    staying.say("i stay")
    eventually(lambda: len(server.ran()) == 2)  # both models are busy with it
    leaving = [join() for _ in range(8)]
    for number, client in enumerate(leaving):
        client.say(f"i leave {number}")
    eventually(lambda: server.queued() == (8, 8))

    for number, client in enumerate(leaving):
        client.hang_up(rudely=number % 2 == 1)
    eventually(lambda: server.queued() == (0, 0))
    server.release()
    status, reply = staying.answer()
    assert (status, reply["degraded"]) == (200, False)
    assert sorted(server.ran()) == ["encoder i stay", "generator i stay"]
    assert server.metric("kindred_dropped_total", model="chat", reason="hung_up") == 8
    for model in ("encoder", "generator"):
        assert server.metric("kindred_dropped_total", model=model, reason="cancelled") == 8

    # What they said is saved, once; the same message later gets its answer.
    late = leaving[0]
    late.again(server.port)
    late.send("GET", "/v1/conversations")
    _, page = late.answer()
    assert [item["last_text"] for item in page["items"]] == ["i leave 0"]
    late.say("i leave 0")
    status, reply = late.answer()
    assert status == 200
    late.send("GET", f"/v1/conversations/{reply['conversation_id']}")
    _, found = late.answer()
    assert [turn["speaker"] for turn in found["turns"]] == ["person", "kindred"]


def test_a_request_that_is_sent_early_is_no_hang_up(server: Server, join: Join) -> None:
    client = join()
    client.say("first")
    eventually(lambda: len(server.ran()) == 2)
    client.say("second")  # while the first is still being answered
    time.sleep(0.2)
    assert server.metric("kindred_dropped_total", model="chat", reason="hung_up") == 0
    server.release()
    replies = [client.answer() for _ in range(2)]
    assert [(status, reply["degraded"]) for status, reply in replies] == [(200, False)] * 2
    assert len({reply["reply_id"] for _, reply in replies}) == 2


def test_no_later_answer_takes_the_place_of_one_that_was_dropped(
    server: Server, join: Join
) -> None:
    client = join()
    client.say("first")
    eventually(lambda: len(server.ran()) == 2)
    client.send("GET", "/v1/conversations")  # would be answered at once
    client.farewell()
    assert client.rest() == b""
    assert server.metric("kindred_dropped_total", model="chat", reason="hung_up") == 1


def test_a_stream_whose_reader_is_gone_is_dropped_too(server: Server, join: Join) -> None:
    staying = join()
    staying.say("i stay")
    eventually(lambda: len(server.ran()) == 2)
    leaving = join()
    leaving.stream("i leave")
    eventually(lambda: server.queued() == (1, 1))
    leaving.hang_up(rudely=False)
    eventually(lambda: server.queued() == (0, 0))
    server.release()
    assert staying.answer()[0] == 200
    assert not [line for line in server.ran() if "leave" in line]
