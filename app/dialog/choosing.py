"""What is said in answer to a message: gather, rank, screen, select."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence

from app.dialog import candidates, policy, rank, screen
from app.dialog.deadlines import Deadlines
from app.dialog.features import Features
from app.dialog.lines import fallback
from app.dialog.screen.machine import MachineText
from app.dialog.screen.toxicity import Toxicity
from app.domain import Candidate, Slate, Source, Speaker, UserContext
from app.serving.contract import AnyEngine
from app.serving.versions.fleet import Held
from app.settings import Settings
from app.telemetry import StageTimer

_SEED_BITS = 53  # survives JSON readers whose numbers are doubles


class Choosing:
    """The engine and the screens, bound together; one instance a process."""

    def __init__(self, engine: AnyEngine, settings: Settings, toxicity: Toxicity | None) -> None:
        self._engine = engine
        self._settings = settings
        self._toxicity = toxicity

    def choose(
        self,
        context: UserContext,
        features: Features,
        held: Held,
        timer: StageTimer,
        deadlines: Deadlines,
        crisis: bool,
    ) -> tuple[Slate, str, Source]:
        """Gather, rank, screen, select: the slate, and what is said; by the versions held."""
        seed = secrets.randbits(_SEED_BITS)
        plan = self._engine.plan()
        n = plan.n if features.generator else 0
        turns = dialog_of(context)
        with timer.stage("gather"):
            gathered = candidates.gather(
                context,
                turns,
                features,
                plan,
                self._engine,
                k=self._settings.retrieval_k,
                seed=seed,
                deadline=deadlines.gather(),
                version=held.versions.get("generator"),
            )
        ranked, read = self._ranked(context, turns, gathered, features, held, timer, deadlines)
        with timer.stage("choose"):
            moment = self._moment(context, crisis)
            exploration = self._settings.exploration if features.exploration else 0.0
            choice = policy.select(screen.screen(read, moment), seed=seed, exploration=exploration)
        slate = Slate(
            candidates=choice.candidates,
            chosen=choice.chosen.candidate_id if choice.chosen else None,
            seed=seed,
            explored=choice.explored,
            exploration=exploration,
            variants=features.shown(_served(held, gathered, n)),
            versions=dict(held.versions),
            late=tuple(dict.fromkeys((*gathered.late, *ranked.late))),
            n=n,
        )
        if choice.chosen is None:
            return slate, fallback(seed, context.recent_replies), Source.FALLBACK
        return slate, choice.chosen.text, choice.chosen.source

    def _ranked(
        self,
        context: UserContext,
        turns: list[str],
        gathered: candidates.Gathered,
        features: Features,
        held: Held,
        timer: StageTimer,
        deadlines: Deadlines,
    ) -> tuple[rank.Ranked, Sequence[Candidate]]:
        """Score, while the machine's text is read: the scores, and the candidates as they read."""
        written = MachineText.begin(gathered.candidates, self._engine.replies, deadlines.rank())
        with timer.stage("rank"):
            try:
                ranked = rank.score(
                    context,
                    turns,
                    gathered,
                    features,
                    self._engine,
                    deadlines.rank(),
                    held.versions.get("reranker"),
                )
            except BaseException:  # the person has left
                written.cancel()
                raise
            return ranked, written.judged(ranked.candidates)

    def _moment(self, context: UserContext, crisis: bool) -> screen.Moment:
        """What the output screen has to know of this message."""
        return screen.Moment.of(
            context.message.text,
            context.recent_replies,
            crisis=crisis,
            logprob_min=self._settings.logprob_min,
            minor=context.minor,
            toxicity=self._toxicity,
        )


def dialog_of(context: UserContext) -> list[str]:
    """The turns as the models read them: each reply behind the turn it answers, the message last.

    Of several replies to one turn (alternatives) the last is the one that stands.
    """
    answers = {
        turn.answers: turn.text
        for turn in context.turns
        if turn.speaker is Speaker.KINDRED and turn.answers is not None
    }
    lines: list[str] = []
    for turn in context.turns:
        if turn.speaker is Speaker.PERSON and turn.turn_id != context.message.turn_id:
            lines.append(turn.text)
            if turn.turn_id in answers:
                lines.append(answers[turn.turn_id])
    return [*lines, context.message.text]


def _served(held: Held, gathered: candidates.Gathered, n: int) -> Iterator[str]:
    """The kinds of which the version that was wanted answered: what was asked, if late or not.

    Leaving out what came late would compare the versions by their quick answers alone.
    """
    if "reranker" in held.granted and gathered.candidates:
        yield "reranker"
    if "generator" in held.granted and n > 0:
        yield "generator"
