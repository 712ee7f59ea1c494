"""Taste pulls towards what was liked, away from what was not, and never far."""

from __future__ import annotations

import numpy as np

from app.dialog.personalize import BIAS_SHARE, biases, taste_of
from app.domain import ReactionKind, Taste


def unit(*values: float) -> np.ndarray:
    vector = np.zeros(384, dtype=np.float32)
    vector[: len(values)] = values
    return vector / np.linalg.norm(vector)


def test_liked_draws_and_disliked_repels() -> None:
    tastes = [
        taste_of("r1", ReactionKind.LOVE, unit(1, 0, 0), "e1"),
        taste_of("r2", ReactionKind.DOWNVOTE, unit(0, 1, 0), "e1"),
    ]
    candidates = {"a": unit(1, 0.1, 0), "b": unit(0.1, 1, 0), "c": unit(0, 0, 1)}
    pull = biases(tastes, candidates, "e1")
    assert pull["a"] > 0.2 * BIAS_SHARE
    assert pull["b"] < -0.2 * BIAS_SHARE
    assert pull["c"] == 0


def test_many_reactions_stay_within_the_share() -> None:
    tastes = [taste_of(f"r{i}", ReactionKind.LOVE, unit(1, 0.01 * i), "e1") for i in range(32)]
    pull = biases(tastes, {"a": unit(1)}, "e1")
    assert 0 < pull["a"] <= BIAS_SHARE


def test_no_taste_no_pull() -> None:
    assert biases([], {"a": unit(1)}, "e1") == {}
    assert biases([taste_of("r", ReactionKind.LOVE, unit(1), "e1")], {}, "e1") == {}


def test_a_taste_of_another_encoder_tells_nothing() -> None:
    wider = Taste("r", 1.0, bytes(768), "e2")
    assert biases([wider], {"a": unit(1)}, "e1") == {}
    mixed = [wider, taste_of("s", ReactionKind.LOVE, unit(1), "e1")]
    assert biases(mixed, {"a": unit(1)}, "e1")["a"] > 0


def test_a_taste_is_one_byte_a_dimension() -> None:
    taste = taste_of("r", ReactionKind.FUNNY, unit(3, -4), "e1")
    assert len(taste.vector) == 384
    assert taste.weight == ReactionKind.FUNNY.weight
    restored = np.frombuffer(taste.vector, dtype=np.int8) / 127
    np.testing.assert_allclose(restored, unit(3, -4), atol=0.005)
