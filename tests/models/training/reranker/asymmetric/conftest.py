"""Conversations written here, laid out like the public data and like this project's own."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

TOPICS = ["rain", "bread", "trains", "cats", "chess", "the sea", "tea", "gardens", "maps", "jazz"]


def write_rows(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "wt", encoding="utf-8") as stream:
        stream.writelines(json.dumps(row) + "\n" for row in rows)


def talk(topic: str, rating: str = "Good") -> list[dict[str, str]]:
    lines = [
        f"do you like {topic}?",
        f"yes, {topic} is what i live for",
        "since when?",
        f"since my aunt showed me {topic} one summer",
    ]
    return [{"speaker": "AB"[i % 2], "text": t, "rating": rating} for i, t in enumerate(lines)]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder laid out like the public data, with conversations of this test's own."""
    root: Path = tmp_path_factory.mktemp("data")
    selves = [{"dialog_id": f"s{t}", "topic": "hobby", "turns": talk(t)} for t in TOPICS]
    write_rows(root / "dialogs/self_dialogue.jsonl.gz", selves)
    poor = [{"dialog_id": f"t{t}", "turns": talk(t, "Poor")} for t in TOPICS]
    write_rows(root / "dialogs/topical_chat.jsonl.gz", poor)
    persona = [
        {"dialog_id": f"p{t}", "personas": {"A": [f"I own {t}."], "B": []}, "turns": talk(t)}
        for t in TOPICS
    ]
    write_rows(root / "dialogs/synthetic_persona_chat.jsonl.gz", persona)
    small = [
        {"style": "kind", "questions": [f"{t}?", f"{t}!"], "answer": f"Ah, {t}."} for t in TOPICS
    ]
    write_rows(root / "dialogs/personality_chat.jsonl.gz", small)
    slots = [
        {
            "context": ["book a table", "where?"],
            "response": f"{word} {t}",
            "label": label,
            "group": t,
        }
        for t in TOPICS
        for word, label in (("Enjoy", "good"), ("Whatever,", "bad"))
    ]
    write_rows(root / "reactions/accentor_train.jsonl.gz", slots)
    safety = [
        {"split": "train", "context": ["hi"], "response": text, "label": label}
        for text, label in (("you idiot", "Unsafe"), ("hello you", "Safe"), ("\u200b", "Safe"))
    ]
    write_rows(root / "reactions/diasafety.jsonl.gz", safety)
    turns = [{"speaker": s, "text": f"{s} says"} for s in ("user", "bot", "user", "bot")]
    rated = [{"dialog_id": f"i{i}", "rating": i, "turns": turns} for i in (1, 2, 3)]
    write_rows(root / "reactions/ieval.jsonl.gz", rated)
    return root


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root: Path = tmp_path_factory.mktemp("own")
    bank = [
        {
            "id": f"b{t}",
            "contexts": [f"i miss {t}", f"{t} is gone"],
            "replies": [f"Tell me of {t}."],
        }
        for t in TOPICS
    ]
    write_rows(root / "bank/loss.jsonl", bank)
    turns = [{"speaker": ("person", "kindred")[i % 2], "text": f"line {i}"} for i in range(4)]
    write_rows(root / "dialogs/day.jsonl", [{"id": "d1", "turns": turns}])
    return root
