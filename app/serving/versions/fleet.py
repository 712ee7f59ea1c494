"""The versions of each model that are loaded: one is everybody's, another may be tried beside it.

A request holds the versions that answer it from its first step to its last, so what is dropped
meanwhile still answers it, and its memory is given back when the last one is done with it. An
item goes through its batcher together with the model it is for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from app.errors import ModelFailure
from models.registry import INSTALLED

LOADED_MAX = 2  # versions of a kind in memory
_SALT_BYTES = 8


class Versioned(Protocol):
    """A model that says which it is."""

    @property
    def version(self) -> str:
        """Names the weights."""


Model = TypeVar("Model", bound=Versioned)
Item = TypeVar("Item")
Result = TypeVar("Result")


class Served(Generic[Model]):
    """One loaded version; `users` hold it."""

    __slots__ = ("_model", "salt", "users", "version")

    def __init__(self, version: str, model: Model) -> None:
        self.version = version
        self.users = 0
        self.salt = blake2b(version.encode(), digest_size=_SALT_BYTES).digest()
        self._model: Model | None = model

    @property
    def model(self) -> Model:
        """The model. Raises ModelFailure where it was let go."""
        if self._model is None:
            raise ModelFailure(f"Version {self.version} is not loaded any more")
        return self._model

    @contextmanager
    def held(self) -> Iterator[Model]:
        """Its model, which is not let go before the block ends."""
        self.users += 1
        try:
            yield self.model
        finally:
            self.users -= 1

    def let_go(self) -> list[Model]:
        """Keep the model no longer, whoever may still know this version; returns it in a list.

        A queue's leftovers name the version for a while after their answers were given.
        """
        model, self._model = self._model, None
        return [] if model is None else [model]


class Asked(NamedTuple):
    """An item and the version of the model it is for."""

    served: Served[Any]
    item: Any


class Versions(Generic[Model]):
    """The loaded versions of one kind; used on the hub's thread only."""

    def __init__(self, model: Model) -> None:
        """`model` is the installed one: everybody's, until another is."""
        self.installed = model.version
        self.default: Served[Model] = Served(model.version, model)
        self._loaded = {model.version: self.default}
        self._leaving: list[Served[Model]] = []

    @property
    def loaded(self) -> tuple[str, ...]:
        """The versions that may be asked for, everybody's first."""
        others = [version for version in self._loaded if version != self.default.version]
        return (self.default.version, *others)

    def named(self, version: str) -> str:
        """The version that a name stands for."""
        return self.installed if version == INSTALLED else version

    def find(self, version: str | None) -> Served[Model] | None:
        """A loaded version; None: everybody's."""
        return self.default if version is None else self._loaded.get(self.named(version))

    def held(self, version: str | None) -> Served[Model]:
        """A version that the caller holds, even if it was dropped since; None: everybody's.

        Raises:
            ModelFailure: it is not there.
        """
        found = self.find(version)
        if found is None:
            found = next((one for one in self._leaving if one.version == version), None)
        if found is None:
            raise ModelFailure(f"There is no version {version} here")
        return found

    def add(self, model: Model) -> None:
        """One more version may be asked for. Raises ValueError where there is no room for it."""
        if model.version in self._loaded:
            return
        if len(self._loaded) + len(self._leaving) >= LOADED_MAX:
            raise ValueError(f"{LOADED_MAX} versions are loaded")
        self._loaded[model.version] = Served(model.version, model)

    def serve(self, version: str) -> None:
        """A loaded version becomes everybody's. Raises KeyError where it is not loaded."""
        self.default = self._loaded[version]

    def drop(self, version: str) -> Served[Model]:
        """A version is not given to anybody any more; those who hold it keep it.

        Raises:
            ValueError: it is everybody's.
        """
        if version == self.default.version:
            raise ValueError("everybody's version cannot be dropped")
        gone = self._loaded.pop(version)
        self._leaving.append(gone)
        return gone

    def forget(self, gone: Served[Model]) -> None:
        """Nobody holds a dropped version any more: there is room for another."""
        self._leaving.remove(gone)


@dataclass(frozen=True, slots=True)
class Held:
    """The versions that answer one request.

    `versions` by part, as slates keep them; `granted` are the kinds of which it has the version
    that was asked for.
    """

    versions: Mapping[str, str]
    granted: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Fleet:
    """The loaded versions of every kind; `fixed` are the parts of which there is only one."""

    kinds: Mapping[str, Versions[Any]]
    fixed: Mapping[str, str] = field(default_factory=dict)

    @property
    def versions(self) -> dict[str, str]:
        """Everybody's, by part."""
        return {**self.fixed, **{kind: v.default.version for kind, v in self.kinds.items()}}

    @contextmanager
    def holding(self, wanted: Mapping[str, str]) -> Iterator[Held]:
        """Hold, for a block, the versions that are wanted by kind, or else everybody's."""
        found = {kind: versions.find(wanted.get(kind)) for kind, versions in self.kinds.items()}
        held = {kind: one or self.kinds[kind].default for kind, one in found.items()}
        granted = frozenset(kind for kind, one in found.items() if one and kind in wanted)
        with ExitStack() as stack:
            for one in held.values():
                stack.enter_context(one.held())
            names = {kind: one.version for kind, one in held.items()}
            yield Held({**self.fixed, **names}, granted)


def each_by_its_own(
    run: Callable[[Any, list[Any]], Sequence[Result]],
) -> Callable[[list[Asked]], list[Result]]:
    """A batch function over `Asked`s, from one over a model and its items.

    Raises ModelFailure where a version was let go, before any of the others is run: the batch is
    then run again by halves, and what was computed would be lost. Raises TypeError where it is not
    given one result for each item.
    """

    def run_each(batch: list[Asked]) -> list[Result]:
        groups: dict[Served[Any], list[int]] = {}
        for place, asked in enumerate(batch):
            groups.setdefault(asked.served, []).append(place)
        models = [served.model for served in groups]
        results: dict[int, Result] = {}
        for model, places in zip(models, groups.values(), strict=True):
            found = run(model, [batch[place].item for place in places])
            if not isinstance(found, Sequence) or len(found) != len(places):
                raise TypeError(f"the model returned no list of {len(places)} results")
            results.update(zip(places, found, strict=True))
        return [results[place] for place in range(len(batch))]

    return run_each
