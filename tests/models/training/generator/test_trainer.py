"""The schedule, the optimizers, resuming, and what an interrupted run leaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from models.training.generator.network import load_base
from models.training.generator.schedule import FINISH, MAIN, Schedule
from models.training.generator.states import load_state, save_state
from models.training.generator.trainer import Trainer
from models.training.generator.windows import Batch, Window
from models.training.record import read_metrics
from tests.models.training.generator.talk import TINY, lines_of, make_trainer


def weights_of(trainer: Trainer) -> list[torch.Tensor]:
    return [p.detach().clone() for p in trainer.model.parameters()]


def assert_equal(ours: list[torch.Tensor], theirs: list[torch.Tensor]) -> None:
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


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
