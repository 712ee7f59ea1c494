"""What a person typed, in one spelling and with nothing hidden in it.

Unicode NFC. Removed: controls, bidirectional overrides and isolates, zero-width characters, tag
characters (outside a flag emoji) and private use; kept: the joiners ZWJ and ZWNJ, which are
spelling, line breaks and tabs. Combining marks without a base are removed, long stacks are cut.
"""

from __future__ import annotations

import re
import unicodedata

_MARKS_MAX = 4  # combining marks on one base; no script needs more
_MARKS_READ = 32  # of one base: to order a run of them takes the square of its length
_JOINERS = "\u200c\u200d"
_FLAG = re.compile("\U0001f3f4[\U000e0020-\U000e007e]{1,8}\U000e007f")
_BREAKS = re.compile(r"\r\n?|\u2028|\u2029|\x85|\x0b|\x0c")
_MANY_BREAKS = re.compile(r"\n{3,}")


def normalised(text: str) -> str:
    """The text as it is stored and shown; idempotent; may be empty."""
    if text.isascii() and text.isprintable():
        return text.strip()
    text = _BREAKS.sub("\n", unicodedata.normalize("NFC", _without_long_runs(text)))
    flags = {i for match in _FLAG.finditer(text) for i in range(*match.span())}
    kept: list[str] = []
    marks = 0
    for index, character in enumerate(text):
        if index not in flags and not _visible(character):
            continue
        nothing_before = not kept or kept[-1].isspace()
        if unicodedata.category(character) in {"Mn", "Me"}:
            marks += 1
            if marks > _MARKS_MAX or nothing_before:
                continue
        elif character in _JOINERS:
            if nothing_before:
                continue
        else:
            marks = 0
        kept.append(character)
    clean = unicodedata.normalize("NFC", "".join(kept))
    return _MANY_BREAKS.sub("\n\n", _trimmed(clean))


def _without_long_runs(text: str) -> str:
    """The text, of each run of combining marks the first `_MARKS_READ`.

    Normalising puts the marks of a run into their order one by one: eight thousand of them, which a
    message may have before anybody counts it, took 0.2 s.
    """
    if text.isascii():
        return text
    kept: list[str] = []
    run = 0
    for character in text:
        run = run + 1 if unicodedata.category(character)[0] == "M" else 0
        if run <= _MARKS_READ:
            kept.append(character)
    return "".join(kept)


def _trimmed(text: str) -> str:
    """Without white space and joiners at its ends.

    No regular expression: one that looks for the last run would look at each run from each of its
    places, and a message of spaces would hold everybody up for seconds.
    """
    start, end = 0, len(text)
    while start < end and _at_an_end(text[start]):
        start += 1
    while start < end and _at_an_end(text[end - 1]):
        end -= 1
    return text[start:end]


def _at_an_end(character: str) -> bool:
    return character.isspace() or character in _JOINERS


def _visible(character: str) -> bool:
    if character in "\n\t" or character in _JOINERS:
        return True
    return unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Co"}
