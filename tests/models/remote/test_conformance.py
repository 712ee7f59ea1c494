"""A remote model gives what the same model gives at home: vectors, order, replies.

Every test runs twice, with made-up models and with the shipped ones behind a real HTTP server.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from models.contracts import EncoderModel, GeneratorModel, RerankerModel
from models.generator import GenerateItem
from models.reply_text import is_ill, last_sentence
from models.runtimes.remote import Dialect, Endpoint, RemoteEncoder, RemoteGenerator, RemoteReranker
from models.sampling import Sampling
from tests.models.remote.served import LocalModels, ServedModels
from tests.models.remote.servers import ModelServer

TEXTS = [
    "hi",
    "i had a terrible day at work and nobody noticed",
    "What's your favourite film? Mine is about a lighthouse keeper who learns to paint.",
    "naïve café, 東京 and a 🙂",
    "",
    "one more line " * 30,
]
TALK = ["hey, how was your day?", "long. my boss shouted at me in front of everyone"]
REPLIES = [
    "That sounds humiliating. What set it off?",
    "I like turtles.",
    "Oh no! Being shouted at with an audience is the worst version of it, I am sorry.",
    "my boss shouted at me in front of everyone",
    "Where did you go?",
]
PLAIN = Sampling(temperature=0.7, top_p=0.9, top_k=40, repetition_penalty=1.1, no_repeat_ngram=3)


def endpoint(server: ModelServer) -> Endpoint:
    return Endpoint(server.url, seconds=20.0, connect_seconds=2.0)


@pytest.fixture
def encoder(server: ModelServer) -> Iterator[RemoteEncoder]:
    made = RemoteEncoder.connect(endpoint(server))
    yield made
    made.close()


@pytest.fixture
def reranker(server: ModelServer) -> Iterator[RemoteReranker]:
    made = RemoteReranker.connect(endpoint(server))
    yield made
    made.close()


@pytest.fixture(params=["completions", "chat"])
def generator(server: ModelServer, request: pytest.FixtureRequest) -> Iterator[RemoteGenerator]:
    dialect = Dialect(form=request.param, extensions=True)
    made = RemoteGenerator.connect(endpoint(server), dialect=dialect)
    yield made
    made.close()


def test_they_keep_the_contracts(
    encoder: RemoteEncoder, reranker: RemoteReranker, generator: RemoteGenerator
) -> None:
    kept: tuple[EncoderModel, RerankerModel, GeneratorModel] = (encoder, reranker, generator)
    for model in kept:
        model.warm()
        assert model.version
    assert encoder.version == reranker.version == "kin/model@0123456789ab"
    assert (generator.version, generator.positions) == ("remote:gpt", 512)


def test_vectors_are_those_of_the_model(encoder: RemoteEncoder, models: ServedModels) -> None:
    vectors = encoder.run(encoder.prepare(TEXTS))
    expected = models.embed([" ".join(text.split()) or " " for text in TEXTS])
    for vector, row in zip(vectors, expected, strict=True):
        assert vector.dtype == np.float32
        assert vector.shape == (models.dimension,)
        assert np.abs(vector - np.array(row)).max() < 1e-5


def test_encode_gives_what_run_gives(encoder: RemoteEncoder) -> None:
    rows = encoder.encode(TEXTS, batch_size=4)
    for row, vector in zip(rows, encoder.run(encoder.prepare(TEXTS)), strict=True):
        assert float(row @ vector) == pytest.approx(1.0, abs=1e-5)


def test_scores_are_those_of_the_model(reranker: RemoteReranker, models: ServedModels) -> None:
    results = reranker.run(reranker.prepare(TALK, REPLIES))
    expected = models.rerank(TALK, REPLIES)
    assert [result.serving for result in results] == pytest.approx(expected, abs=1e-5)
    assert all(result.heads == {"upvote": result.serving} for result in results)
    assert np.argsort([result.serving for result in results]).tolist() == (
        np.argsort(expected).tolist()
    )


def test_slates_of_several_people_stay_apart(
    reranker: RemoteReranker, models: ServedModels
) -> None:
    other = ["i went hiking with my sister"]
    mixed = [*reranker.prepare(TALK, REPLIES), *reranker.prepare(other, REPLIES[::-1])]
    order = [3, 7, 0, 9, 5, 1, 2, 4, 6, 8]
    results = reranker.run([mixed[position] for position in order])
    expected = [*models.rerank(TALK, REPLIES), *models.rerank(other, REPLIES[::-1])]
    assert [result.serving for result in results] == pytest.approx(
        [expected[position] for position in order], abs=1e-5
    )


def test_replies_are_those_of_the_model(generator: RemoteGenerator, models: ServedModels) -> None:
    items = [
        GenerateItem(generator.encode_context(TALK), 4, 7, 24, PLAIN),
        GenerateItem(generator.encode_context(["good morning!"]), 3, 8, 24, PLAIN),
        GenerateItem(generator.encode_context(["nothing is wanted"]), 0, 9, 24, PLAIN),
    ]
    results = generator.run(items)
    assert results[2].candidates == ()
    for result, turns, item in zip(results, (TALK, ["good morning!"]), items, strict=False):
        direct = models.complete(turns, item.n, item.seed, 24, PLAIN)
        texts = [one.text if one.finished else last_sentence(one.text) for one in direct]
        texts = [text for text in texts if not is_ill(text)]
        assert texts
        assert [one.text for one in result.candidates] == texts
        for one, same in zip(result.candidates, direct, strict=True):
            assert one.mean_logprob == pytest.approx(sum(same.logprobs) / len(same.logprobs))
            assert one.token_count == len(same.logprobs)
            assert one.finished == same.finished


def test_nothing_is_asked_for_nothing(
    encoder: RemoteEncoder,
    reranker: RemoteReranker,
    generator: RemoteGenerator,
    server: ModelServer,
) -> None:
    before = len(server.seen.requests)
    assert (encoder.run([]), reranker.run([]), generator.run([])) == ([], [], [])
    assert len(server.seen.requests) == before


def test_the_shipped_models_agree_with_themselves_from_afar(models: ServedModels) -> None:
    """The server's models are the local ones, so the tests above compare with the real thing."""
    if isinstance(models, LocalModels):
        local = models.encoder.run(models.encoder.prepare(["hello there"]))[0]
        assert np.abs(local - np.array(models.embed(["hello there"])[0])).max() < 1e-6
    else:
        assert models.embed(["a"]) != models.embed(["b"])
