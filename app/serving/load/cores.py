"""Turns of the models' native threads on few cores, and the setting that chooses them.

Three models that run at once on two cores slow each other down, and a short batch that ends
somebody's reply suffers most. In turns it waits for one decode step of the generator at most and
then has the cores to itself. Everything here runs in the native threads (`close` apart), under
locks that gevent has not patched; the hub never waits.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

from gevent.monkey import get_original

from app.serving.load.law import ENCODER, GENERATOR, RERANKER
from app.serving.load.turns import Claim, Turns

# Seconds that a batch may be put off in all. Whose work unblocks a reply goes first: scores are its
# last step, vectors are short and stand before retrieval, candidates take long and may come late
# by a part of the gather deadline.
PATIENCE: Mapping[str, float] = {RERANKER: 0.0, ENCODER: 0.005, GENERATOR: 0.1}

# A turn that is not over by then hangs, or is far beyond every deadline: it is given up, and the
# others go on. Nor does anybody wait for longer, whatever the reason.
LONGEST_WAIT = 1.0  # seconds

# What `KINDRED_CONCURRENCY=auto` means, by the device that the models run on. On two
# cores `bench cores` gave free threads 6 % more answers at 8 clients; CUDA was not measured.
DEFAULTS = {"cpu": "free", "cuda": "free"}


class Turn(Protocol):
    """What a model has while it runs."""

    def give_way(self) -> None:
        """Let those go first whose turn it rather is; never raises."""


class Concurrency(Protocol):
    """How the models' native threads share the cores."""

    def turn(self, model: str) -> AbstractContextManager[Turn]:
        """A context manager around a native call of a model; it yields a `Turn`."""

    def close(self) -> None:
        """Nobody waits any more."""


class Free:
    """Every model runs when it likes; the operating system shares the cores out."""

    @contextmanager
    def turn(self, model: str) -> Iterator[Turn]:
        """At once."""
        yield self

    def give_way(self) -> None:
        """Nobody waits."""

    def close(self) -> None:
        """Nobody waits."""


class Cores:
    """One model at a time, in the order of `Turns`."""

    def __init__(
        self,
        patience: Mapping[str, float] = PATIENCE,
        *,
        longest_wait: float = LONGEST_WAIT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._new_lock: Callable[[], Any] = get_original("_thread", "allocate_lock")
        self._lock = self._new_lock()  # held for microseconds
        self._turns = Turns(patience, longest=longest_wait)
        self._gates: dict[Claim, Any] = {}  # of those that wait: a lock that is let go
        self._longest_wait = longest_wait
        self._clock = clock
        self._closed = False

    @contextmanager
    def turn(self, model: str) -> Iterator[Turn]:
        """Wait for this model's turn, in its native thread; the turn ends with the block."""
        with self._lock:
            claim = self._turns.claim(model, self._clock())
            gate = self._wait_for(claim)
        try:
            self._pass(gate, claim)
            yield _Held(self, claim)
        finally:
            with self._lock:
                self._turns.end(claim)
                self._gates.pop(claim, None)
                self._open_gates()

    def give_way(self, claim: Claim) -> None:
        """Of one that runs: if another goes before it, wait until that is done."""
        with self._lock:
            if self._closed or not self._turns.gives_way(claim, self._clock()):
                return
            gate = self._wait_for(claim)
        self._pass(gate, claim)

    def close(self) -> None:
        """From now on everyone runs when it likes; whoever waits goes on."""
        with self._lock:
            self._closed = True
            for claim in list(self._gates):
                self._turns.insists(claim, self._clock())
                self._gates.pop(claim).release()

    def _wait_for(self, claim: Claim) -> Any:
        """The gate of one that waits, None if it is its turn already. Under the lock."""
        if self._closed:
            self._turns.insists(claim, self._clock())
            return None
        gate = self._gates[claim] = self._new_lock()
        gate.acquire()
        self._open_gates()
        return gate

    def _pass(self, gate: Any, claim: Claim) -> None:
        """Wait at a gate, but not for ever: a call that hangs must not stop the other models."""
        if gate is None or gate.acquire(True, self._longest_wait):
            return
        with self._lock:
            self._turns.insists(claim, self._clock())
            self._gates.pop(claim, None)
            self._open_gates()  # of those who waited for the same one, where there is room

    def _open_gates(self) -> None:
        """Let those pass whose turn it is. Under the lock."""
        for claim in self._turns.grant(self._clock()):
            gate = self._gates.pop(claim, None)
            if gate is not None:
                gate.release()


class _Held:
    """A turn of `Cores`."""

    def __init__(self, cores: Cores, claim: Claim) -> None:
        self._cores = cores
        self._claim = claim

    def give_way(self) -> None:
        """Let those go first whose turn it rather is."""
        self._cores.give_way(self._claim)


def concurrency_for(name: str, device: str) -> Concurrency:
    """What a setting (auto, free, turns) means on a device (cpu, cuda)."""
    if name == "auto":
        name = DEFAULTS.get(device, "free")
    return Cores() if name == "turns" else Free()
