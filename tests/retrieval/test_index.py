"""The index finds what it should, and refuses whatever it was not built from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from retrieval import kinds
from retrieval.corpus import Corpus, Entry
from retrieval.index import IndexMismatch, build_index, open_index
from retrieval.lists import Vectors
from retrieval.retriever import Retriever

DIMENSION = 64


def embed(texts: Sequence[str]) -> Vectors:
    """A bag of words: each word is its own fixed random direction."""
    rows = np.zeros((len(texts), DIMENSION), dtype=np.float32)
    for row, text in zip(rows, texts, strict=True):
        for word in text.lower().split():
            seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:4])
            row += np.random.default_rng(seed).standard_normal(DIMENSION)
        row /= np.linalg.norm(row)
    return rows


def corpus_of(*entries: Entry) -> Corpus:
    return Corpus(entries, hashlib.sha256(repr(entries).encode()).hexdigest())


TEA = Entry("tea", "tea", "happy", "share", ("i made tea", "tea time"), ("green or black tea",))
DOG = Entry("dog", "pets", "happy", "share", ("my dog barks",), ("good dog", "what a bark"))
RAIN = Entry("rain", "weather", "sad", "share", ("rain again",), ("rain and puddles", "umbrella"))
CORPUS = corpus_of(TEA, DOG, RAIN)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    target = tmp_path / "index"
    build_index(target, CORPUS, embed, "enc-1")
    return target


def test_the_nearest_context_wins(folder: Path) -> None:
    retriever = Retriever(CORPUS, open_index(folder, CORPUS, "enc-1"))
    hits = retriever.search(embed(["my dog barks"])[0], 3)
    assert [hit.entry_id for hit in hits[:2]] == ["dog", "dog"]
    assert hits[0].score >= hits[1].score >= hits[2].score
    assert hits[0].text == DOG.replies[hits[0].reply]
    assert hits[0].tags == DOG.tags
    np.testing.assert_allclose(hits[0].vector, embed([hits[0].text])[0], atol=1e-6)


def test_a_reply_alone_can_be_found(folder: Path) -> None:
    retriever = Retriever(CORPUS, open_index(folder, CORPUS, "enc-1"))
    assert "rain" in {hit.entry_id for hit in retriever.search(embed(["umbrella"])[0], 5)}


def test_k_is_the_most_that_comes(folder: Path) -> None:
    retriever = Retriever(CORPUS, open_index(folder, CORPUS, "enc-1"))
    vector = embed(["tea"])[0]
    assert len(retriever.search(vector, 2)) == 2
    assert len({h.text for h in retriever.search(vector, 99)}) == len(CORPUS.replies)


def test_it_refuses_another_corpus_or_encoder(folder: Path) -> None:
    with pytest.raises(IndexMismatch, match="another corpus"):
        open_index(folder, corpus_of(TEA, DOG), "enc-1")
    with pytest.raises(IndexMismatch, match="another encoder"):
        open_index(folder, CORPUS, "enc-2")


def test_it_refuses_an_altered_or_missing_file(folder: Path) -> None:
    path = folder / "replies.faiss"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(IndexMismatch, match="altered"):
        open_index(folder, CORPUS, "enc-1")
    (folder / "manifest.json").write_text("{}")
    with pytest.raises(IndexMismatch, match="cannot be read"):
        open_index(folder, CORPUS, "enc-1")
    with pytest.raises(IndexMismatch, match="no index"):
        open_index(folder / "nowhere", CORPUS, "enc-1")


def test_a_rebuild_replaces_and_reports_progress(folder: Path) -> None:
    seen: list[tuple[int, int]] = []
    build_index(folder, CORPUS, embed, "enc-2", lambda done, total: seen.append((done, total)))
    assert open_index(folder, CORPUS, "enc-2").manifest.encoder == "enc-2"
    assert seen[-1] == (9, 9)
    assert [p.name for p in folder.parent.iterdir()] == ["index"], "nothing is left behind"


MANY = corpus_of(
    *(
        Entry(f"e{i}", "t", "f", "k", (f"says {i} and {i % 7}", f"asks {i}"), (f"answer {i}",))
        for i in range(600)
    )
)


@pytest.fixture
def small_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """600 replies are a graph's, 1,200 contexts are lists'."""
    monkeypatch.setattr(kinds, "FLAT_ROWS", 500)
    monkeypatch.setattr(kinds, "GRAPH_ROWS", 1_000)
    monkeypatch.setattr(kinds, "lists_for", lambda rows: 32)
    monkeypatch.setattr(kinds, "probes_for", lambda lists: 24)


@pytest.mark.usefixtures("small_bounds")
def test_each_part_is_of_the_kind_of_its_size(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    manifest = build_index(folder, MANY, embed, "enc-1", threads=1)
    assert [kind.name for kind in manifest.kinds.values()] == ["ivf", "hnsw"]
    opened = open_index(folder, MANY, "enc-1")
    assert opened.manifest == manifest
    assert opened.contexts.kind.search == "nprobe=24,k_factor_rf=60"
    retriever = Retriever(MANY, opened)
    for i in (0, 299, 599):
        hit = retriever.search(embed([f"says {i} and {i % 7}"])[0], 3)[0]
        assert (hit.entry_id, hit.text, hit.reply) == (f"e{i}", f"answer {i}", 0)
        np.testing.assert_allclose(hit.vector, embed([hit.text])[0], atol=1e-6)


@pytest.mark.usefixtures("small_bounds")
def test_an_index_keeps_its_kind_when_the_bounds_move(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_index(tmp_path / "index", MANY, embed, "enc-1", threads=1)
    monkeypatch.setattr(kinds, "FLAT_ROWS", 10_000)
    assert open_index(tmp_path / "index", MANY, "enc-1").replies.kind == kinds.HNSW


def altered(folder: Path, **fields: object) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def test_it_refuses_a_manifest_that_says_something_else_than_the_files(folder: Path) -> None:
    altered(folder, dimension=32)
    with pytest.raises(IndexMismatch, match="rows of 64 numbers"):
        open_index(folder, CORPUS, "enc-1")
    fewer = Corpus((TEA, DOG), CORPUS.sha256)
    altered(folder, dimension=DIMENSION)
    with pytest.raises(IndexMismatch, match="holds 4 contexts, the corpus 3"):
        open_index(folder, fewer, "enc-1")


@pytest.mark.parametrize(
    "found",
    [
        {},
        {"contexts.faiss": {"name": "flat", "factory": "Flat", "search": "nprobe=3"}},
        {"contexts.faiss": {"name": "flat", "factory": "Flat", "search": "nprobe=many"}},
        {"contexts.faiss": {"name": "flat", "factory": "Flat", "colour": "red"}},
        {"contexts.faiss": {"name": "ivf", "factory": "IVF8,SQ8", "lists": 8}},
        [],
    ],
)
def test_it_refuses_kinds_that_are_not_those_of_the_files(folder: Path, found: object) -> None:
    altered(folder, kinds=found)
    with pytest.raises(IndexMismatch, match=r"run scripts/build_index|cannot be read"):
        open_index(folder, CORPUS, "enc-1")


def test_it_refuses_a_manifest_without_kinds(folder: Path) -> None:
    raw = json.loads((folder / "manifest.json").read_text())
    del raw["kinds"]
    (folder / "manifest.json").write_text(json.dumps(raw))
    with pytest.raises(IndexMismatch, match="cannot be read"):
        open_index(folder, CORPUS, "enc-1")


def test_a_build_that_fails_leaves_the_old_index_and_nothing_else(folder: Path) -> None:
    def fails(texts: Sequence[str]) -> Vectors:
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        build_index(folder, corpus_of(TEA), fails, "enc-2")
    assert open_index(folder, CORPUS, "enc-1").manifest.encoder == "enc-1"
    assert [p.name for p in folder.parent.iterdir()] == ["index"]
