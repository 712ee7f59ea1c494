"""Pairs as ids: what is cut, what is kept on disk, how batches are planned and padded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.training.examples import Example
from models.training.reranker.family.batches import plan_batches
from models.training.reranker.family.collator import Collator
from models.training.reranker.family.store import PairStore, store_key
from models.training.reranker.family.tokens import Coded, Limits, PairCoder, Template
from tests.models.training.reranker.family.conftest import tokenizer_of


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return tokenizer_of("bert")


def test_a_template_is_read_off_the_tokenizer(tokenizer: Any) -> None:
    bert = Template.of(tokenizer)
    assert (bert.before, bert.between, bert.behind) == ((2,), (3,), (3,))
    assert bert.types == (0, 0, 0, 1, 1)
    roberta = Template.of(tokenizer_of("roberta"))
    assert (roberta.before, roberta.between, roberta.behind) == ((0,), (2, 2), (2,))
    assert set(roberta.types) == {0}
    assert (bert.special, roberta.special) == (3, 4)


def test_a_context_keeps_its_end_and_a_response_its_beginning(tokenizer: Any) -> None:
    coder = PairCoder(tokenizer, Limits.joint(20, 3))
    words = "tea maps jazz rain bread cats chess trains gardens sea"
    encode = lambda text: tokenizer.encode(text, add_special_tokens=False)
    coded = coder.code(Example("s", "h", (words, words), words, 1.0))
    assert list(coded.response) == encode(words)[:8]
    assert list(coded.context) == encode(words)[-9:]
    assert len(coded) <= 17
    short = coder.code(Example("s", "h", ("tea", "maps jazz"), "rain", 1.0))
    assert list(short.context) == [*encode("tea"), 3, *encode("maps jazz")]
    assert short.latest == len(encode("tea")) + 1


def test_special_tokens_in_a_text_are_text_and_nothing_is_empty(tokenizer: Any) -> None:
    coder = PairCoder(tokenizer, Limits(60, 20, 80))
    coded = coder.code(Example("s", "h", ("tea [SEP] maps",), "[CLS] jazz", 1.0))
    assert 3 not in coded.context
    assert 2 not in coded.response
    unseen = coder.code(Example("s", "h", ("\u200b",), "\u200b", 1.0))
    assert (unseen.context, unseen.response) == ((1,), (1,))
    with pytest.raises(ValueError, match="no room"):
        Limits.joint(6, 3)


def test_ids_are_kept_on_disk_once(tokenizer: Any, tmp_path: Path) -> None:
    rows = [Example("s", "h", (f"tea {i}", "maps"), f"jazz {i}", 1.0) for i in range(7)]
    limits = Limits(60, 20, 80)
    key = store_key(tokenizer, limits, rows)
    assert key != store_key(tokenizer, Limits(59, 20, 80), rows)
    assert key != store_key(tokenizer, limits, rows[1:])
    place = tmp_path / "run" / "tokens"
    place.mkdir(parents=True)  # as an older release made it, open to all
    kept = PairStore.kept(place, key, PairCoder(tokenizer, limits), rows)
    assert place.stat().st_mode & 0o777 == 0o700, "ids are texts"
    fresh = PairStore.of(PairCoder(tokenizer, limits), rows)
    assert [kept[i] for i in range(7)] == [fresh[i] for i in range(7)]
    assert kept.lengths().tolist() == [len(fresh[i]) for i in range(7)]

    class Unused(PairCoder):
        def code(self, example: Example) -> Coded:
            raise AssertionError("tokenised again")

    again = PairStore.kept(place, key, Unused(tokenizer, limits), rows)
    assert [again[i] for i in range(7)] == [fresh[i] for i in range(7)]


@given(
    sizes=st.lists(st.integers(1, 4), min_size=1, max_size=60),
    batch=st.integers(4, 9),
    epochs=st.integers(1, 3),
)
@settings(max_examples=40, deadline=None)
def test_every_epoch_has_every_row_once_and_groups_whole(
    sizes: list[int], batch: int, epochs: int
) -> None:
    rows = iter(range(sum(sizes)))
    units = [[next(rows) for _ in range(size)] for size in sizes]
    lengths = np.random.default_rng(0).integers(3, 80, sum(sizes)).tolist()
    plan = plan_batches(lengths, units, batch, epochs, seed=3)
    assert sorted(r for rows in plan for r in rows) == sorted(list(range(sum(sizes))) * epochs)
    assert all(len(rows) <= batch for rows in plan)
    for unit in units:
        holders = [rows for rows in plan if unit[0] in rows]
        assert len(holders) == epochs
        assert all(set(unit) <= set(rows) for rows in holders)
    assert plan == plan_batches(lengths, units, batch, epochs, seed=3)


def test_batches_gather_like_lengths() -> None:
    lengths = [5] * 100 + [70] * 100
    plan = plan_batches(lengths, [[i] for i in range(200)], 20, 1, seed=1)
    padding = sum(len(r) * max(lengths[i] for i in r) - sum(lengths[i] for i in r) for r in plan)
    assert padding <= 20 * 65
    assert plan != plan_batches(lengths, [[i] for i in range(200)], 20, 1, seed=2)


def test_a_joint_batch_says_where_each_text_lies(tokenizer: Any) -> None:
    collate = Collator(0, Template.of(tokenizer))
    batch = collate([Coded((10, 11, 3, 12), 3, (20, 21)), Coded((13,), 0, (22,))])
    ids = batch["ids"]
    assert ids.tolist()[0] == [2, 10, 11, 3, 12, 3, 20, 21, 3]
    assert ids.tolist()[1] == [2, 13, 3, 22, 3, 0, 0, 0, 0]
    assert batch["mask"].sum(1).tolist() == [9, 5]
    assert ids[batch["context"].bool()].tolist() == [10, 11, 3, 12, 13]
    assert ids[batch["latest"].bool()].tolist() == [12, 13]
    assert ids[batch["response"].bool()].tolist() == [20, 21, 22]
    assert batch["types"].tolist()[0] == [0] * 6 + [1] * 3


def test_parts_are_padded_apart() -> None:
    batch = Collator(0)([Coded((10, 11), 0, (20,)), Coded((12,), 0, (21, 22))])
    assert batch["context_ids"].tolist() == [[10, 11], [12, 0]]
    assert batch["response_lengths"].tolist() == [1, 2]
