"""The generator's contract: one result an item, repeatable, whatever shares the batch."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from models.checkpoint import AlteredFileError, ModelFileError, UnsafeFileError, write_manifest
from models.generator import (
    GenerateItem,
    Generator,
)
from models.reply_text import is_ill, last_sentence
from models.runtimes.hardware import choose_device, choose_dtype
from models.runtimes.torch_gpt2 import TorchGpt2
from models.sampling import Sampling
from models.training.generator.tokenizer import EOS, train_tokenizer

TEXTS = [
    "Hello, how are you today?",
    "I am fine, thank you. What do you like to do?",
    "I like walking in the rain. It makes me calm.",
] * 30
POSITIONS = 96


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return train_tokenizer(TEXTS, 330, POSITIONS)


@pytest.fixture(scope="module")
def model(tokenizer: PreTrainedTokenizerFast) -> GPT2LMHeadModel:
    """A few seconds of learning: its texts end, and some of them are sentences."""
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(tokenizer), n_positions=POSITIONS, n_embd=64, n_layer=2, n_head=2,
        bos_token_id=0, eos_token_id=0, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
    )  # fmt: skip
    model = GPT2LMHeadModel(config)
    ids = tokenizer(EOS.join([*TEXTS[:3], ""]), return_tensors="pt")["input_ids"]
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(40):
        model(ids, labels=ids).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return model.eval()


@pytest.fixture(scope="module")
def folder(
    tmp_path_factory: pytest.TempPathFactory,
    model: GPT2LMHeadModel,
    tokenizer: PreTrainedTokenizerFast,
) -> Path:
    path = tmp_path_factory.mktemp("generator")
    model.save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def generator(model: GPT2LMHeadModel, tokenizer: PreTrainedTokenizerFast) -> Generator:
    runtime = TorchGpt2(model, device=torch.device("cpu"), dtype=torch.float32)
    return Generator(runtime, tokenizer, "test")


LIVELY = Sampling(temperature=1.2, top_p=0.95, top_k=0, repetition_penalty=1.1)


def item(generator: Generator, text: str, **changes: object) -> GenerateItem:
    options: dict[str, object] = {"n": 4, "seed": 1, "max_new_tokens": 20, "sampling": LIVELY}
    return GenerateItem(generator.encode_context([text]), **{**options, **changes})  # type: ignore[arg-type]


def test_one_result_for_each_item_in_order(generator: Generator) -> None:
    items = [item(generator, "Hello", n=n) for n in (3, 0, 1, 10)]
    results = generator.run(items)
    assert len(results) == 4
    assert results[1].candidates == ()
    for one, result in zip(items, results, strict=True):
        assert len(result.candidates) <= one.n
        assert all(0 < c.token_count <= one.max_new_tokens for c in result.candidates)
        assert all(c.mean_logprob < 0 for c in result.candidates)
    assert results[3].candidates
    assert generator.run([]) == []


def test_candidates_are_distinct_and_usable(generator: Generator) -> None:
    (result,) = generator.run([item(generator, "Hello", n=30)])
    texts = [c.text for c in result.candidates]
    assert len(texts) > 3
    assert len(set(texts)) == len(texts)
    assert not any(is_ill(text) or EOS in text for text in texts)


def test_what_is_sampled_does_not_depend_on_the_batch(generator: Generator) -> None:
    rng = random.Random(4)
    items = [
        item(
            generator,
            " ".join(rng.choices(["hello", "you", "rain", "walking", "fine", "today"], k=k)),
            n=rng.randint(1, 10),
            seed=k,
            max_new_tokens=rng.randint(1, 30),
        )
        for k in range(1, 9)
    ]
    together = generator.run(items)
    alone = [generator.run([one])[0] for one in items]
    for first, second in zip(together, alone, strict=True):
        assert [c.text for c in first.candidates] == [c.text for c in second.candidates]
        for a, b in zip(first.candidates, second.candidates, strict=True):
            assert a.mean_logprob == pytest.approx(b.mean_logprob, abs=1e-4)
            assert (a.token_count, a.finished) == (b.token_count, b.finished)
    assert len({c.text for result in together for c in result.candidates}) > 8


def test_the_seed_decides(generator: Generator) -> None:
    def texts(seed: int) -> list[str]:
        (result,) = generator.run([item(generator, "What do you like?", seed=seed)])
        return [c.text for c in result.candidates]

    assert texts(1) == texts(1)
    assert texts(1) != texts(2)


def test_greedy_decoding_is_that_of_transformers(
    generator: Generator, model: GPT2LMHeadModel
) -> None:
    one = item(
        generator,
        "Hello, how are you today?",
        n=1,
        sampling=Sampling(temperature=0.0, repetition_penalty=1.0, no_repeat_ngram=0),
    )
    ids = torch.tensor([one.context_ids])
    theirs = model.generate(
        ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=20,
        pad_token_id=0,
    )[0, ids.shape[1] :]  # fmt: skip
    (ours,) = generator.run([one])[0].candidates
    assert ours.text == generator.tokenizer.decode(theirs, skip_special_tokens=True)
    assert ours.finished == (int(theirs[-1]) == 0)


def test_mean_logprob_is_that_of_the_model(generator: Generator, model: GPT2LMHeadModel) -> None:
    one = item(generator, "Hello", n=6)
    for candidate in generator.run([one])[0].candidates:
        if not candidate.finished:
            continue
        said = [*generator.tokenizer.encode(candidate.text), generator.eos]
        if len(said) != candidate.token_count:
            continue  # the same text can be said by other tokens than the tokenizer's own
        ids = torch.tensor([[*one.context_ids, *said]])
        with torch.inference_mode():
            logs = torch.log_softmax(model(ids).logits[0], dim=-1)
        begin = len(one.context_ids) - 1
        expected = sum(float(logs[begin + n, token]) for n, token in enumerate(said)) / len(said)
        assert candidate.mean_logprob == pytest.approx(expected, abs=1e-4)
        return
    pytest.fail("no candidate ended")


def test_a_full_context_still_gets_an_answer(generator: Generator) -> None:
    ids = tuple([generator.encode_context(["Hello"])[0]] * (POSITIONS - 3))
    (result,) = generator.run([GenerateItem(ids, n=8, seed=1, max_new_tokens=40, sampling=LIVELY)])
    assert all(c.token_count <= 4 for c in result.candidates)
    with pytest.raises(ValueError, match="a context of"):
        generator.run([GenerateItem(ids + ids[:3], n=1, seed=1)])


def test_items_are_checked(generator: Generator) -> None:
    for bad in ({"n": -1}, {"n": 65}, {"max_new_tokens": 0}, {"max_new_tokens": 101}):
        with pytest.raises(ValueError):
            item(generator, "Hello", **bad)
    with pytest.raises(ValueError, match="empty"):
        GenerateItem((), n=1, seed=1)
    with pytest.raises(ValueError, match="outside the vocabulary"):
        generator.run([GenerateItem((5, 10**6), n=1, seed=1)])
    with pytest.raises(ValueError, match="outside the vocabulary"):
        generator.run([GenerateItem((-1,), n=1, seed=1)])


def test_cost_counts_context_and_candidates(generator: Generator) -> None:
    one = GenerateItem((1,) * 50, n=10, seed=0, max_new_tokens=20)
    assert generator.cost(one) == 250
    generator.warm()


def test_a_folder_loads_and_says_its_version(folder: Path, generator: Generator) -> None:
    loaded = Generator.load(folder, device="cpu", dtype="fp32", threads=1)
    one = item(generator, "Hello", n=3)
    ours, theirs = loaded.run([one]), generator.run([one])
    assert [c.text for c in ours[0].candidates] == [c.text for c in theirs[0].candidates]
    assert len(loaded.version) == 12


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def test_the_manifest_gives_the_version_and_is_checked(copy: Path) -> None:
    manifest = write_manifest(copy, name="g", kind="generator", command="none")
    assert Generator.load(copy, device="cpu").version == manifest.version
    (copy / "config.json").write_text((copy / "config.json").read_text() + " ")
    with pytest.raises(AlteredFileError, match=r"config\.json"):
        Generator.load(copy, device="cpu")


def bare(copy: Path) -> None:
    (copy / "model.safetensors").unlink()


def pickled(copy: Path) -> None:
    write_manifest(copy, name="g", kind="generator", command="none")
    (copy / "pytorch_model.bin").write_bytes(b"")


@pytest.mark.parametrize(("change", "error"), [(bare, ModelFileError), (pickled, UnsafeFileError)])
def test_a_folder_without_safetensors_or_with_pickles_is_refused(
    copy: Path, change: Callable[[Path], None], error: type[Exception]
) -> None:
    change(copy)
    with pytest.raises(error):
        Generator.load(copy, device="cpu")


@pytest.mark.parametrize("missing", [Path("no/where"), "./nowhere", "/no/where"])
def test_a_folder_that_is_not_there_is_named(missing: str | Path) -> None:
    with pytest.raises(ModelFileError, match="no such folder"):
        Generator.load(missing, device="cpu")


def test_bfloat16_runs(model: GPT2LMHeadModel, tokenizer: PreTrainedTokenizerFast) -> None:
    runtime = TorchGpt2(model, device=torch.device("cpu"), dtype=torch.bfloat16)
    half = Generator(runtime, tokenizer, "test")
    items = [item(half, "Hello"), item(half, "I like walking in the rain.", n=2)]
    assert all(result.candidates for result in half.run(items))


def test_what_the_machine_has_is_chosen() -> None:
    cpu = torch.device("cpu")
    assert choose_dtype("float32", cpu) == torch.float32
    able = torch.cpu.get_capabilities()
    fast = able.get("avx512_bf16") or able.get("amx_bf16")
    assert choose_dtype("auto", cpu) == (torch.bfloat16 if fast else torch.float32)
    with pytest.raises(ValueError, match="int4"):
        choose_dtype("int4", cpu)
    assert choose_device("cpu") == cpu
    if not torch.cuda.is_available():
        assert choose_device("auto") == cpu
        with pytest.raises(ValueError, match="no CUDA"):
            choose_device("cuda")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_gives_the_same(folder: Path, generator: Generator) -> None:
    there = Generator.load(folder, device="cuda", dtype="fp32")
    greedy = Sampling(temperature=0.0)
    items = [item(generator, "Hello", n=1, sampling=greedy)]
    assert there.run(items)[0].candidates[0].text == generator.run(items)[0].candidates[0].text


@pytest.mark.parametrize(
    "text", ["", "...", "?!", "na na na na na na na na", "x" * 41, "caf\ufffd"]
)
def test_ill_texts(text: str) -> None:
    assert is_ill(text)


@pytest.mark.parametrize("text", ["ok", "Yes, yes, yes!", "I know, I know. It is what it is."])
def test_well_texts(text: str) -> None:
    assert not is_ill(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! And th", "One. Two!"),
        ("no end at all", "no end at all"),
        ('She said "no." And then', 'She said "no."'),
        ("It is 3.5 met", "It is 3.5 met"),
    ],
)
def test_last_sentence(text: str, expected: str) -> None:
    assert last_sentence(text) == expected
