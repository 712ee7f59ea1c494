"""Tokens that this process knows to hold no longer, for when Redis cannot be asked."""

from __future__ import annotations

from collections import OrderedDict

_KNOWN_MAX = 20_000


class Refused:
    """The persons and generations that were refused, the latest ones."""

    def __init__(self) -> None:
        self._upto: OrderedDict[str, float] = OrderedDict()  # person → generations up to this one

    def add(self, user_id: str, upto: float) -> None:
        """Tokens of this person up to this generation do not hold (inf: none ever will)."""
        self._upto[user_id] = max(upto, self._upto.pop(user_id, 0.0))
        while len(self._upto) > _KNOWN_MAX:
            self._upto.popitem(last=False)

    def holds(self, user_id: str, generation: int) -> bool:
        """Whether this token is known to be refused."""
        return generation <= self._upto.get(user_id, 0.0)
