"""Pairs as token ids.

Context and response are kept apart, so that one form serves models that read them together (a
cross-encoder, whose template puts special tokens around them) and models that read each alone. A
context keeps its end, a response its beginning; `models.prompt.rerank_query` renders as in serving.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from models.prompt import normalise, plain_encoder, rerank_query
from models.training.examples import Example


@dataclass(frozen=True)
class Limits:
    """Tokens of a context, of a response and of both, without the template's own."""

    context: int
    response: int
    total: int

    @classmethod
    def joint(cls, max_tokens: int, special: int) -> Limits:
        """For one sequence of `max_tokens`: two fifths at most for the response (80: 32).

        The context gets what its response leaves. Raises ValueError where that is nothing.
        """
        room = max_tokens - special
        if room < 4:
            raise ValueError(f"{max_tokens} tokens leave no room for a context and a response")
        return cls(room, max(1, 2 * max_tokens // 5), room)


@dataclass(frozen=True)
class Template:
    """What a tokenizer puts before, between and behind two texts, and the second one's type."""

    before: tuple[int, ...]
    between: tuple[int, ...]
    behind: tuple[int, ...]
    types: tuple[int, int, int, int, int]

    @property
    def special(self) -> int:
        """How many tokens the template adds."""
        return len(self.before) + len(self.between) + len(self.behind)

    @classmethod
    def of(cls, tokenizer: Any) -> Template:
        """Read off a pair that the tokenizer renders: works for BERT's and RoBERTa's form alike."""
        one, two = (tokenizer.encode(text, add_special_tokens=False) for text in ("a", "b"))
        coded = tokenizer("a", "b", return_token_type_ids=True)
        ids, types = coded["input_ids"], coded["token_type_ids"]
        first = _find(ids, one, 0)
        second = _find(ids, two, first + len(one))
        middle = ids[first + len(one) : second]
        last = second + len(two)
        kinds = (
            types[0],
            types[first],
            types[first + len(one)] if middle else types[first],
            types[second],
            types[-1],
        )
        return cls(tuple(ids[:first]), tuple(middle), tuple(ids[last:]), kinds)


def _find(ids: Sequence[int], part: Sequence[int], start: int) -> int:
    for at in range(start, len(ids) - len(part) + 1):
        if list(ids[at : at + len(part)]) == list(part):
            return at
    raise ValueError("the tokenizer does not render a pair of texts")


@dataclass(frozen=True)
class Coded:
    """One pair as ids; `latest` is where the context's last turn begins."""

    context: tuple[int, ...]
    latest: int
    response: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.context) + len(self.response)


class PairCoder:
    """Texts to ids, with a transformers tokenizer; special tokens in a text are plain text."""

    def __init__(self, tokenizer: Any, limits: Limits) -> None:
        self.limits = limits
        self._encode = plain_encoder(tokenizer)
        separator = next((t for t in (tokenizer.sep_token_id, tokenizer.eos_token_id) if t), None)
        self._separator = () if separator is None else (int(separator),)
        self._unknown = int(tokenizer.unk_token_id or 0)

    def code(self, example: Example) -> Coded:
        """Ids of an example; a text that nobody can see is one unknown token."""
        limits = self.limits
        response = tuple(self._encode(example.response)[: limits.response]) or (self._unknown,)
        room = min(limits.context, limits.total - len(response))
        if not any(map(normalise, example.context)):
            return Coded((self._unknown,), 0, response)
        context = rerank_query(
            self._encode,
            example.context,
            example.facts,
            max_tokens=room,
            separator=self._separator,
        )
        latest = 0
        if self._separator:
            ends = (i + 1 for i in range(len(context) - 1) if context[i] == self._separator[0])
            latest = max(ends, default=0)
        return Coded(tuple(context) or (self._unknown,), latest, response)
