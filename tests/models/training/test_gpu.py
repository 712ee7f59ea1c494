"""Two steps of every trainer on the machine's device: the same bodies on a CPU and on a GPU.

Each trainer takes the GPU where there is one. A body that has passed on the CPU therefore has only
the device left to fail on.
"""

from __future__ import annotations

import json
import math
import runpy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from models.checkpoint import verify
from models.training.encoder.files import TextRow
from models.training.encoder.network import open_network
from models.training.encoder.objectives import build_loss, file_rows
from models.training.encoder.trainer import build_trainer
from models.training.encoder.trainers import train
from models.training.examples import Example
from models.training.judgements import Judged, Selection
from models.training.record import Run, read_metrics
from models.training.reranker.asymmetric.trainer import Material, TrainConfig
from models.training.reranker.asymmetric.trainer import Trainer as RerankerTrainer
from models.training.reranker.family.batches import Batches, plan_run
from models.training.reranker.family.cross_encoder import CrossEncoder
from models.training.reranker.family.fit import FitConfig, fit
from models.training.reranker.family.folder import Model
from models.training.reranker.family.store import PairStore
from models.training.reranker.family.tokens import Limits
from models.training.tuning.config import DPO, METHODS
from models.training.tuning.contexts import Context, load_talk
from models.training.tuning.policy import describe
from models.training.tuning.preferences import Preference
from models.training.tuning.reward import Scores
from models.training.tuning.session import Session
from tests.models.training.encoder.conftest import make_base
from tests.models.training.generator.talk import chat, make_trainer, write_rows
from tests.models.training.reranker.family.conftest import encoder_of, tokenizer_of
from tests.models.training.tuning.conftest import LINES, small, write_own, write_tiny

ROOT = Path(__file__).parents[3]
STEPS = 2


@pytest.fixture(
    params=[
        pytest.param(
            "cpu",
            marks=pytest.mark.skipif(
                torch.cuda.is_available(), reason="the trainers take the GPU that is here"
            ),
        ),
        pytest.param(
            "cuda",
            marks=[
                pytest.mark.gpu,
                pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
                pytest.mark.filterwarnings("default"),  # a library's notice about a GPU
            ],
        ),
    ]
)
def device(request: pytest.FixtureRequest) -> str:
    """What the trainers choose here."""
    torch.set_num_threads(1)
    return str(request.param)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every `Trainer` of transformers that trained."""
    found: list[Any] = []
    real = transformers.Trainer.train

    def remembered(self: Any, *arguments: Any, **options: Any) -> Any:
        found.append(self)
        return real(self, *arguments, **options)

    monkeypatch.setattr(transformers.Trainer, "train", remembered)
    return found


def opened(folder: Path) -> Run:
    return Run.open(folder / "run", command="a test", config={}, seed=3)


def check_trained(trainer: Any, device: str) -> None:
    """It took its steps there, in bf16 on a GPU, and neither loss nor weights are lost."""
    assert trainer.state.global_step == STEPS
    assert trainer.args.bf16 == (device == "cuda")
    (last,) = [row["train_loss"] for row in trainer.state.log_history if "train_loss" in row]
    assert math.isfinite(last)
    check_weights(trainer.model, device)


def check_weights(model: torch.nn.Module, device: str) -> None:
    parameters = list(model.parameters())
    assert {p.device.type for p in parameters} == {device}
    assert {p.dtype for p in parameters} == {torch.float32}, "bf16 is for the products alone"
    assert all(bool(torch.isfinite(p).all()) for p in parameters)


@pytest.mark.parametrize("objective", ["negatives", "softmax"])
def test_the_encoder(objective: str, device: str, seen: list[Any], tmp_path: Path) -> None:
    rows = file_rows(
        objective, [TextRow(f"tree {i}", f"leaf {i}", label="ab"[i % 2]) for i in range(8)], 3, 1.0
    )
    network = open_network(str(make_base(tmp_path / "base")), 24)
    loss = build_loss(
        objective, network, classes=len(rows.classes), bidirectional=True, scale=20.0, margin=0.2
    ).to(network.device)
    run = opened(tmp_path)
    trainer = build_trainer(
        network, loss, rows, run, steps=STEPS, batch=4, rate=1e-3, seed=3, save_minutes=9.0
    )
    assert train(trainer, run)
    assert seen == [trainer]
    check_trained(trainer, device)
    assert all(math.isfinite(row["loss"]) for row in read_metrics(run.folder))


def test_pretraining(device: str, seen: list[Any], tmp_path: Path) -> None:
    chats = tmp_path / "chats.jsonl"
    rows = [{"id": f"c{n}", "turns": [f"is it {n}?", f"yes, it is {n}.", "oh."]} for n in range(99)]
    chats.write_text("".join(json.dumps(row) + "\n" for row in rows))
    places = ["--dialogs", chats, "--own", tmp_path, "--out", tmp_path / "out"]
    small = ["--random", "tiny", "--objective", "mlm,nsp", "--steps", STEPS, "--batch", 4]
    words = [*places, "--run", tmp_path / "run", *small, "--max-tokens", 32, "--measured", 8]
    main = runpy.run_path(str(ROOT / "scripts" / "pretrain_encoder"))["main"]
    assert main([str(word) for word in words]) == 0
    (trainer,) = seen
    check_trained(trainer, device)
    held_out = verify(tmp_path / "out").metrics["held_out"]["after"]
    assert math.isfinite(held_out["mlm_loss"])


def test_the_family_of_rerankers(device: str, seen: list[Any], tmp_path: Path) -> None:
    torch.manual_seed(3)
    tokenizer = tokenizer_of("bert")
    network = CrossEncoder(encoder_of("bert", len(tokenizer), layers=2), 1, hidden=16)
    model = Model(network, tokenizer, Limits.joint(32, 3), ("accentor",))
    examples = [
        Example("accentor", "accentor", ("tea?",), f"{word} {n}", label, f"g{n}", f"c{n}")
        for n in range(16)
        for word, label in (("Enjoy", 1.0), ("Whatever,", 0.0))
    ]
    config = FitConfig(batch=16, bf16=device == "cuda")
    store = PairStore.of(model.coder(), examples)
    plan = plan_run(store, examples, batch=config.batch, epochs=1, seed=config.seed)
    batches = Batches(store, model.collator(), examples, model.heads, plan)
    assert len(batches) == STEPS
    assert fit(model.network, batches, config, opened(tmp_path))
    check_trained(seen[0], device)


def test_the_served_reranker(device: str, tmp_path: Path) -> None:
    wrong = ("blue", "no idea", "on the roof")
    lists = Selection("own", ("where is the cat?",), ("asleep on the sofa", *wrong))
    judged = {"offensive": [Judged("offensive", "own", ("hi",), ("no", "yes"), (1.0, 0.0))] * 4}
    base = str(make_base(tmp_path / "base", layers=4))
    config = TrainConfig(1.0, steps=STEPS, base=base, lists=2, negatives=3, bf16=True)
    material = Material(lambda *_: lists, judged)
    trainer = RerankerTrainer(config, material, tmp_path / "run")
    assert trainer.run(opened(tmp_path), every=1)
    assert [row["step"] for row in trainer.history] == [1, 2]
    assert all(math.isfinite(row[h]) for row in trainer.history for h in ("selection", "offensive"))
    check_weights(trainer.net, device)
    again = RerankerTrainer(config, material, tmp_path / "run")
    assert again.resume()
    assert again.step_number == STEPS
    check_weights(again.net, device)


def test_the_generator(device: str, tmp_path: Path) -> None:
    rows = [{"id": f"own-{n}", **chat(n, ("person", "kindred"))} for n in range(150)]
    write_rows(tmp_path / "own" / "dialogs" / "a.jsonl", rows)
    trainer = make_trainer(tmp_path / "run", None, tmp_path / "own", tell_seconds=0.0)
    trainer.run(max_steps=STEPS)
    losses = [row["loss"] for row in read_metrics(tmp_path / "run")]
    assert len(losses) == STEPS
    assert all(math.isfinite(loss) for loss in losses)
    check_weights(trainer.model, device)
    figures = trainer.report()
    assert figures
    assert all(math.isfinite(total.nll) for total in figures.values())


class Longer:
    """Likes responses by the number of their words."""

    data, name = (), "longer"

    def score(self, contexts: Sequence[Context], responses: Sequence[str]) -> Scores:
        """As in RewardModel."""
        return np.array([float(len(text.split())) for text in responses])


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(dialogs, a small generator that says their lines: a random one says nothing usable)."""
    own = write_own(tmp_path_factory.mktemp("own"))
    return own, write_tiny(tmp_path_factory.mktemp("tiny"), load_talk(None, own))


@pytest.mark.parametrize("method", METHODS)
def test_tuning(
    method: str, device: str, seen: list[Any], generator: tuple[Path, Path], tmp_path: Path
) -> None:
    own, base = generator
    pairs = [Preference(Context("a test", (line,)), LINES[0], LINES[3]) for line in LINES]
    config = small(method, steps=STEPS, check_every=1, check_contexts=4)
    session = Session(
        opened(tmp_path), config, describe(str(base)), load_talk(None, own), Longer(),
        pairs if method == DPO else None,
    )  # fmt: skip
    state = session.tune(keep_last=True)
    assert state is not None
    assert all(bool(torch.isfinite(tensor).all()) for tensor in state.values())
    check_trained(seen[0], device)
    rows = read_metrics(tmp_path / "run")
    assert all(math.isfinite(value) for row in rows for value in row.values())
