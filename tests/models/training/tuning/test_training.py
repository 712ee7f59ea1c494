"""The loops: a reward is learned, the leash holds, and a stopped run ends where it would have."""

from __future__ import annotations

import itertools
import json
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from models.generator import Generator
from models.training.record import read_metrics
from models.training.tuning import leash
from models.training.tuning.config import TuneConfig
from models.training.tuning.contexts import TRAIN, Talk, draw_contexts
from models.training.tuning.evaluate import divergence_of
from models.training.tuning.leash import (
    KEEPER_FILE,
    Kept,
    Leash,
    Look,
    best_file,
    newest_checkpoint,
    read_kept,
)
from models.training.tuning.policy import (
    SERVING,
    answers,
    describe,
    load_policy,
    served,
    write_served,
)
from models.training.tuning.preferences import Preference
from models.training.tuning.session import CHECKPOINTS
from tests.models.training.tuning.conftest import LINES, SessionMaker, WordReward, small


def share_liked(tiny: Path, talk: Talk, state: dict[str, Tensor]) -> float:
    """How often a policy says the word that the reward likes."""
    model, tokenizer = load_policy(str(tiny))
    model.load_state_dict(state)
    contexts = draw_contexts(talk.parts[TRAIN], 32, "look")
    said = answers(served(model, tokenizer), contexts, 4, SERVING, 9, 20)
    texts = [answer.text for found in said for answer in found]
    return sum("tea?" in text.split() for text in texts) / len(texts)


def distance(tiny: Path, talk: Talk, state: dict[str, Tensor]) -> float:
    """KL a token from the base."""
    (model, tokenizer), base = load_policy(str(tiny)), load_policy(str(tiny))[0]
    model.load_state_dict(state)
    contexts = draw_contexts(talk.parts[TRAIN], 8, "look")
    said = answers(served(model, tokenizer), contexts, 2, SERVING, 9, 20)
    return divergence_of(model.eval(), base.eval(), tokenizer, contexts, said)[0]


@pytest.fixture
def unbounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """No bound of perplexity ends a run or tightens it."""
    monkeypatch.setattr(leash, "BOUND", 1e9)
    monkeypatch.setattr(leash, "TIGHTEN_ABOVE", 1e9)


@pytest.mark.usefixtures("unbounded")
@pytest.mark.parametrize("method", ["grpo", pytest.param("rloo", marks=pytest.mark.slow)])
def test_the_reward_is_learned(method: str, session: SessionMaker, tiny: Path, talk: Talk) -> None:
    config = small(method, steps=16, group=6, learning_rate=5e-3, language_weight=0.05, variety=0.0)
    state = session(config).tune(keep_last=True)
    assert state is not None
    before = load_policy(str(tiny))[0].state_dict()
    assert share_liked(tiny, talk, state) > share_liked(tiny, talk, before) + 0.25


@pytest.mark.slow
@pytest.mark.usefixtures("unbounded")
def test_a_stiff_leash_holds_the_policy(session: SessionMaker, tiny: Path, talk: Talk) -> None:
    settings: dict[str, Any] = {
        "steps": 12, "learning_rate": 5e-3, "language_weight": 0.0, "variety": 0.0,
    }  # fmt: skip
    loose = session(small(beta=1e-4, **settings), "loose").tune(keep_last=True)
    stiff = session(small(beta=5.0, **settings), "stiff").tune(keep_last=True)
    assert loose is not None
    assert stiff is not None
    assert distance(tiny, talk, stiff) < 0.3 * distance(tiny, talk, loose)


def pairs(talk: Talk) -> list[Preference]:
    contexts = draw_contexts(talk.parts[TRAIN], 24, "pairs")
    return [Preference(context, LINES[0], LINES[3]) for context in contexts]


@pytest.mark.usefixtures("unbounded")
def test_preferences_are_learned(
    session: SessionMaker, tiny: Path, talk: Talk, tmp_path: Path
) -> None:
    config = small("dpo", steps=12, learning_rate=3e-3, beta=0.2, language_weight=0.1)
    state = session(config, preferences=pairs(talk)).tune(keep_last=True)
    assert state is not None
    rows = [row for row in read_metrics(tmp_path / "run") if "margin" in row]
    assert len(rows) == 12
    assert rows[0]["margin"] == pytest.approx(0.0, abs=1e-4)  # policy and reference are one
    assert rows[-1]["margin"] > 0.5
    assert rows[-1]["loss"] < rows[0]["loss"]
    before = load_policy(str(tiny))[0].state_dict()
    assert share_liked(tiny, talk, state) > share_liked(tiny, talk, before)


def test_its_own_responses_can_be_ranked_for_dpo(session: SessionMaker, tmp_path: Path) -> None:
    state = session(small("dpo", steps=3, group=6)).tune(keep_last=True)
    assert state is not None
    assert list((tmp_path / "run" / "preferences").glob("part-*.jsonl.gz"))


@pytest.mark.slow
@pytest.mark.usefixtures("unbounded")
@pytest.mark.parametrize("method", ["grpo", "dpo"])
def test_a_stopped_run_ends_where_the_uninterrupted_does(
    method: str, session: SessionMaker, talk: Talk, tmp_path: Path
) -> None:
    config = small(method, learning_rate=2e-3)
    given = pairs(talk) if method == "dpo" else None
    whole = session(config, "whole", given).tune(keep_last=True)
    stopped = session(config, "stopped", given)
    look, looks = stopped.look, itertools.count()

    def look_and_stop(model: Any) -> Look:
        # What SIGTERM does: within the run, at the first check.
        if next(looks) == 0:
            signal.raise_signal(signal.SIGTERM)
        return look(model)

    stopped.look = look_and_stop  # type: ignore[method-assign]
    with stopped.run.stoppable():
        assert stopped.tune(keep_last=True) is None
    checkpoint = newest_checkpoint(tmp_path / "stopped" / CHECKPOINTS)
    assert checkpoint is not None
    assert checkpoint.name == "checkpoint-3"
    resumed = session(config, "stopped", given).tune(keep_last=True)
    assert whole is not None
    assert resumed is not None
    for name, tensor in whole.items():
        torch.testing.assert_close(resumed[name], tensor, atol=1e-6, rtol=0.0, msg=name)
    again = session(config, "stopped", given).tune(keep_last=True)  # a finished run stays as it is
    assert again is not None
    torch.testing.assert_close(again["transformer.wte.weight"], resumed["transformer.wte.weight"])


def test_time_ends_a_run_too(session: SessionMaker, tmp_path: Path) -> None:
    assert session(small(steps=50), minutes=0.0).tune(keep_last=True) is not None
    checkpoint = newest_checkpoint(tmp_path / "run" / CHECKPOINTS)
    assert checkpoint is not None
    assert checkpoint.name == "checkpoint-1"


def test_a_torn_checkpoint_is_cleared_away(tmp_path: Path) -> None:
    assert newest_checkpoint(tmp_path / "none") is None
    for step in (9, 10):
        (tmp_path / f"checkpoint-{step}").mkdir()
    (tmp_path / "checkpoint-9" / KEEPER_FILE).write_text("{}")
    assert newest_checkpoint(tmp_path) == tmp_path / "checkpoint-9"
    assert not (tmp_path / "checkpoint-10").exists()


class Looked:
    """A leash over looks that are given, without a trainer around it."""

    def __init__(self, tmp_path: Path, looks: list[Look]) -> None:
        from models.training.record import Run

        run = Run.open(tmp_path, command="a test", config={}, seed=1)
        self.network = torch.nn.Linear(2, 2)
        self.accelerator, self.model, self.beta = self, self.network, 0.1
        base = {"reward": 1.0, "perplexity": 10.0, "distinct_2": 0.5, "length": 8.0}
        self.kept = Kept(base=base, deviation=2.0, beta=0.1)
        found = iter(looks)
        self.leash = Leash(
            run, tmp_path, lambda _model: next(found), self.kept, steps=9, check_every=1,
            minutes=None,
        )  # fmt: skip
        self.leash.trainer = self

    def unwrap_model(self, model: torch.nn.Module) -> torch.nn.Module:
        return model

    def check(self, step: int) -> None:
        with torch.no_grad():
            self.network.weight.fill_(float(step))
        self.leash.check(step)


def test_the_best_within_the_bounds_is_kept(tmp_path: Path) -> None:
    looked = Looked(
        tmp_path,
        [
            Look(2.0, 10.2, 0.51, 8.0),
            Look(9.0, 11.5, 0.60, 8.0),  # too perplexed
            Look(9.0, 10.1, 0.40, 8.0),  # too monotonous
            Look(1.5, 10.0, 0.55, 8.0),  # not the best
        ],
    )
    for step in range(1, 5):
        looked.check(step)
    assert (looked.kept.best_step, looked.kept.best_rise) == (1, 0.5)
    assert torch.load(tmp_path / "best-1.pt", weights_only=True)["weight"].unique().item() == 1.0


def test_the_best_that_a_saved_state_names_outlives_a_kill(tmp_path: Path) -> None:
    looked = Looked(tmp_path, [Look(2.0, 10.0, 0.5, 8.0), Look(3.0, 10.0, 0.5, 8.0)])
    (tmp_path / "checkpoint-1").mkdir()
    args = SimpleNamespace(output_dir=str(tmp_path))
    looked.check(1)
    looked.leash.on_save(args, SimpleNamespace(global_step=1), None)
    looked.check(2)  # better; a kill now leaves checkpoint-1 as the newest
    assert read_kept(tmp_path / "checkpoint-1").best_step == 1
    assert best_file(tmp_path, 1).exists()
    (tmp_path / "checkpoint-2").mkdir()
    looked.leash.on_save(args, SimpleNamespace(global_step=2), None)
    assert [path.name for path in tmp_path.glob("best-*.pt")] == ["best-2.pt"]


def test_the_leash_tightens_and_then_ends_the_run(tmp_path: Path) -> None:
    seen = [Look(2.0, p, 0.5, 8.0) for p in (10.5, 10.7, 11.0, 10.3, 11.0, 11.0)]
    looked = Looked(tmp_path, seen)
    stiff = []
    for step in range(1, 7):
        looked.check(step)
        stiff.append(round(looked.beta, 4))
    assert stiff == [0.1, 0.15, 0.225, 0.225, 0.3375, 0.5063]
    assert looked.kept.over == 2
    rows = read_metrics(tmp_path)
    assert [round(row["held_out_perplexity"], 1) for row in rows] == [
        10.5,
        10.7,
        11.0,
        10.3,
        11.0,
        11.0,
    ]


def test_what_is_written_is_what_serving_loads(tiny: Path, tmp_path: Path) -> None:
    base = describe(str(tiny))
    state = {k: v * 1.01 for k, v in load_policy(str(tiny))[0].state_dict().items()}
    out = tmp_path / "tuned"
    for _ in range(2):  # a second time it replaces the first
        write_served(out, base, state, command="a test", metrics={"a": 1}, data=())
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["base"]["version"] == base.version
    generator = Generator.load(out, runtime="torch", dtype="fp32")
    assert generator.version == manifest["version"] != base.version
    assert not list(tmp_path.glob(".tuned*"))


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"beta": 0.0}, "beta"), ({"group": 1}, "group"), ({"steps": 0}, "steps"),
        ({"temperature": 9.0}, "temperature"), ({"accumulate": 7}, "parts"),
    ],
)  # fmt: skip
def test_settings_that_cannot_be_are_refused(changes: dict[str, Any], what: str) -> None:
    with pytest.raises(ValueError, match=what):
        small(**changes)
    with pytest.raises(ValueError, match="method"):
        TuneConfig.of("ppo")


@pytest.mark.slow
def test_parts_of_a_step_add_up(session: SessionMaker) -> None:
    whole = session(small(steps=2, learning_rate=1e-3), "whole").tune(keep_last=True)
    parts = session(small(steps=2, learning_rate=1e-3, accumulate=4), "parts").tune(keep_last=True)
    assert whole is not None
    assert parts is not None
    for name, tensor in whole.items():
        torch.testing.assert_close(parts[name], tensor, atol=3e-4, rtol=0.0, msg=name)


def test_the_toy_reward_is_a_reward_model() -> None:
    assert WordReward("x").score([], []).shape == (0,)
