"""A person is erased; then old data, and even old keys, are put back: nothing of them returns."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.store.keys import PersonKeys
from tests.faults.conftest import StartService
from tests.faults.service import Service
from tests.scripts.backups.conftest import command

SAID = "my garden has a very old pear tree"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Runs a script beside a service."""

    def run_it(service: Service, name: str, *arguments: Any) -> int:
        with monkeypatch.context() as patch:
            patch.setenv("REDIS_URL", service.redis_url)
            patch.setenv("KINDRED_VAR_DIR", str(service.var))
            patch.setenv("KINDRED_PARTITIONS", "4")
            return int(command(name).main([str(argument) for argument in arguments]))

    return run_it


def someone(service: Service) -> tuple[str, str, str]:
    """A person who talked and reacted: token, id, reply."""
    made = service.call("POST", "/v1/auth/guest", body={}).json
    reply = service.chat(made["token"], SAID)
    assert reply.status == 200, reply.text
    reply_id = reply.json["reply_id"]
    assert service.react(made["token"], reply_id, comment=f"yes, {SAID}").status == 200
    return made["token"], made["user_id"], reply_id


def keys_of(service: Service, user_id: str) -> list[bytes]:
    with service.redis() as client:
        return [name for name in client.scan_iter() if user_id.encode() in name]


@pytest.mark.faults(32)
def test_row_32_old_data_put_back_by_hand_is_unreadable_and_erased_again(
    start_service: StartService,
) -> None:
    service = start_service()
    stays, (token, user_id, reply_id) = someone(service), someone(service)
    with service.redis() as client:
        old = {name: client.dump(name) for name in client.scan_iter("kindred:*")}
    assert not [name for name, value in old.items() if SAID.encode() in value]
    both = service.admin("GET", "/admin/v1/reactions").text.count(SAID)
    answer = service.call("DELETE", "/v1/me", token)
    assert (answer.status, answer.json["erased"]) == (200, True)
    with service.redis() as client:
        client.flushall()
        for name, value in old.items():
            client.restore(name, 0, value)

    # The service has not noticed anything; the key is gone all the same.
    for method, path in (("GET", "/v1/conversations"), ("GET", "/v1/me/export")):
        assert service.call(method, path, token).status == 401
    assert service.chat(token, "am I back?").status == 401
    assert service.admin("GET", f"/admin/v1/replies/{reply_id}/explain").status == 404
    listed = service.admin("GET", "/admin/v1/reactions").text
    assert 2 * listed.count(SAID) == both > 0  # of the other person alone
    assert user_id not in listed
    with sqlite3.connect(service.var / "keys" / "keys.sqlite") as keys:
        owners = {row[0] for row in keys.execute("SELECT owner FROM keys")}
    keys.close()
    assert user_id not in owners
    assert stays[1] in owners

    service.restart()
    assert keys_of(service, user_id) == [PersonKeys(user_id).person.encode()]
    assert service.call("GET", "/v1/conversations", token).status == 401
    kept = service.call("GET", "/v1/conversations", stays[0]).json["items"]
    assert len(kept) == 1


@pytest.mark.faults(32)
def test_row_32_a_backup_restored_with_the_old_keys_brings_nobody_back(
    start_service: StartService, run: Callable[..., int], tmp_path: Path
) -> None:
    service = start_service()
    stays, (token, user_id, _) = someone(service), someone(service)
    out, wrapped = tmp_path / "data", tmp_path / "keys"
    assert run(service, "backup", "--out", out, "--keys", wrapped) == 0
    (data,), (keys,) = out.iterdir(), wrapped.iterdir()
    assert service.call("DELETE", "/v1/me", token).status == 200
    assert run(service, "restore", data, "--keys", keys) == 1  # the service runs on this Redis
    service.terminate()
    service.wait_end()
    assert run(service, "restore", data, "--keys", keys, "--replace") == 0
    service.start()
    assert service.call("GET", "/v1/conversations", token).status == 401
    assert keys_of(service, user_id) == [PersonKeys(user_id).person.encode()]
    talk = service.call("GET", "/v1/conversations", stays[0]).json["items"][0]
    found = service.call("GET", f"/v1/conversations/{talk['conversation_id']}", stays[0]).json
    assert found["turns"][0]["text"] == SAID
