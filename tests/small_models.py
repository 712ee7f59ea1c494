"""Tiny real models in the shapes that the engine loads: a BERT, a reranker over it, a GPT-2.

They answer within milliseconds and mean nothing: for tests of what stands around models.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import BertConfig, BertModel, GPT2Config, GPT2LMHeadModel

from models.checkpoint import file_sha256, write_manifest
from models.reranker import CONFIG, WEIGHTS, RerankNet, make_delta
from models.runtimes.torch_bert import load_base_state, load_bert, resolve_base
from models.training.generator.tokenizer import train_tokenizer

WORDS = [
    "Hello, how are you today?",
    "I am fine, thank you. What do you like to do?",
    "I like walking in the rain. It makes me calm.",
] * 30
BANK = [
    (
        "hello",
        ["hello", "hi there", "good morning"],
        ["Hello! How are you?", "Hi, good to see you."],
    ),
    ("hike", ["i went hiking", "we walked in the hills"], ["Lovely! How far did you go?"]),
    ("tired", ["i am so tired", "i slept badly"], ["That is hard. Can you rest a little?"]),
    ("bye", ["goodbye", "see you later"], ["Goodbye! Take care."]),
]
HEADS = ["selection", "offensive"]


def write_encoder(folder: Path) -> None:
    """A BERT of two narrow layers with MiniLM's own tokenizer."""
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=30_522, hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=256,
    )  # fmt: skip
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    shutil.copy(resolve_base("auto") / "tokenizer.json", folder)


def write_reranker(folder: Path, encoder: Path) -> None:
    """A reranker whose head is random."""
    torch.manual_seed(1)
    net = RerankNet(load_bert(str(encoder), 1), len(HEADS))
    torch.nn.init.normal_(net.out.weight, std=0.1)
    folder.mkdir()
    save_file(make_delta(net, load_bert(str(encoder)).state_dict()), folder / WEIGHTS)
    calibration = {head: {"scale": 1.0, "shift": 0.0} for head in HEADS}
    serving = {"upvote": {"weights": {"selection": 1.0}, "bias": 0.0}, "penalty": 0.5}
    document = {"join": 1, "heads": HEADS, "calibration": calibration, "serving": serving}
    (folder / CONFIG).write_text(json.dumps(document))
    sha256 = file_sha256(encoder / "model.safetensors")
    write_manifest(folder, name="tiny", kind="reranker", command="a test", base={"sha256": sha256})
    assert load_base_state(encoder)


def write_generator(folder: Path) -> None:
    """A GPT-2 of two narrow layers, untrained."""
    torch.manual_seed(2)
    tokenizer = train_tokenizer(WORDS, 330, 160)
    config = GPT2Config(
        vocab_size=len(tokenizer), n_positions=160, n_embd=32, n_layer=2, n_head=2,
        bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    GPT2LMHeadModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    for stale in folder.glob("manifest.json"):
        stale.unlink()
    write_manifest(folder, name="tiny", kind="generator", command="a test")


def write_bank(folder: Path) -> None:
    """Four entries."""
    (folder / "bank").mkdir(parents=True)
    lines = [
        json.dumps(
            {
                "id": name,
                "topic": "t",
                "feeling": "f",
                "kind": "k",
                "contexts": contexts,
                "replies": replies,
            }
        )
        for name, contexts, replies in BANK
    ]
    (folder / "bank" / "tiny.jsonl").write_text("\n".join(lines) + "\n")


def write_all(root: Path) -> Path:
    """`encoder/`, `reranker/`, `generator/` and `data/` in a folder; gives the folder back."""
    write_encoder(root / "encoder")
    write_reranker(root / "reranker", root / "encoder")
    write_generator(root / "generator")
    write_bank(root / "data")
    return root
