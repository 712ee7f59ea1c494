"""A run as the command makes it: stopped anywhere, resumed on what it began with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from models.training.examples import Example
from models.training.generator import run as generator_run
from models.training.generator.pinned import PINNED_FOLDER, fingerprint
from models.training.generator.trainer import Trainer
from models.training.record import RunConflict
from tests.models.training.generator.command import load_script, training

SECRET = "stay for the kettle"
LIKED = [
    Example("remote", "upvote", ("hello",), f"{SECRET} {n}", 1.0, conversation=f"c{n}")
    for n in range(60)
]


def train(folder: Path, public: Path, reactions: Sequence[Example] = ()) -> int:
    words = [str(word) for word in training(public, folder, "--steps", 6, "--finish-share", 0.5)]
    options = load_script().parse(words)
    return generator_run.train(options, "scripts/train_generator", lambda: reactions)


def test_a_run_resumes_on_the_replies_it_began_with(
    tmp_path: Path, public: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, long = Trainer.run, tmp_path / "run"
    monkeypatch.setattr(Trainer, "run", lambda self: whole(self, max_steps=2))
    assert train(long, public, LIKED) == 0
    kept = long / PINNED_FOLDER
    assert kept.stat().st_mode & 0o777 == 0o700
    assert [path.stat().st_mode & 0o777 for path in kept.iterdir()] == [0o600]
    recorded = (long / "run.json").read_text()
    assert SECRET not in recorded
    assert json.loads(recorded)["config"]["replies"] == fingerprint(LIKED)

    monkeypatch.setattr(Trainer, "run", whole)
    grown = [*LIKED, replace(LIKED[0], response="said since then")]
    assert train(long, public, grown) == 0
    document = json.loads((long / "run.json").read_text())
    assert document["metrics"]["steps"] == 6
    assert not kept.exists()
    assert train(long, public, LIKED) == 0
    assert not kept.exists()
    with pytest.raises(RunConflict, match="began with 60 judged replies, which are not these 61"):
        train(long, public, grown)


@pytest.mark.parametrize(
    "change", [{"response": "else"}, {"context": ("else",)}, {"weight": 0.5}, {"facts": ("else",)}]
)
def test_what_is_learned_of_judged_replies_is_hashed(change: dict[str, object]) -> None:
    other = [replace(LIKED[0], **change), *LIKED[1:]]  # type: ignore[arg-type]
    assert fingerprint(other) != fingerprint(LIKED)
    assert fingerprint(list(LIKED)) == fingerprint(LIKED)
    # More than full trust is in no more epochs.
    more = [replace(e, weight=2.0) for e in LIKED]
    assert fingerprint(more) == fingerprint(LIKED)
