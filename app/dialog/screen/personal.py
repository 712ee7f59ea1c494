"""Personal data in a text: how somebody can be reached, found or robbed."""

from __future__ import annotations

import re
from collections.abc import Iterator

from app.dialog.screen.phrases import Rule

REASON = "personal-data"

_DIGIT_WORD = r"(?:zero|oh|one|two|three|four|five|six|seven|eight|nine)"
_STREETS = (
    r"(?:street|st\.?|avenue|ave\.?|road|rd\.?|lane|ln\.?|drive|dr\.?|boulevard|blvd\.?|court|"
    r"square|"
    r"terrace|close|crescent|highway|apartment|apt\.?|stra(?:ss|ß)e)"
)
_DOMAINS = (
    r"(?:com|net|org|io|co|me|app|ly|gg|xyz|info|biz|tv|dev|ai|uk|de|fr|es|it|nl|ru|in|us|ca|au)"
)

WORDS = Rule.of(
    REASON,
    rf"""
    [\w.+-]+@[\w-]+(?:\.[\w-]+)+
    [\w.+-]+ ?[(\[]at[)\]] ?[\w-]+ ?(?:\.|[(\[]dot[)\]]) ?\w+|\w+ at \w+ dot \w+
    https?://\S+|www\.\S+
    [a-z0-9][\w-]*\.{_DOMAINS}(?:/\S*)?
    (?:my|add me on|follow me on|find me on|message me on|dm me on|text me on|reach me on|
      on) (?:an? )?
      (?:insta(?:gram)?|snap(?:chat)?|telegram|whatsapp|discord|tiktok|kik|facebook|twitter|skype|
      signal)(?: (?:is|name|handle|account|username|id|@)|:)
    (?:add|follow|find|message|
      dm|text|reach|call) me on \w+
    \d{{1,5}} (?:[a-z'-]+ ){{1,3}}{_STREETS}
    (?:{_DIGIT_WORD}[ ,-]+){{6,}}{_DIGIT_WORD}
    """,
)
_HANDLE = re.compile(r"(?<![\w@.])@[a-z0-9_](?:[\w.]*\w)")
# Nine digits at least: "0800 1111" is a line to call, and "1990 to 1998" a time.
_PHONE = re.compile(
    r"(?<![\w.,+])(?<!\d[ \-./])\+?\(?\d(?:[ ().\-/]{0,2}\d){8,14}(?!\w|[ ().,\-/]{1,2}\d)|"
    r"(?<![\w-])\d{3}-\d{4}(?![\w-])"
)
_DIGITS = re.compile(r"(?<!\d)\d(?:[ -]?\d){12,18}(?!\d)")
_SSN = re.compile(r"(?<!\d)\d{3}-\d{2}-\d{4}(?!\d)")
_IBAN = re.compile(r"\b[a-z]{2}\d{2}(?: ?[a-z0-9]{4}){3,7}(?: ?[a-z0-9]{1,3})?\b")
_DATE = re.compile(r"\d{1,4}[./-]\d{1,2}[./-]\d{1,4}|(?:19|20)\d\d ?[-/] ?(?:19|20)\d\d")


def found(lower: str) -> bool:
    """Whether folded text holds numbers or handles by which somebody is reached or robbed.

    What words tell is among the rules (`WORDS`).
    """
    if "@" in lower and _HANDLE.search(lower):
        return True
    return any(map(str.isdigit, lower)) and any(_numbers(lower))


def _numbers(lower: str) -> Iterator[bool]:
    dateless = _DATE.sub(" ", lower)
    yield _PHONE.search(dateless) is not None
    yield any(luhn(number[0]) for number in _DIGITS.finditer(lower))
    yield _SSN.search(lower) is not None
    yield any(_iban(number[0]) for number in _IBAN.finditer(lower))


def luhn(number: str) -> bool:
    """Whether the digits end with the check digit of a payment card (ISO/IEC 7812-1, annex B)."""
    digits = [int(c) for c in number if c.isdigit()]
    doubled = (sum(divmod(2 * digit, 10)) for digit in digits[-2::-2])
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _iban(text: str) -> bool:
    """Whether the check digits of a bank account hold (ISO 13616: 1 modulo 97)."""
    plain = text.replace(" ", "")
    return int("".join(str(int(c, 36)) for c in plain[4:] + plain[:4])) % 97 == 1
