"""What is sent to services, where to, and what they say of themselves."""

from __future__ import annotations

from typing import Any

import pytest

from models.generator import GenerateItem
from models.runtimes.remote import (
    Dialect,
    Endpoint,
    RemoteEncoder,
    RemoteGenerator,
    RemoteReranker,
)
from models.runtimes.remote.prompts import chat_messages, completion_prompt
from models.runtimes.remote.text import dialog_ids, dialog_of
from models.sampling import Sampling
from tests.models.remote.servers import ModelServer

TURNS = ["hi", "Hello! How are you?", "tired. my sister\nPerson: keeps calling"]
FACTS = ["their name is Ada", "they have a sister"]


def asked(server: ModelServer) -> dict[str, Any]:
    body = server.seen.requests[-1][1]
    assert isinstance(body, dict)
    return body


def test_a_plain_model_is_given_a_dialog_to_go_on_with() -> None:
    prompt = completion_prompt(dialog_of(dialog_ids(TURNS, FACTS, 100)))
    head, talk = prompt.split("\n\n")
    assert head.startswith("The following is a dialog between ")
    assert head.endswith(": their name is Ada they have a sister")
    assert talk.split("\n") == [
        "Person: hi",
        "Companion: Hello! How are you?",
        "Person: tired. my sister Person: keeps calling",
        "Companion:",
    ]


def test_a_chat_model_is_given_messages_that_alternate() -> None:
    messages = chat_messages(dialog_of(dialog_ids(TURNS, FACTS, 100)))
    assert [one["role"] for one in messages] == ["system", "user", "assistant", "user"]
    assert messages[0]["content"].endswith("their name is Ada they have a sister")
    assert messages[-1]["content"] == "tired. my sister Person: keeps calling"


@pytest.mark.parametrize("extensions", [False, True])
def test_a_completion_says_all_that_the_item_does(
    fake_server: ModelServer, client_of: Any, extensions: bool
) -> None:
    dialect = Dialect(extensions=extensions)
    generator = RemoteGenerator(client_of(fake_server.url), model="gpt", dialect=dialect)
    sampling = Sampling(temperature=0.7, top_p=0.8, top_k=30, repetition_penalty=1.2)
    context = generator.encode_context(TURNS, FACTS)
    generator.run([GenerateItem(context, 5, 2**40 + 3, 17, sampling)])
    path, body = fake_server.seen.requests[-1]
    assert path == "/v1/completions"
    assert body.pop("prompt") == completion_prompt(dialog_of(context))
    extra = {"top_k": 30, "repetition_penalty": 1.2} if extensions else {}
    assert body == {
        "model": "gpt", "n": 5, "temperature": 0.7, "top_p": 0.8, "seed": 3,
        "max_tokens": 17, "stop": ["\n"], "logprobs": 1, **extra,
    }  # fmt: skip


def test_a_greedy_item_asks_for_one_choice(fake_server: ModelServer, client_of: Any) -> None:
    generator = RemoteGenerator(client_of(fake_server.url), model="gpt")
    item = GenerateItem(generator.encode_context(["hi"]), 5, 1, 8, Sampling(temperature=0.0))
    assert len(generator.run([item])[0].candidates) == 1
    assert asked(fake_server)["n"] == 1


def test_embeddings_and_scores_are_asked_for_in_parts_that_the_service_takes(
    fake_server: ModelServer, client_of: Any
) -> None:
    client = client_of(fake_server.url)
    encoder = RemoteEncoder(client, version="v", dimension=8, texts_most=4)
    encoder.run(encoder.prepare([str(n) for n in range(10)]))
    sizes = sorted(len(body["inputs"]) for _, body in fake_server.seen.requests)
    assert sizes == [2, 4, 4]
    assert asked(fake_server).keys() == {"inputs", "normalize", "truncate"}
    reranker = RemoteReranker(client, version="v", texts_most=4)
    reranker.run(reranker.prepare(TURNS, [str(n) for n in range(10)], FACTS))
    bodies = [body for path, body in fake_server.seen.requests if path == "/rerank"]
    assert sorted(len(body["texts"]) for body in bodies) == [2, 4, 4]
    assert {body["query"] for body in bodies} == {
        "their name is Ada they have a sister\nhi\nHello! How are you?\n"
        "tired. my sister Person: keeps calling"
    }
    assert all(body["truncate"] and not body["raw_scores"] for body in bodies)


def test_a_service_without_info_has_to_be_given_a_version(fake_server: ModelServer) -> None:
    fake_server.info = None
    endpoint = Endpoint(fake_server.url)
    with pytest.raises(ValueError, match="version"):
        RemoteEncoder.connect(endpoint)
    encoder = RemoteEncoder.connect(endpoint, version="mini@1")
    assert (encoder.version, encoder.dimension) == ("mini@1", 8)
    assert RemoteReranker.connect(endpoint, version="r@1").version == "r@1"


def test_the_model_is_looked_up(fake_server: ModelServer) -> None:
    endpoint = Endpoint(f"{fake_server.url}/v1")
    assert RemoteGenerator.connect(endpoint).version == "remote:gpt"
    with pytest.raises(ValueError, match="one of its own: gpt"):
        RemoteGenerator.connect(endpoint, model="other")
    fake_server.listed = None
    assert RemoteGenerator.connect(endpoint, model="other").version == "remote:other"
    with pytest.raises(ValueError, match="none that it names"):
        RemoteGenerator.connect(endpoint)


@pytest.mark.parametrize(
    "options",
    [
        {"url": "ftp://x"}, {"url": "http://"}, {"url": "x:80"}, {"url": "http://u:p@x"},
        {"url": "http://x/?key=1"}, {"url": "http://x/#a"}, {"url": "http://x/a b"},
        {"url": "http://x\r\ny/"}, {"url": "http://x:0"}, {"url": "http://x:99999"},
        {"url": "http://é"}, {"url": "http://a..b"}, {"url": "http://x", "key": "a\r\nb"},
        {"url": "http://x", "key": "ключ"}, {"url": "http://x", "seconds": 0.0},
        {"url": "http://x", "seconds": float("inf")}, {"url": "http://x", "attempts": 0},
    ],
)  # fmt: skip
def test_endpoints_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        Endpoint(**options)


@pytest.mark.parametrize(
    ("url", "name", "path"),
    [
        ("http://host", "host:80", "/v1/models"),
        ("https://host/", "host:443", "/v1/models"),
        ("https://api.example.org/v1", "api.example.org:443", "/v1/models"),
        ("http://[::1]:8080/a/v1/", "[::1]:8080", "/a/v1/models"),
    ],
)
def test_paths_are_put_behind_the_prefix(url: str, name: str, path: str) -> None:
    endpoint = Endpoint(url, key="sk-1")
    assert (endpoint.name, endpoint.path("/v1/models")) == (name, path)
    assert "sk-1" not in repr(endpoint)
