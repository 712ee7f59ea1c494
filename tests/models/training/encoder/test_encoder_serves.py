"""A trained encoder in the service: the index follows it, the shipped reranker keeps its base."""

from __future__ import annotations

import runpy
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from app.serving.versions.indexing import load_retriever
from app.serving.versions.loading import load_models
from app.settings import Settings
from models.encoder import Encoder
from models.training.encoder.folders import write_model
from models.training.encoder.network import open_network, write_network
from retrieval.corpus import load_corpus
from retrieval.index import open_index

ROOT = Path(__file__).parents[4]


@pytest.fixture(scope="module")
def trained(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as scripts/train_encoder writes it, 32 wide where the shipped one is 384."""
    folder: Path = tmp_path_factory.mktemp("trained") / "encoder"
    network = open_network(str(tiny_base), 64)
    write_model(
        folder,
        lambda path: write_network(network, path),
        tokenizer=str(tiny_base),
        name="kindred-encoder-test",
        kind="encoder",
        command="scripts/train_encoder",
        data=(),
        metrics={},
    )
    return folder


def serving(encoder: Path | str, own_data: Path, folder: Path) -> Settings:
    return Settings(
        encoder=str(encoder),
        data_dir=own_data,
        var_dir=folder,
        candidates_max=0,
        runtime="torch",
        device="cpu",
        dtype="fp32",
        threads=1,
    )


@pytest.fixture(autouse=True)
def no_settings_of_the_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in [name for name in os.environ if name.startswith(("KINDRED_", "REDIS_URL"))]:
        monkeypatch.delenv(name)


def test_the_service_loads_it_beside_the_shipped_reranker(
    trained: Path, own_data: Path, tmp_path: Path
) -> None:
    models = load_models(serving(trained, own_data, tmp_path / "var"), lambda _: None)
    assert models.encoder.dimension == 32
    assert models.versions["encoder"] != Encoder.load(device="cpu", threads=1).version
    query = models.encoder.run(models.encoder.prepare(["tell me of tea"]))[0]
    hits = models.retriever.search(query, 3)
    assert "tea" in hits[0].text  # the very text is in the bank, whatever the weights
    assert hits[0].vector.shape == (32,)
    items = models.reranker.prepare(["tell me of tea"], [hit.text for hit in hits])
    assert all(0.0 < result.heads["upvote"] < 1.0 for result in models.reranker.run(items))


def test_the_old_index_stands_until_the_new_one_is_whole(
    trained: Path, tiny_base: Path, own_data: Path, tmp_path: Path
) -> None:
    options = {"runtime": "torch", "device": "cpu", "dtype": "fp32"}
    old = Encoder.load(str(tiny_base), **options)
    settings = serving(tiny_base, own_data, tmp_path / "var")
    version = load_retriever(settings, old).version

    class Failing(Encoder):
        """Breaks down in the middle of the bank."""

        def encode(self, texts: Sequence[str], batch_size: int = 64) -> NDArray[np.float32]:
            raise MemoryError("no room")

    broken = Failing.load(str(trained), **options)
    broken.version = "another"
    with pytest.raises(MemoryError):
        load_retriever(settings, broken)
    corpus = load_corpus(own_data)
    assert open_index(settings.var_dir / "index", corpus, old.version).version == version
    assert [path.name for path in settings.var_dir.glob("index.*/")] == []


def test_the_command_rebuilds_the_index(
    trained: Path,
    own_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("KINDRED_VAR_DIR", str(tmp_path / "var"))
    monkeypatch.setenv("KINDRED_DATA_DIR", str(own_data))
    monkeypatch.setenv("KINDRED_RUNTIME", "torch")
    script = runpy.run_path(str(ROOT / "scripts" / "train_encoder"))
    assert script["rebuild_index"](trained) == 0
    assert f"KINDRED_ENCODER={trained}" in capsys.readouterr().out
    encoder = Encoder.load(str(trained), runtime="torch", device="cpu")
    opened = open_index(tmp_path / "var" / "index", load_corpus(own_data), encoder.version)
    assert opened.manifest.dimension == 32
    monkeypatch.setenv("KINDRED_DATA_DIR", str(tmp_path))
    assert script["rebuild_index"](trained) == 1
    assert "KINDRED_DATA_DIR" in capsys.readouterr().err
