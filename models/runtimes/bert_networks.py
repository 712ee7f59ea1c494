"""Opens the encoder's or the reranker's network in a chosen runtime."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from models.contracts import EncoderNetwork, RerankNetwork
from models.runtimes.choice import Choice
from models.runtimes.rows import Packed
from models.runtimes.rows_networks import RowsEncoder, RowsModel, RowsReranker
from models.runtimes.torch_alone import Int8Encoder
from models.runtimes.torch_bert import Bert
from models.runtimes.torch_networks import TorchEncoder, TorchReranker
from models.runtimes.torch_rerank import RerankNet

if TYPE_CHECKING:
    import openvino

_SLATE = 8  # responses of a slate that int8 is fitted to
_CONTEXT, _RESPONSE = 48, 32  # tokens of its texts, as in `models.reranker`
_LONG = 254  # tokens of the longest text, as in `models.encoder`


@dataclass(frozen=True)
class Opening:
    """How to open a network.

    threads: of one run; None is the runtime's own choice. compiled: by torch.compile, torch only.
    sample: sequences of ids in the register of the service, which int8 is fitted to. alone: an
    encoder's texts come one at a time. cache: a folder where what takes long to make is kept; None
    makes it at every start.
    """

    choice: Choice
    threads: int | None = None
    compiled: bool = False
    sample: Sequence[Sequence[int]] = ()
    alone: bool = False
    cache: Path | None = None

    def __post_init__(self) -> None:
        if self.compiled and self.choice.runtime != "torch":
            raise ValueError(f"{self.choice.runtime} is not compiled by torch.compile")


def open_encoder(bert: Bert, opening: Opening) -> EncoderNetwork:
    """`bert` (fp32, on the CPU; it may be changed) as a sentence encoder's network."""
    if opening.choice.runtime == "torch":
        device = torch.device(opening.choice.device)
        if opening.alone and opening.choice.dtype == "int8" and device.type == "cpu":
            return Int8Encoder(bert, opening.sample)
        return TorchEncoder.of(
            bert, device, opening.choice.dtype, compiled=opening.compiled, sample=opening.sample
        )
    return RowsEncoder(_rows_model(bert, opening, responses=False))


def open_reranker(net: RerankNet, opening: Opening) -> RerankNetwork:
    """`net` (fp32, on the CPU; it may be changed) as a reranker's network."""
    if opening.choice.runtime == "torch":
        device = torch.device(opening.choice.device)
        return TorchReranker.of(
            net, device, opening.choice.dtype, compiled=opening.compiled, sample=opening.sample
        )
    return RowsReranker(_rows_model(net.bert, opening, responses=True), net.part())


def _rows_model(bert: Bert, opening: Opening, *, responses: bool) -> RowsModel:
    choice = opening.choice
    if choice.runtime == "onnx":
        from models.runtimes.onnx_bert import OnnxRows

        return OnnxRows(
            bert,
            responses=responses,
            dtype=choice.dtype,
            device=choice.device,
            threads=opening.threads,
        )
    from models.runtimes.openvino_bert import OpenVinoRows, build_graph

    graph: openvino.Model = build_graph(bert, responses=responses)
    if choice.dtype == "int8":
        from models.runtimes.openvino_int8 import int8_graph

        graph = int8_graph(graph, _batches(opening.sample, responses), opening.cache)
    return OpenVinoRows(graph, bert, dtype=choice.dtype, threads=opening.threads)


def _batches(sample: Sequence[Sequence[int]], responses: bool) -> list[Packed]:
    """Each sequence alone, or as a context with others of the sample as its responses."""
    if not responses:
        # Long texts reach further than short ones, and a sample of chat has none: one is made.
        inner = [token for ids in sample for token in ids[1:-1]]
        long = [*sample[0][:1], *inner[:_LONG], *sample[0][-1:]]
        return [Packed.of([ids]) for ids in (*sample, long)]
    slates = []
    for number, ids in enumerate(sample):
        others = [sample[(number + step) % len(sample)] for step in range(1, _SLATE + 1)]
        replies = [other[:_RESPONSE] for other in others]
        slates.append(Packed.of([ids[:_CONTEXT]], replies, [0] * len(replies)))
    return slates
