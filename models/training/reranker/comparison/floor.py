"""What a reranker has to beat: scorers that hardly look, as `PairScorer`s like any other.

ACCENTOR's labels can be guessed from the candidate alone, because its authors wrote some additions
for many dialogs. A model that does not beat `BigramNaiveBayes`, which never sees the context, has
learned nothing about fitting a reply to what was said.
"""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.prompt import normalise
from models.training.examples import Example
from models.training.reranker.family.calibration import sigmoid, temperature

_WORD = re.compile(r"\w+|[^\w\s]")


class TextEncoder(Protocol):
    """What `EncoderCosine` needs of an encoder (`models.encoder.Encoder` has it)."""

    def encode(self, texts: Sequence[str], batch_size: int = 64) -> NDArray[np.float32]:
        """(n, dimension) unit vectors of n texts."""


def text_key(text: str) -> str:
    """What makes two responses the same text: case, spacing and odd characters do not."""
    return normalise(text).casefold()


def bigrams(text: str) -> list[str]:
    """Words, punctuation marks, and neighbours among them with the text's two ends."""
    words = ["^", *_WORD.findall(text_key(text)), "$"]
    return words[1:-1] + [f"{a} {b}" for a, b in itertools.pairwise(words)]


class BigramNaiveBayes:
    """Naive Bayes over which words and bigrams a response has (Wang and Manning 2012).

    How often a gram occurs in one response does not count: of the usual forms, this one ordered
    ACCENTOR's dev pairs best.
    """

    name = "candidate only (bigram naive Bayes)"

    def __init__(self, head: str, *, smoothing: float = 1.0) -> None:
        """`smoothing` is added to the count of each gram in each class."""
        self.heads: tuple[str, ...] = (head,)
        self._smoothing = smoothing
        self._ratio: dict[str, float] = {}
        self._prior = 0.0
        self._temperature = 1.0

    @property
    def parameters(self) -> int:
        """Grams with a weight, and the prior."""
        return len(self._ratio) + 1

    def fit(self, examples: Iterable[Example]) -> BigramNaiveBayes:
        """Learn from the examples of its head, the others are passed over.

        Raises ValueError unless there are examples of both classes.
        """
        counts: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
        rows = [0.0, 0.0]
        for example in examples:
            if example.head == self.heads[0]:
                label = int(example.label > 0.5)
                rows[label] += 1
                counts[label].update(_present(example.response))
        if not all(rows):
            raise ValueError(f"examples of both classes of {self.heads[0]!r} are needed")
        grams = counts[0].keys() | counts[1].keys()
        mass = [sum(count.values()) + self._smoothing * len(grams) for count in counts]
        # Sorted, so that sums of floats and with them the scores are the same in every process.
        self._ratio = {
            gram: math.log((counts[1][gram] + self._smoothing) / mass[1])
            - math.log((counts[0][gram] + self._smoothing) / mass[0])
            for gram in sorted(grams)
        }
        self._prior = math.log(rows[1] / rows[0])
        return self

    def calibrate(self, examples: Sequence[Example]) -> BigramNaiveBayes:
        """Fit its temperature to examples that it has not learned from.

        Grams are far from independent, so that without it naive Bayes is much too sure of itself.
        """
        mine = [example for example in examples if example.head == self.heads[0]]
        labels = np.array([example.label for example in mine])
        self._temperature = temperature(self._logits(mine), labels, np.ones(len(mine)))
        return self

    def score(self, examples: Sequence[Example]) -> NDArray[np.float32]:
        """P(label 1) of each response, (n, 1); grams never seen say nothing."""
        return sigmoid(self._logits(examples) / self._temperature)[:, None]

    def _logits(self, examples: Sequence[Example]) -> NDArray[np.float64]:
        ratio = self._ratio
        sums = (
            sum(ratio.get(gram, 0.0) for gram in _present(example.response)) for example in examples
        )
        return self._prior + np.array(list(sums), dtype=np.float64)


def _present(text: str) -> list[str]:
    """Each gram once, in an order that does not depend on the process."""
    return list(dict.fromkeys(bigrams(text)))


class ResponseLength:
    """The longer, the better."""

    name = "response length"
    parameters = 0

    def __init__(self, heads: Sequence[str]) -> None:
        """`heads`: the kinds of judgement that it is measured on."""
        self.heads: tuple[str, ...] = tuple(heads)

    def score(self, examples: Sequence[Example]) -> NDArray[np.float32]:
        """n / (n + 10) of each response's n words under every head: monotone, never tied at 1."""
        words = np.array([len(example.response.split()) for example in examples], dtype=np.float64)
        return np.repeat(_column(words / (words + 10.0)), len(self.heads), axis=1)


class EncoderCosine:
    """Likeness of the response to what it answers, by the sentence encoder alone."""

    name = "encoder cosine"

    def __init__(self, encoder: TextEncoder, heads: Sequence[str], parameters: int = 0) -> None:
        """`heads`: the kinds of judgement that it is measured on; `parameters`: the encoder's."""
        self.heads: tuple[str, ...] = tuple(heads)
        self.parameters = parameters
        self._encoder = encoder

    def score(self, examples: Sequence[Example]) -> NDArray[np.float32]:
        """Cosine of response and last turn of the context, moved to 0…1, under every head."""
        texts = {e.context[-1] for e in examples} | {e.response for e in examples}
        place = {text: i for i, text in enumerate(sorted(texts))}
        if not place:
            return np.zeros((0, len(self.heads)), dtype=np.float32)
        vectors = self._encoder.encode(list(place))
        asked = vectors[[place[e.context[-1]] for e in examples]]
        answered = vectors[[place[e.response] for e in examples]]
        cosine = (asked * answered).sum(axis=1)
        return np.repeat(_column((1.0 + cosine) / 2.0), len(self.heads), axis=1)


def _column(values: NDArray[np.floating]) -> NDArray[np.float32]:
    return values.astype(np.float32)[:, None]
