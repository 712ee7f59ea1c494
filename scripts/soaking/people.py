"""People who talk at random moments and react, and do not give up at the first refusal.

An open loop: visits begin when they begin, however slow the answers are. Each message and each
reaction has a name of its own (`message_id`, `Idempotency-Key`), so that it may be sent again.
"""

from __future__ import annotations

import http.client
import json
import queue
import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from scripts.benches.arrivals import Step, poisson

REACTIONS = ("love", "funny", "upvote", "meaningless", "offensive", "downvote")
_REACT_SHARE = 0.7
_PATIENCE = 90.0  # seconds that one thing is tried
_PAUSE = 0.5  # seconds between two tries, a little more each time
_CALL_SECONDS = 30.0
_THREADS = 96


@dataclass(frozen=True, slots=True)
class Answered:
    """The last answer to one message: when (seconds of the run), how late, and what it was."""

    at: float
    seconds: float
    status: int  # 0: nobody answered within the patience
    degraded: bool
    tries: int


@dataclass
class Ledger:
    """What people saw; `acknowledged` is what the service has promised to keep."""

    answers: list[Answered] = field(default_factory=list)
    acknowledged: dict[str, str] = field(default_factory=dict)  # reply id → reaction
    given_up: dict[str, str] = field(default_factory=dict)
    statuses: Counter[str] = field(default_factory=Counter)  # of every try
    crowded: int = 0  # visits for which everybody was busy


@dataclass
class Person:
    """Somebody, and the one conversation that they go on with."""

    token: str
    conversation: str | None = None


class Crowd:
    """All people of a run; `begin` and `end` frame it."""

    def __init__(self, port: int, people: int, texts: Sequence[str], seed: int) -> None:
        self.ledger = Ledger()
        self._port = port
        self._texts = texts
        self._chance = random.Random(seed)
        self._lock = threading.Lock()
        self._idle: queue.SimpleQueue[Person] = queue.SimpleQueue()
        self._visits: queue.SimpleQueue[Person | None] = queue.SimpleQueue()
        self._started = time.monotonic()
        for _ in range(people):
            status, guest = self._call("POST", "/v1/auth/guest", None, {})
            if status != 201:
                raise RuntimeError(f"no guest was let in: {status} {guest}")
            self._idle.put(Person(guest["token"]))
        self._threads = [threading.Thread(target=self._serve) for _ in range(_THREADS)]
        for thread in self._threads:
            thread.start()

    def capacity(self, seconds: float, people: int = 8) -> float:
        """Whole replies a second where so many people talk without a pause: about the capacity."""
        end, counts = time.monotonic() + seconds, [0] * people

        def talk(number: int) -> None:
            person = self._idle.get()
            while time.monotonic() < end:
                status, reply = self._call("POST", "/v1/chat", person.token, self._said(person)[1])
                counts[number] += status == 200 and not reply["degraded"]
            self._idle.put(person)

        threads = [threading.Thread(target=talk, args=(number,)) for number in range(people)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sum(counts) / seconds

    def talk(self, rate: float, seconds: float, seed: int) -> None:
        """Visits at this rate (a second, Poisson) for so long."""
        self._started = time.monotonic()
        for arrival in poisson([Step(rate, seconds)], seed):
            time.sleep(max(0.0, self._started + arrival.at - time.monotonic()))
            try:
                self._visits.put(self._idle.get_nowait())
            except queue.Empty:
                self.ledger.crowded += 1

    def end(self) -> None:
        """Wait until everybody has had their answers, or has given up."""
        for _ in self._threads:
            self._visits.put(None)
        for thread in self._threads:
            thread.join()

    def _serve(self) -> None:
        while (person := self._visits.get()) is not None:
            try:
                self._visit(person)
            finally:
                self._idle.put(person)

    def _visit(self, person: Person) -> None:
        """One message, and perhaps a reaction to its reply."""
        began = time.monotonic()
        reacts, body = self._said(person)
        status, reply, tries = 0, None, 0
        for tries in _patiently():  # noqa: B007 - how many there were is told
            status, reply = self._call("POST", "/v1/chat", person.token, body)
            if status == 200:
                break
        whole = status == 200
        now = time.monotonic()
        with self._lock:
            self.ledger.answers.append(
                Answered(
                    began - self._started,
                    now - began,
                    status,
                    bool(whole and reply["degraded"]),
                    tries,
                )
            )
        if whole:
            person.conversation = reply["conversation_id"]
        if whole and reacts:
            self._react(person, reply["reply_id"], reacts)

    def _react(self, person: Person, reply_id: str, reaction: str) -> None:
        named = {"Idempotency-Key": str(uuid.uuid4())}
        path = f"/v1/replies/{reply_id}/reaction"
        for _ in _patiently():
            status, _ = self._call("PUT", path, person.token, {"reaction": reaction}, named)
            if status in (200, 202):
                with self._lock:
                    self.ledger.acknowledged[reply_id] = reaction
                return
        with self._lock:
            self.ledger.given_up[reply_id] = reaction

    def _said(self, person: Person) -> tuple[str | None, dict[str, str]]:
        """How they will react (None: not at all), and what they say now."""
        with self._lock:
            reacts = (
                self._chance.choice(REACTIONS) if self._chance.random() < _REACT_SHARE else None
            )
            text = self._chance.choice(self._texts)
        body = {"message": text, "message_id": str(uuid.uuid4())}
        if person.conversation:
            body["conversation_id"] = person.conversation
        return reacts, body

    def _call(
        self,
        method: str,
        path: str,
        token: str | None,
        body: dict[str, str],
        headers: dict[str, str] | None = None,
    ) -> tuple[int, Any]:
        """Status and JSON; 0 where the connection was refused, cut or silent."""
        sent = {"Content-Type": "application/json", **(headers or {})}
        if token:
            sent["Authorization"] = f"Bearer {token}"
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_CALL_SECONDS)
        try:
            connection.request(method, path, json.dumps(body), sent)
            answer = connection.getresponse()
            status, found = answer.status, json.loads(answer.read() or b"null")
        except (OSError, http.client.HTTPException, json.JSONDecodeError):
            status, found = 0, None
        finally:
            connection.close()
        with self._lock:
            self.ledger.statuses[f"{path.split('/')[2]} {status}"] += 1
        return status, found


def _patiently() -> Iterator[int]:
    """The numbers of the tries of one thing, with growing pauses between."""
    end, pause = time.monotonic() + _PATIENCE, _PAUSE
    for number in count(1):
        yield number
        if time.monotonic() + pause > end:
            return
        time.sleep(pause * random.uniform(0.5, 1.5))
        pause = min(2 * pause, 8.0)
