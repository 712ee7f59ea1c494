"""A small world whose truth is known: people, what they like, and the log that a service left."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest

from app.dialog import policy
from app.domain import Candidate, Source
from models.contracts import RerankItem, RerankResult
from models.training.examples import Example
from scripts.dataset.reader import LoggedCandidate, LoggedImpression
from scripts.judging.heldout import HeldOut

PEOPLE, EACH, WIDTH = 60, 12, 4
EXPLORATION = 0.4
KINDS = {"dull": 0.2, "fine": 0.5, "kind": 0.65, "witty": 0.8}
"""What each kind of reply is liked with."""


@dataclass
class Fake:
    """A reranker that knows kinds of replies: `belief` is its P(upvote) of each."""

    version: str
    belief: dict[str, float]
    heads: tuple[str, ...] = ("selection",)
    runtime: str = "fake"
    local: bool = True
    runs: int = 0

    def prepare(
        self, context_turns: Sequence[str], responses: Sequence[str], facts: Sequence[str] = ()
    ) -> list[RerankItem]:
        order = list(KINDS)
        return [RerankItem((1,), (order.index(one.split()[0]),), 0, 1) for one in responses]

    def run(self, items: Sequence[RerankItem]) -> list[RerankResult]:
        self.runs += len(items)
        beliefs = [self.belief[list(KINDS)[item.response[0]]] for item in items]
        return [RerankResult({"selection": 0.5, "upvote": one}, one) for one in beliefs]

    def warm(self) -> None: ...


def knowing() -> Fake:
    """It knows what people like."""
    return Fake("knowing00000", dict(KINDS))


def mistaken() -> Fake:
    """It has it the wrong way round, not very surely: it served while the log was written."""
    return Fake("mistaken0000", dict(zip(KINDS, (0.5, 0.47, 0.44, 0.41), strict=True)))


def certain() -> Fake:
    """It has it the wrong way round and is sure of it: exploration hardly ever overrules it."""
    return Fake("certain00000", dict(zip(KINDS, (0.9, 0.6, 0.3, 0.1), strict=True)))


def impression(
    number: int, dice: random.Random, person: str, logger: Fake, exploration: float = EXPLORATION
) -> LoggedImpression:
    """One reply, chosen by the service's own policy over the logger's scores, and its reaction."""
    texts = [f"{kind} reply {number}" for kind in KINDS]
    results = logger.run(logger.prepare(["hi"], texts))
    slate = [
        Candidate(f"r{i}", text, Source.RETRIEVAL, score=result.serving + 0.01 * i, bias=0.01 * i)
        for i, (text, result) in enumerate(zip(texts, results, strict=True))
    ]
    seed = dice.getrandbits(32)
    choice = policy.select(slate, seed=seed, exploration=exploration)
    assert choice.chosen is not None
    liked = dice.random() < KINDS[choice.chosen.text.split()[0]]
    return LoggedImpression(
        reply_id=f"reply{number}", time=0.0, person=person, conversation=f"c-{person}",
        turn_id=f"t{number}", context=(f"hello {number}",), facts=(), response=choice.chosen.text,
        source="retrieval",
        candidates=tuple(
            LoggedCandidate(
                c.candidate_id, c.text, "retrieval", (), None, None, dict(result.heads), c.bias,
                c.score, (), c.propensity,
            )
            for c, result in zip(choice.candidates, results, strict=True)
        ),
        chosen=choice.chosen.candidate_id, explored=choice.explored, exploration=exploration,
        seed=seed, n=0, late=(), shown=(), degraded=False, variants={},
        versions={"reranker": logger.version}, alternative_of=None,
        reaction="upvote" if liked else "downvote", comment=None,
    )  # fmt: skip


def judged(one: LoggedImpression) -> Example:
    """The reaction as an example."""
    return Example(
        source="reactions",
        head="upvote",
        context=one.context,
        response=one.response,
        label=float(one.reaction == "upvote"),
        group=one.turn_id,
        conversation=one.conversation,
        rater=one.person,
    )


Log = Callable[..., HeldOut]


@pytest.fixture(scope="session")
def log() -> Log:
    """What a service logged of so many people; the mistaken one's, if no other is given."""

    def make(
        people: int = PEOPLE,
        logger: Fake | None = None,
        exploration: float = EXPLORATION,
        seed: int = 4,
    ) -> HeldOut:
        dice = random.Random(seed)
        logger = logger or mistaken()
        impressions = [
            impression(number, dice, f"p{number % people}", logger, exploration)
            for number in range(people * EACH)
        ]
        described = {"source": "a test", "people": people, "part": "test"}
        return HeldOut([judged(one) for one in impressions], impressions, described)

    return make
