"""The flag and the history of a model: whatever became of one, the next command finds its way."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.errors import StoreUnavailable
from app.experiments.model_flags import definition, named
from app.settings import Settings
from app.store.flags import Flags
from app.store.store import Store
from models.checkpoint import load_manifest
from models.registry import Registry, event_now
from scripts.judging import model_flag
from tests.scripts.judging.test_promote import Command, make, promote, registry

__all__ = ["promote", "registry"]  # fixtures

FLAG, KIND = "reranker-model", ("--kind", "reranker")
Said = pytest.CaptureFixture[str]


@pytest.fixture
def world(promote: Command, tmp_path: Path) -> tuple[str, str, str]:
    """`one` was promoted to everybody, then `two`; the installed version and both."""
    base = load_manifest(tmp_path / "artifacts" / "reranker").version
    one, two = (make(tmp_path / name, name) for name in ("one", "two"))
    for name in ("one", "two"):
        assert promote(tmp_path / name, *KIND, "--share", 100, "--force") == 0
    return base, one, two


def flag_of(store: Store) -> tuple[str, ...]:
    return named(store.flags.all().definitions)["reranker"]


def test_a_flag_that_was_deleted_is_set_again(
    promote: Command, store: Store, tmp_path: Path, world: tuple[str, str, str], capsys: Said
) -> None:
    _, one, two = world
    before = store.flags.get(FLAG)
    assert promote("--list") == 0
    assert "gives" not in capsys.readouterr().out
    store.flags.delete(FLAG)
    assert promote("--list") == 0
    said = capsys.readouterr().out
    assert f"flag {FLAG} gives what the settings name, but the history {two} to everybody" in said
    assert promote(tmp_path / "two", *KIND, "--share", 100, "--force") == 0
    assert store.flags.get(FLAG) == before
    said = capsys.readouterr().out
    assert "note: flag" in said
    assert "no other step was made" in said
    assert promote(tmp_path / "two", *KIND, "--share", 100, "--force") == 1  # now it is so
    assert "already" in capsys.readouterr().err
    assert flag_of(store) == (two, one)


@pytest.mark.parametrize("how", ["deleted", "disabled", "edited"])
def test_a_rollback_goes_where_the_history_says_whatever_the_flag_was(
    promote: Command, store: Store, world: tuple[str, str, str], capsys: Said, how: str
) -> None:
    base, one, _ = world
    if how == "deleted":
        store.flags.delete(FLAG)
    elif how == "disabled":
        store.flags.toggle(FLAG, "DISABLED")
    else:
        store.flags.put(FLAG, definition("reranker", base, one, 30))
    assert promote("--rollback", *KIND) == 0
    assert "note: flag" in capsys.readouterr().out
    assert flag_of(store) == (one,)
    assert promote("--rollback", *KIND) == 0
    assert flag_of(store) == (base,)


@pytest.mark.parametrize("share", [10, 100])
def test_a_promotion_that_ended_before_its_flag_is_finished_or_undone(
    promote: Command, registry: Registry, store: Store, tmp_path: Path,
    world: tuple[str, str, str], monkeypatch: pytest.MonkeyPatch, capsys: Said, share: int,
) -> None:  # fmt: skip
    _, _, two = world
    three = make(tmp_path / "three", "three")
    asked = (tmp_path / "three", *KIND, "--share", share, "--force")

    def away(*_: object) -> int:
        raise StoreUnavailable("away")

    with monkeypatch.context() as patched:
        patched.setattr(Flags, "put", away)
        assert promote(*asked) == 1
    said = capsys.readouterr().err
    assert "the same command sets it" in said
    assert said.count("\n") == 1
    assert three not in flag_of(store)  # given to nobody yet
    assert promote("--list") == 0
    assert f"gives {two} to everybody, but the history" in capsys.readouterr().out
    assert promote(*asked) == 0
    assert three in flag_of(store)
    assert store.flags.get(FLAG).items() >= (model_flag.implied(registry, "reranker") or {}).items()

    with monkeypatch.context() as patched:
        patched.setattr(Flags, "put", away)
        assert promote("--rollback", *KIND) == 1
    assert promote("--rollback", *KIND) == 0  # it is finished, and goes no step further
    assert flag_of(store) == (two,)
    assert registry.serving("reranker") == two


def test_a_rollback_of_a_promotion_that_ended_before_its_flag_goes_one_step(
    promote: Command, registry: Registry, store: Store, tmp_path: Path,
    world: tuple[str, str, str],
) -> None:  # fmt: skip
    _, _, two = world
    make(tmp_path / "three", "three")
    with registry.changing("reranker"):
        three = registry.register("reranker", tmp_path / "three", who="me").version
        registry.promoted("reranker", three, 100, who="me")  # and then the machine was gone
    assert promote("--rollback", *KIND) == 0
    assert flag_of(store) == (two,)


def test_versions_that_this_history_never_heard_of_are_not_taken_away_unasked(
    promote: Command, store: Store, tmp_path: Path, world: tuple[str, str, str], capsys: Said
) -> None:
    base, _, _ = world
    elsewhere = definition("reranker", base, "0123456789ab", 100)
    store.flags.put(FLAG, elsewhere)
    for asked in (("--rollback", *KIND), (tmp_path / "one", *KIND)):
        assert promote(*asked) == 1
        said = capsys.readouterr().err
        assert "0123456789ab is not of this" in said
        assert "--force" in said
        assert flag_of(store) == ("0123456789ab", base)
    assert promote("--rollback", *KIND, "--force") == 0
    assert "0123456789ab" not in flag_of(store)


def test_a_flag_though_nothing_was_ever_promoted_is_taken_away(
    promote: Command, store: Store, capsys: Said
) -> None:
    store.flags.put(FLAG, definition("reranker", "installed", "0123456789ab", 100))
    assert promote("--rollback", *KIND) == 1
    assert promote("--rollback", *KIND, "--force") == 0
    assert FLAG not in store.flags.all().definitions
    assert promote("--rollback", *KIND) == 1
    assert "nothing to return to" in capsys.readouterr().err


def test_without_redis_the_history_is_shown_all_the_same(
    promote: Command, world: tuple[str, str, str], monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    assert promote("--list") == 0
    said = capsys.readouterr().out
    assert "could not be read" in said
    assert f"{world[2]} serving" in said


def test_a_reason_that_is_no_text_is_kept_and_shown(
    promote: Command, registry: Registry, settings: Settings, store: Store, tmp_path: Path,
    capsys: Said,
) -> None:  # fmt: skip
    new = make(tmp_path / "new", "new")
    why = "caf\udce9"  # as the system hands over a byte that is no UTF-8
    assert promote(tmp_path / "new", *KIND, "--force", "--why", why) == 0
    assert new in flag_of(store)
    assert registry.history("reranker")[-1].why == why
    with registry.changing("reranker"):
        registry.append("reranker", event_now("registered", new, who="me", why=why))
    assert promote("--list") == 0
    assert "caf" in capsys.readouterr().out
