"""Of whom a model may have learned: a Bloom filter over keyed hashes of people (Bloom 1970).

A model that learned from people's reactions says so in its manifest, so that someone who leaves can
be told which models know something of theirs. The names put in are the keyed hashes of the dataset
(`Example.rater`), so that without the key store neither the names nor who they are can be had; and
the filter can only be asked, not listed. Nobody who is in it is denied; one of a thousand who are
not is told that they may be.
"""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

ERROR = 0.001  # of those who are not in it, how many are told that they may be


def filter_of(names: Iterable[str], error: float = ERROR) -> dict[str, Any] | None:
    """The filter of these names as JSON values; None where there are none."""
    known = {name for name in names if name}
    if not known:
        return None
    size = math.ceil(len(known) * -math.log(error) / math.log(2) ** 2 / 8) * 8  # bits
    hashes = max(1, round(-math.log2(error)))
    bits = bytearray(size // 8)
    for name in known:
        for place in _places(name, size, hashes):
            bits[place // 8] |= 1 << place % 8
    return {
        "people": len(known),
        "error": error,
        "hashes": hashes,
        "bits": base64.b64encode(bits).decode("ascii"),
    }


def may_hold(known: Mapping[str, Any], name: str) -> bool:
    """Whether the name may be in the filter; False is certain.

    Raises:
        ValueError, KeyError, TypeError: it is not a filter.
    """
    bits = base64.b64decode(known["bits"], validate=True)
    if not bits or not isinstance(known["hashes"], int):
        raise ValueError("not a filter of people")
    places = _places(name, 8 * len(bits), known["hashes"])
    return all(bits[place // 8] >> place % 8 & 1 for place in places)


def _places(name: str, size: int, hashes: int) -> Iterator[int]:
    """Two hashes make as many as are wanted (Kirsch and Mitzenmacher 2006)."""
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()
    first = int.from_bytes(digest[:8], "big")
    step = int.from_bytes(digest[8:16], "big") | 1
    return ((first + i * step) % size for i in range(hashes))
