"""A tiny BERT with the packaged tokenizer, and conversations of this test's own."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

TOPICS = ["rain", "bread", "trains", "cats", "chess", "the sea", "tea", "gardens", "maps", "jazz"]
TOPICS += ["snow", "soup", "ships", "dogs", "cards", "hills", "milk", "parks", "clocks", "rock"]


def write_rows(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """JSON lines, gzip where the name ends so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "wt", encoding="utf-8") as stream:
        stream.writelines(json.dumps(row) + "\n" for row in rows)


def make_base(folder: Path, *, width: int = 32, layers: int = 1, seed: int = 3) -> Path:
    """A random BERT with the packaged vocabulary, as a folder that any loader reads."""
    from transformers import BertConfig, BertModel

    from models.runtimes.torch_bert import resolve_base

    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=30522,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=2 * width,
        max_position_embeddings=256,
    )
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(resolve_base() / name, folder / name)
    return folder


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a random encoder, 32 wide."""
    return make_base(tmp_path_factory.mktemp("bases") / "tiny")


@pytest.fixture(scope="session")
def public_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder laid out like the public data; enough dialogs that some are held out."""
    root: Path = tmp_path_factory.mktemp("public")

    def talk(topic: str, number: int) -> list[dict[str, str]]:
        lines = [
            f"do you like {topic} number {number}?",
            f"yes, {topic} {number} is what i live for",
            f"since when do you like {topic} {number}?",
            f"since my aunt showed me {topic} {number} one summer",
        ]
        return [{"speaker": "AB"[i % 2], "text": text} for i, text in enumerate(lines)]

    for source, topic in (("self_dialogue", "hobby"), ("topical_chat", ""), ("synthetic", "")):
        name = {"synthetic": "synthetic_persona_chat"}.get(source, source)
        rows = [
            {"dialog_id": f"{source}{t}{n}", "topic": topic, "turns": talk(f"{source} {t}", n)}
            for t in TOPICS
            for n in range(3)
        ]
        write_rows(root / f"dialogs/{name}.jsonl.gz", rows)
    small = [
        {"style": "kind", "questions": [f"{t}?", f"why {t}?"], "answer": f"Ah, {t}."}
        for t in TOPICS
    ]
    write_rows(root / "dialogs/personality_chat.jsonl.gz", small)
    return root


@pytest.fixture(scope="session")
def own_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bank and dialogs laid out like the project's own."""
    root: Path = tmp_path_factory.mktemp("own")
    bank = [
        {
            "id": f"e{n}",
            "topic": "things",
            "feeling": "calm",
            "kind": "chat",
            "contexts": [f"tell me of {t}", f"what about {t} then?"],
            "replies": [f"I think {t} is fine.", f"Most people enjoy {t} a little."],
        }
        for n, t in enumerate(TOPICS * 2)
    ]
    write_rows(root / "bank/things.jsonl", bank)
    turns = [
        {"speaker": "person", "text": "i am home"},
        {"speaker": "kindred", "text": "Welcome back."},
        {"speaker": "person", "text": "thanks"},
    ]
    write_rows(root / "dialogs/home.jsonl", [{"id": "d1", "turns": turns}])
    return root
