"""The schedule, the optimizers, resuming, and what an interrupted run leaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from models.training.generator.config import TrainConfig
from models.training.generator.muon import orthogonalise
from models.training.generator.network import load_base, make_optimizers, new_model
from models.training.generator.schedule import FINISH, MAIN, Schedule, rate_factor
from models.training.generator.settings import config_of, size_of
from models.training.generator.sizes import SIZES, nearest
from models.training.generator.states import load_state, save_state
from models.training.generator.trainer import Trainer
from models.training.generator.windows import Batch, Window
from models.training.record import read_metrics
from tests.models.training.generator.command import load_script
from tests.models.training.generator.talk import TINY, lines_of, make_trainer


def weights_of(trainer: Trainer) -> list[torch.Tensor]:
    return [p.detach().clone() for p in trainer.model.parameters()]


def assert_equal(ours: list[torch.Tensor], theirs: list[torch.Tensor]) -> None:
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


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


def test_a_resumed_run_is_the_same_run(tmp_path: Path, public: Path) -> None:
    straight = make_trainer(tmp_path / "a", public)
    assert straight.run(max_steps=7) is False
    make_trainer(tmp_path / "b", public).run(max_steps=3)
    second = make_trainer(tmp_path / "b", public)
    second.run(max_steps=4)
    assert any("resumed" in line for line in lines_of(second))
    assert second.progress.step == straight.progress.step == 7
    assert second.progress.tokens == straight.progress.tokens
    assert_equal(weights_of(second), weights_of(straight))


def test_a_stop_at_any_step_around_the_finishing_phase_changes_nothing(
    tmp_path: Path, public: Path, own: Path
) -> None:
    def trainer_of(name: str) -> Trainer:
        config = {"finish_share": 0.5}
        return make_trainer(tmp_path / name, public, own, Schedule(steps=8), config=config)

    straight = trainer_of("straight")
    straight.run()
    for stop in (3, 4, 5):
        trainer_of(f"stop-{stop}").run(max_steps=stop)
        resumed = trainer_of(f"stop-{stop}")
        assert resumed.progress.step == stop
        resumed.run()
        assert replace(resumed.progress, seconds=0.0) == replace(straight.progress, seconds=0.0)
        assert_equal(weights_of(resumed), weights_of(straight))


def test_a_stop_at_the_end_of_an_epoch_changes_nothing(tmp_path: Path, public: Path) -> None:
    straight = make_trainer(tmp_path / "a", public)
    few = straight.data.epoch(MAIN, 0)[:3]
    cut = [make_trainer(tmp_path / "b", public)]
    straight.data.epoch = lambda phase, number: few  # type: ignore[method-assign]
    straight.run(max_steps=7)
    for stop in (2, 3, 4, 6, 7):
        cut[-1].data.epoch = lambda phase, number: few  # type: ignore[method-assign]
        cut[-1].run(max_steps=stop - cut[-1].progress.step)
        cut.append(make_trainer(tmp_path / "b", public))
    assert (cut[-1].progress.epoch, cut[-1].progress.batch) == (2, 1)
    assert_equal(weights_of(cut[-1]), weights_of(straight))


def test_by_steps_or_tokens_two_runs_end_alike(tmp_path: Path, public: Path, own: Path) -> None:
    steps = [make_trainer(tmp_path / name, public, own, Schedule(steps=6)) for name in "ab"]
    assert all(trainer.run() for trainer in steps)
    assert_equal(weights_of(steps[0]), weights_of(steps[1]))
    assert steps[0].progress.phase == FINISH
    by_tokens = make_trainer(tmp_path / "c", public, own, Schedule(tokens=steps[0].progress.tokens))
    assert by_tokens.run() is True
    assert by_tokens.progress.step == 6
    assert by_tokens.run() is True  # a finished run has nothing left to do
    assert by_tokens.progress.step == 6


def test_a_stop_within_an_update_drops_it_and_changes_nothing(tmp_path: Path, public: Path) -> None:
    straight = make_trainer(tmp_path / "a", public, tokens_at_once=60)
    straight.run(max_steps=5)
    cut = make_trainer(tmp_path / "b", public, tokens_at_once=60)
    cut.run(max_steps=2)
    before = replace(cut.progress)
    collate, parts = cut.data.collate, []

    def stopped_at_the_second(rows: Sequence[Window]) -> Batch:
        parts.append(rows)
        cut.recorder.stopping = len(parts) == 2
        return collate(rows)

    cut.data.collate = stopped_at_the_second  # type: ignore[method-assign]
    assert cut.run() is False
    assert len(parts) == 2  # and not the parts after it
    assert cut.progress == before
    resumed = make_trainer(tmp_path / "b", public, tokens_at_once=60)
    assert replace(resumed.progress) == before
    resumed.run(max_steps=3)
    assert_equal(weights_of(resumed), weights_of(straight))


def test_a_stop_ends_a_measurement(tmp_path: Path, public: Path) -> None:
    trainer = make_trainer(tmp_path, public)
    assert trainer.report() is not None
    trainer.recorder.stopping = True
    assert trainer.report(full=True) is None
    assert trainer.model.training
    assert "(full)" not in "".join(lines_of(trainer))


def test_parts_and_checkpointing_change_no_gradient(tmp_path: Path, public: Path) -> None:
    gradients = []
    for name, options in [
        ("whole", {}),
        ("parts", {"tokens_at_once": 60}),
        ("again", {"checkpointing": True}),
    ]:
        trainer = make_trainer(
            tmp_path / name, public, config={"layers": 2, "clip": 1e9}, **options
        )
        assert trainer.model.is_gradient_checkpointing == (name == "again")
        kept: list[torch.Tensor] = []
        for optimizer in trainer.optimizers:
            optimizer.zero_grad = lambda set_to_none=True: None  # type: ignore[method-assign]
        trainer._step(next(trainer._batches()))
        kept = [p.grad for p in trainer.model.parameters() if p.grad is not None]
        assert len(kept) == len(list(trainer.model.parameters()))
        gradients.append(kept)
    for other in gradients[1:]:
        for ours, theirs in zip(gradients[0], other, strict=True):
            torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-4)


def test_the_budget_ends_a_run_and_its_own_texts_come_last(
    tmp_path: Path, public: Path, own: Path
) -> None:
    trainer = make_trainer(tmp_path, public, own, Schedule(minutes=0.05))
    trainer.progress.fraction = 0.9  # a slow machine might leap over the finishing phase
    assert trainer.run() is True
    assert trainer.progress.phase == FINISH
    assert trainer.progress.fraction >= 1.0
    assert trainer.progress.seconds >= 0.29
    totals = trainer.report(full=True)
    assert {"self_dialogue", "own_dialogs"} <= set(totals)
    figures = read_metrics(tmp_path)[-1]
    assert figures["perplexity_own_dialogs"] > 1.0
    assert "held-out perplexity (full)" in lines_of(trainer)[-1]


def test_a_folder_of_another_run_is_refused(tmp_path: Path, public: Path) -> None:
    trainer = make_trainer(tmp_path, public)
    trainer.save()
    other = replace(trainer.config, layers=2)
    with pytest.raises(ValueError, match="other settings"):
        Trainer(trainer.recorder, other, trainer.data, trainer.schedule)


def test_minutes_left_use_up_the_rest_of_the_schedule(tmp_path: Path, public: Path) -> None:
    schedule = Schedule(minutes=100.0)
    trainer = make_trainer(tmp_path, public, schedule=schedule)
    trainer.progress.fraction = 0.5
    trainer.save()
    again = Trainer(trainer.recorder, TINY, trainer.data, schedule, minutes_left=10.0)
    assert again.progress.fraction + 600.0 * again.progress.per_second == pytest.approx(1.0)


def test_two_states_are_kept_and_a_torn_one_is_passed_over(tmp_path: Path) -> None:
    for step in (3, 20, 100):
        save_state(tmp_path, step, {"progress": {"step": step}, "model": torch.zeros(9)})
    kept = sorted(path.name for path in tmp_path.iterdir())
    stems = ("state-00000020", "state-00000100")
    assert kept == sorted(f"{stem}.{end}" for stem in stems for end in ("json", "pt"))
    assert load_state(tmp_path)["progress"] == {"step": 100}
    newest = tmp_path / "state-00000100.pt"
    content = newest.read_bytes()
    lines: list[str] = []
    for torn in (content[:-20], content[:200] + b"x" + content[201:], b""):
        newest.write_bytes(torn)
        assert load_state(tmp_path, lines.append)["progress"] == {"step": 20}
    assert all("torn" in line for line in lines)
    newest.with_suffix(".json").unlink()
    assert load_state(tmp_path)["progress"] == {"step": 20}
    # A half-written one of a killed process is no state at all.
    (tmp_path / ".state-00000200.pt.tmp").write_bytes(b"half")
    assert load_state(tmp_path)["progress"] == {"step": 20}
    assert load_state(tmp_path / "empty") is None


def test_a_run_starts_from_given_weights(tmp_path: Path, public: Path) -> None:
    first = make_trainer(tmp_path / "first", public)
    first.model.save_pretrained(tmp_path / "base")
    first.data.tokenizer.save_pretrained(tmp_path / "base")
    base = load_base(str(tmp_path / "base"))
    assert base.shape()["layers"] == 1
    assert base.shape()["base"] == "base@unknown"
    again = make_trainer(tmp_path / "again", public, config={"seed": 77}, base=lambda: base.model)
    assert_equal(weights_of(again), weights_of(first))
    assert again.model.config.resid_pdrop == 0.0
    with pytest.raises(OSError):
        load_base(str(tmp_path / "nothing-here"))
