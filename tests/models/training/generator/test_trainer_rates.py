"""Rates and schedule of the generator's training: by size, by tokens, by parameter."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from models.training.generator.config import TrainConfig
from models.training.generator.muon import orthogonalise
from models.training.generator.network import make_optimizers, new_model
from models.training.generator.schedule import Schedule, rate_factor
from models.training.generator.settings import config_of, size_of
from models.training.generator.sizes import SIZES, nearest
from tests.models.training.generator.command import load_script
from tests.models.training.generator.talk import TINY, make_trainer


def test_the_rate_warms_up_and_decays_to_a_tenth() -> None:
    assert rate_factor(0.0, 100, 1000) == pytest.approx(0.1)
    assert rate_factor(0.0, 5000, 1000) == pytest.approx(1.0)
    assert rate_factor(0.5, 5000, 1000) == pytest.approx(0.55)
    assert rate_factor(1.3, 5000, 1000) == pytest.approx(0.1)
    # A short run is not spent in its warm-up.
    assert rate_factor(0.1, 5000, 375_000_000) == pytest.approx(0.1 + 0.45 * 1.9510565)


def test_sizes_are_those_of_the_paper() -> None:
    rows = {name: (s.layers, s.width, s.learning_rate) for name, s in SIZES.items()}
    assert rows["small"] == (12, 768, 6.0e-4)
    assert rows["medium"] == (24, 1024, 3.0e-4)
    assert rows["large"] == (24, 1536, 2.5e-4)
    assert rows["xl"] == (24, 2048, 2.0e-4)
    assert [s.tokens_per_batch for s in SIZES.values()][1:] == [500_000] * 3 + [1_000_000]
    assert {s.warmup_tokens for name, s in SIZES.items() if name != "tiny"} == {375_000_000}
    assert [name for name, s in SIZES.items() if s.checkpointing] == ["xl"]
    assert all(s.width % s.heads == 0 for s in SIZES.values())
    shipped = TrainConfig()
    tiny = SIZES["tiny"]
    assert (shipped.layers, shipped.width, shipped.matrix_rate) == (4, 224, tiny.matrix_rate)
    assert shipped.warmup_tokens == tiny.warmup_tokens == 60 * tiny.tokens_per_batch


def test_the_warm_up_is_as_many_tokens_whatever_the_size_of_an_update(
    tmp_path: Path, public: Path
) -> None:
    for size in (256, 1024):
        config = {"tokens_per_batch": size, "warmup_tokens": 100_000}
        trainer = make_trainer(tmp_path / str(size), public, config=config)
        trainer.run(max_steps=4)
        (group, *_) = trainer.optimizers[0].param_groups
        assert group["lr"] == pytest.approx(group["peak"] * trainer.progress.tokens / 1e5, rel=1e-3)


def test_a_state_that_counted_its_warm_up_in_updates_is_read() -> None:
    saved = {key: value for key, value in asdict(TINY).items() if key != "warmup_tokens"}
    assert TrainConfig.of_state({**saved, "warmup_steps": 2}) == TINY
    assert TrainConfig.of_state(asdict(TINY)) == TINY


@pytest.mark.parametrize(
    ("layers", "width", "row"),
    [(4, 224, "tiny"), (1, 16, "tiny"), (12, 768, "small"), (6, 768, "small"),
     (24, 1024, "medium"), (36, 1280, "large"), (24, 2048, "xl"), (48, 1600, "xl")],
)  # fmt: skip
def test_given_weights_get_the_rates_of_their_size(layers: int, width: int, row: str) -> None:
    assert nearest(layers, width) == row
    shape = {"layers": layers, "width": width, "heads": 2, "base": "given"}
    options = load_script().parse(["--data", ".", "--init", "given"])
    config = config_of(options, shape)
    assert config.learning_rate == pytest.approx(SIZES[row].learning_rate / 10)
    assert config.matrix_rate == pytest.approx(3e-4 if row == "tiny" else 0.0)
    assert config.tokens_per_batch == (3072 if row == "tiny" else 32_768)
    assert (config.layers, config.width, config.base) == (layers, width, "given")
    assert size_of(options, shape).checkpointing == (row == "xl")
    words = ["--size", "tiny", "--learning-rate", "1e-3", "--tokens-per-batch", "512"]
    typed = config_of(load_script().parse(["--data", ".", "--init", "given", *words]), shape)
    assert (typed.learning_rate, typed.tokens_per_batch) == (1e-3, 512)
    assert typed.matrix_rate == pytest.approx(3e-4)


def test_without_weights_the_shipped_size_is_trained() -> None:
    script = load_script()
    assert config_of(script.parse(["--data", "."]), {}) == TrainConfig()
    large = config_of(script.parse(["--data", ".", "--size", "large"]), {})
    assert (large.layers, large.tokens_per_batch) == (24, 500_000)


@pytest.mark.parametrize("matrix_rate", [0.0, 3e-3])
def test_every_parameter_is_learned_and_only_matrices_decay(matrix_rate: float) -> None:
    config = replace(TINY, matrix_rate=matrix_rate)
    model = new_model(config, 0)
    optimizers = make_optimizers(model, config)
    groups = [group for optimizer in optimizers for group in optimizer.param_groups]
    assert sum(len(g["params"]) for g in groups) == len(list(model.parameters()))
    for group in groups:
        decays = {p.ndim for p in group["params"]}
        assert decays == ({2} if group["weight_decay"] else {1})
    assert optimizers[0].defaults["betas"] == (0.9, 0.95)


@pytest.mark.parametrize("shape", [(12, 30), (30, 12), (16, 16)])
def test_muon_makes_singular_values_alike(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    values = torch.linalg.svdvals(orthogonalise(torch.randn(shape) * 7.0))
    assert 0.3 < float(values.min()) <= float(values.max()) < 1.35


@pytest.mark.parametrize("given", [{}, {"steps": 0}, {"steps": 5, "tokens": 9}, {"minutes": -1.0}])
def test_a_schedule_is_one_thing(given: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="one of them"):
        Schedule(**given)
