"""The lean forward against transformers' GPT2LMHeadModel: the same logits, ragged or not."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from models.runtimes.torch_gpt2 import TorchGpt2

VOCABULARY = 97
TOLERANCE = 1e-4


def make_model(**changes: Any) -> GPT2LMHeadModel:
    torch.manual_seed(3)
    config = GPT2Config(
        vocab_size=VOCABULARY,
        n_positions=64,
        n_embd=48,
        n_layer=3,
        n_head=4,
        bos_token_id=0,
        eos_token_id=0,
        **changes,
    )
    model = GPT2LMHeadModel(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():  # biases too: at zero they would hide mistakes
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model


@pytest.fixture(scope="module")
def reference() -> GPT2LMHeadModel:
    return make_model()


def lean(model: GPT2LMHeadModel) -> TorchGpt2:
    return TorchGpt2(model, device=torch.device("cpu"), dtype=torch.float32)


def expected(model: GPT2LMHeadModel, ids: list[int]) -> torch.Tensor:
    with torch.inference_mode():
        return model(torch.tensor([ids])).logits[0, -1]


def assert_close(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    torch.testing.assert_close(ours, theirs, atol=TOLERANCE, rtol=0.0)


def some_ids(rng: random.Random, length: int) -> list[int]:
    return [rng.randrange(VOCABULARY) for _ in range(length)]


@pytest.mark.parametrize("lengths", [[1], [17], [9, 9, 9], [3, 20, 11, 1]])
def test_prefill_gives_the_logits_of_transformers(
    reference: GPT2LMHeadModel, lengths: list[int]
) -> None:
    rng = random.Random(1)
    contexts = [some_ids(rng, length) for length in lengths]
    with torch.inference_mode():
        first = lean(reference).start(contexts, [1] * len(contexts), 1).first
    for row, context in enumerate(contexts):
        assert_close(first[row], expected(reference, context))


@pytest.mark.parametrize(
    ("lengths", "counts"),
    [([12], [1]), ([12], [5]), ([7, 7], [3, 3]), ([4, 19, 10], [3, 1, 4])],
)
def test_every_step_gives_the_logits_of_transformers(
    reference: GPT2LMHeadModel, lengths: list[int], counts: list[int]
) -> None:
    """Candidates end at random steps, so that compaction happens along the way."""
    rng = random.Random(5)
    contexts = [some_ids(rng, length) for length in lengths]
    rows = [list(c) for c, n in zip(contexts, counts, strict=True) for _ in range(n)]
    steps = 12
    with torch.inference_mode():
        decode = lean(reference).start(contexts, counts, steps)
        for _ in range(steps):
            for row in rows:
                row.append(rng.randrange(VOCABULARY))
            logits = decode.step(torch.tensor([row[-1] for row in rows]))
            assert len(logits) == len(rows)
            for row, ours in zip(rows, logits, strict=True):
                assert_close(ours, expected(reference, row))
            kept = [i for i in range(len(rows)) if rng.random() < 0.85] or [0]
            rows = [rows[i] for i in kept]
            decode.keep(torch.tensor(kept))


def test_compaction_really_happens(reference: GPT2LMHeadModel) -> None:
    with torch.inference_mode():
        decode = lean(reference).start([[1, 2], [3, 4, 5]], [4, 4], 6)
        decode.step(torch.arange(8))
        decode.keep(torch.tensor([5, 7]))
        assert (decode.slots.batch, decode.slots.slots) == (1, 2)
        ours = decode.step(torch.tensor([40, 41]))
    assert_close(ours[0], expected(reference, [3, 4, 5, 5, 40]))
    assert_close(ours[1], expected(reference, [3, 4, 5, 7, 41]))


@pytest.mark.parametrize(
    "changes",
    [
        {"activation_function": "gelu"},
        {"activation_function": "relu"},
        {"scale_attn_weights": False},
        {"scale_attn_by_inverse_layer_idx": True},
    ],
)
def test_variants_of_the_architecture(changes: dict[str, Any]) -> None:
    model = make_model(**changes)
    with torch.inference_mode():
        decode = lean(model).start([[5, 6, 7], [8]], [2, 2], 2)
        assert_close(decode.first[1], expected(model, [8]))
        logits = decode.step(torch.tensor([1, 2, 3, 4]))
    assert_close(logits[1], expected(model, [5, 6, 7, 2]))
    assert_close(logits[3], expected(model, [8, 4]))


def test_the_memory_of_an_earlier_batch_does_not_leak(reference: GPT2LMHeadModel) -> None:
    runtime = lean(reference)
    with torch.inference_mode():
        runtime.start([[9] * 30] * 4, [6] * 4, 10).step(torch.full((24,), 9))
        decode = runtime.start([[1, 2, 3]], [2], 3)
        logits = decode.step(torch.tensor([4, 5]))
    assert_close(logits[1], expected(reference, [1, 2, 3, 5]))


def test_what_cannot_be_run_is_refused(reference: GPT2LMHeadModel) -> None:
    runtime = lean(reference)
    with pytest.raises(ValueError, match="context of 0 tokens"):
        runtime.start([[]], [1], 1)
    with pytest.raises(ValueError, match="context of 64 tokens"):
        runtime.start([[1] * 64], [1], 1)
    with pytest.raises(ValueError, match="activation 'tanh'"):
        lean(make_model(activation_function="tanh"))
