"""What simulated people notice of a reply: words, marks and lengths, nothing that a network made.

None of it comes from Kindred's models: no embedding, no score, no tokenizer. A service that learns
to please has to find out through its own eyes.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_WORD = re.compile(r"[a-z']+")
_SENTENCE = re.compile(r"[.!?]+")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_WARM = _words(
    "glad love lovely warm kind gentle care proud sweet hug hope thank thanks happy sorry "
    "together good enough brave tender"
)
_PLAYFUL = _words(
    "ha haha joke silly ridiculous villain rude legend dramatic secretly suspicious chaos "
    "negotiate traditionally officially crime scandal heroic"
)
_ADVICE = _words("try could maybe might start plan pick write step first should ask")
_FIRST = _words("i i'm i'd i'll i've me my mine")
_SECOND = _words("you you're your yours you'd you'll you've")
_COMMON = _words(
    "the a an and or but to of in on at for with is are was were be been it it's its that this "
    "have has had do does did not no so just what how why when who i you we they he she my your "
    "me him her them all about out up if as by from can will would there"
)
NAMES = (
    "asks",
    "questions",
    "length",
    "sentence length",
    "warmth",
    "playfulness",
    "advice",
    "of itself",
    "of the person",
    "commas",
    "contrast",
    "takes up a word",
)
"""The traits in the order of `traits_of`; the last one depends on the message too."""

SUBJECTS = 8
"""Directions of what a reply is about; see `subject_of`."""
_BUCKETS = 1 << 12


def traits_of(reply: str, message: str) -> Array:
    """(12,) numbers of a reply to a message, by NAMES, not yet on one scale."""
    words = _WORD.findall(reply.lower())
    n = max(1, len(words))
    sentences = max(1, len([part for part in _SENTENCE.split(reply) if part.strip()]))
    said = set(_WORD.findall(message.lower())) - _COMMON
    return np.array(
        [
            float(reply.rstrip().endswith("?")),
            float(reply.count("?")),
            math.log(n),
            math.log(n / sentences),
            _share(words, _WARM),
            _share(words, _PLAYFUL) + 0.1 * reply.count("!"),
            _share(words, _ADVICE),
            _share(words, _FIRST),
            _share(words, _SECOND),
            reply.count(",") / sentences,
            float(bool({"but", "though", "still", "yet"} & set(words))),
            float(bool(said & set(words))),
        ]
    )


@lru_cache(maxsize=20_000)
def subject_of(text: str) -> Array:
    """(SUBJECTS,) what a text is about: its hashed runs of letters, projected at random."""
    total = np.zeros(SUBJECTS)
    for word in _WORD.findall(text.lower()):
        if word in _COMMON or len(word) < 4:
            continue
        padded = f"<{word}>"
        for start in range(len(padded) - 3):
            total += _PROJECTION[zlib.crc32(padded[start : start + 4].encode()) % _BUCKETS]
    norm = float(np.linalg.norm(total))
    subject = total / norm if norm else total
    subject.flags.writeable = False  # the cache hands the same one to everybody
    return subject


def scale_of(rows: Sequence[Array]) -> tuple[Array, Array]:
    """(mean, deviation) of columns, so that every trait is noticed as much as the others."""
    stacked = np.stack(rows)
    return stacked.mean(0), np.maximum(stacked.std(0), 1e-6)


def _share(words: Sequence[str], wanted: frozenset[str]) -> float:
    return min(3, sum(word in wanted for word in words)) / math.sqrt(max(4, len(words)))


# One fixed projection for everybody: what people differ in is how they like the directions.
_PROJECTION = np.random.default_rng(20_261_121).standard_normal((_BUCKETS, SUBJECTS))
