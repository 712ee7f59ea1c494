"""The sentence encoder: MiniLM, mean-pooled and L2-normalised (Reimers and Gurevych 2019)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from models.checkpoint import content_version, file_sha256
from models.prompt import normalise
from models.runtimes.hardware import choose_device
from models.runtimes.packing import Batch, mean_rows
from models.runtimes.torch_bert import (
    load_bert,
    pick_dtype,
    prepare_for,
    resolve_base,
)

MAX_TOKENS = 256
# What int8 is fitted to: the register and lengths of a chat.
SAMPLE = (
    "hi",
    "im so tired today, work was a lot and my sister keeps calling about the wedding",
    "That sounds like too much for one Tuesday. What would help more, a plan or a rant?",
    "What's your favourite film? Mine has a lighthouse, two cats and no ending at all!",
    "no",
    "Happy birthday! 25 candles, 1 cake, and did anybody remember the lighter this year?",
    "i dont know what to do anymore :( everything feels pointless and grey",
    "I am an AI, so I have no kitchen, but tell me how your grandmother makes the soup.",
    "https://example.org/a?b=1 lol WHAT... ok ok, 3:30pm then?",
)


class WordPiece:
    """A WordPiece tokenizer for which special-token strings in a text are plain text."""

    def __init__(self, folder: Path) -> None:
        # Rust threads of the tokenizer would compete with the model's for a few short texts.
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._tokenizer.encode_special_tokens = True
        self.cls = self._special("[CLS]")
        self.sep = self._special("[SEP]")

    def encode(self, text: str) -> list[int]:
        """The ids of a normalised text, without special tokens."""
        ids: list[int] = self._tokenizer.encode(normalise(text), add_special_tokens=False).ids
        return ids

    def sequence(self, ids: Sequence[int]) -> tuple[int, ...]:
        """`[CLS] ids [SEP]`."""
        return (self.cls, *ids, self.sep)

    def _special(self, token: str) -> int:
        found = self._tokenizer.token_to_id(token)
        if found is None:
            raise ValueError(f"the tokenizer has no {token}")
        return int(found)


@dataclass(frozen=True)
class EncodeItem:
    """One text as ids, `[CLS] … [SEP]`."""

    ids: tuple[int, ...]

    @property
    def length(self) -> int:
        """Tokens that this item adds to a batch."""
        return len(self.ids)


class Encoder:
    """A batch function from texts to unit vectors; no threads or queues inside.

    The vectors equal those of sentence-transformers with the same base.
    """

    def __init__(self, folder: Path, device: torch.device, dtype: str) -> None:
        self._tokens = WordPiece(folder)
        self._device = device
        sample = [self._tokens.sequence(self._tokens.encode(text)) for text in SAMPLE]
        self._bert = prepare_for(load_bert(str(folder)), device, dtype, sample)
        self.dimension = self._bert.config.hidden_size
        weights = file_sha256(folder / "model.safetensors")
        self.version = content_version({"model.safetensors": weights})

    @classmethod
    def load(
        cls,
        base: str = "auto",
        *,
        device: str = "auto",
        dtype: str = "auto",
        threads: int | None = None,
    ) -> Encoder:
        """Load the base model ("auto": the packaged MiniLM; else a folder or a hub id).

        `threads` sets torch's intra-op threads for the whole process. Raises OSError or
        ValueError when the folder holds no BERT encoder.
        """
        if threads is not None:
            torch.set_num_threads(threads)
        chosen = choose_device(device)
        return cls(resolve_base(base), chosen, pick_dtype(dtype, chosen))

    def prepare(self, texts: Sequence[str]) -> list[EncodeItem]:
        """Tokenise; texts are cut after 256 tokens, as the base model's authors did."""
        room = MAX_TOKENS - 2
        return [EncodeItem(self._tokens.sequence(self._tokens.encode(t)[:room])) for t in texts]

    def run(self, items: Sequence[EncodeItem]) -> list[NDArray[np.float32]]:
        """One (dimension,) float32 vector of length 1 for each item, in order."""
        if not items:
            return []
        with torch.inference_mode():
            batch = Batch.of([item.ids for item in items], device=self._device)
            pooled = mean_rows(self._bert(batch), batch.contexts).float()
            vectors = torch.nn.functional.normalize(pooled, dim=1).cpu().numpy()
        return list(vectors)

    def encode(self, texts: Sequence[str], batch_size: int = 64) -> NDArray[np.float32]:
        """(n, dimension) vectors of many texts, computed in batches of like length."""
        items = self.prepare(texts)
        order = sorted(range(len(items)), key=lambda i: items[i].length)
        out = np.zeros((len(items), self.dimension), dtype=np.float32)
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            out[rows] = np.stack(self.run([items[i] for i in rows]))
        return out

    def warm(self) -> None:
        """Run once, so that the first request does not pay for allocation."""
        self.run(self.prepare(["hello", "how are you today?"]))
