"""The plain way to do the same thing: one request at a time, library calls, fp32, no batching.

A Flask app under a sync worker. Retrieval by the same bank and index with MiniLM in transformers;
generation by transformers `generate(num_return_sequences=10)` with the shipped weights; ranking by
one padded call of a transformers BERT cross-encoder over the twenty pairs (MiniLM's own weights:
the shipped reranker's shared-context attention cannot be written as a transformers model, so the
plain side has the plain cross-encoder of the same depth and width, 80 tokens a pair).
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from flask import Flask, request
from transformers import AutoTokenizer, BertModel, GPT2LMHeadModel

from models.runtimes.torch_bert import resolve_base
from retrieval.corpus import load_corpus
from retrieval.index import build_index, open_index
from retrieval.retriever import Retriever

ROOT = Path(__file__).resolve().parents[2]
RETRIEVED = 10
GENERATED = 10
NEW_TOKENS = 20
PAIR_TOKENS = 80
CONTEXT_TOKENS = 100


class Naive:
    """The three models as transformers gives them."""

    def __init__(self, generator: Path, folder: Path) -> None:
        base = str(resolve_base())
        self.bert = BertModel.from_pretrained(base, add_pooling_layer=False).eval()
        self.bert_tokens = AutoTokenizer.from_pretrained(base)
        self.gpt2 = GPT2LMHeadModel.from_pretrained(generator, dtype=torch.float32).eval()
        self.gpt2_tokens = AutoTokenizer.from_pretrained(generator)
        corpus = load_corpus(ROOT / "data")
        build_index(folder, corpus, self.embed, "naive")
        self.retriever = Retriever(corpus, open_index(folder, corpus, "naive"))

    @torch.inference_mode()
    def embed(self, texts: Any) -> Any:
        """Mean-pooled unit vectors (n, 384) float32."""
        batch = self.bert_tokens(list(texts), padding=True, truncation=True, return_tensors="pt")
        hidden = self.bert(**batch).last_hidden_state
        mask = batch["attention_mask"][..., None]
        vectors = F.normalize((hidden * mask).sum(1) / mask.sum(1), dim=1)
        return vectors.numpy().astype(np.float32)

    @torch.inference_mode()
    def generate(self, message: str) -> list[str]:
        """Ten sampled replies."""
        eos = self.gpt2_tokens.eos_token
        ids = self.gpt2_tokens(message + eos, return_tensors="pt")["input_ids"]
        ids = ids[:, -CONTEXT_TOKENS:]
        rows = self.gpt2.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            do_sample=True,
            temperature=0.8,
            top_p=0.9,
            top_k=40,
            max_new_tokens=NEW_TOKENS,
            num_return_sequences=GENERATED,
            pad_token_id=self.gpt2_tokens.eos_token_id,
        )
        texts: list[str] = self.gpt2_tokens.batch_decode(
            rows[:, ids.shape[1] :], skip_special_tokens=True
        )
        return texts

    @torch.inference_mode()
    def rank(self, message: str, replies: list[str]) -> list[float]:
        """One cross-encoder call over all pairs, padded to the longest."""
        batch = self.bert_tokens(
            [message] * len(replies),
            replies,
            padding=True,
            truncation=True,
            max_length=PAIR_TOKENS,
            return_tensors="pt",
        )
        hidden = self.bert(**batch).last_hidden_state
        scores: list[float] = hidden[:, 0].sum(-1).tolist()
        return scores


def create_app() -> Flask:
    """The naive app."""
    logging.getLogger("transformers").setLevel(logging.ERROR)
    naive = Naive(ROOT / "artifacts" / "generator", ROOT / "var" / "bench" / "naive-index")
    app = Flask(__name__)

    @app.get("/livez")
    def livez() -> str:
        return "ok"

    @app.post("/v1/chat")
    def chat() -> dict[str, str]:
        message = request.get_json()["message"]
        found = [hit.text for hit in naive.retriever.search(naive.embed([message])[0], RETRIEVED)]
        replies = [text or "..." for text in found + naive.generate(message)]
        scores = naive.rank(message, replies)
        return {"text": replies[int(np.argmax(scores))], "source": "naive"}

    return app
