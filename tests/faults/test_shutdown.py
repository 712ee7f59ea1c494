"""Rows 13 and 14: SIGTERM under load, and beside connections that do nothing or little."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field

import pytest

from tests.faults.conftest import StartService
from tests.faults.service import Service, alive, eventually

pytestmark = pytest.mark.slow

GRACE = 30.0  # gunicorn.conf.py's
CLIENTS = 12


@dataclass
class Client:
    """One person on kept connections, who talks until there is no more service."""

    service: Service
    token: str
    ending: threading.Event
    streams: bool = False  # asks for events, whose status is 200 before the reply is there
    statuses: list[int] = field(default_factory=list)
    refused: bool = False  # at the end there was nobody to take the request
    lost: list[str] = field(default_factory=list)  # a request that was taken and not answered

    def talk(self) -> None:
        """Say one thing after the other.

        What is still in the kernel's queue when the worker stops listening was never accepted: a
        connection that is made while the service ends may be reset instead of refused.
        """
        late = False
        connection = http.client.HTTPConnection("127.0.0.1", self.service.port, timeout=60)
        try:
            while True:
                if connection.sock is None:
                    late = self.ending.is_set()
                    connection.connect()
                self._say(connection, f"hello number {len(self.statuses)}")
        except ConnectionRefusedError:
            self.refused = True
        except (OSError, http.client.HTTPException) as error:
            self.refused = late and isinstance(error, ConnectionResetError)
            if not self.refused:
                self.lost.append(repr(error))
        finally:
            connection.close()

    def _say(self, connection: http.client.HTTPConnection, text: str) -> None:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        if self.streams:
            headers["Accept"] = "text/event-stream"
        connection.request("POST", "/v1/chat", json.dumps({"message": text}), headers)
        answer = connection.getresponse()
        body = answer.read()
        if self.streams:
            assert b"event: reply" in body, body
        assert answer.status != 200 or self.streams or json.loads(body)["text"]
        self.statuses.append(answer.status)


@pytest.mark.faults(13)
def test_row_13_sigterm_under_load(start_service: StartService) -> None:
    service = start_service(faulty=True)
    service.breaks("encoder", "slow", seconds=0.3)  # so that many are on their way at any moment
    ending = threading.Event()
    clients = [Client(service, service.guest(), ending, bool(n % 2)) for n in range(CLIENTS)]
    threads = [threading.Thread(target=client.talk) for client in clients]
    for thread in threads:
        thread.start()
    eventually(lambda: sum(len(client.statuses) for client in clients) >= 3 * CLIENTS)
    worker = service.worker_pid
    ending.set()
    service.terminate()
    took = service.wait_end()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    assert took < GRACE
    assert not alive(worker)
    assert [client.lost for client in clients if client.lost] == []
    assert {status for client in clients for status in client.statuses} == {200}
    assert all(client.refused for client in clients)  # everybody talked until the end
    assert "graceful timeout" not in service.log()


@pytest.mark.faults(13)
def test_row_13_at_sigterm_it_is_not_ready_at_once(start_service: StartService) -> None:
    service = start_service(faulty=True)
    service.breaks("encoder", "slow", seconds=3.0)
    token = service.guest()
    kept = http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)
    kept.request("GET", "/livez")
    assert kept.getresponse().read()
    answers: list[int] = []
    talk = threading.Thread(target=lambda: answers.append(service.chat(token, "hello").status))
    talk.start()
    time.sleep(0.5)  # it is with the encoder now
    service.terminate()
    time.sleep(0.2)  # the signal is delivered; gunicorn looks once a second
    kept.request("GET", "/readyz")
    answer = kept.getresponse()
    assert answer.status == 503
    assert "ending" in json.loads(answer.read())["detail"]
    kept.close()
    talk.join(30)
    assert answers == [200]
    assert service.wait_end() < GRACE


@pytest.mark.faults(14)
def test_row_14_idle_connections_and_slow_bodies(start_service: StartService) -> None:
    service = start_service()
    token = service.guest()
    with ExitStack() as ended:
        for number in range(12):
            connection = socket.create_connection(("127.0.0.1", service.port), timeout=60)
            ended.callback(connection.close)
            connection.sendall(OPENINGS[number % len(OPENINGS)].replace("TOKEN", token).encode())
        stop = threading.Event()
        trickle = threading.Thread(target=_trickle, args=(service, token, stop))
        trickle.start()
        time.sleep(0.5)
        service.terminate()
        took = service.wait_end()
        stop.set()
        trickle.join(10)
    assert took < GRACE
    assert "graceful timeout" not in service.log()


OPENINGS = (
    "",  # nothing at all
    "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n",  # answered, and then idle
    "GET /livez HTTP/1.1\r\nHost: a\r\nX-Slow: ",  # headers that do not end
    "POST /v1/chat HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer TOKEN\r\n"
    'Content-Type: application/json\r\nContent-Length: 500\r\n\r\n{"message": "',
)


def _trickle(service: Service, token: str, stop: threading.Event) -> None:
    """A body of which a byte comes every 0.2 s, for as long as anybody listens."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as connection:
        connection.sendall(OPENINGS[3].replace("TOKEN", token).encode())
        while not stop.wait(0.2):
            try:
                connection.sendall(b"a")
            except OSError:
                return
