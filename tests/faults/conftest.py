"""The real service for fault tests; what it can do is said in `service.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.faults.durable import Durable
from tests.faults.service import Service
from tests.small_models import write_all

StartService = Callable[..., Service]


@pytest.fixture(scope="session")
def small_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with encoder/, reranker/, generator/ and data/; not to be changed."""
    return write_all(tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory, small_models: Path) -> Iterator[Service]:
    """A ready service, shared: tests that kill or fill something start their own."""
    started = Service(tmp_path_factory.mktemp("service"), small_models)
    try:
        started.start()
        yield started
    finally:
        started.close()


@pytest.fixture(scope="session")
def shared_durable(
    tmp_path_factory: pytest.TempPathFactory, small_models: Path
) -> Iterator[Durable]:
    """See `durable`; made at its first use."""
    made: list[Durable] = []
    for start in _starting(tmp_path_factory, small_models):
        made.append(Durable(tmp_path_factory.mktemp("durable"), start))
        yield made[0]
    made[0].close()


@pytest.fixture
def durable(shared_durable: Durable) -> Iterator[Durable]:
    """A service whose Redis may be killed, frozen and cut off; well again after each test."""
    yield shared_durable
    shared_durable.thaw()
    shared_durable.start()
    shared_durable.well()


@pytest.fixture
def start_service(
    tmp_path_factory: pytest.TempPathFactory, small_models: Path
) -> Iterator[StartService]:
    """Starts services of the test's own: `start_service(faulty=…, redis_url=…, **settings)`."""
    yield from _starting(tmp_path_factory, small_models)


@pytest.fixture(scope="module")
def module_services(
    tmp_path_factory: pytest.TempPathFactory, small_models: Path
) -> Iterator[StartService]:
    """The same, for services that the tests of one file share."""
    yield from _starting(tmp_path_factory, small_models)


def _starting(folders: pytest.TempPathFactory, models: Path) -> Iterator[StartService]:
    with ExitStack() as ended:

        def make(
            *, ready: bool = True, faulty: bool = False, redis_url: str = "", **env: object
        ) -> Service:
            folder = folders.mktemp("service")
            made = Service(folder, models, faulty=faulty, redis_url=redis_url, **env)
            ended.callback(made.close)
            made.start(ready=ready)
            return made

        yield make
