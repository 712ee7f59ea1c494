"""Small data laid out like the public one, and small random encoders of four architectures."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from models.training.examples import Example

THINGS = ["rain", "bread", "trains", "cats", "chess", "the sea", "tea", "gardens", "maps", "jazz"]
LINES = [
    f"{start} {thing} {end}"
    for thing in THINGS
    for start in ("do you like", "i live for", "nobody needs", "tell me of")
    for end in ("today", "at night", "with your aunt", "in the end")
]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def write_rows(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt", encoding="utf-8") as stream:
        stream.writelines(json.dumps(row) + "\n" for row in rows)


def talk(i: int) -> list[dict[str, str]]:
    lines = [LINES[(7 * i + 11 * k) % len(LINES)] for k in range(4)]
    return [{"speaker": "AB"[k % 2], "text": f"{line} {i}"} for k, line in enumerate(lines)]


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Conversations and judgements of these tests' own; good additions begin with "Enjoy"."""
    root: Path = tmp_path_factory.mktemp("data")
    for name, key in (
        ("self_dialogue", "s"),
        ("topical_chat", "t"),
        ("synthetic_persona_chat", "p"),
    ):
        rows = [
            {"dialog_id": f"{key}{i}", "topic": THINGS[i % 3], "turns": talk(i)} for i in range(80)
        ]
        write_rows(root / f"dialogs/{name}.jsonl.gz", rows)
    for part, count in (("train", 60), ("dev", 12), ("test", 12)):
        slots = [
            {
                "context": ["book a table", LINES[i % len(LINES)]],
                "response": f"{word} {THINGS[i % 10]} {i % 7}",
                "label": label,
                "group": f"{i:03}:1:end",
            }
            for i in range(count)
            for word, label in (("Enjoy", "good"), ("Whatever,", "bad"))
        ]
        write_rows(root / f"reactions/accentor_{part}.jsonl.gz", slots)
    safety = [
        {"split": split, "context": [f"hi {i}"], "response": text, "label": label}
        for split, count in (("train", 20), ("val", 6), ("test", 6))
        for i in range(count)
        for text, label in ((f"you idiot {i}", "Unsafe"), (f"hello you {i}", "Safe"))
    ]
    write_rows(
        root / "reactions/diasafety.jsonl.gz", [*safety, {**safety[0], "response": "\u200b"}]
    )
    write_rows(root / "reactions/dialogue_eval.jsonl.gz", [rated(i) for i in range(160)])
    return root


def rated(i: int) -> dict[str, Any]:
    names = ("interesting", "fun", "consistent", "fluent", "topic", "robotic", "repetitive")
    turns = [{"speaker": s, "text": f"{s} says {i}"} for s in ("user", "bot", "user", "bot")]
    scores = {"z scores": dict.fromkeys(names, float(i % 9))}
    return {
        "dialog_id": f"e{i}",
        "worker": f"w{i // 3}",
        "bot": "b",
        "scores": scores,
        "turns": turns,
    }


def tokenizer_of(form: str) -> Any:
    """A small fast tokenizer in the form of BERT (`[CLS] a [SEP] b [SEP]`) or RoBERTa."""
    from transformers import PreTrainedTokenizerFast

    if form == "bert":
        from models.training.reranker.family.qa_lstm import own_tokenizer

        return own_tokenizer([*LINES, "Enjoy Whatever, idiot hello book a table says bot"], 300)
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(LINES, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        cls_token="<s>",
        eos_token="</s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token="<mask>",
    )


def encoder_of(architecture: str, vocabulary: int, layers: int = 4) -> Any:
    """A random encoder, 32 wide."""
    import transformers as t

    torch.manual_seed(1)
    size: dict[str, Any] = {
        "vocab_size": vocabulary,
        "hidden_size": 32,
        "num_hidden_layers": layers,
        "num_attention_heads": 2,
        "intermediate_size": 64,
    }
    if architecture == "roberta":
        config: Any = t.RobertaConfig(
            **size, pad_token_id=1, type_vocab_size=1, max_position_embeddings=66
        )
        return t.RobertaModel(config)
    if architecture == "albert":
        return t.AlbertModel(t.AlbertConfig(**size, embedding_size=16, max_position_embeddings=64))
    if architecture == "distilbert":
        config = t.DistilBertConfig(
            vocab_size=vocabulary,
            dim=32,
            n_layers=layers,
            n_heads=2,
            hidden_dim=64,
            max_position_embeddings=64,
        )
        return t.DistilBertModel(config)
    return t.BertModel(t.BertConfig(**size, max_position_embeddings=64))


@pytest.fixture(scope="session")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a small random model of a named architecture, as one would name by --base."""
    root: Path = tmp_path_factory.mktemp("bases")

    def base(architecture: str) -> Path:
        folder = root / architecture
        if not folder.exists():
            tokenizer = tokenizer_of("roberta" if architecture == "roberta" else "bert")
            encoder_of(architecture, len(tokenizer)).save_pretrained(str(folder))
            tokenizer.save_pretrained(str(folder))
        return folder

    return base


@pytest.fixture
def examples() -> list[Example]:
    """Groups of two: what begins with "Enjoy" is good; a second head without groups."""
    made = []
    for i in range(48):
        context = ("book a table", LINES[i % len(LINES)])
        for word, label in (("Enjoy", 1.0), ("Whatever,", 0.0)):
            text = f"{word} {THINGS[i % 10]}"
            made.append(Example("accentor", "accentor", context, text, label, f"g{i}", f"c{i}"))
        if i % 2:
            unsafe = float(i % 4 == 1)
            text = "you idiot" if unsafe else "hello you"
            made.append(Example("diasafety", "offensive", (f"hi {i}",), text, unsafe))
    return made
