"""The rows and queries that the tests of one room share."""

from __future__ import annotations

import pytest

from retrieval.lists import Vectors
from tests.retrieval.helpers import Held, gathered


@pytest.fixture(scope="session")
def rows() -> Held:
    return Held(gathered(4_000, seed=1), chunk=700)


@pytest.fixture(scope="session")
def queries() -> Vectors:
    return gathered(50, seed=2)
