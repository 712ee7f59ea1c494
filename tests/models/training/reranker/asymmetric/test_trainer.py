"""Training of the served reranker: losses, resuming, export."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from models.reranker import Reranker
from models.training import judgements as j
from models.training.reranker.asymmetric.export import export
from models.training.reranker.asymmetric.held_out import HeldOut
from models.training.reranker.asymmetric.trainer import (
    HEADS,
    Material,
    TrainConfig,
    Trainer,
    schedule,
)
from models.training.selection import ExchangeSampler


def test_the_schedule_follows_the_clock() -> None:
    assert schedule(0.0, 0.05) < 0.05
    assert schedule(0.05, 0.05) == pytest.approx(1.0)
    assert schedule(1.0, 0.05) == 0.0
    assert schedule(1.7, 0.05) == 0.0


def make_trainer(data: Path, own: Path, folder: Path, **changes: Any) -> Trainer:
    _, bank = j.load_own(own)
    sampler = ExchangeSampler(bank)
    judged = {"accentor": j.load_accentor(data, "train"), "offensive": j.load_safety(data, "train")}
    settings = {
        "lists": 2,
        "negatives": 3,
        "frozen": 4,
        "join": 4,
        "judged": {"accentor": 1, "offensive": 1},
    }
    config = TrainConfig(minutes=1.0, **{**settings, **changes})
    material = Material(lambda rng, n, progress: sampler.draw(rng, n), judged)
    return Trainer(config, material, folder)


def test_steps_learn_and_leave_frozen_layers_alone(data: Path, own: Path, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    trainer = make_trainer(data, own, tmp_path)
    before = {n: p.detach().clone() for n, p in trainer.net.named_parameters()}
    first = [trainer.step(0.3) for _ in range(3)]
    later = [trainer.step(0.3) for _ in range(12)][-3:]
    assert set(first[0]) == {"selection", "accentor", "offensive"}
    assert sum(x["selection"] for x in later) < sum(x["selection"] for x in first)
    moved = {n for n, p in trainer.net.named_parameters() if not torch.equal(p, before[n])}
    assert not any(n.startswith(("bert.word", "bert.layers.0", "bert.layers.3")) for n in moved)
    assert {"bert.layers.4.gate", "bert.layers.5.up.weight", "mix.weight"} <= moved
    liking = trainer.net.out.weight[HEADS.index("liking")]
    assert torch.equal(liking, torch.zeros_like(liking)), "a head without labels is not trained"


def test_gates_travel_faster_than_weights(data: Path, own: Path, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    trainer = make_trainer(data, own, tmp_path)
    before = trainer.net.state_dict()["bert.layers.5.gate"].clone()
    for _ in range(3):
        trainer.step(0.04)
    moved = (trainer.net.state_dict()["bert.layers.5.gate"] - before).abs()
    assert float(moved.max()) > 5e-3


def test_a_resumed_run_goes_on_as_the_same_run(data: Path, own: Path, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    straight = make_trainer(data, own, tmp_path / "a")
    for _ in range(4):
        straight.step(0.4)
    broken = make_trainer(data, own, tmp_path / "b")
    for _ in range(2):
        broken.step(0.4)
    broken.save()
    again = make_trainer(data, own, tmp_path / "b")
    assert again.resume()
    assert again.step_number == 2
    for _ in range(2):
        again.step(0.4)
    for (name, a), b in zip(straight.net.named_parameters(), again.net.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-6), name
    assert not make_trainer(data, own, tmp_path / "c").resume()


def test_an_export_loads_with_its_metrics(data: Path, own: Path, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    trainer = make_trainer(data, own, tmp_path / "run")
    for _ in range(4):
        trainer.step(0.3)
    _, bank = j.load_own(own)
    accentor, liking = j.load_accentor(data, "train"), j.load_liking(data, "ieval")
    judged = {"accentor": accentor, "offensive": j.load_safety(data, "train"), "liking": liking}
    held_out = HeldOut({"own_bank": ExchangeSampler(bank)}, judged, judged, liking, (), 6)
    metrics = export(
        trainer.net,
        trainer.render,
        held_out,
        tmp_path / "out",
        base="auto",
        command="a test",
        training={"steps": 4},
        log=lambda line: None,
    )
    assert metrics["reload"]["spearman"] > 0.999
    card = json.loads((tmp_path / "out/manifest.json").read_text())
    assert card["metrics"]["training"] == {"steps": 4}
    assert card["base"]["sha256"]
    assert all(source["licence"] for source in card["data"])
    reranker = Reranker.load(tmp_path / "out", device="cpu")
    assert reranker.heads == HEADS
    assert len(reranker.run(reranker.prepare(["i miss rain"], ["Tell me of rain.", "no"]))) == 2
