"""The load generator, a process of its own: closed loop, one connection a client.

`python -m scripts.benches.load --url … --clients 8 --seconds 20 --messages FILE [--auth]` prints
one JSON object: latencies (seconds) of every answer, answers by status, its own CPU share.
"""

from __future__ import annotations

import argparse
import http.client
import json
import threading
import time
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

_TIMEOUT = 120.0


class Client:
    """One person: sends a message, waits for the answer, sends the next."""

    def __init__(self, url: str, messages: list[str], *, auth: bool) -> None:
        self._host = urlsplit(url).netloc
        self._messages = messages
        self._connection = http.client.HTTPConnection(self._host, timeout=_TIMEOUT)
        self.latencies: list[float] = []
        self.statuses: Counter[str] = Counter()
        self._headers = {"Content-Type": "application/json"}
        if auth:
            token = self._call("/v1/auth/guest", {})[1]["token"]
            self._headers["Authorization"] = f"Bearer {token}"

    def run(self, start: threading.Event, end: list[float]) -> None:
        """Send until the end; an answer that comes after it does not count."""
        start.wait()
        number = 0
        while time.perf_counter() < end[0]:
            message = self._messages[number % len(self._messages)]
            number += 1
            began = time.perf_counter()
            try:
                status, body = self._call("/v1/chat", {"message": message})
                kind = f"{status} {body.get('source', '')}".strip()
            except (OSError, http.client.HTTPException) as error:
                self._connection.close()
                kind = type(error).__name__
            done = time.perf_counter()
            if done <= end[0]:
                self.latencies.append(done - began)
                self.statuses[kind] += 1

    def _call(self, path: str, body: dict[str, str]) -> tuple[int, dict[str, str]]:
        data = json.dumps(body).encode()
        self._connection.request("POST", path, data, self._headers)
        answer = self._connection.getresponse()
        return answer.status, json.loads(answer.read() or b"{}")


def run(url: str, clients: int, seconds: float, messages: list[str], *, auth: bool) -> dict:  # type: ignore[type-arg]
    """One closed loop of so many clients for so long; no two clients send the same message."""
    people = [Client(url, messages[i::clients], auth=auth) for i in range(clients)]
    start, end = threading.Event(), [0.0]
    threads = [threading.Thread(target=person.run, args=(start, end)) for person in people]
    for thread in threads:
        thread.start()
    cpu = time.process_time()
    end[0] = time.perf_counter() + seconds
    start.set()
    for thread in threads:
        thread.join(seconds + _TIMEOUT)
    statuses: Counter[str] = Counter()
    for person in people:
        statuses += person.statuses
    latencies = [latency for person in people for latency in person.latencies]
    return {
        "clients": clients,
        "seconds": seconds,
        "latencies": sorted(latencies),
        "statuses": dict(statuses),
        "cpu_share": (time.process_time() - cpu) / seconds,
    }


def main() -> None:
    """Parse, run, print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--clients", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--messages", type=Path, required=True, help="a message a line")
    parser.add_argument("--auth", action="store_true", help="sign in as a guest first")
    options = parser.parse_args()
    messages = options.messages.read_text(encoding="utf-8").splitlines()
    result = run(options.url, options.clients, options.seconds, messages, auth=options.auth)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
