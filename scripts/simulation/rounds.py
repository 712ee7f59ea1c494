"""One seed: the same simulated people before each arm, round by round."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from app.store.people import Person
from models.training.reranker.reactions.frozen import PairVectors
from models.training.reranker.reactions.head import TooFewReactions
from scripts.simulation.learning import examples_of, learn, reranker_over, shuffled
from scripts.simulation.lines import Lines, bank_pairs
from scripts.simulation.people import Population, SimulatedPerson
from scripts.simulation.service import SimulatedService, settings_for, shared_models


@dataclass(frozen=True)
class Arm:
    """What is done with the reactions: learned from or not, as given or shuffled, taste or not."""

    name: str
    learns: bool = False
    shuffled: bool = False
    taste: bool = False


ARMS: Mapping[str, Arm] = {
    arm.name: arm
    for arm in (
        Arm("control"),
        Arm("learning", learns=True),
        Arm("taste", taste=True),
        Arm("learning+taste", learns=True, taste=True),
        Arm("shuffled", learns=True, shuffled=True),
    )
}


@dataclass(frozen=True)
class Plan:
    """All that the result of a seed depends on, but the code, the data and the model."""

    arms: tuple[str, ...] = ("control", "learning")
    rounds: int = 5
    people: int = 50
    messages: int = 8
    exploration: float = 0.1
    threads: int = 1


@dataclass
class Round:
    """What happened in one round of one arm."""

    shown: int = 0  # replies of the ranking
    liked: int = 0  # of them, in truth: what only the simulation can know
    reactions: int = 0
    upvotes: int = 0  # love, funny and upvote among the reactions
    explored: int = 0
    walked_out: int = 0  # people who left before they had said all they could
    came_back: int = 0  # people of this round who talk in the next one too
    people: int = 0

    @property
    def fraction(self) -> float:
        """Upvotes among the reactions."""
        return self.upvotes / max(1, self.reactions)


class Stopped(Exception):
    """The run is to stop; the seed that was being played is played again from its start."""


@dataclass
class _Seat:
    """A place in the simulated crowd, and who holds it."""

    simulated: SimulatedPerson
    person: Person
    holders: int = 1


@dataclass
class Stage:
    """What every seed of a process uses: models, vectors, lines."""

    base: Path  # the reranker that every arm starts from
    data: Path
    var: Path  # where the index is kept
    plan: Plan
    vectors: PairVectors = field(init=False)
    lines: Lines = field(init=False)

    def __post_init__(self) -> None:
        self.vectors = PairVectors.open(self.base, threads=self.plan.threads)
        self.lines = Lines.read(self.data)
        settings = settings_for(self.var, self.data, self.plan.exploration, self.plan.threads)
        reranker = reranker_over(self.base, self.base, self.vectors)
        self.models = shared_models(settings, reranker)

    def play(self, seed: int, tell: Callable[[str, int, Round], None]) -> dict[str, Any]:
        """Play every arm of a seed; the figures of each round, and what learning measured.

        Args:
            tell: told of each round that ended: arm, number, figures. May raise `Stopped`.
        """
        population = Population(seed, bank_pairs(self.data))
        arms = {}
        for name in self.plan.arms:
            folder = Path(tempfile.mkdtemp(prefix="kindred-simulation-"))
            try:
                arms[name] = self._arm(ARMS[name], seed, population, folder, tell)
            finally:
                shutil.rmtree(folder, ignore_errors=True)
        return {"seed": seed, "plan": asdict(self.plan), "arms": arms}

    def _arm(
        self,
        arm: Arm,
        seed: int,
        population: Population,
        folder: Path,
        tell: Callable[[str, int, Round], None],
    ) -> dict[str, Any]:
        plan = self.plan
        settings = settings_for(folder, self.data, plan.exploration, plan.threads)
        rounds: list[dict[str, Any]] = []
        learned: list[dict[str, Any]] = []
        with SimulatedService.open(settings, self.models, taste=arm.taste) as service:
            seats = [_Seat(population.person(i), service.newcomer()) for i in range(plan.people)]
            names = {seat.person.user_id: str(seat.simulated.number) for seat in seats}
            for number in range(1, plan.rounds + 1):
                figures = Round(people=len(seats))
                for place, seat in enumerate(seats):
                    if not self._visit(seat.simulated, seat.person, service, number, figures):
                        holder = population.person(place + plan.people * seat.holders)
                        seats[place] = _Seat(holder, service.newcomer(), seat.holders + 1)
                        names[seats[place].person.user_id] = str(holder.number)
                    tell(arm.name, 0, figures)
                rounds.append({**asdict(figures), "fraction": figures.fraction})
                tell(arm.name, number, figures)
                if arm.learns and number < plan.rounds:
                    learned.append(self._learn(arm, seed, service, names, folder / f"r{number}"))
        return {"rounds": rounds, "learned": learned}

    def _learn(
        self,
        arm: Arm,
        seed: int,
        service: SimulatedService,
        names: Mapping[str, str],
        out: Path,
    ) -> dict[str, Any]:
        """Retrain on everything logged so far and serve what comes out."""
        examples = examples_of(service.judged(), names)
        if arm.shuffled:
            examples = shuffled(examples, seed)
        try:
            metrics = learn(self.base, examples, out, self.vectors, "scripts/simulate")
        except TooFewReactions as reason:
            return {"examples": len(examples), "refused": str(reason)}
        service.serve(reranker_over(self.base, out, self.vectors))
        return {"examples": len(examples), **metrics["heads"]["upvote"]}

    def _visit(
        self,
        simulated: SimulatedPerson,
        person: Person,
        service: SimulatedService,
        number: int,
        figures: Round,
    ) -> bool:
        """One person's talk of a round; whether they come back for the next."""
        said = heard = liked = talks = 0
        while said < self.plan.messages:
            conversation: str | None = None
            talks += 1
            for message in self.lines.conversation(simulated.chance("talk", number, talks)):
                if said == self.plan.messages:
                    break
                said += 1
                luck = simulated.chance("explore", number, said)
                shown = service.reply(person, message, conversation, luck)
                conversation = shown.conversation_id
                if not shown.ranked:
                    continue
                liking = simulated.hear(shown.text, message, number, said)
                heard, liked = heard + 1, liked + liking.liked
                figures.shown += 1
                figures.liked += liking.liked
                figures.explored += shown.explored
                if liking.reaction is not None:
                    service.react(person, shown, liking.reaction)
                    figures.reactions += 1
                    figures.upvotes += liking.reaction.weight > 0
                if liking.leaves and said < self.plan.messages:
                    figures.walked_out += 1
                    said = self.plan.messages
        back = simulated.comes_back(liked, heard, number)
        figures.came_back += back
        return back
