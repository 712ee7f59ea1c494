"""The configuration of a run: kept in its `run.json` and in the manifest of what it made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class TrainConfig:
    """The shape and rates of a run; a run is resumed with the same or not at all.

    `learning_rate` is the peak for embeddings, biases and norms (AdamW); `matrix_rate` the peak
    for the hidden matrices (Muon, Jordan et al. 2024), or 0 to train these by AdamW too.
    The rates rise over `warmup_tokens`. `tokens_per_batch` counts the tokens of one update, in
    however many parts they are computed.
    `finish_share` of the schedule mixes in our own texts and judged replies, `own_share` of its
    tokens. `base` names the weights it starts from, empty for random ones.
    """

    layers: int = 4
    width: int = 224
    heads: int = 7
    vocabulary: int = 4096
    positions: int = 256
    learning_rate: float = 2e-3
    matrix_rate: float = 3e-3
    weight_decay: float = 0.1
    clip: float = 1.0
    warmup_tokens: int = 184_320
    tokens_per_batch: int = 3072
    finish_share: float = 0.18
    own_share: float = 0.5
    seed: int = 20
    base: str = ""

    @classmethod
    def of_state(cls, saved: Mapping[str, Any]) -> TrainConfig:
        """The configuration in a saved state, also of a run that counted its warm-up in updates."""
        values = dict(saved)
        if "warmup_steps" in values:
            values["warmup_tokens"] = values.pop("warmup_steps") * values["tokens_per_batch"]
        return cls(**values)
