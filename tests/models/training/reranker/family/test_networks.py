"""The networks: any encoder, padding that changes nothing, layers taken out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from models.training.examples import Example
from models.training.reranker.family.bilstm import BiLstm
from models.training.reranker.family.cross_encoder import (
    CrossEncoder,
    load_encoder,
    room_of,
    takes_types,
    words_of,
)
from models.training.reranker.family.folder import Model
from models.training.reranker.family.networks import count_parameters, logits_of
from models.training.reranker.family.qa_lstm import LIMITS, QaLstm
from models.training.reranker.family.reduce import find_layers, kept_layers, reduce_layers
from models.training.reranker.family.tokens import Limits, Template
from tests.models.training.reranker.family.conftest import encoder_of, tokenizer_of

ARCHITECTURES = ("bert", "roberta", "albert", "distilbert")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_any_encoder_scores_the_same_alone_and_padded(
    architecture: str, bases: Callable[[str], Path], examples: list[Example]
) -> None:
    encoder, tokenizer = load_encoder(str(bases(architecture)))
    assert room_of(encoder) == 64
    assert takes_types(encoder) == (architecture in ("bert", "albert"))
    limits = Limits.joint(40, Template.of(tokenizer).special)
    model = Model(CrossEncoder(encoder, 3), tokenizer, limits, ("a", "b", "c"))
    coded = [model.coder().code(example) for example in examples[:9]]
    together = logits_of(model.network, coded, model.collator())
    alone = np.concatenate([logits_of(model.network, [c], model.collator()) for c in coded])
    assert together.shape == (9, 3)
    np.testing.assert_allclose(together, alone, atol=2e-5)
    assert getattr(encoder, "pooler", None) is None


@pytest.mark.parametrize("kind", [QaLstm, BiLstm])
def test_a_recurrent_network_does_not_see_padding(
    kind: type[QaLstm] | type[BiLstm], examples: list[Example]
) -> None:
    tokenizer = tokenizer_of("bert")
    model = Model(kind(len(tokenizer), 2, width=8, hidden=6), tokenizer, LIMITS, ("a", "b"))
    coded = [model.coder().code(example) for example in examples[:9]]
    together = logits_of(model.network, coded, model.collator())
    alone = np.concatenate([logits_of(model.network, [c], model.collator()) for c in coded])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert np.unique(together[:, 0]).size > 1


def test_batches_of_a_few_tokens_give_the_same_in_order(examples: list[Example]) -> None:
    tokenizer = tokenizer_of("bert")
    model = Model(QaLstm(len(tokenizer), 1, width=8, hidden=6), tokenizer, LIMITS, ("a",))
    coded = [model.coder().code(example) for example in examples]
    heard: list[int] = []
    few = logits_of(model.network, coded, model.collator(), tokens=40, done=heard.append)
    many = logits_of(model.network, coded, model.collator())
    np.testing.assert_allclose(few, many, atol=1e-5)
    assert sum(heard) == len(coded)
    assert len(heard) > 5


def test_the_baseline_has_about_seven_million_weights() -> None:
    assert 6.5e6 < count_parameters(QaLstm(30522, 4)) < 7.5e6
    assert count_parameters(BiLstm(30522, 4)) < 5e6


def test_which_layers_stay() -> None:
    assert kept_layers(12, 6) == [0, 2, 4, 6, 8, 10]
    assert kept_layers(6, 4) == [0, 1, 3, 4]
    assert kept_layers(12, 10, "bottom") == list(range(10))
    assert kept_layers(12, 8, "top") == list(range(4, 12))
    for wrong in (0, 13):
        with pytest.raises(ValueError, match="cannot be kept"):
            kept_layers(12, wrong)
    with pytest.raises(ValueError, match="unknown way"):
        kept_layers(12, 6, "odd")


@pytest.mark.parametrize("architecture", ["bert", "roberta", "distilbert"])
def test_layers_are_taken_out_of_any_encoder(architecture: str) -> None:
    encoder = encoder_of(architecture, 300).eval()
    before = find_layers(encoder)
    assert before is not None
    kept = [before[0], before[2]]
    assert reduce_layers(encoder, 2) == [0, 2]
    assert list(find_layers(encoder) or []) == kept
    fewer = count_parameters(encoder)
    assert fewer < count_parameters(encoder_of(architecture, 300))
    ids = torch.arange(5, 15)[None]
    assert encoder(input_ids=ids).last_hidden_state.shape == (1, 10, 32)


def test_twelve_layers_become_ten_and_then_eight() -> None:
    encoder = encoder_of("bert", 300, layers=12).eval()
    first = list(find_layers(encoder) or [])
    assert reduce_layers(encoder, 10) == [0, 1, 2, 3, 4, 6, 7, 8, 9, 10]
    assert reduce_layers(encoder, 8) == [0, 1, 2, 3, 5, 6, 7, 8]
    left = list(find_layers(encoder) or [])
    assert [first.index(layer) for layer in left] == [0, 1, 2, 3, 6, 7, 8, 9]
    assert encoder.config.num_hidden_layers == 8
    ids = torch.arange(5, 15)[None]
    assert encoder(input_ids=ids).last_hidden_state.isfinite().all()


def test_bert_without_its_upper_layers_says_what_its_lower_ones_said() -> None:
    encoder = encoder_of("bert", 300).eval()
    ids = torch.arange(5, 15)[None]
    with torch.no_grad():
        states = encoder(input_ids=ids, output_hidden_states=True).hidden_states
        reduce_layers(encoder, 3, "bottom")
        assert torch.allclose(encoder(input_ids=ids).last_hidden_state, states[3], atol=1e-6)


def test_alberts_shared_layers_take_fewer_turns() -> None:
    encoder = encoder_of("albert", 300).eval()
    weights = count_parameters(encoder)
    assert reduce_layers(encoder, 2) == [0, 1]
    assert encoder.config.num_hidden_layers == 2
    assert count_parameters(encoder) == weights


def test_frozen_layers_are_not_trained(bases: Callable[[str], Path]) -> None:
    network = CrossEncoder(load_encoder(str(bases("bert")))[0], 2)
    network.freeze(2)
    frozen = {
        n.split(".")[3]
        for n, p in network.named_parameters()
        if not p.requires_grad and ".layer." in n
    }
    assert frozen == {"0", "1"}
    assert not words_of(network.encoder).requires_grad
    with pytest.raises(ValueError, match="no 9 layers"):
        network.freeze(9)


def test_a_base_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no encoder") as caught:
        load_encoder(str(tmp_path))
    assert "\n" not in str(caught.value)
