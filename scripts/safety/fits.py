"""Fits of a sentence reader that are kept: a run that was broken off goes on where it was."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from safetensors.torch import load_file, save

from models.checkpoint import write_atomically
from models.encoder import WordPiece
from models.runtimes.torch_bert import resolve_base
from models.runtimes.torch_sentence import SentenceNet, new_net
from models.training.sentence_reader.fit import FloatArray, Lesson, Recipe, score, train


class Fits:
    """Fits by one recipe over one base; each is kept in `run` by all that went into it."""

    def __init__(
        self, base: str, recipe: Recipe, run: Path, said: Callable[[str], None] = print
    ) -> None:
        """`base`: a folder, or "auto" for the packaged encoder; `said` is told of progress."""
        self.base = resolve_base(base)
        self._recipe, self._run, self._said = recipe, run, said
        self._tokens = WordPiece(self.base)

    def fit(self, name: str, lessons: Sequence[Lesson]) -> SentenceNet:
        """The network that the lessons give: trained, or found."""
        path = self._run / f"{_key(lessons, self._recipe)}.safetensors"
        heads = len(lessons[0].targets)
        if path.is_file():
            net = new_net(str(self.base), self._recipe.depth, heads)
            net.load_state_dict(load_file(path))
            return net.eval()
        self._said(f"{name}: {len(lessons)} texts")
        net = train(str(self.base), self._tokens, lessons, self._recipe, self._said)
        write_atomically(path, save(net.state_dict()))
        return net

    def logits(self, net: SentenceNet, texts: Sequence[str]) -> FloatArray:
        """(n, heads) of texts."""
        return score(net, self._tokens, texts)


def _key(lessons: Sequence[Lesson], recipe: Recipe) -> str:
    """Names a fit by all that goes into it."""
    content = hashlib.sha256(repr(asdict(recipe)).encode())
    for one in lessons:
        content.update(one.text.encode() + one.targets.tobytes() + one.weights.tobytes())
    return content.hexdigest()[:16]
