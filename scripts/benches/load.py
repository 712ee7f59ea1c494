"""The load generator, a process of its own: people in a closed loop, or arrivals in an open one.

    python -m scripts.benches.load --url … --prompts FILE --clients 8 --ramp 5 --seconds 20
    python -m scripts.benches.load --url … --prompts FILE --steps 5:3,5:12,10:3,10:12

Open: arrivals are Poisson at each step's rate, whatever the answers do, and every latency counts
from the intended start, so that a service that stalls is charged with all who would have come
meanwhile (no coordinated omission: Tene, "How not to measure latency"). Closed: each person sends
the next message when the last is answered; what began in the ramp is step 0, the rest step 1.

It prints JSON lines: `{"event": "begin"}` when people are signed in, `{"event": "step", "step": i}`
as each step begins, and at last `{"event": "end", …}` with every attempt and its own CPU and lag.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Coroutine
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from scripts.benches import arrivals
from scripts.benches.wire import Client, Lost, Response

_SIGN_IN_AT_ONCE = 8
_PAUSE = 0.2  # seconds after a refusal, in a closed loop: a closed door is not run against


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request as it went; times in seconds since the beginning.

    `due` is the intended start and `first` that of the person's first attempt; `status` is 0 where
    there was no answer, and `kind` then says why (`cut`: none had come when the run ended, so its
    latency is only a lower bound).
    """

    step: int
    first: float
    due: float
    sent: float
    done: float
    status: int
    kind: str
    degraded: bool
    number: int


@dataclass(frozen=True)
class Plan:
    """What is asked for; see the command line."""

    url: str
    prompts: list[str]
    steps: list[arrivals.Step] = field(default_factory=list)  # open loop
    clients: int = 0  # closed loop
    ramp: float = 0.0
    seconds: float = 0.0
    chars: int = 300
    seed: int = 1
    auth: bool = False
    people: int = 64  # of an open loop
    connections: int = 1_000
    tries: int = 1  # of one message: who is refused comes back when told to
    patience: float = 60.0  # seconds for one attempt
    drain: float = 30.0  # seconds that answers still count after the last request


class Generator:
    """One run."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._client = Client(plan.url, max(plan.connections, plan.clients))
        self._attempts: list[Attempt] = []
        self._sent = 0
        self._start = 0.0
        self._end = sum(step.seconds for step in plan.steps) or plan.ramp + plan.seconds

    async def run(self) -> dict[str, Any]:
        """Sign in, run, drain; the last event as a dict."""
        people = await self._sign_in(self._plan.clients or self._plan.people)
        loop = asyncio.get_running_loop()
        self._start, cpu = loop.time(), time.process_time()
        _say(event="begin")
        for at, number in self._boundaries():
            loop.call_at(self._start + at, lambda number=number: _say(event="step", step=number))
        await (self._closed(people) if self._plan.clients else self._open(people))
        self._client.close()
        wall = self._now()
        lags = sorted(a.sent - a.due for a in self._attempts)
        return {
            "event": "end",
            "seconds": self._end,
            "drained": wall,
            "cpu_share": (time.process_time() - cpu) / wall,
            "lag_p50": lags[len(lags) // 2] if lags else 0.0,
            "lag_p99": lags[int(0.99 * (len(lags) - 1))] if lags else 0.0,
            "attempts": [list(asdict(a).values()) for a in self._attempts],
        }

    def _boundaries(self) -> list[tuple[float, int]]:
        if self._plan.clients:
            return [(0.0, 0), (self._plan.ramp, 1)]
        at, found = 0.0, []
        for number, step in enumerate(self._plan.steps):
            found.append((at, number))
            at += step.seconds
        return found

    async def _open(self, people: list[dict[str, str]]) -> None:
        tasks = set()
        for number, arrival in enumerate(arrivals.poisson(self._plan.steps, self._plan.seed)):
            if (wait := arrival.at - self._now()) > 0:
                await asyncio.sleep(wait)
            person = people[number % len(people)]
            task = asyncio.create_task(self._converse(person, arrival.at, arrival.step))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        await asyncio.sleep(max(0.0, self._end - self._now()))
        await self._drained(tasks)

    async def _closed(self, people: list[dict[str, str]]) -> None:
        async def talk(person: dict[str, str]) -> None:
            while (now := self._now()) < self._end:
                answered = await self._converse(person, now, int(now >= self._plan.ramp))
                if not answered:
                    await asyncio.sleep(_PAUSE)

        tasks = {asyncio.create_task(talk(person)) for person in people}
        await asyncio.sleep(self._end)
        await self._drained(tasks)

    async def _drained(self, tasks: set[asyncio.Task[Any]]) -> None:
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=self._plan.drain)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _converse(self, headers: dict[str, str], due: float, step: int) -> bool:
        """One message, again after a refusal as long as tries and time are left; replied to?"""
        first, number = due, 0
        text = arrivals.message(self._plan.prompts, self._plan.chars, self._plan.seed, self._sent)
        self._sent += 1
        while True:
            number += 1
            answer = await self._attempt(headers, text, step, first, due, number)
            wait = _retry_after(answer)
            if wait is None or number >= self._plan.tries or self._now() + wait >= self._end:
                return answer is not None and answer.status == 200
            due = self._now() + wait
            await asyncio.sleep(wait)

    async def _attempt(
        self, headers: dict[str, str], text: str, step: int, first: float, due: float, number: int
    ) -> Response | None:
        begun = self._now()
        sent, status, kind, degraded, answer = begun, 0, "cut", False, None
        try:
            call = self._client.post("/v1/chat", {"message": text}, headers)
            at, answer = await asyncio.wait_for(call, self._plan.patience)
            sent, status = at - self._start, answer.status
            body = answer.json()
            kind = str(body.get("source") or body.get("type", "").rpartition(":")[2])
            degraded = bool(body.get("degraded"))
        except TimeoutError:
            kind = "timeout"
        except OSError as error:
            kind = "lost" if isinstance(error, Lost) else type(error).__name__
        finally:  # a cancelled one too: it was offered
            self._attempts.append(
                Attempt(step, first, due, sent, self._now(), status, kind, degraded, number)
            )
        return answer

    async def _sign_in(self, people: int) -> list[dict[str, str]]:
        if not self._plan.auth:
            return [{} for _ in range(people)]
        gate = asyncio.Semaphore(_SIGN_IN_AT_ONCE)

        async def guest() -> dict[str, str]:
            async with gate:
                _, answer = await self._client.post("/v1/auth/guest", {}, {})
            return {"Authorization": f"Bearer {answer.json()['token']}"}

        signing: list[Coroutine[Any, Any, dict[str, str]]] = [guest() for _ in range(people)]
        return list(await asyncio.gather(*signing))

    def _now(self) -> float:
        return asyncio.get_running_loop().time() - self._start


def _retry_after(answer: Response | None) -> float | None:
    """Seconds after which a refused person comes back; None where it was no refusal."""
    if answer is None or answer.status not in (429, 503) or "retry-after" not in answer.headers:
        return None
    return float(answer.headers["retry-after"])


def _say(**event: Any) -> None:
    print(json.dumps(event), flush=True)


def parse() -> Plan:
    """The command line as a plan."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--prompts", type=Path, required=True, help="a sentence a line")
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument("--steps", type=arrivals.parse_steps, default=[], help="open: RATE:SECONDS,…")
    how.add_argument("--clients", type=int, default=0, help="closed: so many people")
    for name in ("ramp", "seconds", "patience", "drain"):
        parser.add_argument(f"--{name}", type=float, default=getattr(Plan, name))
    for name in ("chars", "seed", "people", "connections", "tries"):
        parser.add_argument(f"--{name}", type=int, default=getattr(Plan, name))
    parser.add_argument("--auth", action="store_true", help="sign in as guests first")
    options = vars(parser.parse_args())
    options["prompts"] = options["prompts"].read_text(encoding="utf-8").splitlines()
    return Plan(**options)


def main() -> None:
    """Parse, run, print JSON lines."""
    _say(**asyncio.run(Generator(parse()).run()))


if __name__ == "__main__":
    main()
