"""Training: it learns, it stops when asked, and where it goes on it ends as if it never had."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models.training.examples import Example
from models.training.record import Run, read_metrics
from models.training.reranker.family.batches import Batches, plan_run, units_of
from models.training.reranker.family.cross_encoder import CrossEncoder, load_encoder
from models.training.reranker.family.distil import DistilConfig, student_of
from models.training.reranker.family.fit import FitConfig, fit, last_checkpoint, rate
from models.training.reranker.family.folder import Model
from models.training.reranker.family.lesson import Teaching
from models.training.reranker.family.networks import logits_of
from models.training.reranker.family.store import PairStore
from models.training.reranker.family.tokens import Limits
from models.training.reranker.measures import auc

HEADS = ("accentor", "offensive")
QUICK = FitConfig(batch=16, lr=2e-3, head_lr=5e-3, head_start=0.1, epochs=2, save_minutes=60.0)


def make(bases: Callable[[str], Path]) -> Model:
    torch.manual_seed(3)
    encoder, tokenizer = load_encoder(str(bases("bert")))
    return Model(CrossEncoder(encoder, 2, hidden=16), tokenizer, Limits.joint(32, 3), HEADS)


def batches_of(model: Model, examples: list[Example], config: FitConfig) -> Batches:
    store = PairStore.of(model.coder(), examples)
    plan = plan_run(store, examples, batch=config.batch, epochs=config.epochs, seed=config.seed)
    return Batches(store, model.collator(), examples, model.heads, plan)


def open_run(folder: Path) -> Run:
    return Run.open(folder, command="a test", config={}, seed=7)


class Stopping(Run):
    """A run that is asked to stop after so many steps, and then has been long enough."""

    after = 0

    def progress(self, total: float, unit: str, done: float = 0.0) -> Any:
        shown = super().progress(total, unit, done)
        update = shown.update

        def counted(count: float, **values: float) -> None:
            update(count, **values)
            self.after -= 1
            self.stopping = self.after == 0

        shown.update = counted  # type: ignore[method-assign]
        return shown


def test_the_body_waits_for_the_head_and_both_end_at_zero() -> None:
    body = [rate(step, 100, 0.1, 0.1) for step in range(101)]
    head = [rate(step, 100, 0.0, 0.1) for step in range(101)]
    assert body[:10] == [0.0] * 10
    assert head[0] == pytest.approx(0.1)
    assert max(body) == max(head) == pytest.approx(1.0)
    assert body[100] == head[100] == 0.0
    assert all(a >= b for a, b in itertools.pairwise(body[20:]))
    assert rate(0, 1, 0.06, 0.06) == 0.0, "a run of one step trains the head"


def weights(model: Model) -> dict[str, torch.Tensor]:
    return {name: t.clone() for name, t in model.network.state_dict().items()}


def test_groups_that_differ_stay_together_and_nobody_is_lost(examples: list[Example]) -> None:
    units = units_of(examples)
    assert sorted(row for unit in units for row in unit) == list(range(len(examples)))
    assert sum(len(unit) == 2 for unit in units) == 48
    same = [replace(example, label=1.0) for example in examples]
    assert all(len(unit) == 1 for unit in units_of(same))


def test_a_batch_says_what_is_to_be_learned(
    bases: Callable[[str], Path], examples: list[Example]
) -> None:
    batches = batches_of(make(bases), examples, QUICK)
    batch = batches[0]
    rows = [examples[row] for row in batches.plan[0]]
    assert batch["target"].tolist() == [e.label for e in rows]
    assert batch["head"].tolist() == [HEADS.index(e.head) for e in rows]
    for better, worse in zip(batch["better"].tolist(), batch["worse"].tolist(), strict=True):
        assert rows[better].group == rows[worse].group
        assert rows[better].label > rows[worse].label


def test_it_learns_every_head_and_leaves_a_record(
    bases: Callable[[str], Path], examples: list[Example], tmp_path: Path
) -> None:
    model = make(bases)
    run = open_run(tmp_path)
    config = replace(QUICK, epochs=6)
    assert fit(model.network, batches_of(model, examples, config), config, run)
    coded = [model.coder().code(example) for example in examples]
    logits = logits_of(model.network, coded, model.collator())
    for column, head in enumerate(HEADS):
        rows = [i for i, e in enumerate(examples) if e.head == head]
        assert auc(logits[rows, column], [examples[i].label for i in rows]) > 0.95
    lines = read_metrics(tmp_path)
    assert {"loss", "labels", "pairs", "learning_rate"} <= set(lines[0])
    assert lines[-1]["labels"] < lines[0]["labels"]


@pytest.mark.parametrize("bf16", [False, True])
def test_a_stopped_run_ends_where_an_uninterrupted_one_does(
    bf16: bool, bases: Callable[[str], Path], examples: list[Example], tmp_path: Path
) -> None:
    config = replace(QUICK, bf16=bf16)
    straight = make(bases)
    batches = batches_of(straight, examples, config)
    assert fit(straight.network, batches, config, open_run(tmp_path / "a"))
    for after in (3, 8):  # once within the first epoch, once within the second
        run = Stopping(tmp_path / "b", dict(open_run(tmp_path / "b").document))
        run.after = after
        assert not fit(make(bases).network, batches, config, run)
    resumed = make(bases)
    assert fit(resumed.network, batches, config, open_run(tmp_path / "b"))
    for name, tensor in weights(straight).items():
        assert torch.equal(tensor, weights(resumed)[name]), name
    again = make(bases)
    assert fit(again.network, batches, config, open_run(tmp_path / "b"))
    assert torch.equal(weights(again)["head.out.weight"], weights(resumed)["head.out.weight"])


def test_a_checkpoint_that_a_kill_cut_off_is_not_used(tmp_path: Path) -> None:
    for step, whole in ((4, True), (8, False)):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        (folder / "model.safetensors").write_bytes(b"cut")
        if whole:
            (folder / "complete").touch()
    assert last_checkpoint(tmp_path) == tmp_path / "checkpoint-4"
    assert not (tmp_path / "checkpoint-8").exists()
    assert last_checkpoint(tmp_path / "none") is None


def test_a_student_comes_nearer_to_its_teacher_by_all_terms(
    bases: Callable[[str], Path], examples: list[Example], tmp_path: Path
) -> None:
    teacher = make(bases)
    config = replace(QUICK, epochs=6)
    assert fit(
        teacher.network, batches_of(teacher, examples, config), config, open_run(tmp_path / "t")
    )
    assert isinstance(teacher.network, CrossEncoder)
    torch.manual_seed(0)
    # The head begins anew, so that there is something to learn.
    half = CrossEncoder(student_of(teacher.network, 2, "even").encoder, 2, hidden=16)
    student = Model(half, teacher.tokenizer, teacher.limits, HEADS)
    coded = [teacher.coder().code(example) for example in examples]
    theirs = logits_of(teacher.network, coded, teacher.collator())
    before = logits_of(student.network, coded, student.collator())
    plain = batches_of(student, examples, config)
    batches = Batches(
        PairStore.of(student.coder(), examples),
        student.collator(),
        examples,
        HEADS,
        plain.plan,
        theirs,
    )
    mask = int(teacher.tokenizer.mask_token_id)
    teaching = Teaching(DistilConfig(alpha=1.0, mlm=0.1), theirs, teacher.network, mask)
    config = replace(config, lr=1e-3, head_start=0.0)
    assert fit(student.network, batches, config, open_run(tmp_path / "s"), teaching=teaching)
    after = logits_of(student.network, coded, student.collator())
    own = np.array([HEADS.index(example.head) for example in examples])
    rows = np.arange(len(examples))
    distance = [np.abs(x - theirs)[rows, own].mean() for x in (before, after)]
    assert distance[1] < 0.5 * distance[0]
    lines = read_metrics(tmp_path / "s")
    assert {"labels", "pairs", "soft", "cosine", "mlm"} <= set(lines[0])
    assert lines[-1]["cosine"] < lines[0]["cosine"]
    untouched = logits_of(teacher.network, coded, teacher.collator())
    np.testing.assert_allclose(untouched, theirs, atol=1e-5)
