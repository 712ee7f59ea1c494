"""Servers around made-up and real models, and servers that misbehave."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from models.runtimes.remote import Client, Endpoint
from models.runtimes.remote.client import Request
from tests.models.remote.served import FakeModels, LocalModels, ServedModels
from tests.models.remote.servers import ModelServer, RawServer, Script

Asking = Callable[[str], Client]


@pytest.fixture(scope="package", params=["fake", "real"])
def models(request: pytest.FixtureRequest) -> ServedModels:
    """Both kinds of models, which pass the same tests."""
    return FakeModels() if request.param == "fake" else LocalModels()


@pytest.fixture
def server(models: ServedModels) -> Iterator[ModelServer]:
    """A server around them."""
    started = ModelServer(models)
    yield started
    started.close()


@pytest.fixture
def fake_server() -> Iterator[ModelServer]:
    """A server around made-up models."""
    started = ModelServer(FakeModels())
    yield started
    started.close()


@pytest.fixture
def serving() -> Iterator[Callable[[Script], RawServer]]:
    """Starts servers that follow a script."""
    started: list[RawServer] = []

    def start(script: Script) -> RawServer:
        started.append(RawServer(script))
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.fixture
def client_of() -> Iterator[Callable[..., Client]]:
    """Makes clients of URLs, and ends their connections."""
    made: list[Client] = []

    def make(url: str, **changes: object) -> Client:
        options: dict[str, object] = {"seconds": 2.0, **changes}
        made.append(Client(Endpoint(url, **options)))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def question() -> Request[object]:
    """A pure request that takes any JSON for an answer."""
    return Request("/embed", {"inputs": ["hello"]}, lambda answer: answer)
