"""The three models as transformers gives them, in fp32: what the plain apps are made of.

Retrieval by the same bank with MiniLM; generation by `generate(num_return_sequences=10)` with the
same weights; ranking by a padded call of a BERT cross-encoder (MiniLM's own weights: the shipped
reranker's shared-context attention cannot be written as a transformers model, so the plain side has
the plain cross-encoder of the same depth and width, 80 tokens a pair). Each is a batch function, so
that a batching middleware can stand in front of it; the naive app gives it batches of one request.
"""

from __future__ import annotations

import logging
import os
import select
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from transformers import AutoTokenizer, BertModel, GPT2LMHeadModel

from models.runtimes.torch_bert import resolve_base
from retrieval.corpus import load_corpus
from retrieval.index import IndexMismatch, build_index, open_index
from retrieval.retriever import Retriever

ROOT = Path(__file__).resolve().parents[2]
RETRIEVED = 10
GENERATED = 10
NEW_TOKENS = 20
PAIR_TOKENS = 80
CONTEXT_TOKENS = 100
GENERATOR = "BENCH_GENERATOR"  # a folder; as shipped where it is not set

Pair = tuple[str, str]


class Plain:
    """Encoder, generator, cross-encoder and the bank."""

    def __init__(self) -> None:
        logging.getLogger("transformers").setLevel(logging.ERROR)
        base = str(resolve_base())
        generator = os.environ.get(GENERATOR) or str(ROOT / "artifacts" / "generator")
        self.bert = BertModel.from_pretrained(
            base, add_pooling_layer=False, use_safetensors=True
        ).eval()
        self.text_tokens = AutoTokenizer.from_pretrained(base)
        # One for each caller: a tokenizer that two threads pad and truncate with at once raises.
        self.pair_tokens = AutoTokenizer.from_pretrained(base)
        self.gpt2 = GPT2LMHeadModel.from_pretrained(
            generator, dtype=torch.float32, use_safetensors=True
        ).eval()
        self.gpt2_tokens = AutoTokenizer.from_pretrained(
            generator, padding_side="left", truncation_side="left"
        )
        self.gpt2_tokens.pad_token = self.gpt2_tokens.eos_token
        corpus = load_corpus(ROOT / "data")
        index = ROOT / "var" / "bench" / "plain-index"
        try:
            opened = open_index(index, corpus, base)
        except IndexMismatch:
            build_index(index, corpus, self.embed, base)
            opened = open_index(index, corpus, base)
        self._retriever = Retriever(corpus, opened)

    def retrieve(self, vector: NDArray[np.float32]) -> list[str]:
        """The texts of the ten nearest replies of the bank."""
        return [hit.text for hit in self._retriever.search(vector, RETRIEVED)]

    @torch.inference_mode()
    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Mean-pooled unit vectors (n, 384)."""
        batch = self.text_tokens(list(texts), padding=True, truncation=True, return_tensors="pt")
        hidden = self.bert(**batch).last_hidden_state
        mask = batch["attention_mask"][..., None]
        vectors = F.normalize((hidden * mask).sum(1) / mask.sum(1), dim=1)
        return vectors.numpy().astype(np.float32)

    @torch.inference_mode()
    def generate(self, messages: Sequence[str]) -> list[list[str]]:
        """Ten sampled replies to each message."""
        eos = self.gpt2_tokens.eos_token
        batch = self.gpt2_tokens(
            [message + eos for message in messages],
            padding=True,
            truncation=True,
            max_length=CONTEXT_TOKENS,
            return_tensors="pt",
        )
        ids = batch["input_ids"]
        rows = self.gpt2.generate(
            ids,
            attention_mask=batch["attention_mask"],
            do_sample=True,
            temperature=0.8,
            top_p=0.9,
            top_k=40,
            max_new_tokens=NEW_TOKENS,
            num_return_sequences=GENERATED,
            pad_token_id=self.gpt2_tokens.eos_token_id,
        )
        texts = self.gpt2_tokens.batch_decode(rows[:, ids.shape[1] :], skip_special_tokens=True)
        return [texts[i : i + GENERATED] for i in range(0, len(texts), GENERATED)]

    @torch.inference_mode()
    def rank(self, pairs: Sequence[Pair]) -> list[float]:
        """A score of each pair by one call, padded to the longest."""
        batch = self.pair_tokens(
            [message for message, _ in pairs],
            [reply for _, reply in pairs],
            padding=True,
            truncation=True,
            max_length=PAIR_TOKENS,
            return_tensors="pt",
        )
        hidden = self.bert(**batch).last_hidden_state
        scores: list[float] = hidden[:, 0].sum(-1).tolist()
        return scores


def candidates(found: Sequence[str], generated: Sequence[str]) -> list[str]:
    """What is ranked; an empty text stays in as dots, so that both sides rank twenty."""
    return [text or "..." for text in (*found, *generated)]


def answer(replies: Sequence[str], scores: Sequence[Any]) -> dict[str, str]:
    """The answer of the plain apps."""
    return {"text": replies[int(np.argmax(scores))], "source": "plain"}


def hung_up(environ: Mapping[str, Any]) -> bool:
    """Whether the caller has left (gunicorn's sync and thread workers).

    What is left over from a round is not answered then: it would run into the other side's round.
    """
    connection: socket.socket = environ["gunicorn.socket"]
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    # Asked first, as a socket with a timeout waits for it even where the call says not to.
    if not poll.poll(0):
        return False
    try:
        return connection.recv(1, socket.MSG_PEEK) == b""
    except OSError:
        return True
