"""Texts as ids: the code points of what is asked, so that remote items are like local ones.

A service tokenises for itself, so its items have to carry texts. They carry them as the code
points of a normalised text: what is built on items (budgets, caches keyed by ids, the seed of an
item) holds for them as for token ids, and the text is had back exactly. Tokens are estimated.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from models.prompt import MAX_FACT_TOKENS, normalise, render

CHARACTERS = 4
"""Characters of a token: what English has in vocabularies of tens of thousands."""

# Control characters: `normalise` takes them out of every text, so nobody can write them.
_TURN = "\x1e"
_FACTS = "\x1d"


# What a server's tokenizer would take for one special token: <|im_start|>, <s>, </s>, <<SYS>>,
# <start_of_turn>, [SEP], [INST], [/INST]. A heart (<3) is none.
_SPECIAL = re.compile(r"<(?=[|\uff5c/<A-Za-z_])|\[(?=/?[A-Z_]{3,}\])")


def plain(text: str) -> str:
    """A text, normalised, in which nothing reads as a special token: a space comes between.

    A local tokenizer is told to take special strings for text (`models.prompt.plain_encoder`); a
    service's cannot be. Idempotent; the result may be empty.
    """
    return _SPECIAL.sub(r"\g<0> ", normalise(text))


def ids_of(written: str) -> tuple[int, ...]:
    """The code points of a text."""
    return tuple(map(ord, written))


def text_of(ids: Sequence[int]) -> str:
    """The text of code points. Raises ValueError for what are none."""
    try:
        found = "".join(map(chr, ids))
        found.encode()
    except (ValueError, OverflowError):
        raise ValueError("ids that are no code points") from None
    return found


def tokens_of(characters: int) -> int:
    """About how many tokens so many characters are, at least 1."""
    return max(1, math.ceil(characters / CHARACTERS))


@dataclass(frozen=True)
class Dialog:
    """A conversation, oldest turn first, the last one to be answered; what is known of them."""

    turns: tuple[str, ...]
    facts: str = ""


def dialog_ids(turns: Sequence[str], facts: Sequence[str], max_tokens: int) -> tuple[int, ...]:
    """A conversation within about `max_tokens`, by `models.prompt`'s order of precedence.

    Raises ValueError if no turn has any text.
    """
    known = [fact for fact in map(plain, facts) if fact]
    if known:
        known[0] = _FACTS + known[0]
    return _rendered(turns, known, max_tokens, _TURN)


def query_ids(turns: Sequence[str], facts: Sequence[str], max_tokens: int) -> tuple[int, ...]:
    """The same with a line for the facts and one for each turn. Raises ValueError as there."""
    return _rendered(turns, [plain(fact) for fact in facts], max_tokens, "\n")[:-1]


def _rendered(
    turns: Sequence[str], facts: Sequence[str], max_tokens: int, end: str
) -> tuple[int, ...]:
    ids = render(
        lambda written: list(ids_of(written)),
        [plain(turn) for turn in turns],
        facts,
        max_tokens=max_tokens * CHARACTERS,
        end=ids_of(end),
        max_fact_tokens=MAX_FACT_TOKENS * CHARACTERS,
    )
    return tuple(ids)


def dialog_of(ids: Sequence[int]) -> Dialog:
    """The conversation of `dialog_ids`. Raises ValueError for ids that are none."""
    segments = text_of(ids).split(_TURN)
    facts = segments.pop(0).removeprefix(_FACTS) if segments[0].startswith(_FACTS) else ""
    turns = tuple(segment.strip() for segment in segments if segment.strip())
    if not turns:
        raise ValueError("a context without a turn")
    return Dialog(turns, facts)
