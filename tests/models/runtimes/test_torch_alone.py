"""A text alone in int8 means what it means in fp32, and nothing that is asked beside it matters."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models.encoder import WordPiece
from models.runtimes import choice as choices
from models.runtimes import int8, torch_alone
from models.runtimes.bert_networks import Opening, open_encoder
from models.runtimes.choice import Choice, choose
from models.runtimes.torch_alone import Int8Encoder
from models.runtimes.torch_bert import load_bert, resolve_base
from models.runtimes.torch_networks import TorchEncoder
from models.sample_texts import MESSAGES
from models.sentence_reader import SentenceReader

if not {"fbgemm", "x86"} & set(torch.backends.quantized.supported_engines):
    pytest.skip("this torch has no int8 engine for this CPU", allow_module_level=True)

UNREADABLE = "without ids|outside the vocabulary|at most 512"
SCREEN = Path(__file__).resolve().parents[3] / "artifacts" / "safety-sentences"
TEXTS = [
    "",
    "so",
    "the heating in our flat went off at night and the landlord says it is the weather's fault",
    "i said id be fine and i am not fine, is that lying",
    "🙂🙂 ça va? 東京 3:15",
    " ".join(MESSAGES),
]


def ids_of(texts: list[str] | tuple[str, ...]) -> list[tuple[int, ...]]:
    tokens = WordPiece(resolve_base())
    return [tokens.sequence(tokens.encode(text)[:254]) for text in texts]


@pytest.fixture(scope="module")
def network() -> Int8Encoder:
    return Int8Encoder(load_bert(), ids_of(MESSAGES))


def test_vectors_point_where_fp32_has_them(network: Int8Encoder) -> None:
    sequences = ids_of(TEXTS)
    exact = TorchEncoder.of(load_bert(), torch.device("cpu"), "fp32").embed(sequences)
    found = network.embed(sequences)
    assert found.shape == exact.shape == (len(TEXTS), network.width)
    assert found.dtype == np.float32
    assert np.allclose(np.linalg.norm(found, axis=1), 1.0, atol=1e-5)
    assert (found * exact).sum(axis=1).min() > 0.985


def test_what_stands_beside_a_text_changes_no_bit_of_it(network: Int8Encoder) -> None:
    sequences = ids_of(TEXTS)
    together = network.embed(sequences)
    for ids, vector in zip(sequences, together, strict=True):
        assert np.array_equal(network.embed([ids])[0], vector)
    assert np.array_equal(network.embed(sequences[::-1]), together[::-1])


@pytest.mark.parametrize("ids", [(101, 10**6, 102), (101, -1, 102), (), (101,) * 513])
def test_ids_that_it_cannot_read_are_refused(network: Int8Encoder, ids: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=UNREADABLE):
        network.embed([(101, 102), ids])
    assert network.embed([(101, 102)]).shape == (1, network.width)


def test_it_is_one_call_and_needs_no_python(network: Int8Encoder) -> None:
    """Each operation that returned to Python would wait for the GIL."""
    assert isinstance(network._text, torch.jit.ScriptModule)


@pytest.mark.parametrize(("bits", "furthest"), [(8, 0.6), (7, 0.9)])
def test_the_shipped_screen_decides_as_in_fp32(
    bits: int, furthest: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch_alone, "able", lambda: bits == 8)
    exact = SentenceReader.load(SCREEN, runtime="torch", device="cpu", dtype="fp32")
    small = SentenceReader.load(SCREEN, runtime="torch", device="cpu", dtype="int8", alone=True)
    assert small.alone
    assert not exact.alone
    texts = [*MESSAGES, *(text for text in TEXTS if text)]
    items = exact.prepare(texts)
    wanted, found = np.stack(exact.run(items)), np.stack(small.run(items))
    assert np.abs(found - wanted).mean() < 0.05, "of logits that spread by two"
    assert np.abs(found - wanted).max() < furthest


def test_where_int8_is_quick_a_text_alone_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(int8, "able", lambda: True)
    assert (choose(device="cpu", alone=True).runtime, choose(device="cpu", alone=True).dtype) == (
        "torch",
        "int8",
    )
    assert choose(device="cpu").dtype != "int8", "a batch does not"
    assert choose("torch", "cpu", alone=True).dtype != "int8", "what is named is kept"
    assert choose("auto", "cpu", "fp32", alone=True).dtype == "fp32"
    monkeypatch.setattr(int8, "able", lambda: False)
    assert choose(device="cpu", alone=True) == choose(device="cpu")


def test_a_reader_says_whether_it_reads_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch's threads are the whole process's: whoever loads it sets them, and it does not."""
    monkeypatch.setattr(int8, "able", lambda: True)
    before = torch.get_num_threads()
    assert SentenceReader.load(SCREEN, device="cpu", threads=1, alone=True).alone
    assert not SentenceReader.load(SCREEN, device="cpu", threads=1).alone
    assert torch.get_num_threads() == before


def test_a_gpu_is_not_given_int8(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(int8, "able", lambda: True)
    monkeypatch.setattr(choices, "choose_device", lambda _: torch.device("cuda"))
    assert choose(alone=True).dtype != "int8"


def test_other_encoders_of_int8_go_on_in_batches() -> None:
    opening = Opening(Choice("torch", "cpu", "int8", "as set"), sample=ids_of(MESSAGES[:2]))
    assert isinstance(open_encoder(load_bert(), opening), TorchEncoder)
    alone = replace(opening, alone=True)
    assert isinstance(open_encoder(load_bert(), alone), Int8Encoder)
