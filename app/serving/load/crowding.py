"""Whose requests are under way: where not all can be let in, who holds most is refused first.

Guests cost nothing to make, so a flood has many people in it but few addresses. Held in memory
only: what is under way, and who asked within the last seconds.
"""

from __future__ import annotations

from collections import Counter

_LATELY = 10.0  # seconds; who asked within one to two of them counts as being there


class Crowding:
    """Requests in progress by their source, an opaque name; "" is nobody's."""

    def __init__(self, now: float) -> None:
        self._under_way: Counter[str] = Counter()
        self._lately: set[str] = set()
        self._before: set[str] = set()
        self._turned = now

    def arrived(self, source: str, now: float) -> None:
        """A request has come, whether it will be let in or not."""
        if now - self._turned >= _LATELY:
            idle = now - self._turned >= 2 * _LATELY
            self._before, self._lately = set() if idle else self._lately, set()
            self._turned = now
        self._lately.add(source)

    def entered(self, source: str) -> None:
        """A request was let in."""
        self._under_way[source] += 1

    def left(self, source: str) -> None:
        """A request that was let in is done."""
        self._under_way[source] -= 1
        if not self._under_way[source]:
            del self._under_way[source]

    def share(self, source: str) -> float:
        """Of all under way the part of this source, 0 … 1; 0 where nobody else has been there.

        Whoever is alone takes nothing from anybody.
        """
        others = any(len(there) > (source in there) for there in (self._lately, self._before))
        if not source or not others:
            return 0.0
        return self._under_way[source] / max(1, self._under_way.total())
