"""Whatever is acknowledged as kept waits for the replicas, where they are asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from app.domain import Feeling, ReactionKind
from app.store.link import durability
from app.store.link.client import Replicas, Unreplicated
from app.store.reactions import Judgement

JUDGEMENT = Judgement("1", ("context",), "response", ReactionKind.LOVE, "lab", 1.0)


@pytest.fixture
def deeds(chat: Any) -> dict[str, Callable[[], Any]]:
    """What people and administrators are told is kept."""
    store, user = chat.store, chat.user_id
    context = chat.begin("hi").context
    reply = chat.finish(context)
    parent = store.impressions.get(user, reply.reply_id)
    later = chat.begin("more", reply.conversation_id).context
    store.reactions.judge([Judgement("0", (), "r", ReactionKind.LOVE, "lab", 1.0)])
    return {
        "reply": lambda: chat.finish(later),
        "reaction": lambda: store.reactions.react(user, reply.reply_id, ReactionKind.LOVE),
        "feeling": lambda: store.contexts.feedback(user, reply.conversation_id, Feeling.SAME),
        "alternative": lambda: store.impressions.add_alternative(
            parent, chat.impression(context, "or this")
        ),
        "judgement": lambda: store.reactions.judge([JUDGEMENT]),
        "forgetting": lambda: store.profile.forget_all(user),
    }


@pytest.mark.parametrize(
    "deed", ["reply", "reaction", "feeling", "alternative", "judgement", "forgetting"]
)
def test_it_is_not_acknowledged_where_a_replica_lacks_it(
    deed: str, chat: Any, deeds: dict[str, Callable[[], Any]]
) -> None:
    client = chat.store._core.client
    client._replicas = Replicas(1, 0.02)  # of which there is none
    with pytest.raises(Unreplicated):
        deeds[deed]()
    if deed in ("alternative", "judgement"):  # told again it is known, and still not replicated
        with pytest.raises(Unreplicated):
            deeds[deed]()
    client._replicas = Replicas()
    deeds[deed]()


@pytest.mark.parametrize(
    ("fsynced", "command", "enough", "too_few"),
    [(False, ("WAIT", 2, 50), 2, 1), (True, ("WAITAOF", 1, 2, 50), [1, 2], [1, 1])],
    ids=["WAIT", "WAITAOF, from Redis 7.2 on"],
)
def test_how_the_replicas_are_waited_for(
    fsynced: bool, command: tuple[Any, ...], enough: Any, too_few: Any, chat: Any
) -> None:
    """WAITAOF answers with this server's own fsyncs first: only the replicas' are counted."""
    client = chat.store._core.client
    client._replicas, client._fsynced_replicas = Replicas(2, 0.05), fsynced
    assert client._wait() == command
    client._require(enough)
    with pytest.raises(Unreplicated):
        client._require(too_few)


def test_who_waits_for_an_fsync_there_is_told_by_the_servers_version(
    chat: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = chat.store._core.client
    for version, fsynced in (((6, 2), False), ((7, 0), False), ((7, 2), True), ((8, 0), True)):
        monkeypatch.setattr(durability, "check", lambda *given, version=version: version)
        client.check("REDIS_URL", trusted=False)
        assert client._wait()[0] == ("WAITAOF" if fsynced else "WAIT")
