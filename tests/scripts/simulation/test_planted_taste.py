"""A strong taste that is planted in simulated people is found by the arm that learns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scripts.simulation import rounds
from scripts.simulation.people import Population
from scripts.simulation.rounds import Plan, Round, Stage
from scripts.simulation.traits import NAMES, Array
from tests.own_data import write_part

ROOT = Path(__file__).parents[3]
ASKS = NAMES.index("asks")
PLAN = Plan(rounds=3, people=20, messages=6)
STRENGTH = 3.0  # logits for each deviation of "asks"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A part of the project's own bank and dialogs."""
    return write_part(tmp_path_factory.mktemp("data"), bank=12, dialogs=4)


def liked(result: dict[str, Any], arm: str) -> list[float]:
    """The share of replies liked in truth, round by round."""
    return [row["liked"] / row["shown"] for row in result["arms"][arm]["rounds"]]


@pytest.mark.slow
@pytest.mark.parametrize("sign", [1.0, -1.0], ids=["likes questions", "dislikes questions"])
def test_a_planted_taste_is_learned(
    sign: float, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Alike(Population):
        """People who heed one thing: whether a reply asks."""

        def __init__(self, seed: int, bank: Sequence[tuple[str, str]]) -> None:
            super().__init__(seed, bank)
            self.shared = np.zeros_like(self.shared)
            self.shared[ASKS] = sign * STRENGTH

        def _taste(self, rng: np.random.Generator, deviation: float) -> Array:
            return 0.0 * super()._taste(rng, deviation)

    monkeypatch.setattr(rounds, "Population", Alike)

    def tell(_arm: str, _number: int, _figures: Round) -> None:
        """Nobody asks it to stop."""

    result = Stage(ROOT / "artifacts" / "reranker", data, tmp_path, PLAN).play(1, tell)
    control, learning = liked(result, "control"), liked(result, "learning")
    assert learning[0] == control[0], "nothing was learned yet"
    assert learning[-1] > control[-1] + 0.1, (control, learning)
    assert learning[-1] > learning[0] + 0.1, (control, learning)
