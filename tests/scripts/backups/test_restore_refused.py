"""What is torn, strange or in the way is refused, and nothing is touched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis

from app.errors import StartupError, Unauthenticated
from app.settings import Settings
from app.store.dump import Dumped
from app.store.in_service import InService
from app.store.store import Store
from tests.scripts.backups.conftest import Lose, Run, everything, texts
from tests.scripts.dataset.talk import Talker


@pytest.mark.parametrize("harm", ["short", "altered", "missing", "strange", "no-manifest"])
def test_a_torn_backup_is_refused_and_nothing_is_touched(
    harm: str, two: Any, copy: Any, run: Run, empty_redis: redis.Redis, capsys: Any
) -> None:
    data, wrapped = copy()
    path = data / "data.bin"
    if harm == "short":
        path.write_bytes(path.read_bytes()[:-7])
    elif harm == "altered":
        whole = bytearray(path.read_bytes())
        whole[len(whole) // 2] ^= 1
        path.write_bytes(whole)
    elif harm == "missing":
        path.unlink()
    elif harm == "strange":
        (data / "more").write_text("x")
    else:
        (data / "manifest.json").unlink()
    before = everything(empty_redis)
    assert run("restore", data, "--keys", wrapped, "--replace") == 1
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert everything(empty_redis) == before


def test_a_redis_that_holds_people_is_refused_without_replace(
    two: Any, copy: Any, run: Run, empty_redis: redis.Redis, shop: Store, capsys: Any
) -> None:
    data, _ = copy()
    late = Talker(shop)
    late.say("after the copy", "yes")
    before = everything(empty_redis)
    assert run("restore", data) == 1
    assert "not empty; --replace" in capsys.readouterr().err
    assert everything(empty_redis) == before
    assert run("restore", data, "--dry-run", "--replace") == 0
    assert everything(empty_redis) == before
    assert run("restore", data, "--replace") == 0
    assert texts(shop, two[0]) == ["a secret of mine", "I hear you"]
    with pytest.raises(Unauthenticated):
        shop.people.check(late.user_id, 1)


def test_another_master_key_is_named(
    two: Any, copy: Any, run: Run, lose: Lose, settings: Settings, empty_redis: Any, capsys: Any
) -> None:
    data, wrapped = copy()
    lose()
    (settings.var_dir / "master_key").unlink()
    assert run("restore", data, "--keys", wrapped) == 1
    assert "another master key" in capsys.readouterr().err
    assert not list(empty_redis.scan_iter("kindred:{p*"))


def test_nothing_is_put_back_under_a_running_service(
    two: Any, copy: Any, run: Run, settings: Settings, empty_redis: redis.Redis, capsys: Any
) -> None:
    data, _ = copy()
    before = everything(empty_redis)
    serving = InService(settings.var_dir)
    assert run("restore", data, "--replace") == 1
    assert "a service runs" in capsys.readouterr().err
    assert everything(empty_redis) == before
    assert run("restore", data, "--replace", "--dry-run") == 0
    serving.end()
    assert run("restore", data, "--replace") == 0


def test_no_service_starts_on_half_a_backup(
    two: Any,
    shop: Store,
    copy: Any,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    open_store: Callable[[], Store],
) -> None:
    data, _ = copy()

    def broken(*_: Any) -> int:
        raise OSError(5, "the disk is gone")

    with monkeypatch.context() as patch:
        patch.setattr("app.store.dump.Dump._put", broken)
        assert run("restore", data, "--replace") == 1
    with pytest.raises(StartupError, match="run scripts/restore with --replace again"):
        open_store()
    assert run("restore", data, "--replace") == 0
    assert texts(open_store(), two[0]) == ["a secret of mine", "I hear you"]


def test_values_that_this_redis_does_not_take_are_named_before_anything_goes(
    two: Any, copy: Any, run: Run, empty_redis: redis.Redis, monkeypatch: Any, capsys: Any
) -> None:
    data, _ = copy()

    def strange(path: Path, sha256: str) -> Any:
        yield Dumped(b"kindred:{p00}:person:x", b"\x00nonsense\xff\x0012345678", 0)

    monkeypatch.setattr("scripts.backups.records.read_data", strange)
    before = everything(empty_redis)
    assert run("restore", data, "--replace") == 1
    assert "does not take values" in capsys.readouterr().err
    assert everything(empty_redis) == before
