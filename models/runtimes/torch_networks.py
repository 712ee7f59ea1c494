"""The encoder's and the reranker's networks in torch: CPU or CUDA, in every format.

Needs nothing but torch and NumPy. On CUDA the ids cross in one copy from page-locked memory, the
weights are halves (so nothing is cast while it runs, as autocast would), and only pooled vectors or
logits come back. One caller at a time.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from models.contracts import RerankItem
from models.runtimes.packing import Batch, RerankBatch, mean_rows
from models.runtimes.rows import Packed, PackedSlates
from models.runtimes.torch_bert import Bert, prepare_for
from models.runtimes.torch_rerank import RerankNet


class TorchEncoder:
    """An `EncoderNetwork`: mean pooling over Bert's last layer."""

    def __init__(self, bert: Bert, device: torch.device) -> None:
        self._bert, self._device = bert, device
        self.width = bert.config.hidden_size

    @classmethod
    def of(
        cls,
        bert: Bert,
        device: torch.device,
        dtype: str,
        *,
        compiled: bool = False,
        sample: Sequence[Sequence[int]] = (),
    ) -> TorchEncoder:
        """Move and convert `bert` itself; `sample` sequences of ids are what int8 is fitted to."""
        bert = prepare_for(bert, device, dtype, sample)
        if compiled:
            compile_layers(bert)
        return cls(bert, device)

    def embed(self, sequences: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """(n, width) float32 rows of length 1."""
        packed = Packed.of(sequences)
        packed.check(self._bert.config.vocab_size, self._bert.config.max_position_embeddings)
        with torch.inference_mode():
            batch, _ = Batch.on(packed, self._device)
            pooled = mean_rows(self._bert(batch).float(), batch.contexts)
            vectors: NDArray[np.float32] = F.normalize(pooled, dim=1).cpu().numpy()
        return vectors


class TorchReranker:
    """A `RerankNetwork`: Bert in any format, its head always in fp32."""

    def __init__(self, net: RerankNet, device: torch.device) -> None:
        self.net, self._device = net, device

    @classmethod
    def of(
        cls,
        net: RerankNet,
        device: torch.device,
        dtype: str,
        *,
        compiled: bool = False,
        sample: Sequence[Sequence[int]] = (),
    ) -> TorchReranker:
        """Move and convert `net` itself; `sample` sequences of ids are what int8 is fitted to."""
        net.bert = prepare_for(net.bert, device, dtype, sample)
        net = net.to(device).eval().requires_grad_(False)
        if compiled:
            compile_layers(net.bert)
        return cls(net, device)

    def logits(self, items: Sequence[RerankItem]) -> NDArray[np.float32]:
        """(n, outputs) float32, uncalibrated."""
        slates = PackedSlates.of(items)
        config = self.net.bert.config
        slates.packed.check(config.vocab_size, config.max_position_embeddings)
        with torch.inference_mode():
            rows: NDArray[np.float32] = (
                self.net(RerankBatch.on(slates, self._device)).float().cpu().numpy()
            )
        return rows


def compile_layers(bert: Bert) -> None:
    """Have torch.compile fuse each layer, for any number of rows; it is compiled at the first run.

    Layers are compiled alone: they are alike, so the compiler's work is done once, not six times.
    """
    for layer in bert.layers:
        layer.compile(dynamic=True)
