"""Conversations as windows of ids for a masked language model, drawn in a fixed order.

A window is what the reranker reads, `[CLS] turn [SEP] turn [SEP] … [SEP]`: neighbouring turns of
one dialog, as many as fit. For a sentence objective it is cut between two turns into segments A
and B, and B is replaced by a stretch of another dialog (next sentence prediction, Devlin et al.
2019), or A and B change places (sentence order prediction, Lan et al. 2020), in half of the cases.
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


@dataclass(frozen=True, slots=True)
class Turn:
    """The ids of a turn; `starts[i]` is true where token i begins a word."""

    ids: tuple[int, ...]
    starts: tuple[bool, ...]


Window = tuple[Turn, ...]


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
    windows: list[Window] = []
    for turns in dialogs:
        windows += _cut([turn for turn in turns if turn.ids], max_tokens)
    return windows


def _cut(turns: Sequence[Turn], max_tokens: int) -> Iterator[Window]:
    window: list[Turn] = []
    room = max_tokens - 1  # [CLS]
    for turn in turns:
        turn = Turn(turn.ids[: max_tokens - 2], turn.starts[: max_tokens - 2])
        if window and len(turn.ids) + 1 > room:
            yield tuple(window)
            window, room = [], max_tokens - 1
        window.append(turn)
        room -= len(turn.ids) + 1
    if len(window) > 1 or (window and len(turns) == 1):
        yield tuple(window)


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
        self._windows = [w for w in windows if len(w) > 1] if sentence else list(windows)
        if len(self._windows) < 2:
            raise ValueError("there are too few conversations to pretrain on")
        self._pass = -1
        self._order: list[int] = []

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, number: int) -> dict[str, Any]:
        window = self._windows[self._place(number)]
        rng = random.Random(f"{self._seed}:{number}")
        example: dict[str, Any] = {"key": number}
        if not self._sentence:
            return example | self._render([window])
        cut = rng.randrange(1, len(window))
        a, b = window[:cut], window[cut:]
        changed = rng.random() < 0.5
        if changed and self._sentence == "sop":
            a, b = b, a
        elif changed:
            b = self._stranger(window, b, rng)
        return example | self._render([a, b]) | {"sentence": int(changed)}

    def _place(self, number: int) -> int:
        now, place = divmod(number, len(self._windows))
        if now != self._pass:
            self._order = list(range(len(self._windows)))
            random.Random(f"{self._seed}:pass:{now}").shuffle(self._order)
            self._pass = now
        return self._order[place]

    def _stranger(self, window: Window, b: Window, rng: random.Random) -> Window:
        """The last turns of another window, about as many tokens as `b` has."""
        other = window
        while other is window:
            other = rng.choice(self._windows)
        room = sum(len(turn.ids) + 1 for turn in b)
        kept: list[Turn] = []
        for turn in other[1:]:
            cut = max(1, room - 1)
            kept.append(Turn(turn.ids[:cut], turn.starts[:cut]))
            room -= len(kept[-1].ids) + 1
            if room < 2:
                break
        return tuple(kept)

    def _render(self, segments: Sequence[Window]) -> dict[str, Any]:
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
