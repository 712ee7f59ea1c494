"""Row 10 at the real service: its primary is killed under load, and the replica takes its place."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator

import pytest

from tests.faults.conftest import StartService
from tests.faults.durable import KINDS, Talker, assert_each_once, at_once
from tests.faults.replicas import Server
from tests.faults.service import Service, eventually
from tests.lossy_line import LossyLine

pytestmark = [pytest.mark.slow, pytest.mark.faults(10)]


@pytest.fixture
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Server]]:
    """A primary and its replica; whatever the test adds ends with them."""
    folder = tmp_path_factory.mktemp("redis")
    started: list[Server] = []
    try:
        started.append(Server(folder / "first", replicas=1))
        started.append(Server(folder / "second", of=started[0]))
        eventually(started[0].has_replica, 30)
        yield started
    finally:
        for server in started:
            server.close()


@pytest.fixture
def line(servers: list[Server], tmp_path_factory: pytest.TempPathFactory) -> Iterator[LossyLine]:
    """The address that the service knows, whichever server is behind it."""
    made = LossyLine(tmp_path_factory.mktemp("line") / "line.sock", str(servers[0].socket))
    yield made
    made.close()


@pytest.fixture
def replicated(line: LossyLine, start_service: StartService) -> Service:
    """A service that acknowledges what one replica has too."""
    return start_service(
        redis_url=line.url,
        redis_replicas=1,
        redis_replica_ms=1_000,
        reaction_deadline_ms=3_000,
    )


def events_of(server: Server) -> list[tuple[str, str, str]]:
    """(reply, action, reaction) of every reaction event, partition by partition, in order."""
    return [
        (fields[b"reply"].decode(), fields[b"type"].decode(), fields[b"reaction"].decode())
        for name in sorted(server.client.scan_iter("kindred:{p*}:reactions"))
        for _, fields in server.client.xrange(name)
    ]


def well(service: Service) -> bool:
    return (
        service.ready()
        and service.metric("kindred_store_breaker_open", store="data") == 0
        and service.metric("kindred_spool_entries") == 0
    )


def test_row_10_the_replica_takes_over_under_load(
    servers: list[Server], line: LossyLine, replicated: Service
) -> None:
    primary, replica = servers
    people = [Talker(replicated, replicated.guest()) for _ in range(4)]
    for talker in people:
        for number in range(4):
            assert talker.say(f"hello number {number}").json["saved"]
    acknowledged: list[tuple[str, str]] = []
    statuses: list[int] = []

    def react(talker: Talker) -> None:
        for kind in KINDS:
            for number, reply in enumerate(talker.replies):
                status = talker.react(number, kind).status
                statuses.append(status)
                if status in (200, 202):
                    acknowledged.append((reply["reply_id"], kind))
                time.sleep(0.02)  # so that it lasts through the failover

    def fail_over() -> None:
        eventually(lambda: len(statuses) > 20, 60, "nobody reacts")
        primary.signal(signal.SIGKILL)
        primary.process.wait()
        time.sleep(0.3)
        replica.promote()
        servers.append(Server(replica.socket.parent.parent / "third", of=replica))
        eventually(replica.has_replica, 30)
        line.lead_to(str(replica.socket))

    at_once([*(lambda t=talker: react(t) for talker in people), fail_over])
    eventually(lambda: well(replicated), 90, "it did not recover")
    assert set(statuses) <= {200, 202, 503}
    assert {200, 202} <= set(statuses)
    events = events_of(replica)
    assert_each_once(acknowledged, events)
    assert events_of(servers[2]) == events  # the new replica has it all
    for talker in people:
        for reply in talker.replies:
            path = f"/v1/conversations/{reply['conversation_id']}"
            turns = replicated.call("GET", path, talker.token).json["turns"]
            last = [kind for other, kind in acknowledged if other == reply["reply_id"]][-1]
            assert [turn["reaction"] for turn in turns if turn["reply_id"]] == [last]


def test_row_10_without_its_replica_the_primary_acknowledges_nothing(
    servers: list[Server], replicated: Service
) -> None:
    """What is not there twice is promised on this machine's disk, or given as not kept."""
    primary, replica = servers
    talker = Talker(replicated, replicated.guest())
    assert talker.say("hello there").json["saved"]
    replica.signal(signal.SIGSTOP)
    try:
        answer = talker.react(0, "love")
        assert (answer.status, answer.json["spooled"]) == (202, True)
        said = replicated.chat(talker.token, "are you there?")
        assert (said.status, said.json["saved"]) == (200, False)
        assert replicated.metric("kindred_store_unavailable_total", kind="unreplicated") > 0
    finally:
        replica.signal(signal.SIGCONT)
    eventually(lambda: well(replicated), 90, "it did not recover")
    reply = talker.replies[0]["reply_id"]
    assert [event for event in events_of(primary) if event[0] == reply] == [(reply, "made", "love")]
