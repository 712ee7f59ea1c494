"""Folders: what is saved opens again, scores the same, and is refused when it was altered."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from models.checkpoint import AlteredFileError, DataSource, ManifestError
from models.training.examples import Example
from models.training.reranker.family.bilstm import BiLstm
from models.training.reranker.family.calibration import sigmoid
from models.training.reranker.family.cross_encoder import CrossEncoder, load_encoder
from models.training.reranker.family.folder import Model, open_scorer, save, serving_score
from models.training.reranker.family.networks import PairNetwork, logits_of
from models.training.reranker.family.qa_lstm import LIMITS, QaLstm
from models.training.reranker.family.reduce import reduce_layers
from models.training.reranker.family.tokens import Limits, Template
from tests.models.training.reranker.family.conftest import tokenizer_of

HEADS = ("selection", "offensive")
SERVED = Path(__file__).parents[5] / "artifacts" / "reranker"


def model_of(kind: str, bases: Callable[[str], Path]) -> Model:
    if kind in ("qa-lstm", "bilstm"):
        tokenizer = tokenizer_of("bert")
        family: type[QaLstm] | type[BiLstm] = QaLstm if kind == "qa-lstm" else BiLstm
        network: PairNetwork = family(len(tokenizer), 2, width=8, hidden=6)
        return Model(network, tokenizer, LIMITS, HEADS)
    encoder, tokenizer = load_encoder(str(bases(kind)))
    reduce_layers(encoder, 3)
    limits = Limits.joint(32, Template.of(tokenizer).special)
    return Model(CrossEncoder(encoder, 2, hidden=16), tokenizer, limits, HEADS)


def save_to(folder: Path, model: Model) -> str:
    manifest = save(
        folder,
        model,
        name="small",
        temperatures={"selection": 2.0, "offensive": 0.5},
        command="a test",
        data=[DataSource("own", "Apache-2.0")],
        metrics={"training": {"pairs": 3}},
    )
    return manifest.version


@pytest.mark.parametrize("kind", ["qa-lstm", "bilstm", "bert", "roberta", "albert", "distilbert"])
def test_every_family_opens_as_it_was_saved(
    kind: str, bases: Callable[[str], Path], examples: list[Example], tmp_path: Path
) -> None:
    model = model_of(kind, bases)
    coded = [model.coder().code(example) for example in examples[:12]]
    logits = logits_of(model.network, coded, model.collator())
    version = save_to(tmp_path / "m", model)
    scorer = open_scorer(tmp_path / "m", device="cpu")
    assert scorer.name == "small"
    assert scorer.heads == HEADS
    assert scorer.parameters == sum(p.numel() for p in model.network.parameters())
    scores = scorer.score(examples[:12])
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, sigmoid(logits / np.array([2.0, 0.5])), atol=1e-5)
    assert scorer.score([]).shape == (0, 2)
    assert save_to(tmp_path / "again", model) == version, "the same weights have the same version"


def test_an_altered_folder_is_refused(bases: Callable[[str], Path], tmp_path: Path) -> None:
    save_to(tmp_path, model_of("bilstm", bases))
    config = json.loads((tmp_path / "pair_scorer.json").read_text())
    assert config["serving"]["name"] == "P(selection) - penalty * P(offensive)"
    (tmp_path / "pair_scorer.json").write_text(json.dumps({**config, "heads": ["b", "a"]}))
    with pytest.raises(AlteredFileError):
        open_scorer(tmp_path)
    with pytest.raises(ManifestError):
        open_scorer(tmp_path / "nothing")


def test_the_serving_score_takes_the_most_wanted_head() -> None:
    assert serving_score(("liking", "upvote"))["name"] == "P(upvote)"
    assert serving_score(("liking", "offensive", "selection"))["upvote"] == "selection"
    assert serving_score(("funny",)) == {"name": "P(funny)", "upvote": "funny", "penalty": 0.0}


def test_the_served_reranker_is_a_scorer_too() -> None:
    from models.reranker import Reranker

    scorer = open_scorer(SERVED, device="cpu")
    assert scorer.heads[-1] == "upvote"
    assert scorer.parameters > 20e6
    rows = [
        Example("s", "h", ("i miss the sea",), text, 1.0, facts=("I live inland.",))
        for text in ("What do you miss most about it?", "\u200b", "no")
    ]
    scores = scorer.score(rows)
    reranker = Reranker.load(SERVED, runtime="torch", device="cpu", dtype="fp32")
    items = reranker.prepare(rows[0].context, [rows[0].response], rows[0].facts)
    expected = reranker.run(items)[0]
    assert scores[0].tolist() == pytest.approx([expected.heads[h] for h in scorer.heads], abs=1e-4)
    assert scorer.serving(scores)[0] == pytest.approx(expected.serving, abs=1e-4)  # type: ignore[attr-defined]
