"""A worker in small: run as a program, patched by gevent before anything is imported.

`under_gevent.py URL TLS_URL CA_FILE SLOW_URL DEAD_URL` prints what it saw as one line of JSON.
"""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import json  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable  # noqa: E402
from typing import Any  # noqa: E402

import gevent  # noqa: E402

from app.serving.batching.native import Ended, NativeThread  # noqa: E402
from models.generator import GenerateItem  # noqa: E402
from models.runtimes.remote import (  # noqa: E402
    Client,
    Dialect,
    Endpoint,
    RemoteEncoder,
    RemoteGenerator,
    RemoteReranker,
)

TALK = ["hi there", "Hello! How are you?", "tired"]


class Ticks:
    """When the hub was free, every 5 ms."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self._greenlet = gevent.spawn(self._tick)

    def _tick(self) -> None:
        while True:
            self.times.append(time.monotonic())
            gevent.sleep(0.005)

    def during(self, work: Callable[[], Any]) -> tuple[Any, float, int]:
        """What the work gave, its seconds, and how often the hub ran meanwhile."""
        start = time.monotonic()
        value = work()
        end = time.monotonic()
        return value, end - start, sum(start < tick < end for tick in self.times)


def failure(ended: Ended) -> str:
    return "" if ended.ok else type(ended.value).__name__


def main() -> None:
    url, tls_url, ca_file, slow_url, dead_url = sys.argv[1:]
    named = url.replace("127.0.0.1", "localhost")
    usual: dict[str, Any] = {"seconds": 5.0, "connect_seconds": 2.0}
    encoder = RemoteEncoder.connect(Endpoint(named, **usual))
    reranker = RemoteReranker.connect(Endpoint(tls_url, ca_file=ca_file, **usual))
    generator = RemoteGenerator.connect(Endpoint(slow_url, **usual), dialect=Dialect("chat"))
    hurried = RemoteGenerator(Client(Endpoint(slow_url, seconds=0.1)), model="gpt")
    dead = RemoteEncoder(Client(Endpoint(dead_url, seconds=0.5)), version="v", dimension=8)
    untrusted = RemoteReranker(Client(Endpoint(tls_url, **usual)), version="v")
    lanes = [NativeThread() for _ in range(3)]
    ticks = Ticks()
    texts = encoder.prepare(["hello", "a cat"])
    slate = reranker.prepare(TALK, ["hi you", "no", "so tired"])
    context = generator.encode_context(TALK)
    wanted = [GenerateItem(context, 2, seed) for seed in range(8)]

    vectors = [lanes[0].call(encoder.run, texts).value for _ in range(10)]
    scores = [lanes[1].call(reranker.run, slate).value for _ in range(10)]
    replies, seconds, ran = ticks.during(lambda: lanes[2].call(generator.run, wanted).value)
    together = gevent.joinall(
        [
            gevent.spawn(lanes[0].call, encoder.run, texts),
            gevent.spawn(lanes[1].call, reranker.run, slate),
            gevent.spawn(lanes[2].call, generator.run, wanted[:2]),
        ]
    )
    late, late_seconds, _ = ticks.during(lambda: lanes[2].call(hurried.run, wanted[:1]))
    seen = {
        "vectors": [[row.tolist() for row in rows] for rows in vectors],
        "scores": [[one.serving for one in rows] for rows in scores],
        "replies": [[one.text for one in result.candidates] for result in replies],
        "seconds": seconds,
        "ran": ran,
        "together": [job.value.ok for job in together],
        "late": failure(late),
        "late_seconds": late_seconds,
        "dead": failure(lanes[0].call(dead.run, texts)),
        "untrusted": failure(lanes[1].call(untrusted.run, slate)),
        "after": lanes[0].call(encoder.run, texts).ok,
    }
    for lane, model in zip(lanes, (encoder, reranker, generator), strict=True):
        lane.call(lambda model: model.close(), model)
        lane.close()
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
