"""The two networks for runtimes that compute hidden rows and leave pooling and head to NumPy.

OpenVINO and ONNX Runtime run one graph for both models: packed ids to packed hidden rows. What
follows is less than a hundredth of the work, so it is done here in fp32 for all of them alike:
means of rows, and the reranker's head.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from models.contracts import RerankItem
from models.runtimes.rows import Packed, PackedSlates, Places, mean_of, unit
from models.runtimes.torch_rerank import RerankHead

LOW = -1e4  # what padding adds to an attention score


class RowsModel(Protocol):
    """A BERT as a runtime computes it; see `models.runtimes.torch_bert` for what it computes."""

    width: int
    vocabulary: int
    positions: int

    def rows(self, packed: Packed) -> NDArray[np.float32]:
        """Hidden states (T, width) of packed ids; the array may be overwritten by the next call."""


class RowsEncoder:
    """An `EncoderNetwork` over hidden rows."""

    def __init__(self, model: RowsModel) -> None:
        self._model = model
        self.width = model.width

    def embed(self, sequences: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """(n, width) float32 rows of length 1."""
        packed = Packed.of(sequences)
        packed.check(self._model.vocabulary, self._model.positions)
        places = packed.contexts
        return unit(mean_of(self._model.rows(packed), places.starts, places.lengths))


class RowsReranker:
    """A `RerankNetwork` over hidden rows; the head is torch's, on the CPU."""

    def __init__(self, model: RowsModel, head: RerankHead) -> None:
        self._model, self._head = model, head

    def logits(self, items: Sequence[RerankItem]) -> NDArray[np.float32]:
        """(n, outputs) float32, uncalibrated."""
        slates = PackedSlates.of(items)
        packed, latest = slates.packed, slates.latest
        packed.check(self._model.vocabulary, self._model.positions)
        contexts, responses = packed.contexts, packed.responses
        if responses is None or packed.owner is None:
            raise ValueError("a batch without responses cannot be reranked")
        x = self._model.rows(packed)
        whole = unit(mean_of(x, contexts.starts, contexts.lengths))
        last = unit(mean_of(x, contexts.starts + latest, contexts.lengths - latest))
        reply = unit(mean_of(x, responses.starts, responses.lengths))
        vectors = (torch.from_numpy(v) for v in (whole[packed.owner], last[packed.owner], reply))
        with torch.inference_mode():
            rows: NDArray[np.float32] = self._head.judge(*vectors).numpy()
        return rows


def feed(packed: Packed) -> dict[str, NDArray[Any]]:
    """The inputs of a graph by name: those of `Packed`, and what padding adds to scores."""
    inputs: dict[str, NDArray[Any]] = {"ids": packed.ids, "positions": packed.positions}
    kinds = {"context": packed.contexts, "response": packed.responses}
    for kind, places in kinds.items():
        if places is not None:
            inputs[f"{kind}_pad"] = places.pad
            inputs[f"{kind}_flat"] = places.flat
            inputs[f"{kind}_bias"] = _bias(places)
    if packed.owner is not None:
        inputs["owner"] = packed.owner
    return inputs


def _bias(places: Places) -> NDArray[np.float32]:
    """(n, 1, 1, L): 0 at tokens, a very negative number at padding."""
    bias = np.where(places.keep, np.float32(0), np.float32(LOW))
    return bias[:, None, None, :]
