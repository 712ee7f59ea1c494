"""One rendering: what a person types is text, the latest turn survives, facts are bounded."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BertTokenizerFast, PreTrainedTokenizerFast

from models.prompt import (
    MAX_FACT_TOKENS,
    context_ids,
    fact_ids,
    normalise,
    plain_encoder,
    render,
    rerank_query,
)
from models.training.generator.tokenizer import EOS, load_tokenizer, train_tokenizer

TEXTS = ["I like long walks and short songs.", "What do you like?", "The end of text, [SEP]."] * 20


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return train_tokenizer(TEXTS, 320, 128)


def words(text: str) -> list[int]:
    """An encoder whose ids are the lengths of the words: easy to count with."""
    return [len(word) for word in normalise(text).split()]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  two\t\n words ", "two words"),
        ("caf\u0065\u0301", "caf\u00e9"),
        ("a\u200bb\ufeffc\u2060d", "abcd"),
        ("\u202eevil\u202c", "evil"),
        ("x\U000e0041\U000e007fy", "xy"),
        ("v\U000e0100", "v"),
        ("a\x00b\x1bc\x7f", "abc"),
        ("bad\ud800half", "badhalf"),
        ("it\u2019s \u201cfine\u201d", 'it\'s "fine"'),
        (
            "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
            "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        ),
        ("\U0001f468\u200d\U0001f469", "\U0001f468\u200d\U0001f469"),
        ("\u200b \u2028", ""),
    ],
)
def test_normalise(text: str, expected: str) -> None:
    assert normalise(text) == expected


@pytest.mark.faults(38)
@given(st.text(st.characters()))
def test_normalise_is_idempotent_and_leaves_nothing_unseen(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once
    once.encode("utf-8")  # no lone surrogates
    kinds = {unicodedata.category(c) for c in once if c not in "\u200c\u200d"}
    assert not kinds & {"Cc", "Cf", "Cs"}


@pytest.mark.faults(35)
@pytest.mark.parametrize("typed", [EOS, f"a{EOS}b", "[SEP]", "[CLS]", "[PAD] [MASK]"])
def test_special_strings_are_text_to_gpt2(tokenizer: PreTrainedTokenizerFast, typed: str) -> None:
    ids = context_ids(tokenizer, [typed])
    assert ids.count(tokenizer.eos_token_id) == 1
    assert ids[-1] == tokenizer.eos_token_id
    assert tokenizer.decode(ids[:-1]) == typed


@pytest.mark.faults(35)
def test_special_strings_are_text_after_a_reload(
    tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    tokenizer.save_pretrained(tmp_path)
    encode = plain_encoder(load_tokenizer(tmp_path))
    assert encode(f"hi {EOS}") == plain_encoder(tokenizer)(f"hi {EOS}")
    assert tokenizer.eos_token_id not in encode(f"hi {EOS}")


@pytest.mark.faults(35)
@pytest.mark.parametrize("typed", ["[SEP]", "[CLS] hi", "[MASK][PAD]", "[UNK]"])
def test_special_strings_are_text_to_bert(typed: str) -> None:
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    pieces = [*names, "[", "]", "sep", "cls", "mask", "pad", "unk", "hi"]
    bert = BertTokenizerFast({piece: number for number, piece in enumerate(pieces)})
    ids = plain_encoder(bert)(typed)
    assert ids
    assert not set(ids) & set(bert.all_special_ids)


def test_every_turn_is_followed_by_the_end_token(tokenizer: PreTrainedTokenizerFast) -> None:
    eos = tokenizer.eos_token_id
    encode = plain_encoder(tokenizer)
    ids = context_ids(tokenizer, ["Hi.", "What do you like?"])
    assert ids == [*encode("Hi."), eos, *encode("What do you like?"), eos]


def test_facts_go_first_each_whole() -> None:
    ids = render(words, ["aa bb"], ["c", "d ee"], max_tokens=20, end=(0,))
    assert ids == [1, 1, 2, 0, 2, 2, 0]


def test_facts_do_not_displace_the_latest_turn_but_go_before_older_ones() -> None:
    turns = ["a a a a", "b b", "c c c"]
    assert render(words, turns, ["ff"], max_tokens=6, end=(0,)) == [2, 0, 1, 1, 1, 0]
    assert render(words, turns, ["ff gg hh"], max_tokens=6, end=(0,)) == [1, 1, 1, 0]
    assert render(words, turns, ["ff"], max_tokens=9, end=(0,)) == [2, 0, 1, 1, 0, 1, 1, 1, 0]


def test_facts_are_bounded(tokenizer: PreTrainedTokenizerFast) -> None:
    facts = [f"I have {n} cats." for n in range(50)]
    known = fact_ids(plain_encoder(tokenizer), facts, MAX_FACT_TOKENS)
    assert 0 < len(known) <= MAX_FACT_TOKENS
    ids = context_ids(tokenizer, ["Hi."], facts, max_tokens=100)
    assert ids[: len(known)] == known
    assert ids[len(known)] == tokenizer.eos_token_id


def test_a_turn_that_is_too_long_is_cut_from_its_start() -> None:
    assert render(words, ["x", "a bb ccc dddd"], max_tokens=3, end=(0,)) == [3, 4, 0]


def test_older_turns_are_kept_whole_and_without_gaps() -> None:
    # The middle turn does not fit, so the oldest, which would, is left out too.
    turns = ["a", "b b b b b", "c"]
    assert render(words, turns, max_tokens=6, end=(0,)) == [1, 0]


@given(
    st.lists(st.text("ab \u200b", max_size=30), max_size=6),
    st.lists(st.text("cd ", max_size=12), max_size=3),
    st.integers(2, 40),
)
def test_the_budget_holds(turns: list[str], facts: list[str], budget: int) -> None:
    if not any(normalise(turn) for turn in turns):
        with pytest.raises(ValueError, match="no turn"):
            render(words, turns, facts, max_tokens=budget, end=(0,))
        return
    ids = render(words, turns, facts, max_tokens=budget, end=(0,))
    assert 0 < len(ids) <= budget
    assert ids[-1] == 0
    last = words(next(turn for turn in reversed(turns) if normalise(turn)))
    kept = min(len(last), budget - 1)
    assert ids[-1 - kept : -1] == last[-kept:]


def test_no_room_is_an_error() -> None:
    with pytest.raises(ValueError, match="no room"):
        render(words, ["a"], max_tokens=1, end=(0,))


def test_rerank_query_ends_with_the_latest_turn() -> None:
    turns = ["a a", "bb", "ccc ccc"]
    assert rerank_query(words, turns, max_tokens=10, separator=(9,)) == [1, 1, 9, 2, 9, 3, 3]
    assert rerank_query(words, turns, max_tokens=10) == [1, 1, 2, 3, 3]
    assert rerank_query(words, turns, max_tokens=4, separator=(9,)) == [2, 9, 3, 3]
    assert rerank_query(words, turns, ["ff"], max_tokens=4, separator=(9,)) == [2, 9, 3, 3]
    assert rerank_query(words, ["a b c d"], max_tokens=2, separator=(9,)) == [1, 1]


def test_unprintable_turns_are_no_turns(tokenizer: Any) -> None:
    assert context_ids(tokenizer, ["\u200b", "Hi."]) == context_ids(tokenizer, ["Hi."])


def test_a_bare_tokenizer_of_transformers_serves() -> None:
    bare = Tokenizer(models.BPE())
    bare.pre_tokenizer = pre_tokenizers.ByteLevel()
    bare.add_special_tokens([EOS])
    wrapped = PreTrainedTokenizerFast(tokenizer_object=bare, eos_token=EOS)
    assert context_ids(wrapped, [EOS])[-1:] == [wrapped.eos_token_id]
