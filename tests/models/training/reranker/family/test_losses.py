"""Losses, distillation's terms, temperatures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from models.training.examples import Example
from models.training.reranker.family.bilstm import BiLstm
from models.training.reranker.family.calibration import (
    fit_temperatures,
    measure,
    sigmoid,
    temperature,
)
from models.training.reranker.family.cross_encoder import CrossEncoder, load_encoder
from models.training.reranker.family.distil import (
    DistilConfig,
    MlmHead,
    cosine_loss,
    fitted_heads,
    mask_tokens,
    mlm_loss,
    soft_loss,
    student_of,
    teacher_logits,
)
from models.training.reranker.family.folder import Model
from models.training.reranker.family.losses import (
    group_pairs,
    judged_loss,
    own_logits,
    pairwise_loss,
)
from models.training.reranker.family.networks import PairNetwork
from models.training.reranker.family.store import PairStore
from models.training.reranker.family.tokens import Limits


def test_an_example_trains_its_own_head_alone() -> None:
    logits = torch.zeros(3, 4, requires_grad=True)
    head = torch.tensor([0, 2, 2])
    judged_loss(own_logits(logits, head), torch.tensor([1.0, 0.0, 1.0]), torch.ones(3)).backward()
    assert logits.grad is not None
    touched = logits.grad != 0
    assert touched.tolist() == [[True, False, False, False], *[[False, False, True, False]] * 2]


def test_what_weighs_nothing_teaches_nothing() -> None:
    logits = torch.zeros(2, requires_grad=True)
    judged_loss(logits, torch.tensor([1.0, 1.0]), torch.tensor([0.0, 0.5])).backward()
    assert logits.grad is not None
    assert logits.grad[0] == 0
    assert logits.grad[1] == -0.5
    assert judged_loss(logits, torch.ones(2), torch.zeros(2)) == 0


def test_pairs_compare_within_their_group() -> None:
    better, worse = group_pairs(["a", "a", "b", "", "a", ""], [1.0, 0.0, 1.0, 1.0, 0.5, 0.0])
    assert set(zip(better, worse, strict=True)) == {(0, 1), (0, 4), (4, 1)}
    logits = torch.tensor([2.0, 0.0])
    rows = torch.tensor([0]), torch.tensor([1])
    weights = torch.ones(2)
    assert pairwise_loss(logits, *rows, weights) < pairwise_loss(-logits, *rows, weights)
    none = torch.tensor([], dtype=torch.long)
    assert pairwise_loss(logits, none, none, weights) == 0


def soft(student: Tensor, teacher: Tensor, config: DistilConfig) -> tuple[Tensor, Tensor]:
    given = student.clone().requires_grad_(True)
    loss = soft_loss(given, teacher, torch.tensor([0, 1]), torch.ones(2), config)
    loss.backward()
    assert given.grad is not None
    return loss, given.grad


def test_the_soft_term_rests_where_student_and_teacher_agree() -> None:
    teacher = torch.tensor([[1.0, -2.0], [0.5, 3.0]])
    for config in (DistilConfig(temperature=3.0), DistilConfig(squared=True)):
        assert soft(teacher, teacher, config)[1].abs().max() < 1e-6
        loss, gradient = soft(teacher - 1.0, teacher, config)
        assert loss > 0
        assert gradient.max() <= 0, "the student's logits are to rise"


def test_a_head_that_the_teacher_lacks_is_not_taught() -> None:
    teacher = torch.tensor([[float("nan"), 1.0], [float("nan"), 1.0]])
    student = torch.zeros(2, 2)
    _, gradient = soft(student, teacher, DistilConfig(squared=True))
    assert gradient[:, 0].abs().max() == 0
    assert gradient[:, 1].abs().min() > 0
    _, gradient = soft(student, teacher, DistilConfig())
    assert gradient[0].abs().max() == 0
    assert gradient[1, 1] < 0
    assert fitted_heads(("a", "b"), ("c", "b")) == [-1, 1]


def test_cosine_leaves_padding_out() -> None:
    a = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0))
    b = a.clone()
    b[:, 2] = -a[:, 2]
    mask = torch.tensor([[1, 1, 0], [1, 1, 0]])
    assert cosine_loss(2.0 * a, b, mask) == pytest.approx(0.0, abs=1e-6)
    assert cosine_loss(a, b, torch.ones(2, 3)) == pytest.approx(2.0 / 3.0, abs=1e-5)


def test_masking_hides_fifteen_of_a_hundred_in_three_ways() -> None:
    torch.manual_seed(0)
    ids = torch.full((200, 100), 7)
    candidates = torch.ones_like(ids)
    candidates[:, 0] = 0
    hidden, chosen = mask_tokens(ids, candidates, mask_id=4, vocabulary=1000)
    assert not chosen[:, 0].any()
    share = chosen.float().mean().item()
    assert share == pytest.approx(0.15 * 0.99, abs=0.01)
    assert (hidden[chosen] == 4).float().mean().item() == pytest.approx(0.8, abs=0.03)
    assert (hidden[chosen] == 7).float().mean().item() == pytest.approx(0.1, abs=0.03)
    assert (hidden[~chosen] == 7).all()


def cross_encoder(bases: Callable[[str], Path]) -> Model:
    encoder, tokenizer = load_encoder(str(bases("bert")))
    return Model(
        CrossEncoder(encoder, 2), tokenizer, Limits.joint(32, 3), ("accentor", "offensive")
    )


def test_a_student_begins_as_every_other_layer_of_its_teacher(
    bases: Callable[[str], Path], examples: list[Example]
) -> None:
    model = cross_encoder(bases)
    teacher = model.network
    assert isinstance(teacher, CrossEncoder)
    student = student_of(teacher, 2, "even")
    mine, theirs = student.state_dict(), teacher.state_dict()
    assert torch.equal(mine["head.mix.weight"], theirs["head.mix.weight"])
    name = "encoder.encoder.layer.{}.output.dense.weight"
    assert torch.equal(mine[name.format(1)], theirs[name.format(2)])
    assert int(teacher.encoder.config.num_hidden_layers) == 4, "the teacher stays whole"
    batch = model.collator()([model.coder().code(e) for e in examples[:4]])
    loss = mlm_loss(
        student, MlmHead(32, len(model.tokenizer)), batch, model.tokenizer.mask_token_id
    )
    assert loss > 1.0
    loss.backward()  # type: ignore[no-untyped-call]


def test_the_teachers_logits_are_computed_once_and_go_on_after_a_stop(
    bases: Callable[[str], Path],
    examples: list[Example],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("models.training.reranker.family.distil.KEEP_EVERY", 16)
    model = cross_encoder(bases)
    store = PairStore.of(model.coder(), examples)
    path = tmp_path / "teacher.npy"
    done: list[int] = []

    def logits(stop_after: int, network: PairNetwork) -> np.ndarray | None:
        return teacher_logits(
            path,
            network,
            store,
            model.collator(),
            [1, -1],
            stopping=lambda: len(done) >= stop_after,
            done=done.append,
        )

    assert logits(2, model.network) is None
    assert sum(done) == 32
    whole = logits(99, model.network)
    assert whole is not None
    assert sum(done) == len(examples)
    assert np.isfinite(whole[:, 0]).all()
    assert np.isnan(whole[:, 1]).all()
    kept = np.array(whole)
    again = logits(999, BiLstm(300, 2))
    assert sum(done) == len(examples), "nothing was computed again"
    np.testing.assert_array_equal(again, kept)


def test_a_bilstm_begins_with_its_teachers_words() -> None:
    torch.manual_seed(0)
    words = torch.randn(50, 4) @ torch.randn(4, 24)  # four directions are all there is
    student = BiLstm(50, 1, width=8, hidden=4)
    student.start_from(words)
    mine = student.reader.words.weight.detach()
    near = torch.cdist(words, words).flatten()
    assert torch.corrcoef(torch.stack([near, torch.cdist(mine, mine).flatten()]))[0, 1] > 0.99
    with pytest.raises(ValueError, match="vocabulary"):
        BiLstm(51, 1).start_from(words)


def test_a_temperature_makes_confidence_frequency() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 1.5, 6000)
    labels = (rng.random(6000) < sigmoid(logits)).astype(float)
    assert temperature(3.0 * logits, labels, np.ones(6000)) == pytest.approx(3.0, rel=0.08)
    assert temperature(np.array([]), np.array([]), np.array([])) == 1.0
    rows = [
        Example("s", "a", ("c",), "r", float(label), f"g{i // 2}") for i, label in enumerate(labels)
    ]
    stacked = np.stack([3.0 * logits, np.zeros(6000)], axis=1).astype(np.float32)
    temperatures = fit_temperatures(stacked, rows, ("a", "b"))
    assert temperatures["b"] == 1.0
    figures = measure(stacked, rows, ("a", "b"), temperatures)
    assert list(figures) == ["a"]
    assert figures["a"]["ece"] < 0.03 < figures["a"]["ece_before"]
    assert figures["a"]["auc"] > 0.75
    assert figures["a"]["pair_accuracy"] > 0.7
