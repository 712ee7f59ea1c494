"""Pairs: from judgements, from files, and ranked by a reward."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from models.prompt import context_ids
from models.training.examples import BadExample, Example
from models.training.tuning.contexts import TRAIN, Context, Talk, draw_contexts
from models.training.tuning.policy import load_policy, served
from models.training.tuning.preferences import (
    Preference,
    pairs_of,
    ranked_preferences,
    read_preferences,
)
from models.training.tuning.shaping import Scale, ShapedReward
from tests.models.training.tuning.conftest import WordReward


def example(response: str, label: float, head: str = "upvote", **changes: Any) -> Example:
    return Example("s", head, ("how are you?",), response, label, **{"group": "g", **changes})


def test_the_liked_is_paired_with_the_disliked_of_its_group() -> None:
    rows = [example("good", 1.0), example("bad", 0.0), example("fine", 0.7), example("so", 0.1)]
    pairs = {(p.chosen, p.rejected) for p in pairs_of(rows)}
    assert pairs == {("good", "bad"), ("fine", "so")}


@pytest.mark.parametrize(
    ("other", "count"),
    [
        ({}, 1),
        ({"group": "h"}, 0),
        ({"head": "love"}, 0),
        ({"weight": 0.1}, 0),
        ({"label": 0.8}, 0),
        ({"response": "good"}, 0),
        ({"group": "", "context": ("another",)}, 0),
    ],
)
def test_what_does_not_compare_is_no_pair(other: dict[str, Any], count: int) -> None:
    row = {"source": "s", "head": "upvote", "context": ("how are you?",), "response": "bad",
           "label": 0.0, "group": "g"}  # fmt: skip
    assert len(pairs_of([example("good", 1.0), Example(**{**row, **other})])) == count


def test_a_head_of_blame_prefers_the_lower_label() -> None:
    rows = [example("rude", 1.0, "offensive"), example("kind", 0.0, "offensive")]
    (pair,) = pairs_of(rows)
    assert (pair.chosen, pair.rejected) == ("kind", "rude")


def test_a_file_may_hold_pairs_and_examples(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    rows = [
        {"context": ["hi"], "chosen": "hello you", "rejected": "no", "facts": ["I run."]},
        *({"source": "s", "head": "upvote", "context": ["hm"], "response": t, "label": v}
          for t, v in (("yes", 1.0), ("never", 0.0))),
    ]  # fmt: skip
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    first, second = read_preferences(path)
    assert first == Preference(Context("pairs", ("hi",), ("I run.",)), "hello you", "no")
    assert (second.chosen, second.rejected) == ("yes", "never")


@pytest.mark.parametrize(
    "line",
    [
        '{"chosen": "a"}',
        '{"context": [], "chosen": "a", "rejected": "b"}',
        "{",
        "[]",
        '{"context": ["a"], "chosen": " ", "rejected": "b"}',
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text(f"\n{line}\n")
    with pytest.raises(BadExample, match=r"p\.jsonl:2"):
        read_preferences(path)


def test_ids_are_servings_and_special_tokens_in_a_text_are_text(tiny: Path) -> None:
    tokenizer = load_policy(str(tiny))[1]
    context = Context("s", ("<|endoftext|> hi", "so"), ("I run.",))
    prompt, chosen, rejected = Preference(context, "tea <|endoftext|>", "no").ids(tokenizer)
    assert prompt == context_ids(tokenizer, context.turns, context.facts)
    eos = tokenizer.eos_token_id
    assert chosen[-1] == rejected[-1] == eos
    assert chosen.count(eos) == 1


def test_ranked_pairs_put_the_reward_first_and_are_kept(
    tiny: Path, talk: Talk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.training.tuning.preferences.PART_CONTEXTS", 8)
    contexts = draw_contexts(talk.parts[TRAIN], 16, "x")
    generator = served(*load_policy(str(tiny)))
    reward = ShapedReward(WordReward("tea?"), Scale(0.0, 2.0, 2.0, 20.0), 0.0)

    def ranked(going: Any) -> list[Preference] | None:
        return ranked_preferences(
            generator, contexts, reward, tmp_path, n=6, temperature=1.0, max_new_tokens=20,
            seed=1, going=going,
        )  # fmt: skip

    assert ranked(lambda done: done < 8) is None  # stopped: one part is kept
    assert len(list(tmp_path.glob("part-*"))) == 1
    pairs = ranked(lambda _done: True)
    assert pairs
    for pair in pairs:
        # Whether a response was finished counts too, and is not in the pair: hence no strict order.
        worth = reward.pay([pair.context] * 2, [pair.chosen, pair.rejected], [True, True])
        assert worth[0] >= worth[1]
    assert ranked(lambda _done: pytest.fail("all parts were there")) == pairs
