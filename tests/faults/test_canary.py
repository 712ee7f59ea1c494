"""A text that a person wrote is in no log, trace, metric, error or file, wherever it was put.

The real service is told a canary everywhere that it takes a text, rightly and wrongly, with Redis
there and with Redis away; then everything that it wrote is searched.
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import redis

from tests.faults.conftest import StartService
from tests.faults.service import Answer, Service, eventually
from tests.scripts.backups.conftest import command

# Words that stand in no corpus, index or code, and in no order but ours; each is looked for.
WORDS = ("xylographic", "quokkaboo", "zanzibarrow")
CANARY = " ".join(WORDS)
NEEDLES = tuple(word.encode() for word in WORDS)


def has_canary(data: bytes | str) -> bool:
    found = data.encode("utf-8", "replace") if isinstance(data, str) else data
    return any(needle in found.lower() for needle in NEEDLES)


def chat_everywhere(service: Service, token: str) -> str:
    """Say the canary in every place that takes it; the id of a reply."""
    reply = service.chat(token, f"I am called Ann and I love {CANARY}.")
    assert reply.status == 200, reply.text
    talk = reply.json["conversation_id"]
    more = service.chat(
        token, f"more of {CANARY}", conversation_id=talk, message_id=f"{WORDS[0]}-1"
    )
    assert more.status == 200
    sse = {"Accept": "text/event-stream"}
    assert service.chat(token, f"as a stream: {CANARY}", sse).status == 200
    key = {"Idempotency-Key": f"{WORDS[1]}-2"}
    assert service.chat(token, CANARY, key).status == 200
    assert service.react(token, reply.json["reply_id"], "love", comment=CANARY).status == 200
    assert service.call("POST", f"/v1/replies/{more.json['reply_id']}/alternative", token).status
    assert service.call("GET", "/v1/me/memories", token).status == 200
    assert service.call("GET", "/v1/me/export", token).status == 200
    return str(reply.json["reply_id"])


def mistakes(service: Service, token: str) -> Iterator[Answer]:
    """Requests that are refused, each with the canary in another place."""
    agent = {"User-Agent": CANARY, "Referer": f"http://x/{WORDS[0]}", "X-Forwarded-For": WORDS[1]}
    where = WORDS[0]
    yield service.call("GET", "/v1/me/memories", token, headers=agent)
    yield service.call("POST", "/v1/auth/guest", body={}, headers=agent)
    yield service.call("GET", f"/v1/conversations/{where}", token)
    yield service.call("GET", f"/v1/{where}/{WORDS[1]}?q={WORDS[2]}", token)
    yield service.call("GET", f"/v1/conversations?limit={where}&other={WORDS[1]}", token)
    yield service.call("GET", f"/v1/conversations?cursor={where}", token)
    yield service.call("GET", f"/v1/conversations?limit=1&limit={where}", token)
    yield service.call("GET", f"/v1/me/memories/{where}", token)
    yield service.call("PUT", f"/v1/replies/{where}/reaction", token, {"reaction": where})
    yield service.call("POST", "/v1/chat", token, f'{{"message": "{CANARY}'.encode())
    yield service.call("POST", "/v1/chat", token, f"{CANARY} is no JSON".encode())
    yield service.call("POST", "/v1/chat", token, f'{{"message": "{CANARY}", "a": NaN}}'.encode())
    yield service.call("POST", "/v1/chat", token, {"message": [CANARY]})
    yield service.call("POST", "/v1/chat", token, {"message": CANARY, "conversation_id": where})
    yield service.call("POST", "/v1/chat", token, {"message": f"{CANARY} " * 2_000})
    yield service.call("POST", "/v1/chat", token, {"message": CANARY * 20_000})
    yield service.call("POST", "/v1/chat", f"{where}.{where}.{where}", {"message": CANARY})
    yield service.call("POST", "/v1/chat", where, {"message": CANARY})
    yield service.call("GET", "/admin/v1/flags", headers={"X-API-Key": CANARY})
    yield service.call("BREW", f"/{where}", token)
    sse = {"Accept": "text/event-stream"}
    yield service.chat(token, CANARY, sse, conversation_id=where)


def raw(service: Service, sent: bytes) -> str:
    """What the server says to bytes that are no request."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while data := connection.recv(65_536):
            received += data
    return received.decode("utf-8", "replace")


def files_of(var: Path) -> Iterator[Path]:
    """Everything under var, but for what names no person: the index of the bank."""
    yield from (path for path in var.rglob("*") if path.is_file())


def stored(client: redis.Redis) -> Iterator[bytes]:
    """Names and values of every key, as they are read: DUMP may have compressed them."""
    readers = {
        b"string": client.get,
        b"hash": client.hgetall,
        b"list": lambda name: client.lrange(name, 0, -1),
        b"zset": lambda name: client.zrange(name, 0, -1),
        b"stream": client.xrange,
    }
    for name in client.scan_iter():
        yield name
        kind = client.type(name)
        if kind != b"none":  # it expired meanwhile
            yield repr(readers[kind](name)).encode()


def rows(var: Path) -> Iterator[str]:
    """What the exported files say once they are read: as files they are compressed."""
    for path in var.rglob("*.parquet"):
        yield repr(pq.read_table(path).to_pylist())


@pytest.mark.faults(31)
def test_row_31_a_canary_is_nowhere(start_service: StartService) -> None:
    service = start_service(faulty=True, log_level="debug")  # the most that it can be made to say
    token = service.guest()
    reply_id = chat_everywhere(service, token)
    errors = [
        answer.text + json.dumps(dict(answer.headers))
        for answer in mistakes(service, token)
        if answer.status >= 400
    ]
    assert len(errors) >= 17
    head = "Host: x\r\nContent-Length: 0\r\n\r\n"
    odd = (
        f"GET /{WORDS[0]} {WORDS[1]}\r\n{head}",
        f"{WORDS[0].upper()} GET HTTP/9.9\r\n{head}",
        f"GET / HTTP/1.1\r\nbad {WORDS[1]}: x\r\n{head}",
        f"GET / HTTP/1.1\r\n{WORDS[2]}\r\n{head}",
        f"POST /v1/chat HTTP/1.1\r\nContent-Length: {WORDS[0]}\r\nHost: x\r\n\r\n",
    )
    errors += [raw(service, line.encode()) for line in odd]

    # Models that fail on what was said.
    for model, kind in (("reranker", "raises"), ("generator", "nan"), ("encoder", "raises")):
        service.breaks(model, kind)
        assert service.chat(token, f"{kind} {CANARY}").status == 200
        service.mends(model)

    # The log of Redis as it is written, command by command: rewritten, it is compressed.
    appended = list((service.var / "redis").rglob("*.incr.aof"))
    assert b"impression" in b"".join(path.read_bytes() for path in appended)
    assert [path for path in appended if has_canary(path.read_bytes())] == []

    flag = {
        "state": "ENABLED",
        "variants": {"on": True, "off": False},
        "defaultVariant": "off",
        "metadata": {"description": CANARY},
    }
    made = service.admin("PUT", "/admin/v1/flags/canary", flag)
    bad = service.admin("PUT", "/admin/v1/flags/canary", {**flag, "state": CANARY})
    assert bad.status in (400, 422)
    errors.append(bad.text)
    if made.status < 300:
        assert service.call(
            "DELETE", "/admin/v1/flags/canary", headers={"X-API-Key": service.admin_key}
        ).status in (200, 204)

    # Redis is away: what is promised lies in the spool, and chat answers as it can.
    service.kill_redis()
    spooled = service.react(token, reply_id, "funny", comment=CANARY)
    assert spooled.status in (202, 503), spooled.text
    errors += [service.chat(token, CANARY).text for _ in range(2)]
    errors = [text for text in errors if '"reply_id"' not in text]
    assert not [path for path in (service.var / "spool").rglob("*") if path.is_file()
                and has_canary(path.read_bytes())]  # fmt: skip
    service.start_redis()
    eventually(service.ready, 120, "not ready again")

    metrics = service.call("GET", "/metrics").text
    readiness = service.call("GET", "/readyz").text
    told = service.log()
    with service.redis() as client:
        # An administrator's own words about a flag are no person's; the flag is deleted by now.
        client.bgrewriteaof()
        eventually(lambda: not client.info("persistence")["aof_rewrite_in_progress"], 60)
        in_redis = [value for value in stored(client) if has_canary(value)]
    export(service)

    leaks = [text for text in errors if has_canary(text)]
    assert leaks == []
    assert not has_canary(metrics)
    assert not has_canary(readiness)
    assert [line for line in told.splitlines() if has_canary(line)] == []
    assert '"event": "request"' in told  # the log was on
    assert in_redis == []
    files = list(files_of(service.var))
    assert any("appendonly" in str(path) for path in files)
    assert any(path.suffix == ".parquet" for path in files)
    assert [path for path in files if has_canary(path.read_bytes())] == []
    exported = list(rows(service.var))
    assert any(reply_id in text or "impression" in text for text in exported)  # there is something
    assert [text for text in exported if has_canary(text)] == []
    whole = service.call("GET", "/v1/me/export", token)
    assert has_canary(whole.text)  # it was there all the time, for the one who said it


def export(service: Service) -> None:
    """Export the dataset as the command does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REDIS_URL", service.redis_url)
        patch.setenv("KINDRED_VAR_DIR", str(service.var))
        patch.setenv("KINDRED_PARTITIONS", "4")
        assert command("export_reactions").main([]) == 0


@pytest.mark.faults(31)
def test_row_31_that_somebody_was_in_danger_is_nowhere(service: Service) -> None:
    """Neither the mark of the conversation nor how they felt after it, in Redis or in its log."""
    token = service.guest()
    danger = service.chat(token, "i want to kill myself").json["conversation_id"]
    calm = service.chat(token, "i like the rain").json["conversation_id"]
    felt = {danger: "worse", calm: "better"}
    for talk, feeling in felt.items():
        path = f"/v1/conversations/{talk}"
        told = service.call("PUT", f"{path}/feedback", token, {"feeling": feeling})
        assert told.status == 200, told.text
        page = service.call("GET", path, token).json
        assert (page["feeling"], page["crisis"]) == (feeling, talk == danger)
    logs = list((service.var / "redis").rglob("*.aof"))
    with service.redis() as client:
        written = [*stored(client), *(path.read_bytes() for path in logs)]
        shapes = [
            {name: len(value) for name, value in client.hgetall(key).items()}
            for talk in felt
            for key in client.scan_iter(f"*:conversation:{talk}")
        ]
    assert any(b"kindred:" in data for data in written[-len(logs) :])
    clear = [
        re.compile(rb"(?<![a-z])%s(?![a-z])" % word) for word in (b"worse", b"better", b"crisis")
    ]
    assert [word.pattern for word in clear if any(map(word.search, written))] == []
    fixed = [{name: shape[name] for name in (b"marks", b"feeling")} for shape in shapes]
    assert len(fixed) == 2
    assert fixed[0] == fixed[1]
    whole = service.call("GET", "/v1/me/export", token).json
    felt_then = {e["fields"]["conversation"]: e["fields"].get("feeling") for e in whole["events"]}
    assert felt_then == felt


@pytest.mark.faults(31)
def test_row_31_a_field_that_nobody_asked_for_is_not_repeated(service: Service) -> None:
    token = service.guest()
    body: dict[str, Any] = {"message": "hi", CANARY: 1}
    for answer in (
        service.call("POST", "/v1/chat", token, body),
        service.call("POST", "/v1/chat", token, {"message": {CANARY: 1}}),
        service.call("POST", "/v1/chat", token, f'{{"{CANARY}": "\\u0000"}}'.encode()),
    ):
        assert answer.status in (400, 422)
        assert not has_canary(answer.text)
