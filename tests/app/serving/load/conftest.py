"""What tests of the load controller begin with."""

from __future__ import annotations

import pytest

from tests.app.serving.load.world import World


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.delenv("REDIS_URL", raising=False)
    return World()
