"""Replies that people judged, as windows to learn: what was liked, whoever had written it.

An `Example` (see `models.training.examples`) is a context and one response to it. Only the
response is learned: the earlier turns of the context were not what was judged. The context is
rendered as in serving.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from models.generator import MAX_NEW_TOKENS
from models.prompt import context_ids, normalise, plain_encoder
from models.training.corpora import is_held_out
from models.training.examples import Example
from models.training.generator.windows import Window

LIKED_HEAD = "upvote"
# What nobody should learn to say, however many liked it.
REFUSED_HEADS = frozenset({"offensive", "meaningless"})
_HELD_AS = "replies"  # one name for all sources: a person judges replies of several


@dataclass(frozen=True)
class Reply:
    """A response to learn. `share` of the epochs hold it: the judgement's weight, at most 1."""

    source: str
    held_out: bool
    share: float
    window: Window


def choose(
    examples: Iterable[Example], *, only_upvoted: bool, sources: Collection[str] = ()
) -> list[Example]:
    """The distinct responses to learn, in the order of their first judgement.

    only_upvoted: those with an upvote (label of at least a half) and none that called them
    offensive or meaningless. sources: of these alone, if any is named.
    """
    chosen: dict[tuple[object, ...], Example] = {}
    refused: set[tuple[object, ...]] = set()
    for example in examples:
        if sources and example.source not in sources:
            continue
        key = (example.context, example.facts, normalise(example.response))
        if example.head in REFUSED_HEADS and example.label >= 0.5:
            refused.add(key)
        liked = example.head == LIKED_HEAD and example.label >= 0.5
        if example.weight > 0.0 and (liked or not only_upvoted):
            known = chosen.get(key)
            if known is None or example.weight > known.weight:
                chosen[key] = example
    return [e for key, e in chosen.items() if not (only_upvoted and key in refused)]


def encode_replies(examples: Sequence[Example], tokenizer: PreTrainedTokenizerBase) -> list[Reply]:
    """One window each; a response that is nothing once normalised is left out.

    Held out by person (by conversation where nobody is named), whoever had written the reply. The
    test part, by which the trained model is judged, is not among `examples`.
    """
    encode, eos = plain_encoder(tokenizer), int(tokenizer.eos_token_id)
    replies: list[Reply] = []
    for example in examples:
        response = encode(example.response)[: MAX_NEW_TOKENS - 1]
        if not response or not any(normalise(turn) for turn in example.context):
            continue
        context = context_ids(tokenizer, example.context, example.facts)
        learned = [False] * len(context) + [True] * (len(response) + 1)
        window = Window((*context, *response, eos), tuple(learned))
        unit = example.rater or example.conversation or _content(example)
        held = is_held_out(_HELD_AS, unit)
        replies.append(Reply(example.source, held, min(1.0, example.weight), window))
    return replies


def replies_of_epoch(replies: Iterable[Reply], rng: random.Random) -> Iterator[Window]:
    """The windows of one epoch: every reply to learn, less often where it is trusted less."""
    for reply in replies:
        if not reply.held_out and rng.random() < reply.share:
            yield reply.window


def _content(example: Example) -> str:
    return hashlib.sha256("\n".join(example.context).encode()).hexdigest()[:16]
