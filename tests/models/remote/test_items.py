"""Items carry texts as code points; batches of them fail as the batcher expects."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.serving.batching.batcher import Batcher
from app.serving.batching.queue import Budget
from app.telemetry import Metrics
from models.contracts import EncodeItem, RerankItem
from models.generator import GenerateItem
from models.runtimes.remote import (
    Client,
    Endpoint,
    RemoteEncoder,
    RemoteGenerator,
    RemoteReranker,
)
from models.runtimes.remote.errors import RemoteRefusal
from models.runtimes.remote.text import Dialog, dialog_ids, dialog_of, ids_of, plain, text_of
from tests.models.remote.servers import ModelServer, http, read_request

UNUSED = Client(Endpoint("http://127.0.0.1:9"))


def choice(**changes: object) -> dict[str, object]:
    scores = {"token_logprobs": [-1.0, -2.0]}
    return {"text": " Fine!", "finish_reason": "stop", "logprobs": scores, **changes}


@given(st.lists(st.text(max_size=40), min_size=1, max_size=5), st.lists(st.text(max_size=40)))
def test_a_dialog_comes_back_as_it_was(turns: list[str], facts: list[str]) -> None:
    worded = tuple(filter(None, map(plain, turns)))
    if not worded:
        with pytest.raises(ValueError):
            dialog_ids(turns, facts, 500)
        return
    found = dialog_of(dialog_ids(turns, facts, 500))
    assert found.turns == worded
    known = " ".join(filter(None, map(plain, facts)))
    assert known.startswith(found.facts)


@given(st.lists(st.text(max_size=200), min_size=1, max_size=6), st.integers(16, 60))
def test_a_context_keeps_its_latest_turn_within_the_budget(turns: list[str], most: int) -> None:
    turns = [*turns, "and the last of them"]
    ids = dialog_ids(turns, ["a fact"], most)
    assert len(ids) <= 4 * most
    assert dialog_of(ids).turns[-1] == turns[-1]


def test_what_a_person_writes_is_never_taken_for_structure() -> None:
    assert dialog_of(dialog_ids(["\x1da\x1eb\x1e"], [], 100)) == Dialog(("a b",))


@pytest.mark.parametrize("ids", [(-1,), (0x110000,), (0xD800,), (2**40,)])
def test_ids_that_are_no_text_are_refused(ids: tuple[int, ...]) -> None:
    with pytest.raises(ValueError):
        text_of(ids)
    with pytest.raises(ValueError):
        RemoteEncoder(UNUSED, version="v", dimension=2).run([EncodeItem(ids)])
    with pytest.raises(ValueError):
        RemoteReranker(UNUSED, version="v").run([RerankItem(ids, (65,), 0, 1)])
    with pytest.raises(ValueError):
        RemoteGenerator(UNUSED, model="gpt").run([GenerateItem(ids, 1, 1)])


def test_a_context_that_fills_all_positions_is_refused() -> None:
    generator = RemoteGenerator(UNUSED, model="gpt", positions=8)
    with pytest.raises(ValueError, match="positions"):
        generator.run([GenerateItem(generator.encode_context(["word " * 8]), 1, 1)])


def test_lengths_and_costs_are_in_tokens() -> None:
    encoder = RemoteEncoder(UNUSED, version="v", dimension=2)
    assert [one.length for one in encoder.prepare(["", "four", "fives", "x" * 400])] == [
        1,
        1,
        2,
        100,
    ]
    reranker = RemoteReranker(UNUSED, version="v")
    [item] = reranker.prepare(["a" * 20, "b" * 20], ["c" * 19])
    assert item.length == 15
    assert text_of(item.context[item.latest :]) == "b" * 20
    with pytest.raises(ValueError):
        reranker.prepare(["hi"], ["\u200b"])
    generator = RemoteGenerator(UNUSED, model="gpt")
    assert generator.cost(GenerateItem(ids_of("x" * 40), 3, 1, 20)) == 70


def test_what_was_answered_is_not_asked_for_again_when_a_batch_is_halved(
    fake_server: ModelServer, client_of: Any
) -> None:
    generator = RemoteGenerator(client_of(fake_server.url), model="gpt")
    good = [GenerateItem(generator.encode_context([f"hi {n}"]), 2, n) for n in range(3)]
    bad = GenerateItem(ids_of("\x1e"), 2, 1)
    batch = [good[0], bad, good[1], good[2]]
    with pytest.raises(ValueError, match="turn"):
        generator.run(batch)
    assert len(fake_server.seen.requests) == 3
    with pytest.raises(ValueError, match="turn"):
        generator.run(batch[:2])
    halves = [*generator.run(batch[2:]), *generator.run(batch[:1])]
    assert len(fake_server.seen.requests) == 3
    assert [len(one.candidates) for one in halves] == [2, 2, 2]
    with pytest.raises(ValueError, match="turn"):  # the whole again is a new question
        generator.run(batch)
    assert len(fake_server.seen.requests) == 6


def test_one_refused_item_is_found_by_the_service_being_asked_once(
    serving: Any, client_of: Any
) -> None:
    seen = []

    def script(sock: Any, number: int) -> None:
        while raw := read_request(sock):
            seen.append(raw)
            bad = b"bad" in raw
            sock.sendall(http("413 Long", {}) if bad else http("200 OK", {"choices": [choice()]}))

    generator = RemoteGenerator(client_of(serving(script).url), model="gpt")
    items = [GenerateItem(generator.encode_context([word]), 1, 1) for word in ("a", "bad", "c")]
    with pytest.raises(RemoteRefusal):
        generator.run(items)
    assert len(generator.run(items[2:])) == 1
    assert len(seen) == 3


def test_the_batcher_finds_a_refused_item_without_asking_anew(
    serving: Any, client_of: Any, metrics: Metrics
) -> None:
    seen = []

    def script(sock: Any, number: int) -> None:
        while raw := read_request(sock):
            seen.append(raw)
            bad = b"bad" in raw
            sock.sendall(http("413 Long", {}) if bad else http("200 OK", {"choices": [choice()]}))

    generator = RemoteGenerator(client_of(serving(script).url), model="gpt")
    batcher = Batcher("generator", generator.run, Budget(9_999, 16), generator.cost, metrics)
    words = ["a", "b", "c", "bad", "d", "e", "f", "g"]
    items = [GenerateItem(generator.encode_context([word]), 1, 1) for word in words]
    ticket = batcher.submit(items, time.monotonic() + 10.0)
    outcomes = ticket.wait()
    batcher.close()
    assert [outcome.error is None for outcome in outcomes] == [word != "bad" for word in words]
    assert len(seen) == len(words)
