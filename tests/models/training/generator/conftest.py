"""Corpora on disk, written once."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.training import corpora
from tests.models.training.generator.talk import chat, write_rows


@pytest.fixture(scope="session")
def public(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("public")
    for source in (corpora.SELF_DIALOGUE, corpora.TOPICAL_CHAT):
        rows = [chat(n, ("A", "B")) for n in range(120)]
        write_rows(folder / f"{source}.jsonl.gz", rows)
    personas = {"1": ["I bake bread.", "I sing."], "2": ["I swim."]}
    rows = [{**chat(n, ("1", "2")), "personas": personas} for n in range(120)]
    write_rows(folder / f"{corpora.PERSONA_CHAT}.jsonl.gz", rows)
    questions = [f"how are you {n}" for n in range(30)]
    rows = [{"style": "kind", "questions": questions, "answer": f"well, {n}."} for n in range(200)]
    write_rows(folder / f"{corpora.PERSONALITY_CHAT}.jsonl.gz", rows)
    return folder


@pytest.fixture(scope="session")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    rows = [{"id": f"own-{n}", **chat(n, ("person", "kindred"))} for n in range(150)]
    write_rows(folder / "dialogs" / "a.jsonl", rows)
    entry = {"id": "e1", "contexts": ["hi", "hello"], "replies": ["there you are", "welcome"]}
    write_rows(folder / "bank" / "b.jsonl", [entry])
    return folder
