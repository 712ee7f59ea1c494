"""How long begin and finish take here; printed, and asserted only to be complete."""

from __future__ import annotations

import statistics
import time
from typing import Any

import pytest


@pytest.mark.slow
def test_print_the_latency_of_begin_and_finish(
    chat: Any, empty_redis: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    begins, finishes, pings = [], [], []
    conversation = chat.say("hi").conversation_id
    empty_redis.config_resetstat()
    for i in range(200):
        keys = (f"m:{i}",)
        start = time.perf_counter()
        chat.store.ping()
        pinged = time.perf_counter()
        context = chat.begin(f"message {i}", conversation, keys).context
        begun = time.perf_counter()
        chat.finish(context, f"answer {i}", keys)
        finished = time.perf_counter()
        pings.append(pinged - start)
        begins.append(begun - pinged)
        finishes.append(finished - begun)
    server = empty_redis.info("commandstats")["cmdstat_evalsha"]
    with capsys.disabled():
        for name, times in (("ping", pings), ("begin", begins), ("finish", finishes)):
            p50, p95 = statistics.median(times), statistics.quantiles(times, n=20)[18]
            print(f"\n{name}: p50 {p50 * 1000:.2f} ms, p95 {p95 * 1000:.2f} ms", end="")
        print(f"\ninside Redis: {server['usec_per_call'] / 1000:.2f} ms a script, before fsync")
    assert len(chat.turns(conversation)) == 60
    assert server["calls"] == 400
