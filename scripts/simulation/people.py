"""Simulated people with hidden tastes: they like or not, react or not, stay or leave.

A person's liking of a reply is logistic in its traits (see `traits`): a part that the population
shares, a part of the person's own, less for what they heard before. Nobody outside this module sees
a taste; the service sees reactions. Every chance is drawn by name (seed, person, round, turn), so
that the same person meets the same luck whatever model answers them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

import numpy as np

from app.domain import ReactionKind
from scripts.simulation.traits import NAMES, SUBJECTS, Array, scale_of, subject_of, traits_of

_SHARED = 2.0  # deviation, over the bank's replies, of what all people like alike, in logits
_OWN = 0.8  # of what one person likes besides
_INTERCEPT = -0.2
_HEARD_BEFORE = 0.8  # logits for each doubling of how often the reply was heard
_SAME_START = 0.25  # logits for each of the last replies that began with the same two words
_REACTING = 0.55  # share of replies that are reacted to, more where the feeling is strong
_LEAVING = 0.02  # chance to leave after a reply, and how disappointment adds to it
_LEAVING_DISAPPOINTED = 0.18
_FORGIVING = 0.6  # how much of a disappointment is left after the next reply
_QUITTING = 0.55  # chance not to come back, times the share of replies that were not liked, squared


@dataclass(frozen=True)
class Liking:
    """How one person took one reply; `reaction` is None where they said nothing."""

    liked: bool
    reaction: ReactionKind | None
    leaves: bool


class Population:
    """What simulated people of one seed have in common."""

    def __init__(self, seed: int, bank: Sequence[tuple[str, str]]) -> None:
        """`bank`: (message, reply) pairs that put the traits on one scale."""
        self.seed = seed
        traits = [traits_of(reply, message) for message, reply in bank]
        subjects = [subject_of(reply) for _, reply in bank]
        self._traits, self._subjects = scale_of(traits), scale_of(subjects)
        rng = np.random.default_rng([seed, 1])
        self._notices = np.stack(
            [self.notice(reply, message) for message, reply in bank[:: max(1, len(bank) // 500)]]
        )
        self.shared = self._taste(rng, _SHARED)

    def notice(self, reply: str, message: str) -> Array:
        """(traits + subjects,) what is noticed of a reply, on one scale."""
        mean, deviation = self._traits
        about, spread = self._subjects
        traits = np.clip((traits_of(reply, message) - mean) / deviation, -3, 3)
        subject = (subject_of(reply) - about) / spread
        return np.concatenate([traits, subject])

    def person(self, number: int) -> SimulatedPerson:
        """Simulated person `number`; the same one each time."""
        rng = np.random.default_rng([self.seed, 2, number])
        return SimulatedPerson(self, number, self.shared + self._taste(rng, _OWN))

    def _taste(self, rng: np.random.Generator, deviation: float) -> Array:
        """Random weights whose liking has that deviation over the bank."""
        weights = rng.standard_normal(len(NAMES) + SUBJECTS)
        spread = float((self._notices @ weights).std())
        return np.asarray(weights * deviation / max(1e-6, spread), dtype=np.float64)


@dataclass
class SimulatedPerson:
    """Somebody who is not: a hidden taste, a memory of what was heard, and patience."""

    population: Population
    number: int
    taste: Array
    heard: Counter[str] = field(default_factory=Counter)
    starts: list[str] = field(default_factory=list)
    disappointment: float = 0.0

    def chance(self, *names: object) -> Random:
        """Luck by name: the same whatever happened before."""
        key = ":".join(map(str, (self.population.seed, self.number, *names)))
        return Random(key)

    def hear(self, reply: str, message: str, *moment: object) -> Liking:
        """Take in a reply to one's message; `moment` names the luck."""
        utility = self.utility(reply, message)
        luck = self.chance("hear", *moment)
        p = 1.0 / (1.0 + math.exp(-utility))
        liked = luck.random() < p
        strong = abs(2 * p - 1)
        says = luck.random() < _REACTING + 0.4 * strong * strong
        reaction = _reaction(liked, p, luck.random(), luck.random()) if says else None
        self._remember(reply)
        self.disappointment = _FORGIVING * self.disappointment + (not liked)
        leaving = _LEAVING + _LEAVING_DISAPPOINTED * max(0.0, self.disappointment - 0.5)
        return Liking(liked, reaction, luck.random() < leaving)

    def utility(self, reply: str, message: str) -> float:
        """The hidden liking in logits: above 0 it is liked more often than not."""
        worn = _HEARD_BEFORE * math.log2(1 + self.heard[reply])
        worn += _SAME_START * self.starts.count(_start(reply))
        return _INTERCEPT + float(self.taste @ self.population.notice(reply, message)) - worn

    def comes_back(self, liked: int, heard: int, *moment: object) -> bool:
        """Whether the person talks again in the next round; calmer by then."""
        self.disappointment = 0.0
        disliked = 1.0 - liked / heard if heard else 0.0
        return self.chance("back", *moment).random() >= _QUITTING * disliked * disliked

    def _remember(self, reply: str) -> None:
        self.heard[reply] += 1
        self.starts = [*self.starts[-4:], _start(reply)]


def _start(reply: str) -> str:
    return " ".join(reply.lower().split()[:2])


def _reaction(liked: bool, p: float, which: float, other: float) -> ReactionKind:
    if liked:
        if p > 0.8 and which < 0.5:
            return ReactionKind.LOVE
        return ReactionKind.FUNNY if other < 0.15 else ReactionKind.UPVOTE
    if p < 0.05 and which < 0.1:
        return ReactionKind.OFFENSIVE
    return ReactionKind.MEANINGLESS if other < 0.35 else ReactionKind.DOWNVOTE
