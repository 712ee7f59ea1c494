"""Something small through each real model: to warm it, to measure it, to see that it is well.

No two texts of a probe are the same, ever: what a cache answers says nothing of the model.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from itertools import count

import numpy as np

from app.errors import DeadlineExceeded, ModelFailure
from app.serving.control import ENCODER, GENERATOR, RERANKER
from app.serving.health import Canary
from app.serving.lanes import BUDGETS, Lanes
from app.serving.versions import Asked, Versions
from app.settings import Settings
from models.contracts import EncoderModel, GeneratorModel, RerankerModel
from models.generator import GenerateItem

_TURNS = ("hello there", "hi! how was your day?", "long, but good. i went hiking with my sister")
_REPLIES = ("that sounds lovely!", "where did you go? i would love to hear all about it", "oh no")
_CANARY_TOKENS = 2
_LONG = " ".join(_TURNS * 3)


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
        """The encoder, the reranker and the generator with as much as a batch may hold.

        What a model needs then it keeps: memory that is taken at the start is not taken in the
        middle of a day. One that computes elsewhere is left alone, one that is slow is not waited
        for. Raises KindredError where one fails.
        """
        with suppress(DeadlineExceeded):
            if self._encoder.local:
                self.embed(BUDGETS[ENCODER].items, deadline, _LONG)
            self._fill_reranker(deadline)
            self._fill_generator(deadline)

    def _fill_reranker(self, deadline: float) -> None:
        with self._rerankers.default.held() as model:
            if not model.local:
                return
        responses = self._settings.retrieval_k + self._settings.candidates_max
        slates = [self._slate(responses, _LONG) for _ in range(BUDGETS[RERANKER].items)]
        for outcome in self._lanes.rerank.submit(slates, deadline).wait():
            outcome.get()

    def _fill_generator(self, deadline: float) -> None:
        if self._generators is None or self._lanes.generate is None:
            return
        settings, budget = self._settings, BUDGETS[GENERATOR]
        candidates = max(1, settings.candidates_max)
        each = settings.context_tokens + candidates * settings.new_tokens
        served = self._generators.default
        with served.held() as model:
            if not model.local:
                return
            context = model.encode_context([_LONG] * 8, (), settings.context_tokens)
            asked = [
                Asked(served, GenerateItem(context, candidates, seed, settings.new_tokens))
                for seed in range(max(1, min(budget.items, budget.tokens // each)))
            ]
            for outcome in self._lanes.generate.submit(asked, deadline).wait():
                outcome.get()

    def embed(self, texts: int, deadline: float, *lines: str) -> None:
        """So many texts through the encoder."""
        items = self._encoder.prepare(self._texts(lines or _TURNS, texts))
        vectors = [outcome.get() for outcome in self._lanes.encode.submit(items, deadline).wait()]
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
