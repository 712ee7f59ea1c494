"""A linear reader of texts: the probability of each of its heads, in a tenth of a millisecond.

Logistic regression over hashed n-grams, one head beside another. A folder under the rules of
`models/checkpoint.py`: `reader.json` (which n-grams, the heads, the threshold of each) and
`model.safetensors` with `weights` (heads, buckets) float16 and `biases` (heads,) float32. Needs
numpy alone and no thread, so it reads while every other model is down.

    ReaderError(ModelFileError)    the files are whole, but not those of a reader
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from models.checkpoint import ModelFileError, verify, write_atomically
from models.ngrams import Ngrams

KIND = "text-reader"
SETTINGS_NAME = "reader.json"
WEIGHTS_NAME = "model.safetensors"
FloatArray = NDArray[np.float32]


class ReaderError(ModelFileError):
    """The files of a folder do not make a reader; the message names what is wrong."""


@dataclass(frozen=True, slots=True)
class Head:
    """One question that a reader answers; `threshold` is a logit: above it the answer is yes."""

    name: str
    threshold: float


class TextReader:
    """Weights (buckets, heads) float32 and biases (heads,), with what they were trained on."""

    def __init__(
        self,
        ngrams: Ngrams,
        heads: Sequence[Head],
        weights: FloatArray,
        biases: FloatArray,
        version: str = "",
    ) -> None:
        if weights.shape != (ngrams.buckets, len(heads)) or biases.shape != (len(heads),):
            raise ReaderError(
                f"weights of shape {weights.shape} and biases of shape {biases.shape} are not "
                f"those of {len(heads)} heads over {ngrams.buckets} buckets"
            )
        if not (np.isfinite(weights).all() and np.isfinite(biases).all()):
            raise ReaderError("a weight is no finite number")
        self.ngrams = ngrams
        self.heads = tuple(heads)
        self.version = version
        self._weights = np.ascontiguousarray(weights, dtype=np.float32)
        self._biases = biases.astype(np.float32)
        self._thresholds = np.array([head.threshold for head in heads], dtype=np.float32)

    @classmethod
    def load(cls, folder: Path) -> TextReader:
        """Read a folder whose hashes match its manifest.

        Raises:
            ModelFileError: it does not, or it holds no reader.
        """
        manifest = verify(folder, kind=KIND)
        try:
            settings = json.loads((folder / SETTINGS_NAME).read_text(encoding="utf-8"))
            tensors = load_file(folder / WEIGHTS_NAME)
            ngrams = Ngrams(**{name: int(value) for name, value in settings["ngrams"].items()})
            heads = [Head(str(h["name"]), float(h["threshold"])) for h in settings["heads"]]
            weights, biases = tensors["weights"], tensors["biases"]
        except (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError) as error:
            raise ReaderError(f"{folder}: not a text reader: {error}") from error
        return cls(ngrams, heads, weights.T.astype(np.float32), biases, manifest.version)

    def save(self, folder: Path) -> None:
        """Write settings and weights; the caller writes the manifest."""
        settings = {"ngrams": asdict(self.ngrams), "heads": [asdict(head) for head in self.heads]}
        write_atomically(folder / SETTINGS_NAME, json.dumps(settings, indent=2) + "\n")
        tensors = {
            "weights": np.ascontiguousarray(self._weights.T.astype(np.float16)),
            "biases": self._biases,
        }
        write_atomically(folder / WEIGHTS_NAME, save(tensors))

    def logits(self, text: str, words: str | None = None) -> FloatArray:
        """The logit (heads,) of each head; `words` as in `Ngrams.of`."""
        ids, values = self.ngrams.of(text, words)
        logits: FloatArray = values @ self._weights[ids] + self._biases
        return logits

    def scores(self, text: str, words: str | None = None) -> Mapping[str, float]:
        """The probability of each head, by name."""
        chances = 0.5 * (np.tanh(0.5 * self.logits(text, words)) + 1.0)
        return {head.name: float(p) for head, p in zip(self.heads, chances, strict=True)}

    def found(self, text: str, words: str | None = None) -> Mapping[str, float]:
        """The heads above their thresholds, and by how much (in logits)."""
        return {name: by for name, by in self.margins(text, words).items() if by > 0.0}

    def margins(self, text: str, words: str | None = None) -> Mapping[str, float]:
        """By head how far it is above its threshold, in logits; below it where negative."""
        above = self.logits(text, words) - self._thresholds
        return {head.name: float(by) for head, by in zip(self.heads, above, strict=True)}
