"""The load on the HTTP path, a process of its own: closed loop, raw sockets, one thread.

A client of the standard library costs as much processor time as the server it asks; this one
costs a twentieth, so that one core can load another. Each client is a guest who says short
messages with a `message_id` over one connection, and begins a new conversation after so many.
`python -m scripts.benches.frontend_load --url … --clients 32 --seconds 10 …` prints one JSON
object; processor times of the worker and of Redis are those of the same window.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import socket
import time
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

_SILENCE = 30.0  # seconds without any answer, after which the run is broken
_TICKS = os.sysconf("SC_CLK_TCK")


class Client:
    """One guest on one connection; says the next message when the last is answered."""

    def __init__(self, address: tuple[str, int], messages: list[str], turns: int) -> None:
        self._host = f"{address[0]}:{address[1]}"
        self._socket = socket.create_connection(address, timeout=_SILENCE)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._messages = messages
        self._turns = turns
        self._said = 0
        self._conversation: str | None = None
        self._buffer = b""
        self._head = ""
        self.began = 0.0
        token = self._sign_in()
        self._head = f"Authorization: Bearer {token}\r\n"
        self._socket.setblocking(False)

    def fileno(self) -> int:
        """For epoll."""
        return self._socket.fileno()

    def say(self) -> None:
        """Send the next message."""
        body = {
            "message": self._messages[self._said % len(self._messages)],
            "message_id": f"{id(self)}-{self._said}",
        }
        if self._conversation is not None and self._said % self._turns:
            body["conversation_id"] = self._conversation
        self._said += 1
        self.began = time.perf_counter()
        self._send("/v1/chat", body)

    def hear(self) -> tuple[int, bytes] | None:
        """Status and body once the whole answer is there; None before."""
        data = self._socket.recv(65_536)
        if not data:
            raise ConnectionError("the server hung up")
        self._buffer += data
        answer = _parsed(self._buffer)
        if answer is None:
            return None
        self._buffer = b""
        return answer

    def heard(self, body: bytes) -> None:
        """Go on in the conversation of this reply."""
        if self._conversation is None or self._said % self._turns == 1:
            self._conversation = json.loads(body)["conversation_id"]

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def _sign_in(self) -> str:
        self._send("/v1/auth/guest", {})
        while (answer := self.hear()) is None:
            pass
        token: str = json.loads(answer[1])["token"]
        return token

    def _send(self, path: str, body: dict[str, str]) -> None:
        data = json.dumps(body).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: {self._host}\r\nContent-Type: application/json\r\n"
        head += f"{self._head}Content-Length: {len(data)}\r\n\r\n"
        self._socket.sendall(head.encode() + data)


def _parsed(data: bytes) -> tuple[int, bytes] | None:
    head, divider, body = data.partition(b"\r\n\r\n")
    if not divider:
        return None
    at = head.lower().index(b"content-length:") + 15
    length = int(head[at:].split(b"\r\n", 1)[0])
    return None if len(body) < length else (int(head[9:12]), body[:length])


def cpu_seconds(pid: int) -> float:
    """Processor time of a process so far, user and system; 0 of none."""
    if not pid:
        return 0.0
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


class Loop:
    """All clients on one epoll."""

    def __init__(self, clients: list[Client]) -> None:
        self._clients = {client.fileno(): client for client in clients}
        self._epoll = select.epoll()
        for number in self._clients:
            self._epoll.register(number, select.EPOLLIN)
        for client in clients:
            client.say()
        self.statuses: Counter[str] = Counter()

    def run(self, seconds: float) -> tuple[list[float], float]:
        """Latencies (seconds) of what was answered, and how long it took in all."""
        latencies: list[float] = []
        start = now = time.perf_counter()
        while now - start < seconds:
            ready = self._epoll.poll(_SILENCE)
            if not ready:
                raise TimeoutError("nothing was answered")
            for number, _ in ready:
                client = self._clients[number]
                answer = client.hear()
                if answer is None:
                    continue
                latencies.append(time.perf_counter() - client.began)
                status, body = answer
                source = json.loads(body).get("source", "") if status == 200 else ""
                self.statuses[f"{status} {source}".strip()] += 1
                if status == 200:
                    client.heard(body)
                client.say()
            now = time.perf_counter()
        return latencies, now - start


def main() -> None:
    """Parse, warm, measure, print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--clients", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--warm", type=float, default=2.0, help="seconds that do not count")
    parser.add_argument("--turns", type=int, default=8, help="messages of one conversation")
    parser.add_argument("--messages", type=Path, required=True, help="a message a line")
    parser.add_argument("--core", type=int, help="the core to keep to")
    parser.add_argument("--worker", type=int, default=0, help="its pid")
    parser.add_argument("--redis", type=int, default=0, help="its pid")
    options = parser.parse_args()
    if options.core is not None:
        os.sched_setaffinity(0, {options.core})
    messages = options.messages.read_text(encoding="utf-8").splitlines()
    parts = urlsplit(options.url)
    address = (parts.hostname or "", parts.port or 80)
    count = options.clients
    clients = [Client(address, messages[i::count], options.turns) for i in range(count)]
    loop = Loop(clients)
    loop.run(options.warm)
    loop.statuses.clear()
    pids = {"load": os.getpid(), "worker": options.worker, "redis": options.redis}
    before = {name: cpu_seconds(pid) for name, pid in pids.items()}
    latencies, seconds = loop.run(options.seconds)
    cpu = {name: cpu_seconds(pid) - before[name] for name, pid in pids.items()}
    for client in clients:
        client.close()
    result = {
        "clients": count,
        "seconds": seconds,
        "latencies": sorted(latencies),
        "statuses": dict(loop.statuses),
        "cpu_seconds": cpu,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
