"""Judgements made elsewhere: stored once, sealed, in the same log."""

from __future__ import annotations

from typing import Any

import pytest
import redis

from app.domain import ReactionKind
from app.errors import Conflict
from app.store import people
from app.store.keys import JUDGES
from app.store.reactions import Judgement, JudgeResult


def judgement(name: str, source: str = "lab", **more: Any) -> Judgement:
    return Judgement(
        name,
        ("how are you?", "so so"),
        f"response {name}",
        more.pop("reaction", ReactionKind.UPVOTE),
        source,
        1_600_000_000.5,
        **more,
    )


def test_each_is_stored_once(store: Any) -> None:
    batch = [judgement(str(i)) for i in range(250)]
    assert store.reactions.judge(batch) == [JudgeResult(j.id, "stored") for j in batch]
    more = [judgement("249"), judgement("250"), judgement("250"), judgement("0", "other lab")]
    statuses = [result.status for result in store.reactions.judge(more)]
    assert statuses == ["duplicate", "stored", "duplicate", "stored"]
    assert store.reactions.judge([]) == []


def test_sources_end_somewhere(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has a person and a key that stay: a key that leaked must not make them without end."""
    monkeypatch.setattr(people, "SOURCES_MAX", 2)
    store.reactions.judge([judgement("a", "one"), judgement("b", "two")])
    with pytest.raises(Conflict, match="2 sources"):
        store.reactions.judge([judgement("c", "one"), judgement("d", "three")])
    assert len(store.reactions.list().items) == 2, "what is refused is refused whole"
    assert store.reactions.judge([judgement("c", "one")])[0].status == "stored"


def test_it_is_listed_with_context_and_comment(store: Any, clock: Any) -> None:
    store.reactions.judge([judgement("a", comment="dull", reaction=ReactionKind.MEANINGLESS)])
    (event,) = store.reactions.list().items
    assert (event.action, event.reaction, event.comment) == (
        "judged",
        ReactionKind.MEANINGLESS,
        "dull",
    )
    impression = event.impression
    assert impression.context == ("how are you?", "so so")
    assert impression.reply.text == impression.slate.candidates[0].text == "response a"
    assert impression.slate.versions == {"source": "lab"}
    assert (impression.reply.created_at, event.created_at) == (1_600_000_000.5, clock())


def test_a_source_that_was_erased_gets_a_new_pseudo_person(
    store: Any, empty_redis: redis.Redis
) -> None:
    store.reactions.judge([judgement("a")])
    first = empty_redis.hget(JUDGES, "lab").decode()
    store.people.erase(first)
    assert store.reactions.list().items == []
    assert [r.status for r in store.reactions.judge([judgement("a")])] == ["stored"]
    assert empty_redis.hget(JUDGES, "lab").decode() != first
    assert len(store.reactions.list().items) == 1
