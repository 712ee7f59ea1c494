"""A few texts are learned, heads without an answer learn nothing, embeddings stay."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models.encoder import WordPiece
from models.runtimes.torch_sentence import new_net
from models.training.sentence_reader.fit import Lesson, Recipe, score, train
from tests.small_models import write_encoder

RECIPE = Recipe(depth=2, frozen=0, epochs=30, rate=3e-3, head_rate=2e-2, batch=8, dropout=0.0)
WORDS = ("amber", "birch", "cedar", "dune", "elm", "fern", "gorse", "hazel")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    write_encoder(folder)
    return folder


def lessons() -> list[Lesson]:
    """The rain is what the first head looks for; of the second nothing is known."""
    weights = np.array([1.0, 0.0], dtype=np.float32)
    found = []
    for word in WORDS:
        for text, target in ((f"rain on the {word}", 1.0), (f"bread and a {word}", 0.0)):
            targets = np.array([target, 1.0], dtype=np.float32)
            found.append(Lesson(text, text, targets, weights, everyday=not target))
    return found


def test_what_is_taught_is_learned_and_nothing_else(base: Path) -> None:
    tokens = WordPiece(base)
    net = train(str(base), tokens, lessons(), RECIPE)
    found = score(net, tokens, ["rain on the willow", "bread and a willow"])
    assert found[0, 0] > 0 > found[1, 0]
    assert torch.equal(net.head.weight[1], torch.zeros_like(net.head.weight[1]))
    untouched = new_net(str(base), 2, 2)
    assert torch.equal(net.bert.word.weight, untouched.bert.word.weight)
    assert not torch.equal(net.bert.layers[1].up.weight, untouched.bert.layers[1].up.weight)


def test_frozen_layers_stay_and_a_seed_gives_one_result(base: Path) -> None:
    tokens = WordPiece(base)
    recipe = replace(RECIPE, frozen=1, epochs=1)
    once, again = (train(str(base), tokens, lessons(), recipe) for _ in range(2))
    untouched = new_net(str(base), 2, 2)
    assert torch.equal(once.bert.layers[0].up.weight, untouched.bert.layers[0].up.weight)
    for first, second in zip(once.parameters(), again.parameters(), strict=True):
        assert torch.equal(first, second)
