"""A GPT-2 small (124 M) with random weights that a chat can be run on: `folder()` makes it once.

Two things make it cost what a trained one would. Its 50,257 ids have words: the shipped tokenizer's
own, then words of MiniLM's vocabulary, so that twenty sampled tokens are some twenty tokens to the
reranker too. And its positions weigh more than its embeddings, as a model with tied embeddings and
equal ones would only say the last word again, and such candidates are dropped unranked.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from models.runtimes.torch_bert import resolve_base

ROOT = Path(__file__).resolve().parents[2]
SEED = 20_261_121
_POSITION_STD = 0.5  # 25 times that of the embeddings


def folder() -> Path:
    """config.json, model.safetensors and the tokenizer, in var/bench/models; made where missing."""
    done = ROOT / "var" / "bench" / "models" / "gpt2-small-words-1"
    if not done.is_dir():
        done.parent.mkdir(parents=True, exist_ok=True)
        making = Path(tempfile.mkdtemp(dir=done.parent, prefix=".gpt2-small-"))
        try:
            _write(making)
            os.replace(making, done)
        finally:
            shutil.rmtree(making, ignore_errors=True)
    return done


def _write(to: Path) -> None:
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    shipped = ROOT / "artifacts" / "generator"
    raw = json.loads((shipped / "tokenizer.json").read_text(encoding="utf-8"))
    config = GPT2Config(bos_token_id=0, eos_token_id=0)
    extend(raw, words(), config.vocab_size)
    (to / "tokenizer.json").write_text(json.dumps(raw, ensure_ascii=False), encoding="utf-8")
    about = json.loads((shipped / "tokenizer_config.json").read_text(encoding="utf-8"))
    about["model_max_length"] = config.n_positions
    (to / "tokenizer_config.json").write_text(json.dumps(about), encoding="utf-8")
    torch.manual_seed(SEED)
    model = GPT2LMHeadModel(config)
    torch.nn.init.normal_(model.transformer.wpe.weight, std=_POSITION_STD)
    model.save_pretrained(str(to))


def words() -> list[str]:
    """The whole words of MiniLM's vocabulary, in its order."""
    raw = json.loads((Path(resolve_base()) / "tokenizer.json").read_text(encoding="utf-8"))
    vocabulary: dict[str, int] = raw["model"]["vocab"]
    return [
        w for w in sorted(vocabulary, key=vocabulary.__getitem__) if w.isascii() and w.isalpha()
    ]


def extend(tokenizer: dict[str, Any], extra: list[str], size: int) -> None:
    """Give a BPE tokenizer.json `size` ids: words with a space before, then capitalised ones.

    No merge leads to them, so texts are encoded as before; they are only ever said.
    Raises ValueError where the words do not suffice.
    """
    vocabulary: dict[str, int] = tokenizer["model"]["vocab"]
    for word in (*extra, *(word.capitalize() for word in extra), *(word.upper() for word in extra)):
        if len(vocabulary) >= size:
            return
        vocabulary.setdefault(f"Ġ{word}", len(vocabulary))
    raise ValueError(f"only {len(vocabulary)} of {size} ids have a word")
