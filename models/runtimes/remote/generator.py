"""The generator behind OpenAI's completions: `POST /v1/completions`, or `/v1/chat/completions`.

What carries over of `Sampling`: temperature and top_p everywhere, top_k and the repetition
penalty with vLLM. No service has `no_repeat_ngram`. `mean_logprob` is what the service reports:
vLLM's is of the model itself, as Kindred's own is; others may give it of the distribution that
they sampled from.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from models.generator import GenerateItem, GenerateResult, Generation
from models.prompt import MAX_CONTEXT_TOKENS
from models.reply_text import is_ill, last_sentence
from models.runtimes.remote.answers import listed, member, number, text, wrong
from models.runtimes.remote.batch import Outcomes
from models.runtimes.remote.client import Client, Request
from models.runtimes.remote.endpoint import Endpoint
from models.runtimes.remote.errors import RemoteRefusal, Repeat
from models.runtimes.remote.prompts import STOP, chat_messages, completion_prompt, reply_text
from models.runtimes.remote.text import dialog_ids, dialog_of, tokens_of

POSITIONS = 2_048
_SEEDS = 2**31  # every service takes these
_ROUTE_HIDDEN = {403, 404, 405, 501}


@dataclass(frozen=True)
class Dialect:
    """How a service is asked.

    form: `completions` for plain language models, `chat` for those that were taught to answer.
    extensions: whether it takes vLLM's `top_k` and `repetition_penalty`; OpenAI refuses them.
    logprobs: whether it is asked for log-probabilities. Without, `mean_logprob` is 0, and a
        screen for what the model itself finds unlikely lets everything pass.
    """

    form: Literal["completions", "chat"] = "completions"
    extensions: bool = False
    logprobs: bool = True


class RemoteGenerator:
    """Candidates for a reply, sampled elsewhere; ids are code points of the conversation."""

    local = False

    def __init__(
        self,
        client: Client,
        *,
        model: str,
        dialect: Dialect | None = None,
        positions: int = POSITIONS,
    ) -> None:
        """`model`: as the service names it; `positions`: tokens of a prompt and what follows."""
        self.version = f"remote:{model}"
        self.runtime = f"remote at {client.endpoint.name}"
        self.positions = positions
        self._model = model
        self._dialect = dialect or Dialect()
        self._client = client
        self._outcomes: Outcomes[GenerateItem, GenerateResult] = Outcomes(self._ask)

    @classmethod
    def connect(
        cls, endpoint: Endpoint, *, model: str = "", dialect: Dialect | None = None
    ) -> RemoteGenerator:
        """Ask a service for its models; `model` may be left out where it has one only.

        Raises RemoteError, or ValueError where it has no such model or has to be told which.
        """
        client = Client(endpoint)
        request: Request[dict[str, int]] = Request("/v1/models", None, _models)
        try:
            found = client.one(request, endpoint.start_seconds)
        except RemoteRefusal as refusal:
            if refusal.status not in _ROUTE_HIDDEN:
                raise
            found = {model: POSITIONS} if model else {}
        finally:
            client.close()  # this may be another thread than the one that will run
        name = model or (next(iter(found)) if len(found) == 1 else "")
        if name not in found:
            have = ", ".join(list(found)[:5]) or "none that it names"
            raise ValueError(f"{endpoint.name}: model {name!r} is not one of its own: {have}")
        return cls(client, model=name, dialect=dialect, positions=found[name])

    def encode_context(
        self,
        turns: Sequence[str],
        facts: Sequence[str] = (),
        max_tokens: int = MAX_CONTEXT_TOKENS,
    ) -> tuple[int, ...]:
        """The code points of a conversation (oldest turn first), in about `max_tokens`.

        Raises ValueError if no turn has any text.
        """
        return dialog_ids(turns, facts, max_tokens)

    def cost(self, item: GenerateItem) -> int:
        """How many tokens an item may put through the model, about: for the batcher's budget."""
        return tokens_of(len(item.context_ids)) + item.n * item.max_new_tokens

    def run(
        self,
        items: Sequence[GenerateItem],
        between_steps: Callable[[], None] | None = None,
    ) -> list[GenerateResult]:
        """One result for each item, in order; the items are asked for side by side.

        `between_steps` is not called: the steps are taken elsewhere. Raises RemoteError, or
        ValueError if a context is none or fills all positions.
        """
        return self._outcomes.run(items)

    def warm(self) -> None:
        """Ask once with the patience of a start. Raises RemoteError."""
        context = self.encode_context(["hello there"])
        item = GenerateItem(context, n=2, seed=0, max_new_tokens=4)
        for outcome in self._ask([item], self._client.endpoint.start_seconds):
            if isinstance(outcome, Exception):
                raise outcome

    def close(self) -> None:
        """End this thread's idle connections."""
        self._client.close()

    def _ask(
        self, items: Sequence[GenerateItem], seconds: float | None = None
    ) -> list[GenerateResult | Exception]:
        outcomes: dict[int, GenerateResult | Exception] = {}
        requests: dict[int, Request[GenerateResult]] = {}
        for position, item in enumerate(items):
            if item.n == 0:
                outcomes[position] = GenerateResult(())
                continue
            try:
                requests[position] = self._request(item)
            except ValueError as error:
                outcomes[position] = error
        answers = self._client.ask(list(requests.values()), seconds)
        outcomes.update(zip(requests, answers, strict=True))
        return [outcomes[position] for position in range(len(items))]

    def _request(self, item: GenerateItem) -> Request[GenerateResult]:
        if tokens_of(len(item.context_ids)) >= self.positions:
            raise ValueError(f"a context that fills all {self.positions} positions")
        dialog = dialog_of(item.context_ids)
        # Greedy candidates are all the same, and services refuse to give it twice.
        count = item.n if item.sampling.temperature > 0.0 else 1
        body: dict[str, Any] = {
            "model": self._model,
            "n": count,
            "temperature": item.sampling.temperature,
            "top_p": item.sampling.top_p,
            "seed": item.seed % _SEEDS,
        }
        if self._dialect.extensions:
            body["repetition_penalty"] = item.sampling.repetition_penalty
            if item.sampling.top_k:
                body["top_k"] = item.sampling.top_k
        if self._dialect.form == "chat":
            path, read = "/v1/chat/completions", _chat_choice
            body |= {
                "messages": chat_messages(dialog),
                "max_completion_tokens": item.max_new_tokens,
            }
            if self._dialect.logprobs:
                body["logprobs"] = True
        else:
            path, read = "/v1/completions", _plain_choice
            body |= {"prompt": completion_prompt(dialog), "max_tokens": item.max_new_tokens}
            body["stop"] = list(STOP)
            if self._dialect.logprobs:
                body["logprobs"] = 1

        def result(answer: Any) -> GenerateResult:
            return _result(answer, count, read, self._dialect.logprobs)

        # Sampling costs the service too much to be asked for twice once it has begun to answer.
        return Request(path, body, result, Repeat.SILENT)


@dataclass(frozen=True)
class _Choice:
    """One candidate as the service gave it."""

    text: str
    finished: bool
    logprobs: list[float] | None = field(default=None)


def _models(answer: Any) -> dict[str, int]:
    """Positions by model."""
    found = {}
    for model in listed(member(answer, "data"), "models"):
        length = member(model, "max_model_len")
        known = type(length) is int and length > 1
        found[text(member(model, "id"), "a model's name")] = length if known else POSITIONS
    return found


def _result(answer: Any, most: int, read: Callable[[Any], _Choice], scored: bool) -> GenerateResult:
    """Distinct usable candidates, as `Generator` keeps them. Raises RemoteAnswerError."""
    choices = listed(member(answer, "choices"), "choices")
    if not 1 <= len(choices) <= most:
        wrong(f"{len(choices)} choices where {most} were asked for")
    found: dict[str, Generation] = {}
    for choice in map(read, choices):
        said = reply_text(choice.text)
        if not choice.finished:
            said = last_sentence(said)
        if is_ill(said):
            continue
        if scored and not choice.logprobs:
            wrong("no log-probabilities, which were asked for")
        count = len(choice.logprobs) if choice.logprobs else tokens_of(len(said))
        mean = math.fsum(choice.logprobs) / count if choice.logprobs else 0.0
        found.setdefault(said, Generation(said, count, mean, choice.finished))
    return GenerateResult(tuple(found.values()))


def _plain_choice(choice: Any) -> _Choice:
    scores = member(choice, "logprobs")
    logprobs = member(scores, "token_logprobs") if scores is not None else None
    return _Choice(
        text(member(choice, "text"), "a choice's text"),
        member(choice, "finish_reason") == "stop",
        None if logprobs is None else _numbers(logprobs),
    )


def _chat_choice(choice: Any) -> _Choice:
    content = member(member(choice, "message"), "content")
    scores = member(choice, "logprobs")
    tokens = member(scores, "content") if scores is not None else None
    logprobs = None
    if tokens is not None:
        logprobs = [member(token, "logprob") for token in listed(tokens, "log-probabilities")]
    return _Choice(
        "" if content is None else text(content, "a message's content"),  # None: it refused
        member(choice, "finish_reason") == "stop",
        None if logprobs is None else _numbers(logprobs),
    )


def _numbers(values: Any) -> list[float]:
    return [number(value, "a log-probability") for value in listed(values, "log-probabilities")]
