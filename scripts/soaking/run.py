"""Runs a soak: a load, parts that are killed by the clock, memory looked at; then the reckoning."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from scripts.benches import report
from scripts.benches.service import Service, metrics
from scripts.soaking import kept
from scripts.soaking.memory import Sample, lives
from scripts.soaking.people import Crowd, Ledger
from scripts.soaking.standing import Standing, eventually, resident_bytes

REDIS, WORKER = "redis", "worker"
_DRAIN_SECONDS = 120.0
_READY_SECONDS = 300.0
_BUCKETS = 360  # of the pictures: answers are counted in so many equal stretches


@dataclass(frozen=True)
class Plan:
    """What a soak is asked for; times in seconds.

    `share` of the capacity that a closed loop of `probe` seconds finds, unless `rate` is given
    (visits a second). Every `redis_every` Redis is killed, and comes back after `away`; every
    `worker_every` the worker is. 0: never.
    """

    seconds: float
    share: float = 0.7
    rate: float = 0.0
    probe: float = 30.0
    redis_every: float = 300.0
    away: float = 5.0
    worker_every: float = 600.0
    sample_every: float = 5.0
    settle: float = 120.0
    people: int = 200
    seed: int = 1


@dataclass
class Blow:
    """Something was killed: when (seconds of the run), what, and how long nobody was ready."""

    at: float
    what: str
    seconds: float = 0.0


def blows_of(plan: Plan) -> list[Blow]:
    """What is killed when; the worker halfway between two ends of Redis, so that each is alone."""
    found = []
    shift = plan.redis_every / 2 if plan.redis_every else 0.0
    for what, every, early in ((REDIS, plan.redis_every, 0.0), (WORKER, plan.worker_every, shift)):
        number = 1
        while every and (at := number * every - early) < plan.seconds - 1.0:
            found.append(Blow(max(at, 1.0), what))
            number += 1
    return sorted(found, key=lambda blow: blow.at)


class Soak:
    """One run against one service."""

    def __init__(self, plan: Plan, service: Standing, progress: Callable[[str], None]) -> None:
        self._plan = plan
        self._service = service
        self._progress = progress
        self._samples: list[Sample] = []
        self._over = threading.Event()
        self._began = 0.0

    def run(self, texts: Sequence[str]) -> dict[str, Any]:
        """Everything, to the verdict; the service is up and stays up."""
        plan = self._plan
        crowd = Crowd(self._service.port, plan.people, texts, plan.seed)
        try:
            capacity = None
            if not plan.rate:
                self._progress(f"looking for the capacity for {plan.probe:g} s")
                capacity = crowd.capacity(plan.probe)
            rate = plan.rate or plan.share * (capacity or 0.0)
            if rate <= 0:
                raise RuntimeError("no reply was whole: there is no capacity to soak at")
            crowd.ledger = Ledger()  # what was said to find the capacity is not judged
            self._progress(f"{rate:.2f} visits a second for {plan.seconds / 60:g} min")
            blows = self._under_blows(lambda: crowd.talk(rate, plan.seconds, plan.seed))
        finally:
            crowd.end()
        self._settle()
        events = kept.events(self._service.var, self._service.redis_url)
        verdict = kept.judge(crowd.ledger.acknowledged, events)
        return self._result(crowd.ledger, capacity, rate, blows, verdict)

    def _under_blows(self, load: Callable[[], None]) -> list[Blow]:
        self._began = time.monotonic()
        blows = blows_of(self._plan)
        others = [
            threading.Thread(target=self._strike, args=(blows,)),
            threading.Thread(target=self._look),
        ]
        for thread in others:
            thread.start()
        try:
            load()
        finally:
            self._over.set()
            for thread in others:
                thread.join()
        return blows

    def _strike(self, blows: list[Blow]) -> None:
        for blow in blows:
            if self._over.wait(max(0.0, self._began + blow.at - time.monotonic())):
                return
            start = time.monotonic()
            if blow.what == REDIS:
                self._service.kill_redis()
                time.sleep(self._plan.away)
                self._service.start_redis()
            else:
                with suppress(AssertionError):  # it has just ended by itself
                    self._service.kill_worker()
                eventually(self._service.ready, _READY_SECONDS, "no worker came back")
            blow.seconds = time.monotonic() - start
            self._progress(f"{blow.at / 60:.1f} min: {blow.what} killed, {blow.seconds:.1f} s")

    def _look(self) -> None:
        while not self._over.wait(self._plan.sample_every):
            try:
                worker = self._service.worker_pid
            except AssertionError:
                worker = 0
            redis = self._service.redis_pid or 0
            at = time.monotonic() - self._began
            self._samples.append(Sample(at, worker, resident_bytes(worker), resident_bytes(redis)))

    def _settle(self) -> None:
        """Until all that was promised has reached Redis."""
        eventually(self._service.ready, _READY_SECONDS, "the service is not ready")
        self._progress("waiting for the spool")
        eventually(lambda: self._promised() == 0, _DRAIN_SECONDS, "the spool was not emptied")

    def _promised(self) -> float:
        """Promises that wait in the spools of all workers."""
        samples = metrics(Service(self._service.url, self._service.var))
        return sum(v for name, v in samples.items() if name.startswith("kindred_spool_entries"))

    def _result(
        self,
        ledger: Ledger,
        capacity: float | None,
        rate: float,
        blows: list[Blow],
        verdict: kept.Verdict,
    ) -> dict[str, Any]:
        return {
            "machine": report.machine(),
            "plan": asdict(self._plan),
            "capacity": capacity,
            "rate": rate,
            "visits": len(ledger.answers),
            "crowded": ledger.crowded,
            "answered": sum(answer.status == 200 for answer in ledger.answers),
            "degraded": sum(answer.degraded for answer in ledger.answers),
            "retried": sum(answer.tries > 1 for answer in ledger.answers),
            "given_up": len(ledger.given_up),
            "statuses": dict(sorted(ledger.statuses.items())),
            "verdict": {**asdict(verdict), "holds": verdict.holds},
            "blows": [asdict(blow) for blow in blows],
            "lives": [asdict(life) for life in lives(self._samples, self._plan.settle)],
            "samples": [asdict(sample) for sample in self._samples],
            "answers": _by_time(ledger, self._plan.seconds),
        }


def _by_time(ledger: Ledger, seconds: float) -> dict[str, list[float]]:
    """Whole, degraded and unanswered messages a second, by when they were sent."""
    width = max(seconds / _BUCKETS, 1.0)
    buckets = int(seconds // width) + 1
    found = {name: [0.0] * buckets for name in ("whole", "degraded", "unanswered")}
    for answer in ledger.answers:
        name = "unanswered" if answer.status != 200 else "degraded" if answer.degraded else "whole"
        found[name][min(int(answer.at // width), buckets - 1)] += 1 / width
    return {"seconds": [number * width for number in range(buckets)], **found}
