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
from models.training.splits import normal_form

LIKED_HEAD = "upvote"
DISLIKED_HEAD = "downvote"
# What nobody should learn to say, however many liked it.
REFUSED_HEADS = frozenset({"offensive", "meaningless"})
_Key = tuple[tuple[str, ...], tuple[str, ...], str]  # context, facts, response
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

    Never those that anybody called offensive or meaningless, nor those that somebody disliked who
    is trusted as much as all who liked them. only_upvoted: those with an upvote (label of at least
    a half). sources: of these alone, if any is named.
    """
    chosen: dict[_Key, Example] = {}
    refused: set[_Key] = set()
    # The weight of whoever is trusted most, of those who liked a reply and of those who did not.
    liked: dict[_Key, float] = {}
    disliked: dict[_Key, float] = {}
    for example in examples:
        key = (example.context, example.facts, normalise(example.response))
        yes = example.label >= 0.5
        if example.head in REFUSED_HEADS and yes:
            refused.add(key)
        if example.weight <= 0.0:
            continue
        if example.head == LIKED_HEAD:
            votes = liked if yes else disliked
            votes[key] = max(votes.get(key, 0.0), example.weight)
        elif example.head == DISLIKED_HEAD and yes:
            disliked[key] = max(disliked.get(key, 0.0), example.weight)
        wanted = (example.head == LIKED_HEAD and yes) or not only_upvoted
        if wanted and (not sources or example.source in sources):
            known = chosen.get(key)
            if known is None or example.weight > known.weight:
                chosen[key] = example
    refused |= {key for key, weight in disliked.items() if weight >= liked.get(key, 0.0)}
    return [example for key, example in chosen.items() if key not in refused]


def without_held_out(examples: Sequence[Example], held_out: Iterable[str]) -> list[Example]:
    """The examples less those to learn whose response, up to spelling, is a held-out one.

    A canned reply is said to many people: to learn it from one of them would teach what is
    measured on another. held_out: texts that are measured besides the held-out examples.
    """
    known = {normal_form(text) for text in held_out}
    known |= {normal_form(example.response) for example in examples if is_held(example)}
    return [e for e in examples if is_held(e) or normal_form(e.response) not in known]


def held_unit(example: Example) -> str:
    """What is held out or learned together: a person's judgements, else a conversation's."""
    return example.rater or example.conversation or _content(example)


def is_held(example: Example) -> bool:
    """Whether a judged reply is kept from training, to be measured."""
    return is_held_out(_HELD_AS, held_unit(example))


def encode_replies(examples: Sequence[Example], tokenizer: PreTrainedTokenizerBase) -> list[Reply]:
    """One window each; a response that is nothing once normalised is left out.

    Held out by person (by conversation where nobody is named), whoever had written the reply. The
    test part, by which the trained model is judged, is not among `examples`.
    """
    encode, eos = plain_encoder(tokenizer), int(tokenizer.eos_token_id)
    replies: list[Reply] = []
    for example in examples:
        response = encode(example.response)
        # Of a longer one the beginning is learned, and not that it ends there.
        end = [eos] if len(response) < MAX_NEW_TOKENS else []
        response = [*response[: MAX_NEW_TOKENS - len(end)], *end]
        if response == [eos] or not any(normalise(turn) for turn in example.context):
            continue
        context = context_ids(tokenizer, example.context, example.facts)
        learned = [False] * len(context) + [True] * len(response)
        window = Window((*context, *response), tuple(learned))
        share = min(1.0, example.weight)
        replies.append(Reply(example.source, is_held(example), share, window))
    return replies


def replies_of_epoch(replies: Iterable[Reply], rng: random.Random) -> Iterator[Window]:
    """The windows of one epoch: every reply to learn, less often where it is trusted less."""
    for reply in replies:
        if not reply.held_out and rng.random() < reply.share:
            yield reply.window


def _content(example: Example) -> str:
    return hashlib.sha256("\n".join(example.context).encode()).hexdigest()[:16]
