"""A sentence reader is stored as a difference, and answers what the trained network did."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from models.checkpoint import ModelFileError, file_sha256, write_manifest
from models.encoder import WordPiece
from models.runtimes.packing import Batch
from models.runtimes.torch_sentence import SentenceNet, new_net
from models.sentence_reader import (
    KIND,
    MAX_TOKENS,
    SETTINGS_NAME,
    SentenceReader,
    SentenceSettings,
    save_folder,
)
from tests.small_models import write_encoder

HEADS = ("crisis", "minor")
STACK = {"crisis": {"rules": 1.0, "linear": 0.5, "sentence": 2.0, "bias": -1.0}}
TEXTS = ["hello there", "no", "the rain came down and I stayed where I was, all day and all night"]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    write_encoder(folder)
    return folder


def trained(base: Path) -> SentenceNet:
    """One of two layers, as if training had moved it."""
    torch.manual_seed(3)
    net = new_net(str(base), 1, len(HEADS)).eval()
    with torch.no_grad():
        for name, tensor in net.named_parameters():
            if "layers.0" in name or name.startswith("head"):
                tensor.add_(0.05 * torch.randn_like(tensor))
    return net


def saved(folder: Path, base: Path) -> SentenceNet:
    net = trained(base)
    folder.mkdir()
    save_folder(folder, net, SentenceSettings(1, HEADS, STACK), str(base))
    seal(folder, base)
    return net


def seal(folder: Path, base: Path) -> None:
    sha256 = file_sha256(base / "model.safetensors")
    write_manifest(folder, name="tiny", kind=KIND, command="test", base={"sha256": sha256})


def load(folder: Path, base: Path, runtime: str = "torch") -> SentenceReader:
    return SentenceReader.load(
        folder, base=str(base), runtime=runtime, device="cpu", dtype="fp32", threads=1
    )


@pytest.mark.parametrize("runtime", ["torch", "openvino"])
def test_what_was_saved_answers_as_what_was_trained(
    runtime: str, base: Path, tmp_path: Path
) -> None:
    net = saved(tmp_path / "reader", base)
    reader = load(tmp_path / "reader", base, runtime)
    assert reader.heads == HEADS
    assert reader.stack == STACK
    items = reader.prepare(TEXTS)
    with torch.inference_mode():
        wanted = net(Batch.of([item.ids for item in items])).numpy()
    found = np.stack(reader.run(items))
    assert np.abs(found - wanted).max() < 0.02, "int8 differences cost next to nothing"
    assert np.ptp(wanted) > 0.2
    assert reader.run([]) == []


def test_threads_of_the_other_models_stay(base: Path, tmp_path: Path) -> None:
    saved(tmp_path / "reader", base)
    before = torch.get_num_threads()
    load(tmp_path / "reader", base)
    assert torch.get_num_threads() == before


def test_a_long_text_keeps_its_beginning(base: Path, tmp_path: Path) -> None:
    saved(tmp_path / "reader", base)
    reader = load(tmp_path / "reader", base)
    (item,) = reader.prepare(["rain " * 900])
    assert item.length == MAX_TOKENS
    tokens = WordPiece(base)
    assert item.ids[0] == tokens.cls
    assert item.ids[-1] == tokens.sep


@pytest.mark.parametrize("wrong", [{}, {"depth": 9, "heads": list(HEADS), "stack": {}}, []])
def test_settings_that_do_not_fit_are_refused(wrong: object, base: Path, tmp_path: Path) -> None:
    folder = tmp_path / "reader"
    saved(folder, base)
    (folder / SETTINGS_NAME).write_text(json.dumps(wrong))
    seal(folder, base)
    with pytest.raises(ModelFileError, match="not a sentence reader"):
        load(folder, base)


def test_another_base_is_refused(base: Path, tmp_path: Path) -> None:
    folder = tmp_path / "reader"
    saved(folder, base)
    write_manifest(folder, name="tiny", kind=KIND, command="test", base={"sha256": "0" * 64})
    with pytest.raises(ModelFileError, match="base"):
        load(folder, base)
