"""What was lost comes back whole, and whoever was erased does not."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
import redis

from app.errors import Unauthenticated
from app.settings import Settings
from app.store import keys
from app.store.sealing.rotation import rotate_master
from app.store.store import Store
from tests.scripts.backups.conftest import Lose, Run, everything, texts
from tests.scripts.dataset.talk import Talker


def assert_only(store: Store, *, gone: Talker, stays: Talker) -> None:
    """One of two people is erased, key and all; the other has every word."""
    assert not store.people.lives(gone.user_id)
    assert store.ring.peek(gone.user_id) is None
    assert texts(store, stays) == ["a secret of mine", "I hear you"]


def test_data_and_keys_that_were_lost_come_back_whole(
    two: Any,
    shop: Store,
    copy: Any,
    run: Run,
    lose: Lose,
    empty_redis: redis.Redis,
    open_store: Callable[[], Store],
    capsys: pytest.CaptureFixture[str],
) -> None:
    empty_redis.set("somebody-elses", "x")
    shop.flags.put("tone", {"variants": {"warm": 1}, "defaultVariant": "warm"})
    data, wrapped = copy()
    before = everything(empty_redis)
    lives = {name: empty_redis.pttl(name) for name in before}
    lose()
    capsys.readouterr()
    assert run("restore", data, "--keys", wrapped) == 0
    told = capsys.readouterr().out
    assert "0 people erased again" in told
    assert "people: 2; of 0 of them there is no key" in told
    after = everything(empty_redis)
    before.pop(b"somebody-elses")
    assert after == before
    for name in after:
        assert abs(empty_redis.pttl(name) - lives[name]) < 60_000
    store = open_store()
    for person in two:
        store.people.check(person.user_id, 1)
        assert texts(store, person) == ["a secret of mine", "I hear you"]


def test_the_erased_stay_so_when_old_data_and_old_keys_come_back(
    two: Any,
    shop: Store,
    copy: Any,
    run: Run,
    lose: Lose,
    empty_redis: redis.Redis,
    open_store: Callable[[], Store],
    capsys: Any,
) -> None:
    gone, stays = two
    data, wrapped = copy()
    shop.people.erase(gone.user_id)
    lose()
    capsys.readouterr()
    assert run("restore", data, "--keys", wrapped) == 0
    told = capsys.readouterr().out
    assert "1 of people erased since left out" in told
    assert "1 people erased again" in told
    store = open_store()
    assert_only(store, gone=gone, stays=stays)
    with pytest.raises(Unauthenticated):
        store.people.check(gone.user_id, 1)
    left = [name for name in empty_redis.scan_iter() if gone.user_id.encode() in name]
    assert left == [keys.PersonKeys(gone.user_id).person.encode()]
    streams = keys.events(int(gone.user_id[1:3], 16)), keys.reactions(int(gone.user_id[1:3], 16))
    for stream in streams:
        users = {fields[b"user"] for _, fields in empty_redis.xrange(stream)}
        assert gone.user_id.encode() not in users


def test_a_machine_that_lost_its_ledger_learns_it_from_the_backup(
    two: Any, shop: Store, copy: Any, run: Run, settings: Settings, lose: Lose
) -> None:
    shop.people.erase(two[0].user_id)
    lines = shop.ring.erased()
    data, wrapped = copy()
    lose(ledger=True)
    assert run("restore", data, "--keys", wrapped) == 0
    assert set((settings.var_dir / "keys" / "erasures").read_text().split()) >= set(lines)


def test_data_of_before_the_master_key_was_replaced_comes_back(
    two: Any,
    shop: Store,
    copy: Any,
    run: Run,
    lose: Lose,
    settings: Settings,
    open_store: Callable[[], Store],
    capsys: Any,
) -> None:
    gone, stays = two
    data, wrapped = copy()
    shop.people.erase(gone.user_id)
    shop.close()
    rotate_master(settings)
    assert run("restore", data, "--keys", wrapped, "--replace") == 1
    assert "the keys of" in (told := capsys.readouterr().err)
    assert "another master key" in told
    rotate_master(settings)
    _, wrapped = copy()
    lose(ledger=True)  # the copies know it
    capsys.readouterr()
    assert run("restore", data, "--keys", wrapped) == 0
    assert "a master key that was replaced since" in capsys.readouterr().out
    assert_only(open_store(), gone=gone, stays=stays)


def test_what_has_expired_since_is_not_put_back(
    two: Any, shop: Store, copy: Any, run: Run, empty_redis: redis.Redis, capsys: Any
) -> None:
    name = keys.PersonKeys(two[0].user_id).recent
    empty_redis.pexpire(name, 300)
    data, _ = copy()
    empty_redis.flushall()
    time.sleep(0.4)
    assert run("restore", data) == 0
    assert "1 had expired" in capsys.readouterr().out
    assert not empty_redis.exists(name)
