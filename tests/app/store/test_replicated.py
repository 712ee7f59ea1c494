"""Whatever is acknowledged as kept waits for the replicas, where they are asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from app.domain import Feeling, ReactionKind
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
