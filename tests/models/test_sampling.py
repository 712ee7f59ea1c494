"""The sampler: distributions, nuclei, repetition rules, repeatability."""

from __future__ import annotations

import itertools

import pytest
import torch

from models.sampling import RowSampler, Sampling, uniforms

CPU = torch.device("cpu")
PLAIN = Sampling(temperature=1.0, top_p=1.0, top_k=0, repetition_penalty=1.0, no_repeat_ngram=0)


def plain(**changes: float) -> Sampling:
    return Sampling(**{**PLAIN.__dict__, **changes})


def sample(logits: list[float], settings: Sampling, count: int, seed: int = 1) -> list[int]:
    """`count` independent draws from one distribution."""
    rows = torch.tensor([logits]).expand(count, -1).clone()
    sampler = RowSampler([settings] * count, uniforms(seed, count, 1), len(logits), CPU)
    return sampler.choose(rows)[0].tolist()


def share(ids: list[int], token: int) -> float:
    return ids.count(token) / len(ids)


def test_plain_sampling_follows_the_distribution() -> None:
    weights = torch.tensor([0.5, 0.3, 0.15, 0.05])
    ids = sample(weights.log().tolist(), PLAIN, 20_000)
    for token, weight in enumerate(weights.tolist()):
        assert share(ids, token) == pytest.approx(weight, abs=0.015)


def test_temperature_sharpens() -> None:
    logits = torch.tensor([0.6, 0.4]).log().tolist()
    cold = share(sample(logits, plain(temperature=0.5), 20_000), 0)
    assert cold == pytest.approx(0.36 / 0.52, abs=0.015)
    assert set(sample(logits, plain(temperature=0.0), 100)) == {0}


def test_top_k_and_top_p_cut_the_tail() -> None:
    logits = torch.tensor([0.1, 0.5, 0.05, 0.35]).log().tolist()
    assert set(sample(logits, plain(top_k=2), 5_000)) == {1, 3}
    assert set(sample(logits, plain(top_p=0.4), 500)) == {1}
    assert set(sample(logits, plain(top_p=0.6), 5_000)) == {1, 3}
    # Top-k first: of 0.5 and 0.35 renormalised the first alone is 0.59 of the mass.
    assert set(sample(logits, plain(top_k=2, top_p=0.55), 500)) == {1}


def test_rows_keep_their_own_settings() -> None:
    settings = [plain(temperature=0.0), plain(top_k=1), plain(top_p=0.01), PLAIN]
    logits = torch.zeros((4, 50))
    logits[:, 7] = 1.0
    chosen = set()
    for seed in range(40):
        ids = RowSampler(settings, uniforms(seed, 4, 1), 50, CPU).choose(logits.clone())[0]
        assert ids[:3].tolist() == [7, 7, 7]
        chosen.add(int(ids[3]))
    assert len(chosen) > 10


@pytest.mark.parametrize("draw", [0.0, 1.0 - 1e-9, 1.0])
def test_draws_at_the_edges_stay_in_the_nucleus(draw: float) -> None:
    draws = torch.full((1, 1), draw, dtype=torch.float64)
    logits = torch.tensor([[3.0, 2.0, 1.0, -50.0]])
    sampler = RowSampler([plain(top_p=0.9)], draws, 4, CPU)
    assert int(sampler.choose(logits)[0]) in {0, 1}


def test_log_probability_is_the_models_own() -> None:
    logits = torch.tensor([[2.0, 1.0, 0.0]])
    settings = [plain(temperature=0.0, repetition_penalty=1.5)]
    ids, logprob = RowSampler(settings, uniforms(0, 1, 1), 3, CPU).choose(logits)
    assert int(ids) == 0
    assert float(logprob) == pytest.approx(float(torch.log_softmax(logits, 1)[0, 0]), abs=1e-6)


def test_banned_ids_are_not_chosen() -> None:
    sampler = RowSampler([plain(temperature=0.0)], uniforms(0, 1, 1), 3, CPU)
    ids, _ = sampler.choose(torch.tensor([[5.0, 4.0, 3.0]]), torch.tensor([0, 1]))
    assert int(ids) == 2


def test_no_ngram_is_said_twice() -> None:
    sampler = RowSampler([plain(temperature=0.0, no_repeat_ngram=2)], uniforms(0, 1, 9), 6, CPU)
    logits = torch.tensor([[6.0, 5.0, 4.0, 3.0, 2.0, 1.0]])
    said = [int(sampler.choose(logits.clone())[0]) for _ in range(8)]
    pairs = list(itertools.pairwise(said))
    assert len(set(pairs)) == len(pairs)
    assert said[:3] == [0, 0, 1]


def test_repetition_penalty_counts_what_the_row_itself_said() -> None:
    sampler = RowSampler(
        [plain(temperature=0.0, repetition_penalty=2.0)] * 2, uniforms(0, 2, 9), 3, CPU
    )
    first = torch.tensor([[3.0, 2.0, 1.0], [1.0, 3.0, 2.0]])
    again = torch.tensor([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0]])
    assert sampler.choose(first)[0].tolist() == [0, 1]
    assert sampler.choose(again)[0].tolist() == [1, 0]


def test_rows_that_stay_keep_their_memory() -> None:
    sampler = RowSampler([plain(temperature=0.0, no_repeat_ngram=1)] * 3, uniforms(0, 3, 9), 4, CPU)
    sampler.choose(torch.eye(4)[:3] * 5.0)  # rows say 0, 1, 2
    sampler.keep(torch.tensor([1, 2]))
    ids, _ = sampler.choose(torch.tensor([[1.0, 9.0, 2.0, 0.0], [1.0, 0.0, 9.0, 2.0]]))
    assert ids.tolist() == [2, 3]


def test_draws_depend_on_seed_and_row_alone() -> None:
    assert torch.equal(uniforms(7, 3, 5), uniforms(7, 3, 5))
    assert torch.equal(uniforms(7, 3, 5)[:2], uniforms(7, 2, 5))
    assert not torch.equal(uniforms(7, 3, 5), uniforms(8, 3, 5))


@pytest.mark.parametrize(
    "changes",
    [{"temperature": -1.0}, {"temperature": float("nan")}, {"top_p": 0.0}, {"top_p": 1.1},
     {"top_k": -1}, {"no_repeat_ngram": -1}, {"repetition_penalty": 0.5}],
)  # fmt: skip
def test_senseless_settings_are_refused(changes: dict[str, float]) -> None:
    with pytest.raises(ValueError):
        plain(**changes)
