"""Every GPT-2 runtime against torch fp32, on the shipped weights: the same logits, step by step."""

from __future__ import annotations

import importlib.util
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from models.generator import GenerateItem, Generator
from models.runtimes.choice import Choice
from models.runtimes.gpt2 import Gpt2Runtime, make_runtime
from models.runtimes.torch_gpt2 import TorchGpt2
from models.runtimes.torch_static import KEPT, Shape, StaticGpt2
from models.sampling import Sampling

SHIPPED = Path(__file__).resolve().parents[3] / "artifacts" / "generator"
# The largest difference of a logit (they span about ±20) that a precision may show.
RUNTIMES = {
    ("torch", "fp32"): 1e-3,
    ("torch", "bf16"): 0.6,
    ("openvino", "fp32"): 1e-3,
    ("openvino", "bf16"): 0.6,
    ("openvino", "int8"): 0.9,
    ("onnx", "fp32"): 1e-3,
    ("static", "fp32"): 1e-3,
}
LIBRARIES = {"openvino": "openvino", "onnx": "onnxruntime"}

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def weights() -> GPT2LMHeadModel:
    return GPT2LMHeadModel.from_pretrained(SHIPPED, dtype=torch.float32).eval()


@pytest.fixture(scope="module")
def exact(weights: GPT2LMHeadModel) -> Gpt2Runtime:
    return make_runtime(weights, on("torch"))


@pytest.fixture(scope="module", params=RUNTIMES, ids="-".join)
def other(request: pytest.FixtureRequest, weights: GPT2LMHeadModel) -> tuple[Gpt2Runtime, float]:
    name, dtype = request.param
    if name == "static":  # what CUDA runs, without capture
        plain = TorchGpt2(weights, device=torch.device("cpu"), dtype=torch.float32)
        return StaticGpt2(plain), RUNTIMES[name, dtype]
    if importlib.util.find_spec(LIBRARIES.get(name, "torch")) is None:
        pytest.skip(f"{LIBRARIES[name]} is not installed")
    made = make_runtime(weights, on(name, dtype), threads=1)
    return made, RUNTIMES[name, dtype]


def on(runtime: str, dtype: str = "fp32", device: str = "cpu") -> Choice:
    return Choice(runtime, device, dtype, "as the test says")


def some_contexts(rng: random.Random, lengths: list[int], vocabulary: int) -> list[list[int]]:
    return [[rng.randrange(1, vocabulary) for _ in range(length)] for length in lengths]


@pytest.mark.parametrize(
    ("lengths", "counts"),
    [
        ([1], [1]),
        ([32], [4]),
        ([31, 33], [3, 2]),
        ([80, 5, 64, 17], [10, 1, 3, 6]),
        ([100] * 5, [10] * 5),
    ],
    ids=["one-token", "whole-page", "around-a-page", "ragged", "many"],
)
@torch.inference_mode()
def test_logits_agree_while_candidates_end_at_random(
    exact: Gpt2Runtime, other: tuple[Gpt2Runtime, float], lengths: list[int], counts: list[int]
) -> None:
    runtime, tolerance = other
    rng = random.Random(7)
    contexts = some_contexts(rng, lengths, exact.vocabulary)
    theirs = exact.start(contexts, counts, 40)
    ours = runtime.start(contexts, counts, 40)
    assert (theirs.first - ours.first).abs().max() <= tolerance
    living = sum(counts)
    for _ in range(39):
        ids = torch.tensor([rng.randrange(exact.vocabulary) for _ in range(living)])
        expected, got = theirs.step(ids), ours.step(ids)
        assert got.shape == expected.shape == (living, exact.vocabulary)
        assert got.dtype == torch.float32
        assert (expected - got).abs().max() <= tolerance
        kept = torch.tensor([row for row in range(living) if rng.random() > 0.05])
        if 0 < len(kept) < living:
            theirs.keep(kept)
            ours.keep(kept)
            living = len(kept)


@torch.inference_mode()
def test_a_second_batch_finds_nothing_of_the_first(
    exact: Gpt2Runtime, other: tuple[Gpt2Runtime, float]
) -> None:
    """The cache is used again, smaller and larger: what an earlier batch left must not show."""
    runtime, tolerance = other
    rng = random.Random(9)
    for lengths in ([90, 12], [7], [40, 41, 42, 100]):
        contexts = some_contexts(rng, lengths, exact.vocabulary)
        counts = [4] * len(lengths)
        theirs, ours = (one.start(contexts, counts, 3) for one in (exact, runtime))
        ids = torch.tensor([rng.randrange(exact.vocabulary) for _ in range(sum(counts))])
        for _ in range(2):
            assert (theirs.step(ids) - ours.step(ids)).abs().max() <= tolerance


def test_a_context_that_is_empty_or_fills_all_positions_is_refused(
    other: tuple[Gpt2Runtime, float],
) -> None:
    runtime, _ = other
    for context in ([], [1] * runtime.positions):
        with pytest.raises(ValueError, match="context"):
            runtime.start([context], [1], 1)


def test_the_last_position_can_be_used(
    exact: Gpt2Runtime, other: tuple[Gpt2Runtime, float]
) -> None:
    runtime, tolerance = other
    context = [[5] * (exact.positions - 1)]
    with torch.inference_mode():
        theirs, ours = (one.start(context, [2], 2) for one in (exact, runtime))
        ids = torch.tensor([3, 4])
        assert (theirs.step(ids) - ours.step(ids)).abs().max() <= tolerance


@pytest.mark.parametrize("name", ["openvino", "onnx"])
def test_the_same_seed_gives_the_same_candidates_in_every_fp32_runtime(name: str) -> None:
    if importlib.util.find_spec(LIBRARIES[name]) is None:
        pytest.skip(f"{LIBRARIES[name]} is not installed")
    torch_one = Generator.load(SHIPPED, runtime="torch", device="cpu", dtype="fp32", threads=1)
    other_one = Generator.load(SHIPPED, runtime=name, device="cpu", dtype="fp32", threads=1)
    turns = ["hi there", "hello! what are you up to?", "just cooking, you?"]
    context = torch_one.encode_context(turns)
    items = [GenerateItem(context, 6, seed, 24, Sampling(temperature=0.8)) for seed in (1, 2)] + [
        GenerateItem(context[-9:], 2, 3, 30, Sampling(temperature=0.0))
    ]
    for ours, theirs in zip(other_one.run(items), torch_one.run(items), strict=True):
        assert [one.text for one in ours.candidates] == [one.text for one in theirs.candidates]
        for one, same in zip(ours.candidates, theirs.candidates, strict=True):
            assert one.mean_logprob == pytest.approx(same.mean_logprob, abs=1e-3)


@pytest.mark.parametrize("name", ["openvino", "onnx"])
@pytest.mark.parametrize(
    "changes",
    [
        {"activation_function": "gelu"},
        {"activation_function": "relu"},
        {"scale_attn_by_inverse_layer_idx": True},
        {"tie_word_embeddings": False},
    ],
    ids=lambda changes: next(iter(changes)) + "-" + str(next(iter(changes.values()))),
)
@torch.inference_mode()
def test_other_architectures_of_the_family(name: str, changes: dict[str, Any]) -> None:
    if importlib.util.find_spec(LIBRARIES[name]) is None:
        pytest.skip(f"{LIBRARIES[name]} is not installed")
    torch.manual_seed(4)
    config = GPT2Config(
        vocab_size=99, n_positions=64, n_embd=64, n_layer=2, n_head=2, bos_token_id=0, **changes
    )
    model = GPT2LMHeadModel(config).eval()
    for parameter in model.parameters():
        parameter.add_(torch.randn_like(parameter) * 0.1)
    ids = [3, 1, 4, 1, 5, 9, 2, 6]
    decode = make_runtime(model, on(name)).start([ids], [2], 3)
    expected = model(torch.tensor([[*ids, 7]])).logits[0, -1]
    got = decode.step(torch.tensor([7, 8]))[0]
    torch.testing.assert_close(got, expected, atol=1e-3, rtol=0.0)


@pytest.mark.parametrize("name", ["torch", "openvino", "onnx"])
def test_a_format_that_is_not_known_is_refused(weights: GPT2LMHeadModel, name: str) -> None:
    if importlib.util.find_spec(LIBRARIES.get(name, "torch")) is None:
        pytest.skip(f"{LIBRARIES[name]} is not installed")
    with pytest.raises(ValueError, match="int4"):
        make_runtime(weights, on(name, "int4"))


def test_static_shapes_lie_on_a_grid_and_hold_what_was_asked() -> None:
    shape = Shape.around(5, 9, 33, 21)
    assert shape == Shape(8, 16, 64, 40)
    assert Shape.around(*(shape.batch, shape.slots, shape.context, shape.steps)) == shape
    assert shape.room == 64 + 16 * 40


@torch.inference_mode()
def test_as_many_static_steps_are_kept_as_fit(weights: GPT2LMHeadModel) -> None:
    static = StaticGpt2(TorchGpt2(weights, device=torch.device("cpu"), dtype=torch.float32))
    for count in range(KEPT + 2):
        static.start([[1, 2, 3]] * 2 ** (count % 4), [4 ** (count // 4 + 1)] * 2 ** (count % 4), 2)
    assert len(static._steps) == KEPT


@torch.inference_mode()
def test_a_compiled_step_gives_the_same_logits(
    weights: GPT2LMHeadModel, exact: Gpt2Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Traced whole; the backend that needs a compiler is left out."""
    real = torch.compile
    monkeypatch.setattr(
        torch, "compile", lambda f, **options: real(f, backend="eager", fullgraph=True, **options)
    )
    plain = TorchGpt2(weights, device=torch.device("cpu"), dtype=torch.float32)
    ours = StaticGpt2(plain, compiled=True).start([[5, 6, 7], [8]], [2, 1], 4)
    theirs = exact.start([[5, 6, 7], [8]], [2, 1], 4)
    for ids in (torch.tensor([1, 2, 3]), torch.tensor([4, 5, 6])):
        assert (ours.step(ids) - theirs.step(ids)).abs().max() <= 1e-3


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@torch.inference_mode()
def test_captured_steps_agree_on_cuda(weights: GPT2LMHeadModel, exact: Gpt2Runtime) -> None:
    captured = make_runtime(weights, on("torch", device="cuda"))
    for seed in (1, 2):  # the second batch replays what the first captured
        contexts = some_contexts(random.Random(seed), [20, 31, 7], exact.vocabulary)
        theirs, ours = (one.start(contexts, [4, 2, 3], 9) for one in (exact, captured))
        for _ in range(8):
            ids = torch.arange(9) + seed
            difference = theirs.step(ids) - ours.step(ids.cuda()).cpu()
            assert difference.abs().max() <= 5e-2
