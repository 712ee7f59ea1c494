"""A real service over a Redis that tests kill, freeze, trace and cut off: rows 1 to 8 and others.

The fixture `durable` (`conftest.py`) is shared by the session: each test leaves it `well()`.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis

from app.store.server.private_redis import PrivateRedis
from tests.faults.service import Answer, Service, eventually
from tests.lossy_line import LossyLine

KINDS = ("love", "funny", "upvote", "meaningless", "offensive", "downvote")
# Short enough to see who waits for Redis, long enough for a busy machine.
SETTINGS = {
    "chat_deadline_ms": 3_000,
    "gather_deadline_ms": 900,
    "rank_deadline_ms": 600,
    "finish_deadline_ms": 100,
    "reaction_deadline_ms": 500,
    "partitions": 4,
}
CHAT_SECONDS = 3.0


@dataclass
class Talker:
    """A person, with replies that can be reacted to."""

    service: Service
    token: str
    replies: list[dict[str, Any]] = field(default_factory=list)

    def say(self, text: str, **body: Any) -> Answer:
        """Say something; a reply that is kept is one of `replies`."""
        answer = self.service.chat(self.token, text, **body)
        if answer.status == 200 and answer.json["saved"]:
            self.replies.append(answer.json)
        return answer

    def react(self, reply: int, kind: str, **body: Any) -> Answer:
        """React to one of `replies`."""
        return self.service.react(self.token, self.replies[reply]["reply_id"], kind, **body)


class Durable:
    """The service, its Redis, and the line between them."""

    def __init__(self, folder: Path, start: Callable[..., Service]) -> None:
        self.redis_folder = folder / "redis"
        self.redis = PrivateRedis(folder)
        self.redis.start()
        self.line = LossyLine(folder / "line.sock", str(self.redis.socket))
        self._frozen: int | None = None
        try:
            self.service = start(redis_url=self.line.url, faulty=True, **SETTINGS)
        except BaseException:
            self.redis.stop()
            self.line.close()
            raise

    def close(self) -> None:
        """End Redis and the line; the service has ended before."""
        self.thaw()
        self.redis.stop()
        self.line.close()

    # Redis

    def kill(self) -> None:
        """SIGKILL, in the middle of whatever it does."""
        pid = self.redis.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        self.redis.stop()  # it is a zombie: this waits for it

    def start(self) -> None:
        """Start it again over the same data, where it does not run."""
        if self.redis.pid is None:
            self.redis.stop()  # one that ended by itself is waited for
        self.redis.start()

    def freeze(self) -> None:
        """SIGSTOP: connections stay open and are not answered."""
        self._frozen = self.redis.pid
        assert self._frozen is not None
        os.kill(self._frozen, signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT, where it was frozen."""
        if self._frozen is not None:
            with suppress(ProcessLookupError):
                os.kill(self._frozen, signal.SIGCONT)
        self._frozen = None

    @contextmanager
    def inside(self) -> Iterator[redis.Redis]:
        """A plain client of Redis itself."""
        client = redis.Redis(unix_socket_path=str(self.redis.socket), protocol=2)
        try:
            yield client
        finally:
            client.close()
            client.connection_pool.disconnect()

    # What is there

    def well(self) -> None:
        """Wait until Redis is asked again and has all that was promised."""
        eventually(self._is_well, 60, "it did not recover")

    def _is_well(self) -> bool:
        service = self.service
        return (
            service.ready()
            and service.metric("kindred_store_breaker_open", store="data") == 0
            and service.metric("kindred_spool_entries") == 0
        )

    def events(self, *replies: str) -> list[tuple[str, str, str]]:
        """(reply, action, reaction) of every reaction event of these replies, in order."""
        found = []
        with self.inside() as client:
            for partition in range(int(SETTINGS["partitions"])):
                name = f"kindred:{{p{partition:02x}}}:reactions"
                for _, fields in client.xrange(name):
                    reply = fields[b"reply"].decode()
                    if reply in replies:
                        kind = fields[b"reaction"].decode()
                        found.append((reply, fields[b"type"].decode(), kind))
        return found

    def standing(self, talker: Talker, reply: int) -> tuple[str | None, str | None]:
        """The reaction and comment that the person sees under a reply."""
        shown = talker.replies[reply]
        path = f"/v1/conversations/{shown['conversation_id']}"
        turns = self.service.call("GET", path, talker.token).json["turns"]
        turn = next(turn for turn in turns if turn["reply_id"] == shown["reply_id"])
        return turn["reaction"], turn["comment"]

    def talkers(self, count: int, replies: int = 1) -> list[Talker]:
        """New people, each with so many replies in one conversation."""
        made = [Talker(self.service, self.service.guest()) for _ in range(count)]
        for talker in made:
            for number in range(replies):
                place = talker.replies[-1]["conversation_id"] if talker.replies else None
                body = {"conversation_id": place} if place else {}
                answer = talker.say(f"hello number {number}", **body)
                assert answer.status == 200, answer.text
            assert len(talker.replies) == replies
        return made


def at_once(works: Sequence[Callable[[], None]]) -> None:
    """Run all on threads of their own; the first error of any is raised."""
    errors: list[BaseException] = []

    def run(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised below
            errors.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def assert_each_once(acknowledged: Sequence[tuple[str, str]], events: Sequence[Any]) -> None:
    """Of every reply all that was acknowledged happened once and in order; nothing happened twice.

    Each reaction of one reply must be of another kind: then it is known by that.
    """
    for reply in {reply for reply, _ in acknowledged}:
        wanted = [kind for other, kind in acknowledged if other == reply]
        found = [kind for other, _, kind in events if other == reply]
        assert len(found) == len(set(found)), (reply, found)
        assert [kind for kind in found if kind in wanted] == wanted, (reply, wanted, found)
