"""The load generator against small servers whose delays are known."""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from scripts.benches import answers, arrivals, load
from scripts.benches.answers import Run
from scripts.benches.arrivals import Step

PROMPTS = ["hello there", "how are you", "what a day"]


class Server:
    """Answers after `delay` seconds; refuses until `refuse_until`."""

    def __init__(self) -> None:
        self.delay = 0.0
        self.stalls: dict[int, float] = {}  # number of the request → seconds
        self.bodies: list[dict[str, Any]] = []
        self.connections = 0
        self.refuse_until = 0.0  # time.monotonic()
        self.keep_alive = True

    @contextmanager
    def listening(self, server: type[HTTPServer] = ThreadingHTTPServer) -> Iterator[str]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # headers and body in one packet

            def setup(self) -> None:
                outer.connections += 1
                super().setup()

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.bodies.append(body)
                time.sleep(outer.stalls.get(len(outer.bodies), outer.delay))
                if self.path.endswith("guest"):
                    self._say(200, {"token": "t"})
                elif time.monotonic() < outer.refuse_until:
                    self._say(503, {"type": "urn:x:overloaded"}, {"Retry-After": "1"})
                else:
                    self._say(200, {"source": "retrieval", "degraded": False})

            def _say(
                self, status: int, body: dict[str, Any], headers: dict[str, str] | None = None
            ) -> None:
                data = json.dumps(body).encode()
                self.send_response(status)
                for name, value in (headers or {}).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                if not outer.keep_alive:
                    self.send_header("Connection", "close")
                    self.close_connection = True
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        running = server(("127.0.0.1", 0), Handler)
        if isinstance(running, ThreadingHTTPServer):
            running.daemon_threads = True
        thread = threading.Thread(target=running.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{running.server_address[1]}"
        finally:
            running.shutdown()
            thread.join()
            running.server_close()


def in_a_thread(plan: load.Plan) -> dict[str, Any]:
    """In an event loop of its own: a browser test may have left one in this thread."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: asyncio.run(load.Generator(plan).run())).result()


def run(url: str, **asked: Any) -> Run:
    plan = load.Plan(url=url, prompts=PROMPTS, chars=40, drain=5.0, **asked)
    return Run.of(in_a_thread(plan))


def test_poisson_arrivals_have_the_rate_asked_for_and_are_the_same_again() -> None:
    steps = [Step(50, 20), Step(200, 20), Step(0, 5), Step(10, 20)]
    found = list(arrivals.poisson(steps, seed=3))
    assert found == list(arrivals.poisson(steps, seed=3))
    assert [a.at for a in found] == sorted(a.at for a in found)
    for number, (begin, step) in enumerate(zip((0, 20, 40, 45), steps, strict=True)):
        mine = [a.at for a in found if a.step == number]
        assert len(mine) == pytest.approx(step.rate * step.seconds, rel=0.2)
        assert all(begin <= at < begin + step.seconds for at in mine)


def test_gaps_between_arrivals_are_exponential() -> None:
    times = [a.at for a in arrivals.poisson([Step(100, 100)], seed=1)]
    gaps = [b - a for a, b in itertools.pairwise(times)]
    mean = sum(gaps) / len(gaps)
    variance = sum((gap - mean) ** 2 for gap in gaps) / len(gaps)
    assert mean == pytest.approx(0.01, rel=0.05)
    assert variance**0.5 == pytest.approx(mean, rel=0.1)  # of an exponential they are equal


@pytest.mark.parametrize("text", ["", "5", "5:", "x:3", "5:0", "-1:3", "5:3,"])
def test_steps_of_another_form_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        arrivals.parse_steps(text)


def test_messages_do_not_repeat_and_are_long_enough() -> None:
    prompts = (Path(__file__).parents[2] / "data/bench/prompts.txt").read_text().splitlines()
    messages = [arrivals.message(prompts, 300, 1, i) for i in range(3_000)]
    assert len(set(messages)) == len(messages)
    assert all(300 <= len(m) < 400 for m in messages)
    assert messages[7] == arrivals.message(prompts, 300, 1, 7)
    assert messages[7] != arrivals.message(prompts, 300, 2, 7)


def test_an_open_loop_measures_what_the_server_takes() -> None:
    server = Server()
    server.delay = 0.05
    with server.listening() as url:
        result = run(url, steps=[Step(40, 1.0), Step(80, 1.0)])
    assert len(result.attempts) == len(server.bodies) > 80
    assert answers.statuses(result.attempts) == {"200 retrieval": len(result.attempts)}
    assert 0.05 <= answers.quantile(result.attempts, 0.5) < 0.5
    assert len(result.step(1)) > len(result.step(0))
    assert server.connections < len(result.attempts) / 2  # kept, not opened for each request


def test_a_stall_is_charged_to_all_who_would_have_come_meanwhile() -> None:
    """Coordinated omission: a closed loop of one sees a stall once, however many it would hit."""
    server = Server()
    server.keep_alive = False
    server.stalls = {25: 0.6}
    with server.listening(HTTPServer) as url:  # one request at a time
        opened = run(url, steps=[Step(50, 2.0)])
    server.bodies.clear()
    with server.listening(HTTPServer) as url:
        closed = run(url, clients=1, seconds=2.0)
    slow = [a for a in opened.attempts if a.done - a.due > 0.1]
    meant_meanwhile = 50 * (0.6 - 0.1)  # those whose wait for the end of the stall is above 0.1 s
    assert len(slow) > 0.5 * meant_meanwhile
    assert answers.quantile(opened.attempts, 0.95) > 0.3
    assert sum(a.done - a.due > 0.3 for a in closed.attempts) == 1
    assert answers.quantile(closed.attempts, 0.95) < 0.3


def test_latency_counts_from_the_intended_start_when_connections_are_few() -> None:
    server = Server()
    server.delay = 0.1
    with server.listening() as url:
        result = run(url, steps=[Step(40, 1.0)], connections=2)  # 20 a second at most
    last = max(result.attempts, key=lambda a: a.due)
    assert last.done - last.due > 0.4  # it queued here, and that counts
    assert last.done - last.sent < 0.5 * (last.done - last.due)
    assert result.lag_p99 > 0.4  # and the generator says so


def test_a_closed_loop_has_as_many_in_flight_as_people_and_sets_the_ramp_apart() -> None:
    server = Server()
    server.delay = 0.05
    with server.listening() as url:
        result = run(url, clients=4, ramp=0.5, seconds=1.0, auth=True)
    assert 0.2 * 4 / 0.05 < answers.throughput(result, 0.5, 1.5) <= 4 / 0.05 * 1.05
    assert all(a.due < 0.5 for a in result.step(0))
    assert all(0.5 <= a.due < 1.5 for a in result.step(1))
    alive = sorted((a.due, a.done) for a in result.attempts)
    assert all(sum(b < d and e > d for b, e in alive) <= 4 for d, _ in alive)


def test_what_no_answer_came_to_counts_as_a_lower_bound() -> None:
    server = Server()
    with server.listening() as url:
        server.delay = 3.0
        plan = load.Plan(url=url, prompts=PROMPTS, clients=2, seconds=0.3, drain=0.2)
        result = Run.of(in_a_thread(plan))
        assert [a.kind for a in result.attempts] == ["cut", "cut"]
        assert not any(answers.answered(a) for a in result.attempts)
        assert 0.4 < answers.quantile(result.attempts, 0.5) < 2.0


def test_patience_ends_an_attempt() -> None:
    server = Server()
    server.delay = 0.5
    with server.listening() as url:
        result = run(url, clients=1, seconds=0.3, patience=0.1)
    assert {a.kind for a in result.attempts} == {"timeout"}


def test_who_is_refused_comes_back_when_told_to_and_no_sooner() -> None:
    server = Server()
    with server.listening() as url:
        server.refuse_until = time.monotonic() + 0.5
        result = run(url, steps=[Step(20, 0.4), Step(0, 2.0)], tries=3)
    again = [a for a in result.attempts if a.number == 2]
    assert again
    assert {a.kind for a in result.attempts if answers.refused(a)} == {"overloaded"}
    firsts = {a.first: a for a in result.attempts if a.number == 1}
    for a in again:
        assert answers.answered(a)
        assert a.due >= firsts[a.first].done + 1.0
        assert not answers.good(a, 0.8)  # the person has waited since the first attempt


def test_who_may_not_try_again_does_not() -> None:
    server = Server()
    with server.listening() as url:
        server.refuse_until = time.monotonic() + 60
        result = run(url, steps=[Step(20, 0.5), Step(0, 1.5)])
    assert {a.number for a in result.attempts} == {1}


def test_a_server_that_hangs_up_after_each_answer_is_served_by_new_connections() -> None:
    server = Server()
    server.keep_alive = False
    with server.listening() as url:
        result = run(url, clients=2, seconds=0.3)
    assert set(answers.statuses(result.attempts)) == {"200 retrieval"}
    assert server.connections >= len(result.attempts)


def test_nobody_listening_is_an_error_of_each_attempt_not_of_the_run() -> None:
    with Server().listening() as url:
        pass
    result = run(url, steps=[Step(20, 0.5)])
    assert result.attempts
    assert {a.kind for a in result.attempts} == {"ConnectionRefusedError"}
