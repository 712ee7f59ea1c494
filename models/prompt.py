"""ONE rendering of a conversation into token ids, for training and for serving.

The generator reads DialoGPT's form (Zhang et al. 2020): turns one after the other, each followed
by the end-of-text token, optionally after one segment of what is known of the person::

    [facts <eos>] turn <eos> turn <eos> ... turn <eos>   →   response <eos>

The reranker reads the same turns, oldest first and the latest LAST, as one query.

What a person types is text: `<|endoftext|>` or `[SEP]` in a message never becomes that token.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from typing import Any, Protocol

MAX_CONTEXT_TOKENS = 100
MAX_FACT_TOKENS = 32

Encode = Callable[[str], list[int]]

_JOINERS = frozenset("\u200c\u200d")  # ZWNJ and ZWJ are spelling (Persian, Indic, emoji)
_QUOTES = str.maketrans({"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"'})
_VARIATION_SUPPLEMENT = range(0xE0100, 0xE01F0)


class TextTokenizer(Protocol):
    """What is used of a transformers tokenizer."""

    @property
    def eos_token_id(self) -> Any: ...

    def encode(self, text: str, **options: Any) -> list[int]: ...


def normalise(text: str) -> str:
    """One spelling for what looks the same, and nothing that cannot be seen.

    NFC; control, bidi, zero-width and tag characters and lone surrogates are removed (joiners
    are kept), typographic quotes become plain ones, runs of white space become one space.
    Idempotent; the result may be empty.
    """
    if text.isascii() and text.isprintable():  # most messages; ten times faster
        return " ".join(text.split())
    visible = "".join(_visible(character) for character in text)
    return " ".join(unicodedata.normalize("NFC", visible).translate(_QUOTES).split())


def _visible(character: str) -> str:
    if character.isascii() and character.isprintable():
        return character
    if character.isspace():
        return " "
    if character in _JOINERS:
        return character
    if unicodedata.category(character) in {"Cc", "Cf", "Cs"}:
        return ""
    return "" if ord(character) in _VARIATION_SUPPLEMENT else character


def plain_encoder(tokenizer: TextTokenizer) -> Encode:
    """A function from text to ids in which special-token strings are ordinary text.

    The text is normalised first; no special token is added or recognised.
    """

    def encode(text: str) -> list[int]:
        return tokenizer.encode(
            normalise(text), add_special_tokens=False, split_special_tokens=True
        )

    return encode


def context_ids(
    tokenizer: TextTokenizer,
    turns: Sequence[str],
    facts: Sequence[str] = (),
    max_tokens: int = MAX_CONTEXT_TOKENS,
) -> list[int]:
    """The generator's input: at most `max_tokens` ids, ending with the end-of-text token.

    `turns` are oldest first and the last one is to be answered. The latest turn goes in first
    (cut from its start if it alone is too long), then the facts, whole and in the order given,
    as far as MAX_FACT_TOKENS and the space allow, then older turns, whole.
    Raises ValueError if no turn has any text.
    """
    eos = int(tokenizer.eos_token_id)
    return render(plain_encoder(tokenizer), turns, facts, max_tokens=max_tokens, end=(eos,))


def rerank_query(
    encode: Encode,
    turns: Sequence[str],
    facts: Sequence[str] = (),
    *,
    max_tokens: int,
    separator: Sequence[int] = (),
) -> list[int]:
    """The reranker's first segment: at most `max_tokens` ids, the latest turn last.

    `encode` is `plain_encoder(tokenizer)`; `separator` ids stand between segments, not at the
    end. The same order of precedence as in `context_ids`. Raises ValueError as there.
    """
    end = tuple(separator)
    ids = render(encode, turns, facts, max_tokens=max_tokens + len(end), end=end)
    return ids[: len(ids) - len(end)]


def render(
    encode: Encode,
    turns: Sequence[str],
    facts: Sequence[str] = (),
    *,
    max_tokens: int,
    end: Sequence[int] = (),
    max_fact_tokens: int = MAX_FACT_TOKENS,
) -> list[int]:
    """Segments, each followed by `end`, in at most `max_tokens` ids: facts, then turns."""
    if max_tokens <= len(end):
        raise ValueError("max_tokens leaves no room for a turn")
    texts = [turn for turn in turns if normalise(turn)]
    if not texts:
        raise ValueError("there is no turn to render")
    latest = encode(texts[-1])[-(max_tokens - len(end)) :] + list(end)
    room = max_tokens - len(latest)
    known = fact_ids(encode, facts, min(max_fact_tokens, room - len(end)))
    if known:
        known += end
        room -= len(known)
    older: list[int] = []
    for text in reversed(texts[:-1]):
        segment = [*encode(text), *end]
        if len(segment) > room:
            break
        older = segment + older
        room -= len(segment)
    return known + older + latest


def fact_ids(encode: Encode, facts: Sequence[str], max_tokens: int) -> list[int]:
    """The leading facts that fit `max_tokens` together, joined by spaces; may be empty."""
    ids: list[int] = []
    kept: list[str] = []
    for fact in facts:
        if not normalise(fact):
            continue
        longer = encode(" ".join([*kept, fact]))
        if len(longer) > max_tokens:
            break
        ids, kept = longer, [*kept, fact]
    return ids
