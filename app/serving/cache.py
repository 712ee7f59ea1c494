"""What the models said before, by token ids; `Recall` puts a table of it in front of a model.

    hub            known(items) ─► those that need not be asked ─► the others to the batcher
    native thread  over(run)    ─► equal items run once, what was computed meanwhile not at all,
                                   what is sound is kept

A model runs one batch at a time, so an item that arrives while an equal one is on its way is in the
same batch or in a later one: either way it is computed once, and no caller depends on another's
deadline. Values are kept packed, and each caller unpacks its own: nothing mutable is shared. The
keys are digests: no text can be read back from here. Where several versions of a model are loaded,
the version is part of the key.
"""

from __future__ import annotations

import math
import struct
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from app.serving.byte_table import DIGEST_BYTES, ByteTable
from app.serving.versions.fleet import Asked
from app.telemetry import Metrics
from models.contracts import EncodeItem, RerankItem, RerankResult

Item = TypeVar("Item")
Result = TypeVar("Result")
Keyed = TypeVar("Keyed", contravariant=True)
Vector = NDArray[np.float32]


@dataclass(slots=True)
class Counts:
    """What has happened, ever."""

    shared: int = 0  # not run: an equal one was in the batch, or was computed while it waited
    evicted: int = 0


class Codec(Protocol[Keyed, Result]):
    """How a model's items become keys, and its results bytes."""

    def keys(self, items: Sequence[Keyed]) -> list[bytes]:
        """A digest of the token ids of each item."""

    def pack(self, result: Result) -> bytes | None:
        """A result as bytes; None for one that must not be kept, as it is no number."""

    def unpack(self, packed: bytes) -> Result:
        """The result, the caller's own."""


class VectorCodec:
    """The encoder's: ids to a float32 vector."""

    def keys(self, items: Sequence[EncodeItem]) -> list[bytes]:
        """Of the ids."""
        return [_digest(item.ids).digest() for item in items]

    def pack(self, result: Vector) -> bytes | None:
        """The numbers; a view into a batch's array is not kept alive."""
        return result.astype(np.float32).tobytes() if np.isfinite(result).all() else None

    def unpack(self, packed: bytes) -> Vector:
        """A read-only vector."""
        return np.frombuffer(packed, dtype=np.float32)


class ScoreCodec:
    """The reranker's: ids of a context and a response to the probabilities and the score."""

    def __init__(self) -> None:
        self._heads: list[tuple[str, ...]] = []  # each version of the model has its own

    def keys(self, items: Sequence[RerankItem]) -> list[bytes]:
        """Of the ids; a context that many responses share is digested once."""
        contexts: dict[tuple[tuple[int, ...], int], Any] = {}
        keys = []
        for item in items:
            place = (item.context, item.latest)
            context = contexts.get(place)
            if context is None:
                context = _digest((len(item.context), item.latest, *item.context))
                contexts[place] = context
            both = context.copy()
            both.update(_ids(item.response))
            keys.append(both.digest())
        return keys

    def pack(self, result: RerankResult) -> bytes | None:
        """Which heads they are; then doubles: the serving score and the heads."""
        values = (result.serving, *result.heads.values())
        if not all(map(math.isfinite, values)):
            return None
        names = tuple(result.heads)
        if names not in self._heads:
            self._heads.append(names)
        return struct.pack(f"={len(values)}dH", *values, self._heads.index(names))

    def unpack(self, packed: bytes) -> RerankResult:
        """A new result."""
        serving, *values, heads = struct.unpack(f"={len(packed) // 8}dH", packed)
        return RerankResult(dict(zip(self._heads[heads], values, strict=True)), serving)


class VersionedCodec(Generic[Result]):
    """Another codec, for items that name the version of the model that they are for."""

    def __init__(self, codec: Codec[Any, Result]) -> None:
        self._codec = codec
        self.pack, self.unpack = codec.pack, codec.unpack

    def keys(self, items: Sequence[Asked]) -> list[bytes]:
        """The version's salt before each digest."""
        digests = self._codec.keys([asked.item for asked in items])
        return [asked.served.salt + digest for asked, digest in zip(items, digests, strict=True)]


class Recall(Generic[Item, Result]):
    """A cache in front of one model; `known` is asked on the hub, `over` runs natively."""

    def __init__(
        self, name: str, codec: Codec[Item, Result], capacity: int, metrics: Metrics
    ) -> None:
        """`name` stands in the metrics; `capacity` in bytes, 0 for no cache at all."""
        self._codec = codec
        self._cache = ByteTable(capacity)
        self._hits = metrics.cache_lookups.labels(name, "hit")
        self._misses = metrics.cache_lookups.labels(name, "miss")
        self._shared = metrics.cache_lookups.labels(name, "shared")
        self._evictions = metrics.cache_evictions.labels(name)
        self._bytes = metrics.cache_bytes.labels(name)
        self._seen = Counts()  # by the native thread, which touches no metric
        self._told = Counts()
        self._asked = True

    @property
    def asked(self) -> bool:
        """Whether the last batch had anything for the model: if not, its time says nothing of it.

        To be read on the hub between two batches.
        """
        return self._asked

    def known(self, items: Sequence[Item]) -> list[Result | None]:
        """The result of each item that needs no model, None for the others."""
        if not self._cache.capacity or not items:
            return [None] * len(items)
        found = self._cache.get(self._codec.keys(items))
        misses = sum(packed is None for packed in found)
        self._hits.inc(len(found) - misses)
        self._misses.inc(misses)
        self._tell()
        return [None if packed is None else self._codec.unpack(packed) for packed in found]

    def over(
        self, run: Callable[[list[Item]], Sequence[Result]]
    ) -> Callable[[list[Item]], Sequence[Result]]:
        """The batch function of a model, which computes nothing twice and keeps what is sound.

        What the model returns in a wrong number is a TypeError, as it is to the batcher.
        """
        if not self._cache.capacity:
            return run

        def run_once(items: list[Item]) -> list[Result]:
            keys = self._codec.keys(items)
            packed = dict(zip(keys, self._cache.get(keys), strict=True))
            missing = {key: item for key, item in zip(keys, items, strict=True) if not packed[key]}
            self._asked = bool(missing)
            self._seen.shared += len(items) - len(missing)
            fresh = _computed(run, missing)
            for key, result in fresh.items():
                packed[key] = form = self._codec.pack(result)
                if form is not None:
                    self._cache.put(key, form)
            # What cannot be packed is no number; the caller finds out and tells.
            return [
                fresh[key] if (form := packed[key]) is None else self._codec.unpack(form)
                for key in keys
            ]

        return run_once

    def _tell(self) -> None:
        """On the hub: what the native thread has counted, into the metrics."""
        now = Counts(self._seen.shared, self._cache.evicted)
        self._shared.inc(now.shared - self._told.shared)
        self._evictions.inc(now.evicted - self._told.evicted)
        self._bytes.set(self._cache.held_bytes)
        self._told = now


def unknown(items: Sequence[Item], known: Sequence[Result | None]) -> list[Item]:
    """The items that have no result yet."""
    return [item for item, result in zip(items, known, strict=True) if result is None]


def filled(known: Sequence[Result | None], computed: Iterable[Result]) -> list[Result]:
    """The known results, with the computed ones in their gaps; ValueError if there are too few."""
    results, rest = [], iter(computed)
    for result in known:
        if result is None and (result := next(rest, None)) is None:
            raise ValueError("fewer results than gaps")
        results.append(result)
    return results


def _computed(
    run: Callable[[list[Item]], Sequence[Result]], items: Mapping[bytes, Item]
) -> dict[bytes, Result]:
    if not items:
        return {}
    results = run(list(items.values()))
    if not isinstance(results, Sequence) or len(results) != len(items):
        raise TypeError(f"the model returned no list of {len(items)} results")
    return dict(zip(items, results, strict=True))


def _digest(ids: Sequence[int]) -> Any:
    return blake2b(_ids(ids), digest_size=DIGEST_BYTES)


def _ids(ids: Sequence[int]) -> bytes:
    return array("q", ids).tobytes()
