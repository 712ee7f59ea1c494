"""Where a run of the served reranker starts: another run, a written reranker, or a head alone."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from models.checkpoint import Manifest, ModelFileError, file_sha256, verify
from models.encoder import SAMPLE, WordPiece
from models.reranker import KIND, Renderer, RerankNet, open_folder
from models.runtimes.torch_bert import prepare_for, resolve_base
from models.training.judgements import Judged
from models.training.reranker.asymmetric.head_start import start_head
from models.training.reranker.asymmetric.sources import Sources
from models.training.reranker.asymmetric.trainer import HEADS, TrainConfig, build_net


@dataclass(frozen=True)
class Predecessor:
    """What a run went on from: how a manifest names it, and its own manifest where it has one."""

    named: Mapping[str, str]
    manifest: Manifest | None = None

    @classmethod
    def of(cls, init: Path) -> Predecessor:
        """Of the value of `--init`; ends the process where it is no written reranker."""
        if init.is_file():  # a run's state was never written as a model: it has no version
            return cls({"name": init.name, "sha256": file_sha256(init)})
        try:
            manifest = verify(init, kind=KIND)
        except ModelFileError as error:
            raise SystemExit(f"train_reranker: --init: {error}") from error
        return cls({"name": manifest.name, "version": manifest.version}, manifest)


def start_tensors(
    options: argparse.Namespace,
    config: TrainConfig,
    judged: dict[str, list[Judged]],
    log: Callable[[str], None],
) -> dict[str, torch.Tensor]:
    """What a new run starts from: another run, or a head trained on frozen features.

    The head is kept in the run's folder; SystemExit where one of other heads lies there.
    """
    if options.init is not None:
        return init_tensors(options.init, config)
    path = options.run / "head.pt"
    if path.exists():
        kept: dict[str, torch.Tensor] = torch.load(path, weights_only=True)
        if len(kept["out.bias"]) != len(config.heads):
            raise SystemExit(f"train_reranker: {options.run}: holds a run with other heads")
        return kept
    closed = replace(config, gate=-1e4)
    net, quick = build_net(closed), build_net(closed)
    if torch.backends.quantized.supported_engines:
        tokens = WordPiece(resolve_base(config.base))
        sample = [tokens.sequence(tokens.encode(text)) for text in SAMPLE]
        quick.bert = prepare_for(quick.bert, torch.device("cpu"), "int8", sample)
    small = Sources(options.data, options.own, held_out=False, small=True)
    start_head(
        net,
        quick,
        Renderer(WordPiece(resolve_base(config.base))),
        lambda rng, negatives: small.draw(rng, negatives, 0.0),
        {config.heads.index(head): rows for head, rows in judged.items()},
        lists=options.head_lists,
        per_head=options.head_lists // 6,
        steps=200,
        seed=config.seed,
        log=log,
    )
    tensors = head_tensors(net)
    options.run.mkdir(parents=True, exist_ok=True)
    torch.save(tensors, path)
    return tensors


def init_tensors(init: Path, config: TrainConfig) -> dict[str, torch.Tensor]:
    """The tensors of another run's state or of a written reranker; ends where they do not fit."""
    if init.is_file():
        state = torch.load(init, weights_only=True, map_location="cpu")
        heads = tuple(state.get("heads", HEADS))
        if heads != config.heads:
            raise SystemExit(f"train_reranker: --init: {init} has other heads")
        if heads != HEADS:  # whose reactions they were is said by a manifest only
            raise SystemExit(
                f"train_reranker: --init: {init} learned from reactions: name the folder that its "
                "run wrote"
            )
        started: dict[str, torch.Tensor] = state["net"]
        return started
    try:
        net, _, written = open_folder(init, config.base)
    except ModelFileError as error:
        raise SystemExit(f"train_reranker: --init: {error}") from error
    if (written["join"], tuple(written["heads"])) != (config.join, config.heads):
        raise SystemExit(f"train_reranker: --init: {init} has other heads or joins elsewhere")
    return net.state_dict()


def head_tensors(net: RerankNet) -> dict[str, torch.Tensor]:
    """The tensors of a net that are not Bert's."""
    return {n: t.detach() for n, t in net.state_dict().items() if not n.startswith("bert.")}
