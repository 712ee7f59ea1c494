"""The answer of Redis is lost after the write: a retry finds one entry, not two."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.domain import ReactionKind
from app.errors import StoreUnavailable
from app.settings import Settings
from app.store.contexts import FinishRequest
from app.store.store import Store
from tests.lossy_line import LossyLine


@pytest.fixture
def line(redis_server: Any, tmp_path: Path) -> Iterator[LossyLine]:
    made = LossyLine(tmp_path / "line.sock", str(redis_server.socket))
    yield made
    made.close()


@pytest.fixture
def lossy_chat(
    line: LossyLine, chat: Any, settings: Settings, metrics: Any, clock: Any, tmp_path: Path
) -> Iterator[Any]:
    url = f"unix://{tmp_path / 'line.sock'}"
    store = Store.open(settings.model_copy(update={"redis_url": url}), metrics, clock)
    yield type(chat)(store, clock)
    store.close()


def test_begin(lossy_chat: Any, line: LossyLine, clock: Any) -> None:
    lossy_chat.store.ping()
    line.lose_next_answer()
    with pytest.raises(StoreUnavailable):
        lossy_chat.begin("hi", keys=("m:1",))
    clock.tick(31)
    context = lossy_chat.begin("hi", keys=("m:1",)).context
    assert lossy_chat.texts(context) == ["hi"]
    lossy_chat.finish(context, keys=("m:1",))
    assert len(lossy_chat.turns(context.conversation_id)) == 2
    listed = lossy_chat.store.contexts.conversations(lossy_chat.user_id, None, 5).items
    assert len(listed) == 1


def test_finish(lossy_chat: Any, line: LossyLine) -> None:
    context = lossy_chat.begin("hi", keys=("m:1",)).context
    impression = lossy_chat.impression(context)
    request = FinishRequest(context, impression, keys=("m:1",), fingerprint="body")
    line.lose_next_answer()
    with pytest.raises(StoreUnavailable):
        lossy_chat.store.contexts.finish(request)
    assert lossy_chat.store.contexts.finish(request) == impression.reply
    assert lossy_chat.begin("hi", keys=("m:1",)).stored == impression.reply
    assert len(lossy_chat.turns(context.conversation_id)) == 2


def test_react(lossy_chat: Any, line: LossyLine) -> None:
    reply = lossy_chat.say("hi")
    line.lose_next_answer()
    react = lossy_chat.store.reactions.react
    with pytest.raises(StoreUnavailable):
        react(lossy_chat.user_id, reply.reply_id, ReactionKind.LOVE)
    assert react(lossy_chat.user_id, reply.reply_id, ReactionKind.LOVE) is None
    assert len(lossy_chat.store.reactions.list().items) == 1


def test_alternative(lossy_chat: Any, line: LossyLine) -> None:
    context = lossy_chat.begin("hi").context
    first = lossy_chat.finish(context)
    parent = lossy_chat.store.impressions.get(lossy_chat.user_id, first.reply_id)
    lost, retried = (lossy_chat.impression(context, text) for text in ("lost", "retried"))
    line.lose_next_answer()
    with pytest.raises(StoreUnavailable):
        lossy_chat.store.impressions.add_alternative(parent, lost)
    assert lossy_chat.store.impressions.add_alternative(parent, retried) == lost.reply
    texts = [view.turn.text for view in lossy_chat.turns(context.conversation_id)]
    assert texts == ["hi", "hello", "lost"]
