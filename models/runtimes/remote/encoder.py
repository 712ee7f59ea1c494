"""The sentence encoder behind text-embeddings-inference's `POST /embed`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.contracts import EncodeItem
from models.runtimes.remote.answers import listed, wrong
from models.runtimes.remote.batch import Outcomes
from models.runtimes.remote.client import Client, Request
from models.runtimes.remote.endpoint import Endpoint
from models.runtimes.remote.errors import RemoteError
from models.runtimes.remote.info import TEXTS_MOST, ask_info
from models.runtimes.remote.text import ids_of, plain, text_of, tokens_of

Vector = NDArray[np.float32]

CHARACTERS_MOST = 4_096
"""Of one text: more than the 256 tokens that MiniLM reads, whatever it is written in."""
_LENGTH_SLACK = 0.01  # services compute in half precision


@dataclass(frozen=True)
class RemoteEncodeItem(EncodeItem):
    """One text as code points."""

    @property
    def length(self) -> int:
        """Tokens that this item adds to a batch, estimated."""
        return tokens_of(len(self.ids))


class RemoteEncoder:
    """Texts to unit vectors, computed elsewhere."""

    local = False

    def __init__(
        self, client: Client, *, version: str, dimension: int, texts_most: int = TEXTS_MOST
    ) -> None:
        """`texts_most`: in one request; the service refuses more."""
        if dimension < 1 or texts_most < 1:
            raise ValueError("dimension and texts_most are at least 1")
        self.version = version
        self.runtime = f"remote at {client.endpoint.name}"
        self.dimension = dimension
        self._client = client
        self._texts_most = texts_most
        self._outcomes: Outcomes[EncodeItem, Vector] = Outcomes(self._ask)

    @classmethod
    def connect(cls, endpoint: Endpoint, *, version: str = "") -> RemoteEncoder:
        """Ask a service what it is, and for one vector.

        version: of the weights; needed where the service has no `/info`, since an index must not
        be searched with the vectors of other weights. Raises RemoteError, or ValueError without
        any version.
        """
        client = Client(endpoint)
        info = ask_info(client)
        probe: Request[NDArray[np.float32]] = Request("/embed", _body(["hello"]), _probe)
        vectors = client.one(probe, endpoint.start_seconds)
        client.close()  # this may be another thread than the one that will run
        return cls(
            client,
            version=info.version_or(version),
            dimension=vectors.shape[1],
            texts_most=info.texts_most,
        )

    def prepare(self, texts: Sequence[str]) -> list[EncodeItem]:
        """Normalise; the service cuts a long text at its end."""
        # Services refuse an empty text; a space has the vector that it would have.
        cut = [(plain(text) or " ")[:CHARACTERS_MOST] for text in texts]
        return [RemoteEncodeItem(ids_of(text)) for text in cut]

    def run(self, items: Sequence[EncodeItem]) -> list[Vector]:
        """One (dimension,) float32 vector of length 1 for each item, in order.

        Raises RemoteError, or ValueError for ids that are no code points.
        """
        return self._outcomes.run(items)

    def encode(self, texts: Sequence[str], batch_size: int = 64) -> NDArray[np.float32]:
        """(n, dimension) vectors of many texts; each batch has the endpoint's `start_seconds`."""
        items = self.prepare(texts)
        out = np.zeros((len(items), self.dimension), dtype=np.float32)
        for start in range(0, len(items), batch_size):
            for row, outcome in enumerate(
                self._ask(items[start : start + batch_size], self._client.endpoint.start_seconds)
            ):
                if isinstance(outcome, Exception):
                    raise outcome
                out[start + row] = outcome
        return out

    def warm(self) -> None:
        """Ask once with the patience of a start. Raises RemoteError."""
        self.encode(["hello", "how are you today?"])

    def close(self) -> None:
        """End this thread's idle connections."""
        self._client.close()

    def _ask(
        self, items: Sequence[EncodeItem], seconds: float | None = None
    ) -> list[Vector | Exception]:
        texts = [text_of(item.ids) for item in items]
        parts = [
            texts[start : start + self._texts_most]
            for start in range(0, len(texts), self._texts_most)
        ]
        requests = [Request("/embed", _body(part), self._reader(len(part))) for part in parts]
        outcomes: list[Vector | Exception] = []
        for part, answer in zip(parts, self._client.ask(requests, seconds), strict=True):
            outcomes += [answer] * len(part) if isinstance(answer, RemoteError) else list(answer)
        return outcomes

    def _reader(self, texts: int) -> Any:
        return lambda answer: vectors_of(answer, texts, self.dimension)


def vectors_of(answer: Any, texts: int, dimension: int) -> NDArray[np.float32]:
    """(texts, dimension) float32 rows of length 1. Raises RemoteAnswerError."""
    rows = listed(answer, "vectors")
    if len(rows) != texts:
        wrong(f"{len(rows)} vectors for {texts} texts")
    if any(len(listed(row, "numbers")) != dimension for row in rows):
        wrong(f"a vector that is not of {dimension} numbers")
    if not all(type(value) in {float, int} for row in rows for value in row):
        wrong("a vector that is not of numbers")
    try:
        vectors = np.array(rows, dtype=np.float64)
    except OverflowError:
        wrong("a vector with a number out of range")
    lengths = np.linalg.norm(vectors, axis=1)
    if not np.all(np.abs(lengths - 1.0) < _LENGTH_SLACK):  # false for NaN and infinity too
        wrong("a vector that is not of length 1")
    return np.asarray(vectors / lengths[:, None], dtype=np.float32)


def _probe(answer: Any) -> NDArray[np.float32]:
    rows = listed(answer, "vectors")
    return vectors_of(answer, 1, len(listed(rows[0], "numbers")) if rows else 0)


def _body(texts: Sequence[str]) -> dict[str, object]:
    return {"inputs": list(texts), "normalize": True, "truncate": True}
