"""The sentence encoder: MiniLM, mean-pooled and L2-normalised (Reimers and Gurevych 2019).

`Encoder` is texts to ids to vectors; what computes them is an `EncoderNetwork` of any runtime.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from models.checkpoint import (
    MANIFEST_NAME,
    content_version,
    file_sha256,
    refuse_pickles,
    verify,
)
from models.contracts import EncodeItem as EncodeItem
from models.contracts import EncoderNetwork
from models.prompt import normalise
from models.runtimes.bert_networks import Opening, open_encoder
from models.runtimes.choice import choose
from models.runtimes.torch_bert import load_bert, resolve_base

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


class Encoder:
    """A batch function from texts to unit vectors; no threads or queues inside.

    In fp32 the vectors equal those of sentence-transformers with the same base.
    """

    local = True

    def __init__(
        self, tokens: WordPiece, network: EncoderNetwork, version: str, runtime: str = "given"
    ) -> None:
        """`runtime` says in words what the network is."""
        self._tokens, self._network = tokens, network
        self.version, self.runtime = version, runtime
        self.dimension = network.width

    @classmethod
    def load(
        cls,
        base: str = "auto",
        *,
        runtime: str = "auto",
        device: str = "auto",
        dtype: str = "auto",
        threads: int | None = None,
        compiled: bool = False,
        sample: Sequence[str] = SAMPLE,
        cache: Path | None = None,
    ) -> Encoder:
        """Load the base model ("auto": the packaged MiniLM; else a folder or a hub id).

        runtime, device, dtype: see `models.runtimes.choice`. threads: of one run; torch's
        are those of the whole process. compiled: by torch.compile. sample: texts that int8
        is fitted to. cache: a folder for what takes long to make (int8 graphs). Raises OSError or
        ValueError when the folder holds no BERT encoder or the runtime is not to be had,
        ModelFileError for a folder that is not its manifest's or holds a pickle.
        """
        choice = choose(runtime, device, dtype)
        choice.set_threads(threads)
        _check(Path(base))
        folder = resolve_base(base)
        tokens = WordPiece(folder)
        ids = [tokens.sequence(tokens.encode(text)[: MAX_TOKENS - 2]) for text in sample]
        opening = Opening(choice, threads, compiled, ids, cache=cache)
        network = open_encoder(load_bert(str(folder)), opening)
        weights = file_sha256(folder / "model.safetensors")
        version = content_version({"model.safetensors": weights})
        return cls(tokens, network, version, str(choice))

    def prepare(self, texts: Sequence[str]) -> list[EncodeItem]:
        """Tokenise; texts are cut after 256 tokens, as the base model's authors did."""
        room = MAX_TOKENS - 2
        return [EncodeItem(self._tokens.sequence(self._tokens.encode(t)[:room])) for t in texts]

    def run(self, items: Sequence[EncodeItem]) -> list[NDArray[np.float32]]:
        """One (dimension,) float32 vector of length 1 for each item, in order.

        Raises ValueError for ids outside the vocabulary and for items that are too long.
        """
        return list(self._network.embed([item.ids for item in items])) if items else []

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


def _check(folder: Path) -> None:
    """Refuse an altered folder; of a package or a hub id nothing but named weights is read."""
    if (folder / MANIFEST_NAME).exists():
        verify(folder)
    elif folder.is_dir():
        refuse_pickles(folder)
