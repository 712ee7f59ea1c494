"""Conversations as windows of ids for a masked language model, drawn in a fixed order.

A window is what the reranker reads, `[CLS] turn [SEP] turn [SEP] … [SEP]`: neighbouring turns of
one dialog, as many as fit. For a sentence objective it is cut between two turns into segments A
and B, and B is replaced by a stretch of another dialog (next sentence prediction, Devlin et al.
2019), or A and B change places (sentence order prediction, Lan et al. 2020), in half of the cases.

Whoever counts must not be able to tell a replaced B from a true one: it has as many turns, all of
them whole, about as many tokens, and ends its dialog where the true one does.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from torch.utils.data import Dataset

from models.prompt import normalise
from models.training.corpora import Dialog

SENTENCE_OBJECTIVES = ("nsp", "sop")
_ENCODED_AT_ONCE = 4096  # texts
_STRANGERS = 32  # stretches of other dialogs, of which the one nearest in length is taken
_TRIES = 100  # windows drawn for one that a stranger fits into


@dataclass(frozen=True, slots=True)
class Turn:
    """The ids of a turn; `starts[i]` is true where token i begins a word."""

    ids: tuple[int, ...]
    starts: tuple[bool, ...]


Turns = tuple[Turn, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """Turns `first` to `end` (not with it) of a dialog, which is told from others by identity."""

    dialog: Turns
    first: int
    end: int

    @property
    def turns(self) -> Turns:
        """The turns of the window."""
        return self.dialog[self.first : self.end]


def _size(turns: Iterable[Turn]) -> int:
    """Ids of turns, with the separator behind each."""
    return sum(len(turn.ids) + 1 for turn in turns)


def encode_dialogs(tokenizer: Any, dialogs: Iterable[Dialog]) -> list[list[Turn]]:
    """Tokenise turns; what looks like a special token in a text is text."""
    dialogs = [dialog for dialog in dialogs if dialog.turns]
    texts = [normalise(text) for dialog in dialogs for text in dialog.turns]
    turns: list[Turn] = []
    for start in range(0, len(texts), _ENCODED_AT_ONCE):
        some = texts[start : start + _ENCODED_AT_ONCE]
        encoded = tokenizer(
            some,
            add_special_tokens=False,
            split_special_tokens=True,
            return_attention_mask=False,
            return_token_type_ids=False,
            truncation=False,
        )
        turns += [
            Turn(tuple(ids), _word_starts(encoded.word_ids(i)))
            for i, ids in enumerate(encoded["input_ids"])
        ]
    ends = list(accumulate(len(dialog.turns) for dialog in dialogs))
    starts = [0, *ends][:-1]
    return [turns[start:end] for start, end in zip(starts, ends, strict=True)]


def _word_starts(words: Sequence[int | None]) -> tuple[bool, ...]:
    return tuple(i == 0 or word != words[i - 1] for i, word in enumerate(words))


def cut_windows(dialogs: Iterable[Sequence[Turn]], max_tokens: int) -> list[Window]:
    """Windows of at most `max_tokens` ids with their special tokens; each turn is in one of them.

    A turn that is longer than a window keeps its beginning. Windows of fewer than two turns are
    left out where the dialog has others: they tell little.
    """
    longest = max_tokens - 2
    return [
        window
        for turns in dialogs
        for window in _cut(
            tuple(Turn(t.ids[:longest], t.starts[:longest]) for t in turns if t.ids), max_tokens
        )
    ]


def _cut(dialog: Turns, max_tokens: int) -> Iterator[Window]:
    first, room = 0, max_tokens - 1  # [CLS]
    for place, turn in enumerate(dialog):
        if place > first and len(turn.ids) + 1 > room:
            yield Window(dialog, first, place)
            first, room = place, max_tokens - 1
        room -= len(turn.ids) + 1
    if len(dialog) - first > 1 or len(dialog) == 1:
        yield Window(dialog, first, len(dialog))


@dataclass(frozen=True)
class Marks:
    """The ids that stand around turns, and whether the model reads segment numbers."""

    cls: int
    sep: int
    segments: bool

    @classmethod
    def of(cls, tokenizer: Any, segments: bool) -> Marks:
        """Those of a tokenizer. Raises ValueError where it has none."""
        if tokenizer.cls_token_id is None or tokenizer.sep_token_id is None:
            raise ValueError("the tokenizer has no [CLS] and [SEP]: not one of a BERT-like encoder")
        return cls(tokenizer.cls_token_id, tokenizer.sep_token_id, segments)


class Examples(Dataset[dict[str, Any]]):
    """Training examples number 0 … size - 1: each a pure function of the seed and its number.

    Windows come in passes, shuffled anew for each; a pass later the same window is cut elsewhere
    and masked elsewhere. An example carries `key`, from which its masks are drawn.
    """

    def __init__(
        self,
        windows: Sequence[Window],
        marks: Marks,
        size: int,
        seed: int,
        sentence: str = "",
    ) -> None:
        """`sentence`: "", "nsp" or "sop". Raises ValueError where the windows do not suffice."""
        self._marks, self._size, self._seed = marks, size, seed
        self._sentence = sentence
        self._windows = [w for w in windows if not sentence or w.end - w.first > 1]
        dialogs = len({id(window.dialog) for window in self._windows})
        if len(self._windows) < 2 or (sentence == "nsp" and dialogs < 2):
            raise ValueError("there are too few conversations to pretrain on")
        self._longest = max(_size(window.turns) for window in self._windows)
        self._pass = -1
        self._order: list[int] = []

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, number: int) -> dict[str, Any]:
        window = self._windows[self._place(number)]
        rng = random.Random(f"{self._seed}:{number}")
        example: dict[str, Any] = {"key": number}
        if not self._sentence:
            return example | self._render([window.turns])
        if self._sentence == "sop":
            cut = rng.randrange(window.first + 1, window.end)
            a, b = window.dialog[window.first : cut], window.dialog[cut : window.end]
            other = (b, a)
        else:
            a, b, stranger = self._with_stranger(window, rng)
            other = (a, stranger)
        changed = rng.random() < 0.5
        return example | self._render(other if changed else (a, b)) | {"sentence": int(changed)}

    def _place(self, number: int) -> int:
        now, place = divmod(number, len(self._windows))
        if now != self._pass:
            self._order = list(range(len(self._windows)))
            random.Random(f"{self._seed}:pass:{now}").shuffle(self._order)
            self._pass = now
        return self._order[place]

    def _with_stranger(self, window: Window, rng: random.Random) -> tuple[Turns, Turns, Turns]:
        """A window's two parts, and what may stand in the place of the second.

        It is found before it is known whether it is wanted: where none fits, another window is
        taken for either case.
        """
        for _ in range(_TRIES):
            cut = rng.randrange(window.first + 1, window.end)
            stranger = self._stranger(window, cut, rng)
            if stranger is not None:
                dialog = window.dialog
                return dialog[window.first : cut], dialog[cut : window.end], stranger
            window = rng.choice(self._windows)
        raise ValueError("the dialogs are too unlike one another to be told apart by reading")

    def _stranger(self, window: Window, cut: int, rng: random.Random) -> Turns | None:
        """Whole neighbouring turns of another dialog, as like the window's from `cut` as found."""
        b = window.dialog[cut : window.end]
        ends, size = window.end == len(window.dialog), _size(b)
        room = self._longest - _size(window.dialog[window.first : cut])
        found: dict[tuple[int, bool, int], Turns] = {}
        for _ in range(_STRANGERS):
            dialog = rng.choice(self._windows).dialog
            count = min(len(b), len(dialog) - 1)  # as the true one, it never begins a dialog
            last = len(dialog) - count
            start = last if ends else rng.randrange(1, max(2, last))
            stretch = dialog[start : start + count]
            length = _size(stretch)
            if dialog is not window.dialog and stretch != b and length <= room:
                likeness = (len(b) - count, (start == last) != ends, abs(length - size))
                found.setdefault(likeness, stretch)
        return found[min(found)] if found else None

    def _render(self, segments: Sequence[Turns]) -> dict[str, Any]:
        ids, special, starts, numbers = [self._marks.cls], [1], [True], [0]
        for number, segment in enumerate(segments):
            for turn in segment:
                ids += [*turn.ids, self._marks.sep]
                special += [0] * len(turn.ids) + [1]
                starts += [*turn.starts, True]
                numbers += [number] * (len(turn.ids) + 1)
        rendered = {"input_ids": ids, "special_tokens_mask": special, "starts": starts}
        if self._marks.segments:
            rendered["token_type_ids"] = numbers
        return rendered
