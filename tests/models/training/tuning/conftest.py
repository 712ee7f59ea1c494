"""A tiny generator that has learned a few lines, and toy rewards for what it says."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from models.checkpoint import write_manifest
from models.training.generator.perplexity import learned_nll
from models.training.generator.tokenizer import train_tokenizer
from models.training.record import Run
from models.training.tuning.config import TuneConfig
from models.training.tuning.contexts import Context, Talk, load_talk
from models.training.tuning.heldout import rehearsal
from models.training.tuning.policy import describe
from models.training.tuning.preferences import Preference
from models.training.tuning.reward import Scores
from models.training.tuning.session import Session

LINES = (
    "the kettle is on again, do you want tea?",
    "I would rather walk along the river now.",
    "you could stay here and read a little.",
    "my sister paints boats in the old harbour.",
    "that sounds like a slow and happy day.",
    "then tell me what you dreamed about.",
)


class WordReward:
    """Likes a word: 2 if a response has it, -2 if not."""

    data = ()

    def __init__(self, word: str) -> None:
        self.word = word
        self.name = f"likes {word}"

    def score(self, contexts: Sequence[Context], responses: Sequence[str]) -> Scores:
        """As in RewardModel."""
        assert len(contexts) == len(responses)
        return np.array([2.0 if self.word in text.split() else -2.0 for text in responses])


def write_lines(path: Path, rows: Sequence[dict[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def write_own(folder: Path) -> Path:
    """A folder of dialogs in the project's own format."""
    rng = random.Random(7)
    rows: list[dict[str, object]] = []
    for number in range(80):
        # Any line may follow any other, so that a policy has a choice.
        turns = [
            {"speaker": ("person", "kindred")[n % 2], "text": rng.choice(LINES)} for n in range(6)
        ]
        rows.append({"id": f"d{number}", "turns": turns})
    write_lines(folder / "dialogs" / "a.jsonl", rows)
    return folder


@pytest.fixture(scope="session")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_own(tmp_path_factory.mktemp("own"))


@pytest.fixture(scope="session")
def talk(own: Path) -> Talk:
    return load_talk(None, own)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory, talk: Talk) -> Path:
    return write_tiny(tmp_path_factory.mktemp("tiny"), talk)


def write_tiny(folder: Path, talk: Talk) -> Path:
    """A generator's folder: one layer, 32 wide, which says the lines above."""
    tokenizer = train_tokenizer(LINES * 4, 300, 256)
    torch.manual_seed(3)
    config = GPT2Config(
        vocab_size=len(tokenizer), n_positions=256, n_embd=32, n_layer=1, n_head=2,
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
        bos_token_id=tokenizer.eos_token_id, eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    model = GPT2LMHeadModel(config)
    batch = rehearsal(tokenizer, talk.parts["train"], 400, seed=1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for step in range(120):
        loss = learned_nll(model, batch(step)).mean()
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimizer.step()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    write_manifest(folder, name="tiny", kind="generator", command="a fixture")
    return folder


def small(method: str = "grpo", **changes: object) -> TuneConfig:
    """A configuration that is over in a second or two."""
    settings = {
        "steps": 6, "contexts": 4, "group": 4, "max_new_tokens": 20, "warmup": 1,
        "check_every": 3, "check_contexts": 8, "language_tokens": 120, "seed": 4,
    }  # fmt: skip
    return TuneConfig.of(method, **{**settings, **changes})  # type: ignore[arg-type]


SessionMaker = Callable[..., Session]


@pytest.fixture
def session(tiny: Path, talk: Talk, tmp_path: Path) -> SessionMaker:
    """Makes a session over a run's folder; the same folder goes on."""

    def make(
        config: TuneConfig,
        name: str = "run",
        preferences: Sequence[Preference] | None = None,
        minutes: float | None = None,
    ) -> Session:
        run = Run.open(tmp_path / name, command="a test", config=vars(config), seed=config.seed)
        return Session(
            run, config, describe(str(tiny)), talk, WordReward("tea?"), preferences,
            pairs=16, minutes=minutes,
        )  # fmt: skip

    return make
