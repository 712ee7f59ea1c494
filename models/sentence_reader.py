"""A sentence reader: what a message speaks of, by the first layers of a sentence encoder.

A folder under the rules of `models/checkpoint.py`: `reader.json` (depth, heads and the stack) and
`delta.safetensors` (what training changed in the base model, and the heads). The pooled vectors are
computed by any runtime of the sentence encoder, the heads in NumPy. The stack is how whoever asks
should weigh a logit beside other evidence: by question the weight of each kind, and a bias.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from models.checkpoint import ModelFileError, verify, write_atomically
from models.contracts import EncodeItem, EncoderNetwork
from models.encoder import WordPiece
from models.runtimes.bert_networks import Opening, open_encoder
from models.runtimes.choice import choose
from models.runtimes.torch_alone import Int8Encoder
from models.runtimes.torch_bert import resolve_base
from models.runtimes.torch_rerank import apply_delta, check_base, make_delta
from models.runtimes.torch_sentence import SCALE, SentenceNet, base_state, new_net
from models.sample_texts import MESSAGES

KIND = "sentence-reader"
SETTINGS_NAME = "reader.json"
WEIGHTS_NAME = "delta.safetensors"
MAX_TOKENS = 160
_WARM_TOKENS = 512  # of one batch
_UNREADABLE = (
    OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, SafetensorError
)  # fmt: skip
FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class SentenceSettings:
    """How many layers of the base model are used, the names of the heads in order, the stack."""

    depth: int
    heads: tuple[str, ...]
    stack: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> SentenceSettings:
        """From JSON; KeyError, TypeError or ValueError where it is not that."""
        stack = {
            str(question): {str(name): float(weight) for name, weight in weights.items()}
            for question, weights in found["stack"].items()
        }
        return cls(int(found["depth"]), tuple(map(str, found["heads"])), stack)


class SentenceReader:
    """A batch function from texts to logits; no threads, queues or clocks inside."""

    local = True

    def __init__(
        self,
        tokens: WordPiece,
        network: EncoderNetwork,
        settings: SentenceSettings,
        weights: FloatArray,
        biases: FloatArray,
        version: str,
        runtime: str = "given",
    ) -> None:
        """weights: (heads, width) float32; biases: (heads,); `runtime` says what computes."""
        if weights.shape != (len(settings.heads), network.width):
            raise ModelFileError(f"heads of shape {weights.shape} do not fit {settings}")
        if not (np.isfinite(weights).all() and np.isfinite(biases).all()):
            raise ModelFileError("a weight of the heads is no finite number")
        self._tokens, self._network = tokens, network
        self.heads, self.stack = settings.heads, settings.stack
        self._weights, self._biases = SCALE * weights.T, biases
        self.version, self.runtime = version, runtime

    @classmethod
    def load(
        cls,
        folder: Path,
        *,
        base: str = "auto",
        runtime: str = "auto",
        device: str = "auto",
        dtype: str = "auto",
        threads: int | None = None,
        alone: bool = False,
        cache: Path | None = None,
    ) -> SentenceReader:
        """Load a trained folder over its base model; the arguments are those of `Encoder.load`,
        but `threads` leaves torch's own as they are, which the other models share.

        alone: nothing else in this process needs torch's threads; where int8 is quick, texts are
        read by it one by one, and whoever says so gives torch one thread (`torch_alone.py`).

        Raises:
            ModelFileError: the folder is not what its manifest says, or over another base.
            ValueError: the runtime is not to be had.
        """
        choice = choose(runtime, device, dtype, alone=alone)
        net, tokens, settings, version = open_folder(folder, base)
        ids = [tokens.sequence(tokens.encode(text)[: MAX_TOKENS - 2]) for text in MESSAGES]
        weights, biases = net.head.weight.detach().numpy(), net.head.bias.detach().numpy()
        opening = Opening(choice, threads, sample=ids, alone=alone, cache=cache)
        network = open_encoder(net.bert, opening)
        return cls(tokens, network, settings, weights, biases, version, str(choice))

    @property
    def alone(self) -> bool:
        """Whether texts are read one by one by torch, which is to have one thread then."""
        return isinstance(self._network, Int8Encoder)

    def prepare(self, texts: Sequence[str]) -> list[EncodeItem]:
        """Tokenise; a text keeps its beginning."""
        room = MAX_TOKENS - 2
        return [EncodeItem(self._tokens.sequence(self._tokens.encode(t)[:room])) for t in texts]

    def run(self, items: Sequence[EncodeItem]) -> list[FloatArray]:
        """The logits (heads,) float32 of each item, in order.

        Raises ValueError for ids outside the vocabulary and for items that are too long.
        """
        if not items:
            return []
        vectors = self._network.embed([item.ids for item in items])
        return list((vectors @ self._weights + self._biases).astype(np.float32))

    def warm(self) -> None:
        """Run at the sizes that messages have, so that none pays for the first time."""
        for texts, words in product((1, 2, 4, 8, 16), (4, 12, 20, 30, 60)):
            if texts * words < _WARM_TOKENS:
                self.run(self.prepare(["tired " * words] * texts))


def open_folder(
    folder: Path, base: str = "auto"
) -> tuple[SentenceNet, WordPiece, SentenceSettings, str]:
    """(the network in fp32 on the CPU, its tokenizer, its settings, its version).

    Raises ModelFileError where folder and base are not what they should be.
    """
    manifest, base_folder = verify(folder, kind=KIND), resolve_base(base)
    check_base(base_folder, manifest.base or {})
    try:
        text = (folder / SETTINGS_NAME).read_text(encoding="utf-8")
        settings = SentenceSettings.of(json.loads(text))
        net = new_net(str(base_folder), settings.depth, len(settings.heads))
        apply_delta(net, load_file(folder / WEIGHTS_NAME))
    except _UNREADABLE as error:
        raise ModelFileError(f"{folder}: not a sentence reader: {error}") from error
    return net.eval(), WordPiece(base_folder), settings, manifest.version


def save_folder(folder: Path, net: SentenceNet, settings: SentenceSettings, base: str) -> None:
    """Write settings and delta; the caller writes the manifest."""
    text = json.dumps(asdict(settings), indent=2)
    write_atomically(folder / SETTINGS_NAME, text + "\n")
    delta = make_delta(net, base_state(base, settings.depth))
    write_atomically(folder / WEIGHTS_NAME, save(delta))
