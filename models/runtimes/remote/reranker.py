"""The reranker behind text-embeddings-inference's `POST /rerank`.

A cross-encoder there has one output. Its probability is the head `upvote`, and the serving score;
it has no other head, so nothing is taken off for what offends.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from models.contracts import RerankItem, RerankResult
from models.runtimes.remote.answers import listed, member, number, wrong
from models.runtimes.remote.batch import Outcomes
from models.runtimes.remote.client import Client, Request
from models.runtimes.remote.endpoint import Endpoint
from models.runtimes.remote.errors import RemoteError
from models.runtimes.remote.info import TEXTS_MOST, ask_info
from models.runtimes.remote.text import ids_of, plain, query_ids, text_of, tokens_of

CONTEXT_TOKENS = 96
RESPONSE_CHARACTERS = 1_024
_NEWLINE = ord("\n")


class RemoteReranker:
    """Contexts and responses to scores, computed elsewhere."""

    local = False

    heads: tuple[str, ...] = ()

    def __init__(
        self,
        client: Client,
        *,
        version: str,
        texts_most: int = TEXTS_MOST,
        context_tokens: int = CONTEXT_TOKENS,
    ) -> None:
        """`context_tokens`: of facts and turns together, about; `texts_most`: in one request."""
        if context_tokens < 1 or texts_most < 1:
            raise ValueError("context_tokens and texts_most are at least 1")
        self.version = version
        self.runtime = f"remote at {client.endpoint.name}"
        self._client = client
        self._texts_most = texts_most
        self._context_tokens = context_tokens
        self._outcomes: Outcomes[RerankItem, RerankResult] = Outcomes(self._ask)

    @classmethod
    def connect(cls, endpoint: Endpoint, *, version: str = "") -> RemoteReranker:
        """Ask a service what it is. `version`: needed where it has no `/info`.

        Raises RemoteError, or ValueError without any version.
        """
        client = Client(endpoint)
        info = ask_info(client)
        client.close()  # this may be another thread than the one that will run
        return cls(client, version=info.version_or(version), texts_most=info.texts_most)

    def prepare(
        self, context_turns: Sequence[str], responses: Sequence[str], facts: Sequence[str] = ()
    ) -> list[RerankItem]:
        """The query is facts and turns, a line each, the latest last; ids are code points.

        Raises ValueError if the context or a response has no text.
        """
        context = query_ids(context_turns, facts, self._context_tokens)
        latest = max((i + 1 for i, code in enumerate(context) if code == _NEWLINE), default=0)
        items = []
        for response in responses:
            reply = ids_of(plain(response)[:RESPONSE_CHARACTERS])
            if not reply:
                raise ValueError("a response has no text")
            # There the context is read again with each response.
            length = tokens_of(len(context) + len(reply))
            items.append(RerankItem(context, reply, latest, length))
        return items

    def run(self, items: Sequence[RerankItem]) -> list[RerankResult]:
        """One result for each item, in order.

        Raises RemoteError, or ValueError for ids that are no code points.
        """
        return self._outcomes.run(items)

    def warm(self) -> None:
        """Ask once with the patience of a start. Raises RemoteError."""
        items = self.prepare(["hi", "how was your day?"], ["long, but good.", "what?"])
        for outcome in self._ask(items, self._client.endpoint.start_seconds):
            if isinstance(outcome, Exception):
                raise outcome

    def close(self) -> None:
        """End this thread's idle connections."""
        self._client.close()

    def _ask(
        self, items: Sequence[RerankItem], seconds: float | None = None
    ) -> list[RerankResult | Exception]:
        parts = self._parts(items)
        requests = []
        for part in parts:
            query = text_of(items[part[0]].context)
            texts = [text_of(items[position].response) for position in part]
            body = {"query": query, "texts": texts, "truncate": True, "raw_scores": False}
            requests.append(Request("/rerank", body, _reader(len(part))))
        outcomes: dict[int, RerankResult | Exception] = {}
        for part, answer in zip(parts, self._client.ask(requests, seconds), strict=True):
            for place, position in enumerate(part):
                if isinstance(answer, RemoteError):
                    outcomes[position] = answer
                else:
                    score = answer[place]
                    outcomes[position] = RerankResult({"upvote": score}, score)
        return [outcomes[position] for position in range(len(items))]

    def _parts(self, items: Sequence[RerankItem]) -> list[list[int]]:
        """Positions of items, a request each: one context, and no more texts than are taken."""
        by_context: dict[tuple[int, ...], list[int]] = {}
        for position, item in enumerate(items):
            by_context.setdefault(item.context, []).append(position)
        most = self._texts_most
        return [
            found[start : start + most]
            for found in by_context.values()
            for start in range(0, len(found), most)
        ]


def scores_of(answer: Any, texts: int) -> list[float]:
    """Probabilities in the order that the texts were sent. Raises RemoteAnswerError."""
    ranks = listed(answer, "scores")
    if len(ranks) != texts:
        wrong(f"{len(ranks)} scores for {texts} texts")
    scores: dict[int, float] = {}
    for rank in ranks:
        index, score = member(rank, "index"), number(member(rank, "score"), "a score")
        if type(index) is not int or not 0 <= index < texts or index in scores:
            wrong("scores that are not one for each text")
        if not 0.0 <= score <= 1.0:
            wrong("a score that is no probability")
        scores[index] = score
    return [scores[index] for index in range(texts)]


def _reader(texts: int) -> Any:
    return lambda answer: scores_of(answer, texts)
