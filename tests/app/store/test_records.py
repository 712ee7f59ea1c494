"""Every domain value survives its record, byte for byte."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain import (
    Candidate,
    Fact,
    Impression,
    Reply,
    Slate,
    Source,
    Speaker,
    Taste,
    Turn,
)
from app.store import records

# Surrogates too: a text that no UTF-8 holds must not make a person's data unreadable.
texts = st.text(max_size=60)
names = st.text(st.characters(codec="utf-8"), max_size=20)
numbers = st.floats(allow_nan=False, allow_infinity=False)
mappings = st.dictionaries(names, names, max_size=3)

turns = st.builds(
    Turn,
    turn_id=names,
    seq=st.integers(1, 10_000),
    speaker=st.sampled_from(Speaker),
    text=texts,
    created_at=numbers,
    answers=st.none() | names,
    reply_id=st.none() | names,
    source=st.none() | st.sampled_from(Source),
)
facts = st.builds(
    Fact,
    fact_id=names,
    slot=texts,
    kind=names,
    value=texts,
    text=texts,
    sentence=texts,
    turn_id=names,
    created_at=numbers,
)
tastes = st.builds(
    Taste, reply_id=names, weight=numbers, vector=st.binary(max_size=384), encoder=names
)
replies = st.builds(
    Reply,
    reply_id=names,
    conversation_id=names,
    text=texts,
    source=st.sampled_from(Source),
    degraded=st.booleans(),
    variants=mappings,
    created_at=numbers,
)
candidates = st.builds(
    Candidate,
    candidate_id=names,
    text=texts,
    source=st.sampled_from(Source),
    origin=st.dictionaries(names, names | st.integers() | st.booleans() | st.none(), max_size=3),
    tags=st.lists(names, max_size=3).map(tuple),
    retrieval_score=st.none() | numbers,
    logprob=st.none() | numbers,
    heads=st.dictionaries(names, numbers, max_size=3),
    bias=numbers,
    score=st.none() | numbers,
    filters=st.lists(names, max_size=3).map(tuple),
    propensity=numbers,
)
slates = st.builds(
    Slate,
    candidates=st.lists(candidates, max_size=4).map(tuple),
    chosen=st.none() | names,
    seed=st.integers(0, 2**63),
    explored=st.booleans(),
    exploration=numbers,
    variants=mappings,
    versions=mappings,
    timings_ms=st.dictionaries(names, numbers, max_size=3),
    late=st.lists(names, max_size=3).map(tuple),
    n=st.integers(0, 32),
    shown=st.lists(names, max_size=3).map(tuple),
)
impressions = st.builds(
    Impression,
    reply=replies,
    user_id=names,
    turn_id=names,
    context=st.lists(texts, max_size=4).map(tuple),
    slate=slates,
    facts=st.lists(texts, max_size=3).map(tuple),
    alternative_of=st.none() | names,
    alternative=st.none(),
    reaction=st.none(),
    comment=st.none(),
)


def through(record: dict[str, Any]) -> dict[str, Any]:
    return records.load(records.dump(record))


@given(turns)
def test_turns(turn: Turn) -> None:
    assert records.to_turn(through(records.from_turn(turn)), turn.seq) == turn


@given(facts)
def test_facts(fact: Fact) -> None:
    assert records.to_fact(through(records.from_fact(fact))) == fact


@given(tastes)
def test_tastes(taste: Taste) -> None:
    assert records.to_taste(through(records.from_taste(taste))) == taste


def test_a_taste_kept_before_encoders_were_named_has_none() -> None:
    record = records.from_taste(Taste("r", 1.0, b"v", "encoder-7"))
    del record["encoder"]
    assert records.to_taste(through(record)) == Taste("r", 1.0, b"v", "")


@given(impressions)
@settings(max_examples=60)
def test_impressions(impression: Impression) -> None:
    assert records.to_impression(through(records.from_impression(impression))) == impression


def test_numpy_numbers_and_read_only_mappings_are_stored_as_plain_ones() -> None:
    candidate = Candidate(
        "a",
        "b",
        Source.GENERATOR,
        origin=MappingProxyType({"step": np.int64(3)}),
        heads={"upvote": np.float32(0.5)},
    )
    back = records.to_candidate(through(records.from_candidate(candidate)))
    assert back.origin == {"step": 3}
    assert back.heads == {"upvote": 0.5}


@pytest.mark.parametrize("data", [b'{"v":2}', b"{}", b"[]", b"1"])
def test_a_record_of_another_version_is_refused(data: bytes) -> None:
    with pytest.raises(records.UnknownRecord):
        records.load(data)


def test_what_is_no_data_is_refused_when_written() -> None:
    with pytest.raises(TypeError, match="object cannot be stored"):
        records.dump({"x": object()})
