"""Windows of conversations, and the masks that are drawn over them."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from transformers import AutoTokenizer

from models.runtimes.torch_bert import resolve_base
from models.training.corpora import Dialog
from models.training.pretrain.masking import DialogMasking
from models.training.pretrain.windows import Examples, Marks, Window, cut_windows, encode_dialogs

WORDS = ("the", "lighthouse", "keeper", "unquestionably", "rehearsed", "overnight", "my", "sonatas")


@pytest.fixture(scope="module")
def tokenizer() -> AutoTokenizer:
    return AutoTokenizer.from_pretrained(str(resolve_base()))


@pytest.fixture(scope="module")
def dialogs() -> list[Dialog]:
    return [
        Dialog(str(n), "test", tuple(f"{WORDS[(n + i) % 8]} number {n} {i}." for i in range(6)))
        for n in range(40)
    ]


@pytest.fixture(scope="module")
def windows(tokenizer: AutoTokenizer, dialogs: list[Dialog]) -> list[Window]:
    return cut_windows(encode_dialogs(tokenizer, dialogs), 24)


def test_windows_hold_neighbouring_turns_and_fit(
    tokenizer: AutoTokenizer, dialogs: list[Dialog], windows: list[Window]
) -> None:
    marks = Marks.of(tokenizer, segments=True)
    examples = Examples(windows, marks, len(windows), seed=1)
    seen = set()
    spoken = {
        (tokenizer.decode(tokenizer.encode(a, add_special_tokens=False)), b)
        for dialog in dialogs
        for a, b in pairwise((*dialog.turns, ""))
    }
    followers: dict[str, set[str]] = {}
    for text, following in spoken:
        follower = tokenizer.decode(tokenizer.encode(following, add_special_tokens=False))
        followers.setdefault(text, set()).add(follower)
    for number in range(len(examples)):
        ids = examples[number]["input_ids"]
        assert len(ids) <= 24
        assert (ids[0], ids[-1]) == (tokenizer.cls_token_id, tokenizer.sep_token_id)
        turns = [t.strip() for t in tokenizer.decode(ids[1:]).split("[SEP]")[:-1]]
        assert all(b in followers[a] for a, b in pairwise(turns))
        seen.update(turns)
    assert len(seen) > 200  # a pass holds nearly all turns once


def test_what_somebody_types_is_text(tokenizer: AutoTokenizer) -> None:
    turn = encode_dialogs(tokenizer, [Dialog("1", "t", ("a [MASK] [SEP]", "b"))])[0][0]
    assert tokenizer.mask_token_id not in turn.ids
    assert tokenizer.sep_token_id not in turn.ids


def test_an_example_follows_from_seed_and_number(
    tokenizer: AutoTokenizer, windows: list[Window]
) -> None:
    marks = Marks.of(tokenizer, segments=True)
    one, other = (Examples(windows, marks, 500, 1, "nsp") for _ in range(2))
    assert [other[i] for i in (499, 3, 120)] == [one[i] for i in (499, 3, 120)]
    assert Examples(windows, marks, 500, 2, "nsp")[3] != one[3]


@pytest.mark.parametrize("sentence", ["nsp", "sop"])
def test_sentence_objectives_change_half_of_the_pairs(
    tokenizer: AutoTokenizer, windows: list[Window], sentence: str
) -> None:
    marks = Marks.of(tokenizer, segments=True)
    examples = [Examples(windows, marks, 400, 1, sentence)[i] for i in range(400)]
    changed = sum(example["sentence"] for example in examples)
    assert 150 < changed < 250
    originals = {
        tuple(token for turn in window.turns for token in (*turn.ids, marks.sep))
        for window in windows
    }
    for example in examples:
        whole = tuple(example["input_ids"][1:]) in originals
        assert whole == (not example["sentence"])
        types = example["token_type_ids"]
        assert types == sorted(types)
        assert set(types) == {0, 1}
        assert len(example["input_ids"]) <= 24


@pytest.mark.parametrize("whole_words", [False, True])
def test_masks_are_dynamic_and_80_10_10(
    tokenizer: AutoTokenizer, windows: list[Window], whole_words: bool
) -> None:
    marks = Marks.of(tokenizer, segments=True)
    examples = Examples(windows, marks, 6400, seed=1)
    masking = DialogMasking(tokenizer, 5, whole_words=whole_words)
    plain = asked = masked = kept = 0
    for first in range(0, 6400, 64):
        some = [examples[i] for i in range(first, first + 64)]
        batch = masking(some)
        labels, inputs = batch["labels"], batch["input_ids"]
        chosen = labels >= 0
        text = torch.zeros_like(chosen)
        for row, example in enumerate(some):
            special = torch.tensor(example["special_tokens_mask"], dtype=torch.bool)
            text[row, : len(special)] = ~special
        assert not (chosen & ~text).any()
        plain += int(text.sum())
        asked += int(chosen.sum())
        masked += int((inputs[chosen] == tokenizer.mask_token_id).sum())
        kept += int((inputs[chosen] == labels[chosen]).sum())
    assert asked / plain == pytest.approx(0.15, abs=0.01)
    assert masked / asked == pytest.approx(0.8, abs=0.02)
    assert kept / asked == pytest.approx(0.1, abs=0.02)


def test_masks_are_new_in_each_pass_and_the_same_again_after_a_stop(
    tokenizer: AutoTokenizer, windows: list[Window]
) -> None:
    marks = Marks.of(tokenizer, segments=True)
    size = len(windows)
    examples = Examples(windows, marks, 3 * size, seed=1)
    masking = DialogMasking(tokenizer, 5, whole_words=False)

    def labels(number: int, with_masking: DialogMasking = masking) -> dict[str, torch.Tensor]:
        return with_masking([examples[number]])

    place = {tuple(examples[i]["input_ids"]): i for i in range(size, 2 * size)}
    again = [(labels(i), labels(place[tuple(examples[i]["input_ids"])])) for i in range(size)]
    same = sum(bool(torch.equal(a["labels"], b["labels"])) for a, b in again)
    assert same < 0.3 * size
    fresh = DialogMasking(tokenizer, 5, whole_words=False)
    for name, tensor in labels(7).items():
        assert torch.equal(tensor, labels(7, fresh)[name])


def test_whole_words_are_masked_whole(tokenizer: AutoTokenizer, windows: list[Window]) -> None:
    marks = Marks.of(tokenizer, segments=True)
    examples = Examples(windows, marks, 64, seed=1)
    some = [examples[i] for i in range(64)]
    chosen = DialogMasking(tokenizer, 5, whole_words=True)(some)["labels"] >= 0
    pieces = 0
    for row, example in enumerate(some):
        for i, starts in enumerate(example["starts"]):
            if not starts:
                pieces += 1
                assert chosen[row, i] == chosen[row, i - 1]
    assert pieces > 20


def test_too_little_is_refused(tokenizer: AutoTokenizer, windows: list[Window]) -> None:
    with pytest.raises(ValueError, match="too few conversations"):
        Examples(windows[:1], Marks.of(tokenizer, segments=True), 8, seed=1)
