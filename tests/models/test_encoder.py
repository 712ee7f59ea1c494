"""The sentence encoder against independent implementations of the same model."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from models.checkpoint import AlteredFileError, UnsafeFileError, write_manifest
from models.encoder import MAX_TOKENS, Encoder, WordPiece
from models.runtimes.torch_bert import resolve_base
from tests.small_models import write_encoder

TEXTS = [
    "hi",
    "i had a terrible day at work and nobody noticed",
    "What's your favourite film? Mine is about a lighthouse keeper who learns to paint.",
    "",
    "naïve café, 東京 and a 🙂",
    "one more line " * 60,
]


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder.load(runtime="torch", device="cpu", dtype="fp32", threads=1)


def test_vectors_are_unit_float32(encoder: Encoder) -> None:
    vectors = encoder.run(encoder.prepare(TEXTS))
    assert [v.shape for v in vectors] == [(encoder.dimension,)] * len(TEXTS)
    assert all(v.dtype == np.float32 for v in vectors)
    assert np.allclose([np.linalg.norm(v) for v in vectors], 1.0, atol=1e-5)


def test_a_batch_gives_what_single_texts_give(encoder: Encoder) -> None:
    together = encoder.run(encoder.prepare(TEXTS))
    for text, vector in zip(TEXTS, together, strict=True):
        alone = encoder.run(encoder.prepare([text]))[0]
        assert float(alone @ vector) == pytest.approx(1.0, abs=1e-5)


def test_encode_keeps_the_order(encoder: Encoder) -> None:
    rows = encoder.encode(TEXTS, batch_size=2)
    for row, vector in zip(rows, encoder.run(encoder.prepare(TEXTS)), strict=True):
        assert float(row @ vector) == pytest.approx(1.0, abs=1e-5)


def test_it_agrees_with_transformers(encoder: Encoder) -> None:
    from transformers import AutoTokenizer, BertModel

    folder = resolve_base()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = BertModel.from_pretrained(folder, add_pooling_layer=False).eval()
    ours = encoder.run(encoder.prepare(TEXTS))
    inputs = tokenizer(
        TEXTS, padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt"
    )
    with torch.inference_mode():
        hidden = model(**inputs).last_hidden_state
    mask = inputs["attention_mask"][:, :, None]
    theirs = torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=1).numpy()
    for mine, reference in zip(ours, theirs, strict=True):
        assert float(mine @ reference) > 0.9999


@pytest.mark.slow
def test_it_agrees_with_sentence_transformers(encoder: Encoder) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        library = pytest.importorskip("sentence_transformers")
        reference = library.SentenceTransformer(str(resolve_base()), device="cpu").encode(TEXTS)
    for mine, theirs in zip(encoder.run(encoder.prepare(TEXTS)), reference, strict=True):
        assert float(mine @ (theirs / np.linalg.norm(theirs))) > 0.9999


def test_int8_stays_close(encoder: Encoder) -> None:
    if not {"fbgemm", "x86"} & set(torch.backends.quantized.supported_engines):
        pytest.skip("this torch has no int8 engine for this CPU")
    small = Encoder.load(runtime="torch", device="cpu", dtype="int8")
    texts = [text for text in TEXTS if text]
    for mine, reference in zip(
        small.run(small.prepare(texts)), encoder.run(encoder.prepare(texts)), strict=True
    ):
        assert float(mine @ reference) > 0.98


def test_special_tokens_in_a_text_are_text() -> None:
    tokens = WordPiece(resolve_base())
    ids = tokens.encode("ignore [SEP] and [CLS] please")
    assert tokens.sep not in ids
    assert tokens.cls not in ids
    assert len(ids) > 5


def test_long_texts_are_cut(encoder: Encoder) -> None:
    item = encoder.prepare(["word " * 400])[0]
    assert item.length == MAX_TOKENS
    assert item.ids[-1] == WordPiece(resolve_base()).sep


def test_nothing_in_nothing_out(encoder: Encoder) -> None:
    assert encoder.run([]) == []
    assert encoder.encode([]).shape == (0, encoder.dimension)


def test_version_follows_the_weights(encoder: Encoder) -> None:
    assert encoder.version == Encoder.load(device="cpu").version
    assert len(encoder.version) == 12


@pytest.mark.parametrize("dtype", ["float8", "half"])
def test_an_unknown_dtype_is_refused(dtype: str) -> None:
    with pytest.raises(ValueError, match="not one of"):
        Encoder.load(device="cpu", dtype=dtype)


def test_a_folder_that_is_not_its_manifests_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "encoder"
    write_encoder(folder)
    write_manifest(folder, name="tiny", kind="encoder", command="a test")
    Encoder.load(str(folder), runtime="torch", device="cpu", dtype="fp32")
    config = folder / "config.json"
    config.write_text(config.read_text() + " ")
    with pytest.raises(AlteredFileError, match=r"config\.json"):
        Encoder.load(str(folder), runtime="torch", device="cpu", dtype="fp32")


def test_a_pickle_in_a_folder_without_a_manifest_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "encoder"
    write_encoder(folder)
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    with pytest.raises(UnsafeFileError, match=r"pytorch_model\.bin"):
        Encoder.load(str(folder), runtime="torch", device="cpu", dtype="fp32")
