"""Row 28, the other way round: who asks and does not read is hung up on, and others chat on."""

from __future__ import annotations

import socket
import time

import pytest

from app.worker import _SEND_SECONDS
from tests.faults.service import Service

pytestmark = [pytest.mark.slow, pytest.mark.faults(28)]

READERS = 20
# Many at once on one connection: together more than the kernel's buffers hold.
ASKED = b"GET /openapi.json HTTP/1.1\r\nHost: kindred\r\n\r\n" * 40


def held(service: Service) -> int:
    """Connections that the worker still has (Linux, /proc/net/tcp: state 01).

    The clients cannot be asked: they would be told of the end behind what they do not read.
    """
    with open("/proc/net/tcp", encoding="ascii") as lines:
        rows = [line.split() for line in lines][1:]
    here = f":{service.port:04X}"
    return sum(row[1].endswith(here) and row[3] == "01" for row in rows)


def test_row_28_who_asks_and_does_not_read(service: Service) -> None:
    token = service.guest()
    connections = []
    try:
        for _ in range(READERS):
            one = socket.socket()
            connections.append(one)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
            one.connect(("127.0.0.1", service.port))
            one.sendall(ASKED)
        assert held(service) == READERS
        end = time.monotonic() + 6 * _SEND_SECONDS
        while held(service) and time.monotonic() < end:
            assert service.chat(token, "hello there").status == 200
            time.sleep(0.5)
        assert held(service) == 0
    finally:
        for one in connections:
            one.close()
