"""What of an answer is believed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from models.generator import GenerateItem
from models.runtimes.remote import (
    Client,
    Dialect,
    RemoteGenerator,
)
from models.runtimes.remote.encoder import vectors_of
from models.runtimes.remote.errors import RemoteAnswerError
from models.runtimes.remote.prompts import reply_text
from models.runtimes.remote.reranker import scores_of
from tests.models.remote.servers import http, saying


def answering(client_of: Any, serving: Any, answer: object) -> Client:
    client = client_of(serving(saying(http("200 OK", answer))).url)
    assert isinstance(client, Client)
    return client


@pytest.mark.parametrize(
    "answer",
    [
        {}, [], [[0.6, 0.8]], [[0.6, 0.8]] * 3, [[0.6, 0.8], [1.0]], [[0.6, 0.8], [1.0, 0.5]],
        [[0.6, 0.8], [0.0, 0.0]], [[0.6, 0.8], ["1", "0"]], [[0.6, 0.8], [None, 1.0]],
        [[0.6, 0.8], [True, False]], [[0.6, 0.8], [1e400, 0.0]], [[0.6, 0.8], [10**400, 0]],
        [[0.6, 0.8], 1.0],
    ],
)  # fmt: skip
def test_vectors_that_are_none_are_refused(answer: object) -> None:
    with pytest.raises(RemoteAnswerError):
        vectors_of(answer, 2, 2)


def test_vectors_of_half_precision_are_made_exact() -> None:
    row = np.array([0.6, 0.8], dtype=np.float16).astype(float).tolist()
    assert np.linalg.norm(vectors_of([row], 1, 2)) == pytest.approx(1.0, abs=1e-7)


@pytest.mark.parametrize(
    "answer",
    [
        {}, [], [{"index": 0, "score": 0.5}], [{"index": 0, "score": 0.5}] * 2,
        [{"index": 0, "score": 0.5}, {"index": 2, "score": 0.5}],
        [{"index": 0, "score": 0.5}, {"index": -1, "score": 0.5}],
        [{"index": 0, "score": 0.5}, {"index": True, "score": 0.5}],
        [{"index": 0, "score": 0.5}, {"index": 1.0, "score": 0.5}],
        [{"index": 0, "score": 0.5}, {"index": 1, "score": 3.2}],
        [{"index": 0, "score": 0.5}, {"index": 1, "score": 1e999}],
        [{"index": 0, "score": 0.5}, {"index": 1, "score": None}],
        [{"index": 0, "score": 0.5}, {"index": 1}],
        [0.5, 0.5],
    ],
)  # fmt: skip
def test_scores_that_are_none_are_refused(answer: object) -> None:
    with pytest.raises(RemoteAnswerError):
        scores_of(answer, 2)


def choice(**changes: object) -> dict[str, object]:
    scores = {"token_logprobs": [-1.0, -2.0]}
    return {"text": " Fine!", "finish_reason": "stop", "logprobs": scores, **changes}


@pytest.mark.parametrize(
    "answer",
    [
        [], {}, {"choices": {}}, {"choices": []}, {"choices": [choice()] * 3}, {"choices": ["x"]},
        {"choices": [choice(text=None)]}, {"choices": [choice(text=["a"])]},
        {"choices": [choice(logprobs=None)]}, {"choices": [choice(logprobs=[])]},
        {"choices": [choice(logprobs={"token_logprobs": []})]},
        {"choices": [choice(logprobs={"token_logprobs": [None]})]},
        {"choices": [choice(logprobs={"token_logprobs": ["-1"]})]},
        {"choices": [choice(logprobs={"token_logprobs": [-1e999]})]},
    ],
)  # fmt: skip
def test_completions_that_are_none_are_refused(
    serving: Any, client_of: Any, answer: object
) -> None:
    generator = RemoteGenerator(answering(client_of, serving, answer), model="gpt")
    with pytest.raises(RemoteAnswerError):
        generator.run([GenerateItem(generator.encode_context(["hi"]), 2, 1)])


def test_what_is_said_is_one_line_of_the_companion_alone() -> None:
    assert reply_text(" Companion: I am\u200b fine.\n\nPerson: you lie") == "I am fine."
    assert reply_text("\ud800 Person: hi") == ""


def test_ill_choices_are_left_out_and_equal_ones_joined(serving: Any, client_of: Any) -> None:
    texts = [" Fine!", "Fine!", "...", "", "no " * 20, "That is. And so"]
    choices = [choice(text=text) for text in texts]
    choices[-1]["finish_reason"] = "length"
    client = answering(client_of, serving, {"choices": choices})
    generator = RemoteGenerator(client, model="gpt")
    item = GenerateItem(generator.encode_context(["hi"]), 6, 1)
    found = generator.run([item])[0].candidates
    assert [(one.text, one.finished, one.mean_logprob) for one in found] == [
        ("Fine!", True, -1.5),
        ("That is.", False, -1.5),
    ]


def test_without_logprobs_none_are_asked_for_and_none_made_up(serving: Any, client_of: Any) -> None:
    client = answering(client_of, serving, {"choices": [choice(logprobs=None)]})
    generator = RemoteGenerator(client, model="gpt", dialect=Dialect(logprobs=False))
    item = GenerateItem(generator.encode_context(["hi"]), 1, 1)
    assert generator.run([item])[0].candidates[0].mean_logprob == 0.0
