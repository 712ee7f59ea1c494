"""The master key is replaced: everything opens as before, and the erased stay erased."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import redis

from app.errors import StartupError, StoreUnavailable
from app.settings import Settings
from app.store.in_service import InService, out_of_service
from app.store.sealing.master_key import following_of, load_master_key
from app.store.sealing.rotation import rotate_master
from app.store.store import Store
from app.telemetry import Metrics


@pytest.fixture
def open_again(settings: Settings, metrics: Metrics, clock: Any) -> Any:
    """Opens the store as the next start does."""
    opened: list[Store] = []

    def make(**changes: Any) -> Store:
        update = settings.model_copy(update=changes)
        opened.append(Store.open(update, metrics, clock))
        return opened[-1]

    yield make
    for store in opened:
        store.close()


def texts(store: Store, chat: Any, conversation: str) -> list[str]:
    return [view.turn.text for view in store.personal.turns(chat.user_id, conversation)]


def test_everything_opens_under_the_new_master_and_nothing_under_the_old(
    chat: Any, settings: Settings, open_again: Any
) -> None:
    said = chat.say("before")
    path = settings.var_dir / "master_key"
    old = path.read_text()
    before = {row.owner: row for row in chat.store.ring.store.rows()}
    chat.store.close()
    changed, place = rotate_master(settings)
    assert place == path
    assert changed == len(before)
    assert path.read_text() != old
    assert path.stat().st_mode & 0o777 == 0o600
    assert not following_of(path).exists()
    store = open_again()
    assert texts(store, chat, said.conversation_id) == ["before", "hello"]
    after = {row.owner: row for row in store.ring.store.rows()}
    assert set(after) == {*before, "#ledger"}
    assert all(after[owner].wrapped != row.wrapped for owner, row in before.items())
    assert all(after[owner].used_at == row.used_at for owner, row in before.items())
    path.write_text(old)
    with pytest.raises(StartupError, match="put the right one back"):
        open_again()


def test_whoever_was_erased_before_stays_so_after(
    chat: Any, new_chat: Any, settings: Settings, open_again: Any, empty_redis: redis.Redis
) -> None:
    stays = new_chat()
    said = stays.say("I stay")
    chat.say("I go")
    row = next(r for r in chat.store.ring.store.rows() if r.owner == chat.user_id)
    copy = {name: empty_redis.dump(name) for name in empty_redis.scan_iter()}
    chat.store.people.erase(chat.user_id)
    erased = chat.store.ring.erased()
    chat.store.close()
    for _ in range(2):
        rotate_master(settings)
    empty_redis.flushall()
    for name, value in copy.items():
        empty_redis.restore(name, 0, value)
    store = open_again()
    assert store.ring.erased() == erased
    assert store.ring.ledger.name(chat.user_id) in erased
    assert store.people.replay_erasures() == 0  # the start has done it
    assert not store.people.lives(chat.user_id)
    assert store.ring.peek(chat.user_id) is None
    with pytest.raises(StartupError, match="wrapped these keys"):
        store.ring.restore([row])  # a copy of before
    assert texts(store, stays, said.conversation_id) == ["I stay", "hello"]


class Cut(Exception):
    """The process ends here."""


@pytest.mark.parametrize("after", ["made", "lineage", "key 1", "key 2", "placed"])
def test_cut_off_anywhere_it_goes_on(
    after: str, chat: Any, settings: Settings, open_again: Any
) -> None:
    said = chat.say("before")
    gone = chat.store.people.create().user_id
    chat.store.people.erase(gone)
    erased = chat.store.ring.erased()
    chat.store.close()
    keys = 0

    def cut(step: str) -> None:
        nonlocal keys
        keys += step == "key"
        if after in (step, f"{step} {keys}"):
            raise Cut

    with pytest.raises(Cut):
        rotate_master(settings, cut)
    if after != "placed":
        with pytest.raises(StartupError, match="rotate-master again"):
            open_again()
        rotate_master(settings)
    store = open_again()
    assert texts(store, chat, said.conversation_id) == ["before", "hello"]
    assert store.ring.erased() == erased
    assert set(erased) == {store.ring.ledger.name(gone)}


def test_a_master_of_the_environment_is_handed_over_in_a_file(
    store_with: Any, chat: Any, settings: Settings, open_again: Any, tmp_path: Path
) -> None:
    given = {"master_key": "ab" * 32, "var_dir": tmp_path / "other"}
    there = store_with(**given)
    person = there.people.create()
    there.close()
    _, place = rotate_master(settings.model_copy(update=given))
    assert place == tmp_path / "other" / "master_key.new"
    with pytest.raises(StartupError, match="put the right one back"):
        open_again(**given)
    new = load_master_key("", place).hex()
    store = open_again(**{**given, "master_key": new})
    assert store.ring.peek(person.user_id) is not None


def test_a_wrong_master_is_found_before_anything_is_written(chat: Any, settings: Settings) -> None:
    before = list(chat.store.ring.store.rows())
    wrong = settings.model_copy(update={"master_key": "cd" * 32})
    with pytest.raises(StartupError, match="is not this key store's"):
        rotate_master(wrong)
    assert list(chat.store.ring.store.rows()) == before
    assert not following_of(settings.var_dir / "master_key").exists()


def test_not_while_a_service_runs_here(chat: Any, settings: Settings) -> None:
    serving = InService(settings.var_dir)
    another = InService(settings.var_dir)  # workers share it
    with pytest.raises(StartupError, match="a service runs"):
        rotate_master(settings)
    serving.end()
    with pytest.raises(StartupError, match="a service runs"):
        rotate_master(settings)
    another.end()
    with out_of_service(settings.var_dir), pytest.raises(StartupError, match="start again when"):
        chat.store.keep_promises(lambda promise: None)
    rotate_master(settings)


def test_a_process_that_runs_on_says_that_it_cannot_read(
    chat: Any, new_chat: Any, settings: Settings
) -> None:
    other = new_chat()
    chat.store.ring._cache.clear()
    rotate_master(settings)
    with pytest.raises(StoreUnavailable):
        chat.store.ring.cipher(other.user_id)


@pytest.fixture
def away(own_redis: Any, chat_with: Any) -> tuple[Any, Path]:
    """A person whose key is in a Redis of its own, and that Redis's folder."""
    return chat_with(keystore_url=own_redis.url), Path(own_redis.socket).parent


def test_an_erased_key_leaves_the_append_only_file_too(away: tuple[Any, Path]) -> None:
    chat, folder = away
    wrapped = next(r.wrapped for r in chat.store.ring.store.rows() if r.owner == chat.user_id)

    def holds(path: Path) -> bool:
        try:
            return wrapped in path.read_bytes()
        except FileNotFoundError:  # Redis renames the file that it rewrites to, and drops the old
            return False

    def kept() -> bool:
        return any(holds(path) for path in folder.rglob("*.aof*"))

    assert kept()
    chat.store.people.erase(chat.user_id)
    end = time.monotonic() + 20
    while kept():
        assert time.monotonic() < end, "the key can still be read in the file"
        time.sleep(0.05)
