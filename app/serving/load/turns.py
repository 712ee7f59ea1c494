"""Whose turn it is on cores that the models share: pure, no clock, no threads.

A claim is a model's wish to run. Each model has a patience: the seconds that one claim may be put
off. A claim is due when its patience will have run out; the one that is due first goes first. So a
model of little patience overtakes one of much, but what was claimed after another was due does not
overtake it: nobody starves.

While a claim runs it is not put off, and its due time moves on. A long batch that gives way between
its steps therefore goes on giving way as long as it has waited less than its patience in all. After
that it does so ever more rarely: it lets go who has waited longer than it was itself put off beyond
its patience. Under the others' endless demand, a batch of s steps against turns of one step each is
put off by some √(2s) steps more.

A turn that lasts too long is given up: whoever runs in it hangs, or might as well, and holds nobody
up any more. Should it come back after all, it waits for a turn like everybody else.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count


@dataclass(eq=False, slots=True)
class Claim:
    """A model's wish to run."""

    due: float  # when its patience runs out, in seconds of the clock
    number: int
    since: float = 0.0  # while it runs: since when

    @property
    def place(self) -> tuple[float, int]:
        """The smallest goes first."""
        return (self.due, self.number)


class Turns:
    """Who runs, and who waits."""

    def __init__(
        self, patience: Mapping[str, float], slots: int = 1, *, longest: float = math.inf
    ) -> None:
        """`patience`: seconds by model. `slots`: how many may run. `longest`: seconds of a turn."""
        if slots < 1:
            raise ValueError("somebody must be able to run")
        self._patience = patience
        self._slots = slots
        self._longest = longest
        self._numbers = count(1)
        self._running: set[Claim] = set()
        self._waiting: set[Claim] = set()
        self._given_up: set[Claim] = set()  # they hang, as far as is known

    @property
    def running(self) -> frozenset[Claim]:
        """The claims that run now: more than the slots where some would not wait any longer."""
        return frozenset(self._running)

    @property
    def waiting(self) -> frozenset[Claim]:
        """The claims that wait now."""
        return frozenset(self._waiting)

    def claim(self, model: str, now: float) -> Claim:
        """A model wishes to run from now on; ask `grant` whose turn it is."""
        claim = Claim(now + self._patience[model], next(self._numbers))
        self._waiting.add(claim)
        return claim

    def grant(self, now: float) -> list[Claim]:
        """Those whose turn comes now; they run from here on."""
        hanging = {claim for claim in self._running if now - claim.since >= self._longest}
        self._running -= hanging
        self._given_up |= hanging
        granted = []
        while self._waiting and len(self._running) < self._slots:
            first = self._first()
            self._start(first, now)
            granted.append(first)
        return granted

    def gives_way(self, claim: Claim, now: float) -> bool:
        """Whether somebody goes before this one that runs; then it waits itself."""
        if claim not in self._running | self._given_up:
            return False
        claim.due += now - claim.since
        claim.since = now
        if claim in self._given_up:  # somebody else may have its turn by now
            self._given_up.remove(claim)
            self._waiting.add(claim)
            return True
        if not self._waiting or self._first().place > claim.place:
            return False
        self._running.remove(claim)
        self._waiting.add(claim)
        return True

    def insists(self, claim: Claim, now: float) -> bool:
        """A claim waits no longer and runs, turn or not; False if its turn had come."""
        if claim not in self._waiting:
            return False
        self._start(claim, now)
        return True

    def end(self, claim: Claim) -> None:
        """A claim is done with."""
        self._running.discard(claim)
        self._waiting.discard(claim)
        self._given_up.discard(claim)

    def _first(self) -> Claim:
        return min(self._waiting, key=lambda claim: claim.place)

    def _start(self, claim: Claim, now: float) -> None:
        self._waiting.remove(claim)
        self._running.add(claim)
        claim.since = now
