"""What each model and each runtime has to be able to do: the contracts that all of them keep.

Two layers. A *model* (`EncoderModel`, `RerankerModel`, `GeneratorModel`) is what the service
calls: texts are prepared into items on the hub's side, items run as a batch on a native thread. A
*network* (`EncoderNetwork`, `RerankNetwork`) is what a local runtime supplies beneath: ids in,
numbers out.
A remote runtime has no network; it implements the model's contract itself.

Rules that every implementation keeps:

- `run` answers each item with one result, in order, and nothing with nothing. It holds no queue,
  thread or lock and is called by one thread at a time; which thread may change between calls.
- An item's result does not depend on what else is in the batch (but for rounding).
- Ids outside the vocabulary, and sequences longer than the model's positions, raise ValueError.
- `prepare` and `encode_context` may be called from another thread while `run` is at work.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from models.generator import GenerateItem, GenerateResult


@dataclass(frozen=True)
class EncodeItem:
    """One text as ids, `[CLS] … [SEP]`."""

    ids: tuple[int, ...]

    @property
    def length(self) -> int:
        """Tokens that this item adds to a batch."""
        return len(self.ids)


@dataclass(frozen=True)
class RerankItem:
    """A context and a response as ids; `latest` is where the context's last turn starts."""

    context: tuple[int, ...]
    response: tuple[int, ...]
    latest: int
    length: int
    """Tokens that this item adds to a batch: its response and its share of the context."""


@dataclass(frozen=True)
class RerankResult:
    """Calibrated probabilities by head, `upvote` among them, and the serving score."""

    heads: Mapping[str, float]
    serving: float


class EncoderNetwork(Protocol):
    """A local runtime of the sentence encoder."""

    @property
    def width(self) -> int:
        """Numbers of a vector."""

    def embed(self, sequences: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """(n, width) float32 rows of length 1 for n ≥ 1 sequences of ids, each not empty.

        Raises ValueError for ids outside the vocabulary and for sequences that are too long.
        """


class RerankNetwork(Protocol):
    """A local runtime of the reranker."""

    def logits(self, items: Sequence[RerankItem]) -> NDArray[np.float32]:
        """(n, outputs) float32, uncalibrated, one column a head, for n ≥ 1 items.

        Raises ValueError for ids outside the vocabulary and for sequences that are too long.
        """


class EncoderModel(Protocol):
    """Texts to unit vectors."""

    @property
    def runtime(self) -> str:
        """In words what it runs on, and why."""

    @property
    def local(self) -> bool:
        """Whether it takes this machine's cores; False where a service computes it."""

    @property
    def version(self) -> str:
        """Names the weights; vectors of different versions are not compared."""

    @property
    def dimension(self) -> int:
        """Numbers of a vector."""

    def prepare(self, texts: Sequence[str]) -> list[EncodeItem]:
        """Tokenise; a long text keeps its beginning."""

    def run(self, items: Sequence[EncodeItem]) -> list[NDArray[np.float32]]:
        """One (dimension,) float32 vector of length 1 for each item, in order."""

    def encode(self, texts: Sequence[str], batch_size: int = 64) -> NDArray[np.float32]:
        """(n, dimension) vectors of many texts."""

    def warm(self) -> None:
        """Run once, so that the first request does not pay for what is made at the first run."""


class RerankerModel(Protocol):
    """Contexts and responses to calibrated scores."""

    @property
    def runtime(self) -> str:
        """In words what it runs on, and why."""

    @property
    def local(self) -> bool:
        """Whether it takes this machine's cores; False where a service computes it."""

    @property
    def version(self) -> str:
        """Names the weights and the calibration."""

    @property
    def heads(self) -> tuple[str, ...]:
        """The kinds of judgement that `RerankResult.heads` has besides `upvote`."""

    def prepare(
        self, context_turns: Sequence[str], responses: Sequence[str], facts: Sequence[str] = ()
    ) -> list[RerankItem]:
        """Tokenise a request, the context once. Raises ValueError where a text is empty."""

    def run(self, items: Sequence[RerankItem]) -> list[RerankResult]:
        """One result for each item, in order."""

    def warm(self) -> None:
        """Run once, so that the first request does not pay for what is made at the first run."""


class GeneratorModel(Protocol):
    """Contexts to candidates for a reply."""

    @property
    def runtime(self) -> str:
        """In words what it runs on, and why."""

    @property
    def local(self) -> bool:
        """Whether it takes this machine's cores; False where a service computes it."""

    @property
    def version(self) -> str:
        """Names the weights."""

    @property
    def positions(self) -> int:
        """Tokens that a context and what is generated after it may have together."""

    def encode_context(
        self, turns: Sequence[str], facts: Sequence[str] = (), max_tokens: int = ...
    ) -> tuple[int, ...]:
        """The ids of a conversation, oldest turn first, cut at its beginning."""

    def cost(self, item: GenerateItem) -> int:
        """Tokens that an item may put through the model: what a batch's budget counts."""

    def run(
        self,
        items: Sequence[GenerateItem],
        between_steps: Callable[[], None] | None = None,
    ) -> list[GenerateResult]:
        """One result for each item, in order.

        `between_steps` is called between two steps of decoding, where another model may be let
        go first. It never raises. A runtime whose steps cannot be parted does not call it.
        """

    def warm(self) -> None:
        """Run once, so that the first request does not pay for what is made at the first run."""
