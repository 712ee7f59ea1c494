"""The data of a generator's run: encoded once, in an order that follows from the seed."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from models.checkpoint import write_atomically
from models.prompt import Encode, plain_encoder
from models.training import corpora
from models.training.corpora import Dialog
from models.training.generator.tokenizer import encode_many, load_tokenizer, train_tokenizer
from models.training.generator.windows import (
    Batch,
    EncodedDialog,
    Window,
    collate,
    encode_dialogs,
    make_batches,
    windows_of,
)

MAIN = "main"
FINISH = "finish"
OWN_FILE = "own_texts.json"
TOKENIZER_FOLDER = "tokenizer"
# Held-out windows of each source in the quick reports during a run.
SAMPLE_WINDOWS = 40


class TrainingData:
    """Public dialogs from the start; the project's own from the finishing phase on.

    `folder` is the run's: it keeps the tokenizer, and the own texts as they were when the
    finishing phase began, so that a resumed run sees the same.
    """

    def __init__(
        self,
        folder: Path,
        public: Sequence[Dialog],
        own_folder: Path | None,
        *,
        vocabulary: int,
        positions: int,
        tokens_per_batch: int,
        own_share: float,
        seed: int,
        log: Callable[[str], None],
    ) -> None:
        self.folder, self.own_folder, self.log = folder, own_folder, log
        self.tokens_per_batch, self.own_share, self.seed = tokens_per_batch, own_share, seed
        train, held = corpora.split_held_out(public)
        self.tokenizer = self._tokenizer(train, vocabulary, positions)
        self.eos: int = int(self.tokenizer.eos_token_id)
        self._encode = plain_encoder(self.tokenizer)
        self.train = self._encoded(train)
        self.held_out = self._encoded(held)
        self.own_train: list[EncodedDialog] = []
        self._own_ready = False
        self._cache: tuple[str, int, list[list[Window]]] | None = None
        if (folder / OWN_FILE).exists():
            self._begin_finish()

    def _tokenizer(
        self, train: Sequence[Dialog], vocabulary: int, positions: int
    ) -> PreTrainedTokenizerBase:
        path = self.folder / TOKENIZER_FOLDER
        if not (path / "tokenizer.json").exists():
            self.log("training the tokenizer")
            # Canned questions repeat a few words thousands of times: they are left out, and
            # what the project itself has written so far counts in.
            texts = [t for d in train if d.source != corpora.PERSONALITY_CHAT for t in d.turns]
            texts += [t for d in self._own_now() for t in d.turns]
            train_tokenizer(texts, vocabulary, positions).save_pretrained(path)
        return load_tokenizer(path)

    def _own_now(self) -> list[Dialog]:
        """The training part of the own texts as they are at this moment."""
        if self.own_folder is None:
            return []
        return corpora.split_held_out(corpora.load_own(self.own_folder))[0]

    def _encoded(self, dialogs: Sequence[Dialog]) -> list[EncodedDialog]:
        ids = iter(encode_many(self.tokenizer, [t for d in dialogs for t in d.turns]))
        return [EncodedDialog(d, tuple(tuple(next(ids)) for _ in d.turns)) for d in dialogs]

    def phase(self, fraction: float, finish_share: float, current: str) -> str:
        """MAIN, or FINISH once its time has come and there are own texts to read."""
        if current == FINISH or self.own_folder is None or fraction < 1.0 - finish_share:
            return current
        if not self._own_ready:
            self._begin_finish()
        return FINISH if self.own_train else MAIN

    def _begin_finish(self) -> None:
        self._own_ready = True
        path = self.folder / OWN_FILE
        if not path.exists():
            if self.own_folder is None:
                return
            found = corpora.load_own(self.own_folder)
            write_atomically(path, json.dumps([asdict(d) for d in found], ensure_ascii=False))
        train, held = corpora.split_held_out(read_own(self.folder, self.own_folder))
        self.own_train = self._encoded(train)
        self.held_out = self.held_out + self._encoded(held)
        self.log(f"own texts: {len(train)} dialogs to learn, {len(held)} held out")

    def epoch(self, phase: str, number: int) -> list[list[Window]]:
        """The batches of one epoch, always the same for the same seed, phase and number."""
        if self._cache is None or self._cache[:2] != (phase, number):
            rng = random.Random(f"{self.seed}:{phase}:{number}")
            windows = self._windows(phase, rng)
            self._cache = (phase, number, make_batches(windows, self.tokens_per_batch, rng))
        return self._cache[2]

    def _windows(self, phase: str, rng: random.Random) -> list[Window]:
        public = corpora.epoch_dialogs([item.dialog for item in self.train], rng)
        by_dialog = {id(item.dialog): item for item in self.train}
        items = [by_dialog[id(dialog)] for dialog in public]
        if phase == MAIN:
            return [w for item in items for w in self._cut(item, rng)]
        own = [w for item in self.own_train for w in self._cut(item, rng)]
        budget = sum(len(w.ids) for w in own) * (1.0 - self.own_share) / self.own_share
        windows = list(own)
        for item in items:
            if budget <= 0:
                break
            for window in self._cut(item, rng):
                windows.append(window)
                budget -= len(window.ids)
        return windows

    def _cut(self, item: EncodedDialog, rng: random.Random) -> Iterator[Window]:
        return windows_of(item, self._encode, self.eos, rng)

    def collate(self, rows: Sequence[Window]) -> Batch:
        """One padded batch of these windows."""
        return collate(rows, self.eos)

    def held_out_batches(self, *, full: bool) -> Iterator[tuple[str, list[Batch]]]:
        """(source, batches) of the held-out windows; a fixed sample of them unless `full`."""
        yield from held_out_batches(
            self.held_out, self._encode, self.eos, self.tokens_per_batch, full=full
        )


class HeldOut:
    """The held-out dialogs of a run alone: enough to measure, and quick to read."""

    def __init__(
        self, run: Path, public: Path, own_folder: Path | None, tokens_per_batch: int
    ) -> None:
        tokenizer = load_tokenizer(run / TOKENIZER_FOLDER)
        dialogs = corpora.load_public(public) + read_own(run, own_folder)
        held = corpora.split_held_out(dialogs)[1]
        self._encode = plain_encoder(tokenizer)
        self.held_out = encode_dialogs(held, self._encode)
        self.eos = int(tokenizer.eos_token_id)
        self.tokens_per_batch = tokens_per_batch

    def held_out_batches(self, *, full: bool) -> Iterator[tuple[str, list[Batch]]]:
        """As in TrainingData."""
        yield from held_out_batches(
            self.held_out, self._encode, self.eos, self.tokens_per_batch, full=full
        )


def held_out_batches(
    held_out: Sequence[EncodedDialog],
    encode: Encode,
    eos: int,
    tokens_per_batch: int,
    *,
    full: bool,
) -> Iterator[tuple[str, list[Batch]]]:
    """(source, batches): the same windows in every run, whatever else is there."""
    for source in dict.fromkeys(item.dialog.source for item in held_out):
        rng = random.Random(f"held-out:{source}")
        items = [item for item in held_out if item.dialog.source == source]
        windows = [w for item in items for w in windows_of(item, encode, eos, rng)]
        if not full and len(windows) > SAMPLE_WINDOWS:
            windows = rng.sample(windows, SAMPLE_WINDOWS)
        batches = make_batches(windows, tokens_per_batch, rng)
        yield source, [collate(rows, eos) for rows in batches]


def read_own(run: Path, own_folder: Path | None) -> list[Dialog]:
    """The own texts as the run's finishing phase read them; before it, as they are now."""
    path = run / OWN_FILE
    if path.exists():
        return [_dialog(row) for row in json.loads(path.read_text(encoding="utf-8"))]
    return [] if own_folder is None else corpora.load_own(own_folder)


def _dialog(row: dict[str, Any]) -> Dialog:
    """A dialog as `asdict` and JSON left it."""
    about, other = row["facts"]
    facts = (tuple(about), tuple(other))
    return Dialog(**{**row, "turns": tuple(row["turns"]), "facts": facts})
