"""Something small through each real model: to warm it, to measure it, to see that it is well.

No two texts of a probe are the same, ever: what a cache answers says nothing of the model.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from itertools import count, product
from typing import TypeVar

import numpy as np

from app.errors import DeadlineExceeded, ModelFailure
from app.serving.batching.ticket import Ticket
from app.serving.health import Canary
from app.serving.lanes import BUDGETS, Lanes
from app.serving.load.controller import ENCODER, GENERATOR, RERANKER
from app.serving.versions.fleet import Asked, Served, Versions
from app.settings import Settings
from models.contracts import EncoderModel, GeneratorModel, RerankerModel
from models.generator import GenerateItem

_TURNS = ("hello there", "hi! how was your day?", "long, but good. i went hiking with my sister")
_REPLIES = ("that sounds lovely!", "where did you go? i would love to hear all about it", "oh no")
_CANARY_TOKENS = 2
_LONG = " ".join(_TURNS * 3)
_Result = TypeVar("_Result")


class Probes:
    """Warming and canaries over the lanes of an engine, with the versions that are everybody's."""

    def __init__(
        self,
        encoder: EncoderModel,
        rerankers: Versions[RerankerModel],
        generators: Versions[GeneratorModel] | None,
        lanes: Lanes,
        settings: Settings,
    ) -> None:
        self._encoder, self._rerankers, self._generators = encoder, rerankers, generators
        self._lanes = lanes
        self._settings = settings
        self._numbers = count(1)

    def canaries(self) -> dict[str, Canary]:
        """By model: a call that raises KindredError unless a sound answer comes in time."""
        canaries: dict[str, Canary] = {
            ENCODER: lambda deadline: self.embed(1, deadline),
            RERANKER: lambda deadline: self.score(1, deadline),
        }
        if self._generators is not None:
            canaries[GENERATOR] = lambda deadline: self.generate(1, _CANARY_TOKENS, deadline)
        return canaries

    def warm(self, deadline: float) -> None:
        """Each model at a small and at a usual size, one after the other; KindredError if not."""
        settings = self._settings
        for texts, candidates in ((1, 1), (8, max(1, settings.candidates_max))):
            self.embed(texts, deadline)
            self.score(settings.retrieval_k * texts // 4 + 1, deadline)
            if self._generators is not None:
                self.generate(candidates, settings.new_tokens, deadline)

    def fill(self, deadline: float) -> None:
        """The encoder, the reranker and the generator with batches of many sizes, up to the most.

        What a model needs for a size it keeps: memory that is taken at the start is not taken in
        the middle of a day, and nobody waits while it prepares itself. One that computes elsewhere
        is left alone, one that is slow is not waited for. Raises KindredError where one fails.
        """
        with suppress(DeadlineExceeded):
            self._fill_encoder(deadline)
            self._fill_reranker(deadline)
            self._fill_generator(deadline)

    def _fill_encoder(self, deadline: float) -> None:
        if not self._encoder.local:
            return
        texts = BUDGETS[ENCODER].items
        while texts:
            for lines in ((_LONG,), _TURNS):
                self.embed(texts, deadline, *lines)
            texts //= 2

    def _fill_reranker(self, deadline: float) -> None:
        with self._rerankers.default.held() as model:
            if not model.local:
                return
        settings = self._settings
        counts = range(BUDGETS[RERANKER].items, 0, -1)
        for slates, more, lines in product(counts, (settings.candidates_max, 0), ((_LONG,), ())):
            batch = [self._slate(settings.retrieval_k + more, *lines) for _ in range(slates)]
            _answers(self._lanes.rerank.submit(batch, deadline))

    def _fill_generator(self, deadline: float) -> None:
        if self._generators is None or self._lanes.generate is None:
            return
        settings, served = self._settings, self._generators.default
        with served.held() as model:
            if not model.local:
                return
            for turns in (8, 1):  # the longest contexts, and the most and longest candidates
                context = model.encode_context([_LONG] * turns, (), settings.context_tokens)
                asked = self._requests(served, context)
                _answers(self._lanes.generate.submit(asked, deadline))

    def _requests(self, served: Served[GeneratorModel], context: Sequence[int]) -> list[Asked]:
        """As many of one context as a batch takes, with all candidates: shorter ones if need be."""
        settings, budget = self._settings, BUDGETS[GENERATOR]
        n = max(1, settings.candidates_max)
        fitting = (budget.tokens // budget.items - len(context)) // n
        tokens = min(settings.new_tokens, max(1, fitting, settings.new_tokens // 2))
        number = min(budget.items, max(1, budget.tokens // (len(context) + n * tokens)))
        return [
            Asked(served, GenerateItem(tuple(context), n, seed, tokens)) for seed in range(number)
        ]

    def embed(self, texts: int, deadline: float, *lines: str) -> None:
        """So many texts through the encoder."""
        items = self._encoder.prepare(self._texts(lines or _TURNS, texts))
        vectors = _answers(self._lanes.encode.submit(items, deadline))
        if not all(np.isfinite(vector).all() for vector in vectors):
            raise ModelFailure("The encoder's canary gave no number")

    def score(self, responses: int, deadline: float) -> None:
        """So many responses through the reranker."""
        slate = self._slate(responses)
        results = self._lanes.rerank.submit([slate], deadline).wait()[0].get()
        if not all(math.isfinite(result.serving) for result in results):
            raise ModelFailure("The reranker's canary gave no number")

    def _slate(self, responses: int, *lines: str) -> list[Asked]:
        """So many responses for the reranker that is everybody's."""
        served = self._rerankers.default
        with served.held() as model:
            items = model.prepare(lines * 8 or _TURNS, self._texts(lines or _REPLIES, responses))
            return [Asked(served, item) for item in items]

    def generate(self, candidates: int, new_tokens: int, deadline: float) -> None:
        """So many candidates from the generator, if there is one."""
        if self._generators is None or self._lanes.generate is None:
            return
        served = self._generators.default
        with served.held() as model:
            context = model.encode_context(_TURNS, (), self._settings.context_tokens)
            asked = Asked(served, GenerateItem(context, candidates, 0, new_tokens))
            result = self._lanes.generate.submit([asked], deadline).wait()[0].get()
        if not all(math.isfinite(one.mean_logprob) for one in result.candidates):
            raise ModelFailure("The generator's canary gave no number")

    def _texts(self, lines: Sequence[str], texts: int) -> list[str]:
        return [f"{next(self._numbers)} {lines[i % len(lines)]}" for i in range(texts)]


def _answers(ticket: Ticket[_Result]) -> list[_Result]:
    """What each item came to; the KindredError of the first that failed."""
    return [outcome.get() for outcome in ticket.wait()]
