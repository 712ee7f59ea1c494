"""What the quality bench counts, and that its page says it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scripts.benches import quality, quality_bert
from scripts.benches.slates import own_slates, own_texts

DATA = Path(__file__).parents[2] / "data"


def test_slates_are_full_distinct_and_repeatable() -> None:
    slates = own_slates(DATA, 12, seed=4)
    assert slates == own_slates(DATA, 12, seed=4)
    assert slates != own_slates(DATA, 12, seed=5)
    for number, slate in enumerate(slates):
        assert len(set(slate.responses)) == len(slate.responses) == 20
        assert all(text.strip() for text in (*slate.turns, *slate.responses))
        assert len(slate.turns) == 1 or number % 2, "every other context is a dialog's"


def test_own_texts_are_a_sample() -> None:
    texts = own_texts(DATA, 30, seed=1)
    assert len(texts) == 30
    assert texts == own_texts(DATA, 30, seed=1)


def test_agreement_counts_winners_and_what_they_lose() -> None:
    exact = [np.array([0.1, 0.9, 0.8]), np.array([0.5, 0.4, 0.1])]
    same = quality_bert.ranking(exact, exact)
    assert same == {"top_1": 1.0, "spearman": 1.0, "difference": 0.0, "loss": 0.0}
    found = quality_bert.ranking([np.array([0.1, 0.8, 0.85]), exact[1]], exact)
    assert found["top_1"] == 0.5
    assert found["loss"] == pytest.approx(0.1)
    assert found["difference"] == pytest.approx(0.1)
    assert found["spearman"] == pytest.approx((0.5 + 1.0) / 2)


def test_the_page_has_every_side_and_who_is_absent() -> None:
    agreed = {
        "top_1": 0.995, "spearman": 0.999, "difference": 0.01, "loss": 0.002,
        "cosine": 0.9999, "nearest": 0.98,
    }  # fmt: skip
    times = {"slate_ms": 50.0, "text_ms": 2.0, "texts_ms": 20.0, "pairs": 20.0}
    bert: dict[str, Any] = {
        "slates": 240,
        "agreement": {"torch fp32": agreed, "openvino bf16": agreed},
        "speed": {"1": {"torch fp32": times, "openvino bf16": {**times, "slate_ms": 25.0}}},
        "absent": {"onnx fp32": "runtime 'onnx' needs the package onnx: not installed"},
    }
    page = quality_bert.show(bert)
    assert "| openvino bf16 | 99.5% |" in page
    assert "| openvino bf16 | 25.0 | 40.0 | 800 | 2.00× | 2.0 | 800 |" in page
    assert "onnx fp32: runtime 'onnx' needs the package onnx" in page
    assert set(quality.PARTS) >= {"bert"}
