"""What a tuning run depends on, and its defaults."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, fields, replace

GRPO = "grpo"
RLOO = "rloo"
DPO = "dpo"
METHODS = (GRPO, RLOO, DPO)

# The leash's stiffness means another thing in each method: nats a token beside the loss (GRPO),
# nats of the whole response inside the reward (RLOO), the inverse temperature (DPO).
BETAS = {GRPO: 0.08, RLOO: 0.02, DPO: 0.1}
RATES = {GRPO: 5e-5, RLOO: 5e-5, DPO: 1e-4}
# Pairs move a small model faster than samples do: more of people's language must hold it.
LANGUAGE = {GRPO: 0.3, RLOO: 0.3, DPO: 1.0}
# Adapters start at nothing: they need about ten times the rate that whole matrices do.
LORA_RATE = 10.0
PER_STEP = {GRPO: 8, RLOO: 8, DPO: 16}
GRADIENT_NORM = 1.0


@dataclass(frozen=True)
class TuneConfig:
    """A run's settings; kept in `run.json`, and what is resumed must match them.

    Units: steps of the optimizer, tokens, nats, and standard deviations of the base model's
    reward for the weights of the guards.
    """

    method: str = GRPO
    steps: int = 300
    contexts: int = PER_STEP[GRPO]
    """Contexts a step (GRPO, RLOO), or pairs a step (DPO)."""
    group: int = 8
    """Responses sampled for each context."""
    accumulate: int = 1
    """Parts that a step is computed in: less memory, the same result."""
    beta: float = BETAS[GRPO]
    learning_rate: float = RATES[GRPO]
    warmup: int = 10
    temperature: float = 0.9
    max_new_tokens: int = 40
    language_weight: float = LANGUAGE[GRPO]
    """Weight of the plain language loss on dialogs of people (PPO-ptx, Ouyang et al. 2022)."""
    language_tokens: int = 2048
    variety: float = 0.3
    """Weight of what is said like everything else in the batch, in deviations as the reward is."""
    check_every: int = 20
    """Steps between two looks at the leash."""
    check_contexts: int = 96
    lora: int = 0
    """Rank of the adapters that are trained instead of the weights; 0: the weights are."""
    seed: int = 20

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(f"method {self.method!r} is not one of {', '.join(METHODS)}")
        for name in ("steps", "contexts", "accumulate", "check_every", "check_contexts"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")
        if self.group < 2:
            raise ValueError("a group needs at least 2 responses to compare")
        if self.lora < 0:
            raise ValueError("lora is a rank: at least 1, or 0 to train the weights themselves")
        if self.beta <= 0.0:
            raise ValueError("beta must be above 0: without it nothing holds the policy")
        if self.rows % self.accumulate:
            raise ValueError(f"{self.rows} rows a step do not divide into {self.accumulate} parts")
        if not 0.1 <= self.temperature <= 2.0:
            raise ValueError(f"temperature {self.temperature} is not in [0.1, 2]")

    @property
    def rows(self) -> int:
        """Sequences (pairs, for DPO) in a step."""
        return self.contexts * (1 if self.method == DPO else self.group)

    @classmethod
    def of(cls, method: str, **changes: float | int | str | None) -> TuneConfig:
        """The method's defaults with `changes`; None keeps a default. Raises ValueError."""
        if method not in METHODS:
            raise ValueError(f"method {method!r} is not one of {', '.join(METHODS)}")
        start = cls(
            method=method,
            beta=BETAS[method],
            learning_rate=RATES[method] * (LORA_RATE if changes.get("lora") else 1.0),
            language_weight=LANGUAGE[method],
            contexts=PER_STEP[method],
        )
        known = {name: value for name, value in changes.items() if value is not None}
        return replace(start, **known)  # type: ignore[arg-type]

    @classmethod
    def from_options(cls, options: argparse.Namespace) -> TuneConfig:
        """From a command line whose options are named as the fields. Raises ValueError."""
        names = [field.name for field in fields(cls) if field.name != "method"]
        return cls.of(options.method, **{name: getattr(options, name) for name in names})
