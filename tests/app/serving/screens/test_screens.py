"""A service without a screen does not start by accident; who wants that says so."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.errors import StartupError
from app.factory import Kindred
from app.serving.screens.required import require_screens
from app.serving.screens.toxicity import ToxicityReader
from app.settings import Settings

ROOT = Path(__file__).parents[4]
FOLDERS = ("safety", "safety-sentences", "toxicity", "screen-sentences")
Make = Callable[..., Settings]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Settings over a folder that lacks one reader, or all."""
    monkeypatch.delenv("KINDRED_SCREENS", raising=False)
    monkeypatch.delenv("REDIS_URL", raising=False)

    def build(*lacks: str, **changes: Any) -> Settings:
        artifacts = tmp_path / "artifacts"
        for name in set(FOLDERS) - set(lacks):
            (artifacts / name).mkdir(parents=True)
        return Settings(artifacts_dir=artifacts, var_dir=tmp_path / "var", **changes)

    return build


def test_what_ships_has_all_of_them() -> None:
    shipped = Settings(artifacts_dir=ROOT / "artifacts", screens="required")
    require_screens(shipped)  # raises nothing
    assert all((shipped.artifacts_dir / name / "manifest.json").is_file() for name in FOLDERS)


@pytest.mark.parametrize("name", FOLDERS)
def test_a_missing_one_is_named_with_the_setting(make: Make, name: str) -> None:
    settings = make(name)
    told = f"no {re.escape(str(settings.artifacts_dir / name))}\\. .*KINDRED_SCREENS=optional"
    with pytest.raises(StartupError, match=told):
        require_screens(settings)


def test_all_that_are_missing_are_named(make: Make) -> None:
    with pytest.raises(StartupError) as caught:
        require_screens(make(*FOLDERS))
    assert all(name in caught.value.detail for name in FOLDERS)


def test_without_a_generator_nothing_reads_its_lines(make: Make) -> None:
    settings = make("screen-sentences", candidates_max=0)
    require_screens(settings)  # raises nothing
    with pytest.raises(StartupError, match="screen-sentences"):
        require_screens(settings.model_copy(update={"candidates_max": 1}))


def test_who_wants_it_starts_without(make: Make) -> None:
    settings = make(*FOLDERS, screens="optional")
    require_screens(settings)
    assert ToxicityReader.open(settings.artifacts_dir) is None


def test_the_service_refuses_before_it_touches_anything(make: Make) -> None:
    settings = make("safety")
    with pytest.raises(StartupError, match="KINDRED_SCREENS"):
        Kindred(settings)
    assert not settings.var_dir.exists()
