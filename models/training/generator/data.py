"""The data of a generator's run: encoded once, in an order that follows from the seed."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from models.checkpoint import write_atomically
from models.prompt import plain_encoder
from models.training import corpora
from models.training.corpora import Dialog
from models.training.examples import Example
from models.training.generator.replies import (
    Reply,
    encode_replies,
    is_held,
    replies_of_epoch,
    without_held_out,
)
from models.training.generator.schedule import FINISH, MAIN
from models.training.generator.tokenizer import encode_many, load_tokenizer, train_tokenizer
from models.training.generator.windows import (
    Batch,
    EncodedDialog,
    Window,
    collate,
    encode_dialogs,
    make_batches,
    make_updates,
    windows_of,
)

OWN_FILE = "own_texts.json"
TOKENIZER_FOLDER = "tokenizer"
# Held-out windows of each source in the quick reports during a run, and tokens of a batch of them.
SAMPLE_WINDOWS = 40
MEASURED_AT_ONCE = 3072


class TrainingData:
    """Public dialogs from the start; our own and judged replies from the finishing phase on.

    Without public dialogs there is one phase. `folder` is the run's: it keeps the tokenizer,
    which is trained on what is learned unless it is there already.
    """

    def __init__(
        self,
        folder: Path,
        public: Sequence[Dialog],
        own: Sequence[Dialog] = (),
        judged: Sequence[Example] = (),
        *,
        vocabulary: int,
        positions: int,
        tokens_per_batch: int,
        own_share: float,
        seed: int,
        log: Callable[[str], None],
    ) -> None:
        self.folder, self.log = folder, log
        self.tokens_per_batch, self.own_share, self.seed = tokens_per_batch, own_share, seed
        train, held = corpora.split_held_out(public)
        own_train, own_held = corpora.split_held_out(own)
        fair = without_held_out(judged, _targets(own_held))
        if len(fair) < len(judged):
            log(f"{len(judged) - len(fair)} judged replies say what is held out: not learned")
        texts = _texts([*train, *own_train], fair)
        self.tokenizer = self._tokenizer(texts, vocabulary, positions)
        self.eos: int = int(self.tokenizer.eos_token_id)
        self._encode = plain_encoder(self.tokenizer)
        self.train = self._encoded(train)
        self.own_train = self._encoded(own_train)
        self.replies = encode_replies(fair, self.tokenizer)
        self.held_out = HeldOut(self.tokenizer, self._encoded([*held, *own_held]), self.replies)
        self._cache: tuple[str, int, list[list[Window]]] | None = None

    def _tokenizer(
        self, texts: Iterable[str], vocabulary: int, positions: int
    ) -> PreTrainedTokenizerBase:
        path = self.folder / TOKENIZER_FOLDER
        if not (path / "tokenizer.json").exists():
            self.log("training the tokenizer")
            fresh = path.with_name(f".{path.name}.new")
            shutil.rmtree(fresh, ignore_errors=True)
            train_tokenizer(texts, vocabulary, positions).save_pretrained(fresh)
            # Whole or not there: a run may be stopped at any moment.
            shutil.rmtree(path, ignore_errors=True)
            fresh.replace(path)
        return load_tokenizer(path)

    def _encoded(self, dialogs: Sequence[Dialog]) -> list[EncodedDialog]:
        ids = iter(encode_many(self.tokenizer, [t for d in dialogs for t in d.turns]))
        return [EncodedDialog(d, tuple(tuple(next(ids)) for _ in d.turns)) for d in dialogs]

    def phase(self, fraction: float, finish_share: float, current: str) -> str:
        """MAIN, or FINISH once its time has come and there is something to finish with."""
        nearer = self.own_train or any(not reply.held_out for reply in self.replies)
        if current == FINISH or not self.train or not nearer:
            return current
        return MAIN if fraction < 1.0 - finish_share else FINISH

    def epoch(self, phase: str, number: int) -> list[list[Window]]:
        """The updates of one epoch, always the same for the same seed, phase and number.

        Raises ValueError if there is nothing to learn.
        """
        if self._cache is None or self._cache[:2] != (phase, number):
            rng = random.Random(f"{self.seed}:{phase}:{number}")
            windows = self._windows(phase, rng)
            if not windows:
                raise ValueError("there is nothing to learn in this data")
            self._cache = (phase, number, make_updates(windows, self.tokens_per_batch, rng))
        return self._cache[2]

    def epoch_tokens(self) -> int:
        """Tokens read in the first epoch, without padding."""
        return sum(len(window.ids) - 1 for rows in self.epoch(MAIN, 0) for window in rows)

    def _windows(self, phase: str, rng: random.Random) -> list[Window]:
        public = corpora.epoch_dialogs([item.dialog for item in self.train], rng)
        by_dialog = {id(item.dialog): item for item in self.train}
        items = [by_dialog[id(dialog)] for dialog in public]
        if phase == MAIN and self.train:
            return [w for item in items for w in self._cut(item, rng)]
        windows = [w for item in self.own_train for w in self._cut(item, rng)]
        windows += replies_of_epoch(self.replies, rng)
        budget = sum(len(w.ids) for w in windows) * (1.0 - self.own_share) / self.own_share
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
        """As in HeldOut."""
        yield from self.held_out.held_out_batches(full=full)


class HeldOut:
    """What a run never learns: the same windows in every run, whatever else is there."""

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        dialogs: Sequence[EncodedDialog],
        replies: Sequence[Reply] = (),
    ) -> None:
        self._encode = plain_encoder(tokenizer)
        self.eos = int(tokenizer.eos_token_id)
        self.dialogs = list(dialogs)
        self.replies = [reply for reply in replies if reply.held_out]

    @classmethod
    def of_run(
        cls, run: Path, public: Path | None, own: Path | None, judged: Sequence[Example] = ()
    ) -> HeldOut:
        """What a run held out, read anew: enough to measure, and quick."""
        tokenizer = load_tokenizer(run / TOKENIZER_FOLDER)
        dialogs = corpora.load_public(public) if public is not None else []
        held = corpora.split_held_out(dialogs + read_own(run, own))[1]
        encoded = encode_dialogs(held, plain_encoder(tokenizer))
        return cls(tokenizer, encoded, encode_replies(judged, tokenizer))

    def __len__(self) -> int:
        return len(self.dialogs) + len(self.replies)

    def held_out_batches(self, *, full: bool) -> Iterator[tuple[str, list[Batch]]]:
        """(source, batches) of the held-out windows; a fixed sample of them unless `full`."""
        sources = [item.dialog.source for item in self.dialogs]
        sources += [reply.source for reply in self.replies]
        for source in dict.fromkeys(sources):
            rng = random.Random(f"held-out:{source}")
            windows = [w for w in self._windows(source, rng) if w.targets]
            if not full and len(windows) > SAMPLE_WINDOWS:
                windows = rng.sample(windows, SAMPLE_WINDOWS)
            batches = make_batches(windows, MEASURED_AT_ONCE, rng)
            yield source, [collate(rows, self.eos) for rows in batches]

    def _windows(self, source: str, rng: random.Random) -> Iterator[Window]:
        for item in self.dialogs:
            if item.dialog.source == source:
                yield from windows_of(item, self._encode, self.eos, rng)
        yield from (reply.window for reply in self.replies if reply.source == source)


def _texts(dialogs: Sequence[Dialog], judged: Sequence[Example]) -> Iterator[str]:
    """What a new tokenizer is trained on."""
    for dialog in dialogs:
        # Canned questions repeat a few words thousands of times: they are left out.
        if dialog.source != corpora.PERSONALITY_CHAT:
            yield from dialog.turns
    yield from (example.response for example in judged if not is_held(example))


def _targets(dialogs: Iterable[Dialog]) -> Iterator[str]:
    """The turns that are learned, or measured."""
    for dialog in dialogs:
        for number, turn in enumerate(dialog.turns):
            if number and dialog.target in (None, dialog.speaker(number)):
                yield turn


def keep_own(run: Path, own_folder: Path | None) -> list[Dialog]:
    """Our own texts, kept in the run's folder as they are when it begins.

    A run that is resumed reads what it has kept: later changes of the folder do not reach it.
    """
    found = read_own(run, own_folder)
    if own_folder is not None and not (run / OWN_FILE).exists():
        text = json.dumps([asdict(d) for d in found], ensure_ascii=False)
        write_atomically(run / OWN_FILE, text)
    return found


def read_own(run: Path, own_folder: Path | None) -> list[Dialog]:
    """The own texts that a run has kept; before it began, as they are now."""
    path = run / OWN_FILE
    if path.exists():
        return [_dialog(row) for row in json.loads(path.read_text(encoding="utf-8"))]
    return [] if own_folder is None else corpora.load_own(own_folder)


def _dialog(row: dict[str, Any]) -> Dialog:
    """A dialog as `asdict` and JSON left it."""
    about, other = row["facts"]
    facts = (tuple(about), tuple(other))
    return Dialog(**{**row, "turns": tuple(row["turns"]), "facts": facts})
