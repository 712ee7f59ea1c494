"""A request that changes something: what makes it one, however often, however late it is told."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field, replace

from app.store.core import milliseconds


def _new_op() -> str:
    return secrets.token_hex(10)


@dataclass(frozen=True, slots=True)
class Asked:
    """One request of a person, as the scripts that change something know it.

    `op` names it: told twice, it happens once. `at` is when it was asked for, in Unix seconds
    (None: now). `generation` is the token's, checked by the script itself (None: not checked).
    `promised`: it was kept on the disk meanwhile, so that one asked for later may have come first.
    """

    op: str = field(default_factory=_new_op)
    at: float | None = None
    generation: int | None = None
    promised: bool = False

    def as_promise(self, now: float) -> Asked:
        """The same request, to be told later."""
        return replace(self, at=now if self.at is None else self.at, promised=True)

    def milliseconds(self, now: float) -> int:
        """When it was asked for."""
        return milliseconds(now if self.at is None else self.at)

    def arguments(self) -> list[str | int]:
        """The last three ARGV of the scripts."""
        generation = "" if self.generation is None else str(self.generation)
        return [generation, self.op, int(self.promised)]
