"""The command behind `scripts/train_reranker`: data, head start, training, export; resumable."""

from __future__ import annotations

import argparse
import random
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from models.checkpoint import DataSource, ModelFileError
from models.encoder import SAMPLE, Encoder, WordPiece
from models.reranker import Renderer, RerankNet, open_folder
from models.runtimes.torch_bert import prepare_for, resolve_base
from models.training.judgements import (
    Dialog,
    Exchange,
    Judged,
    Selection,
    is_held_out,
    load_accentor,
    load_dialogs,
    load_liking,
    load_own,
    load_safety,
    load_small_talk,
    load_topical_ratings,
)
from models.training.reranker.asymmetric.export import HeldOut, export
from models.training.reranker.asymmetric.head_start import start_head
from models.training.reranker.asymmetric.reacted import Reacted, read_reacted
from models.training.reranker.asymmetric.trainer import (
    HEADS,
    Material,
    TrainConfig,
    Trainer,
    build_net,
)
from models.training.selection import DialogSampler, ExchangeSampler

# How often a list comes from each source: first, and in the last part of the run.
SHARES = {
    "self_dialogue": (0.28, 0.14),
    "topical_chat": (0.08, 0.04),
    "persona_chat": (0.22, 0.12),
    "personality_chat": (0.10, 0.06),
    "own_bank": (0.24, 0.44),
    "own_dialogs": (0.08, 0.20),
}
OWN_PHASE = 0.6
OWN_HELD_OUT_PERCENT = 8
NEAR = range(4, 40)


class Sources:
    """The lists of every source, without what is held out or with nothing else."""

    def __init__(self, data: Path, own: Path, *, held_out: bool, small: bool = False) -> None:
        dialogs = [d for d in load_dialogs(data) if is_held_out(d.name) == held_out]
        talk = [e for e in load_small_talk(data) if is_held_out(e.name) == held_out]
        own_dialogs, bank = load_own(own)
        own_dialogs = [d for d in own_dialogs if _own_held_out(d) == held_out]
        bank = [e for e in bank if _own_held_out(e) == held_out]
        if small:  # what the head starts from: a few dialogs, so that features are shared
            keep = random.Random(1)
            dialogs = [d for d in dialogs if keep.random() < _KEPT[d.source]]
            talk = [replace(e, contexts=e.contexts[:10]) for e in talk]
        self.bank = bank
        self.samplers: dict[str, DialogSampler | ExchangeSampler] = {
            name: DialogSampler([d for d in dialogs if d.source == name])
            for name in ("self_dialogue", "topical_chat", "persona_chat")
        }
        if talk:
            self.samplers["personality_chat"] = ExchangeSampler(talk)
        if bank:
            self.samplers["own_bank"] = ExchangeSampler(bank)
        if own_dialogs:
            self.samplers["own_dialogs"] = DialogSampler(own_dialogs)

    def add_near(self, encoder: Encoder) -> None:
        """Give bank entries the neighbours that retrieval would bring, less the very nearest."""
        if not self.bank:
            return
        vectors = encoder.encode([" ".join(entry.contexts) for entry in self.bank])
        ranked = (-(vectors @ vectors.T)).argsort(axis=1)
        near = [[int(j) for j in row[NEAR.start : NEAR.stop]] for row in ranked]
        if all(near):
            self.samplers["own_bank"] = ExchangeSampler(self.bank, near)

    def draw(self, rng: random.Random, negatives: int, progress: float) -> Selection:
        """One list of a source chosen by the shares of this moment."""
        late = int(progress >= OWN_PHASE)
        names = list(self.samplers)
        name = rng.choices(names, [SHARES[n][late] for n in names])[0]
        return self.samplers[name].draw(rng, negatives)


_KEPT = {"self_dialogue": 0.032, "topical_chat": 0.05, "persona_chat": 0.14}


def _own_held_out(entry: Dialog | Exchange) -> bool:
    return is_held_out(entry.name, OWN_HELD_OUT_PERCENT)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; 0 when the model has been written."""
    parser = _parser()
    options = parser.parse_args(argv)
    if not (options.data / "dialogs").is_dir():
        parser.error(f"--data: there is no {options.data / 'dialogs'}")
    torch.set_num_threads(options.threads)
    reacted = _reacted(options)
    config = _config(options, reacted)
    sources = Sources(options.data, options.own, held_out=False)
    judged = {
        "accentor": load_accentor(options.data, "train"),
        "offensive": load_safety(options.data, "train"),
        "liking": _liking(options.data, held_out=False),
    }
    sources.add_near(Encoder.load(options.base, device="cpu", dtype="fp32"))
    trust: dict[str, Sequence[float]] = {}
    if reacted is not None:
        judged.update(reacted.train)
        trust.update(reacted.trust)
    trainer = Trainer(config, Material(sources.draw, judged, trust), options.run)
    if trainer.resume():
        _log(f"resumed at step {trainer.step_number}, {trainer.elapsed / 60:.1f} minutes in")
    else:
        trainer.load_trained(_head(options, config, judged))
    trainer.run(_log)
    training = {
        "steps": trainer.step_number,
        "minutes": trainer.elapsed / 60,
        "lists": trainer.step_number * config.lists,
        "pairs": trainer.step_number * config.lists * (config.negatives + 1),
        "last": trainer.history[-1] if trainer.history else {},
        "note": options.note,
    }
    command = "scripts/train_reranker " + shlex.join(sys.argv[1:] if argv is None else argv)
    export(
        trainer.net,
        trainer.render,
        held_out(options.data, options.own, reacted),
        options.out,
        base=options.base,
        command=command,
        training=training,
        heads=config.heads,
        data=_private(reacted),
        people=() if reacted is None else reacted.people,
        log=_log,
    )
    _log(f"written: {options.out}")
    return 0


def _reacted(options: argparse.Namespace) -> Reacted | None:
    """The reactions to learn from, if any; ends the process where they cannot be read."""
    if options.reactions is None:
        return None
    try:
        return read_reacted(options.reactions)
    except (OSError, ValueError) as error:
        raise SystemExit(f"train_reranker: --reactions: {error}") from error


def _config(options: argparse.Namespace, reacted: Reacted | None) -> TrainConfig:
    config = TrainConfig(
        minutes=options.minutes, seed=options.seed, base=options.base, bf16=options.bf16
    )
    if reacted is None:
        return config
    judged = {**config.judged, **reacted.per_step()}
    return replace(config, heads=(*HEADS, *reacted.heads), judged=judged)


def _private(reacted: Reacted | None) -> list[DataSource]:
    found = {} if reacted is None else reacted.sources
    return [DataSource(source, "private", rows=rows) for source, rows in found.items()]


def held_out(data: Path, own: Path, reacted: Reacted | None = None) -> HeldOut:
    """Everything that the shipped figures are measured on.

    Where people's own reactions are enough, they choose the heads of P(upvote), and `ieval` is
    measured beside them.
    """
    sources = Sources(data, own, held_out=True)
    judged = {
        "accentor": ("dev", "test", load_accentor),
        "offensive": ("val", "test", load_safety),
    }
    calibration = {head: _some(load(data, a), 450) for head, (a, _, load) in judged.items()}
    test = {head: _some(load(data, b), 900) for head, (_, b, load) in judged.items()}
    # Liking was trained on dialogue_eval: its probabilities are fitted there, and its worth is
    # judged by ieval, whose users and bots are others.
    liking = _liking(data, held_out=True)
    calibration["liking"], test["liking"] = liking[::2], liking[1::2]
    units = {j.unit for j in _some(load_liking(data, "ieval"), 900)}
    arbiter = [j for j in load_liking(data, "ieval") if j.unit in units]
    ratings = [j for j in load_topical_ratings(data) if is_held_out(j.unit)]
    found = HeldOut(sources.samplers, calibration, test, arbiter, ratings)
    if reacted is None:
        return found
    found = replace(
        found,
        calibration={**calibration, **reacted.dev},
        test={**test, **reacted.test},
    )
    own_arbiter = reacted.arbiter()
    if not own_arbiter:
        return found
    return replace(found, arbiter=own_arbiter, arbiter_source="reactions", second=arbiter)


def _head(
    options: argparse.Namespace, config: TrainConfig, judged: dict[str, list[Judged]]
) -> dict[str, torch.Tensor]:
    """What a new run starts from: another run, or a head trained on frozen features."""
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
        log=_log,
    )
    tensors = head_tensors(net)
    options.run.mkdir(parents=True, exist_ok=True)
    torch.save(tensors, path)
    return tensors


def init_tensors(init: Path, config: TrainConfig) -> dict[str, torch.Tensor]:
    """The tensors of another run's state or of a written reranker; ends where they do not fit."""
    if init.is_file():
        started: dict[str, torch.Tensor] = torch.load(init, weights_only=True)["net"]
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


def _liking(data: Path, *, held_out: bool) -> list[Judged]:
    return [j for j in load_liking(data, "dialogue_eval") if is_held_out(j.unit) == held_out]


def _some(rows: list[Judged], count: int) -> list[Judged]:
    return random.Random(3).sample(rows, min(count, len(rows)))


def _log(line: str) -> None:
    print(line, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/train_reranker",
        description=__doc__,
        epilog="The others: --family cross-encoder, qa-lstm or bilstm, each with its own --help.",
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with dialogs/, reactions/")
    parser.add_argument(
        "--own", type=Path, default=Path("data"), help="folder with bank/, dialogs/"
    )
    parser.add_argument("--reactions", type=Path, help="a file of examples: heads of reactions")
    parser.add_argument("--run", type=Path, default=Path("checkpoints/reranker"))
    parser.add_argument("--out", type=Path, default=Path("artifacts/reranker"))
    parser.add_argument("--init", type=Path, help="a reranker's folder, or a run's state.pt")
    parser.add_argument("--note", default="", help="kept in the manifest, beside the command")
    parser.add_argument("--base", default="auto", help="auto, a folder or a hub id")
    parser.add_argument("--minutes", type=float, default=60.0, help="of training, over all resumes")
    parser.add_argument("--head-lists", type=int, default=14000)
    parser.add_argument("--bf16", action="store_true", help="products in bf16, where it is quick")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=7)
    return parser
