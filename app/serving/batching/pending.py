"""An answer that is on its way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar, cast

from app.errors import KindredError

Value = TypeVar("Value")


class Pending(Generic[Value]):
    """A value that a batcher will give; `wait` may be called again and gives the same."""

    def __init__(
        self, finish: Callable[[], Value], leave: Callable[[], None] = lambda: None
    ) -> None:
        self._finish = finish
        self._leave = leave
        self._done = False
        self._value: Value | None = None
        self._error: KindredError | None = None

    @classmethod
    def of(cls, value: Value) -> Pending[Value]:
        """One that is there already."""
        return cls(lambda: value)

    @classmethod
    def failed(cls, error: KindredError) -> Pending[Value]:
        """One that has failed already."""

        def fail() -> Value:
            raise error

        return cls(fail)

    def wait(self) -> Value:
        """The value, at its deadline at the latest.

        Raises DeadlineExceeded, ModelFailure or Overloaded where there is none.
        """
        if not self._done:
            try:
                self._value = self._finish()
            except KindredError as error:
                self._error = error
            self._done = True
        if self._error is not None:
            raise self._error
        return cast("Value", self._value)

    def cancel(self) -> None:
        """Nobody waits for it any more: what still queues is dropped."""
        if not self._done:
            self._leave()
