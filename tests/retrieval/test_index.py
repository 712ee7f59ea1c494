"""The index finds what it should, and refuses whatever it was not built from."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

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
