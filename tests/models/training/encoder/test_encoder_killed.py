"""scripts/train_encoder ended by SIGKILL: the same command goes on from the last whole state."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
from safetensors.torch import load_file

from tests.models.training.killed import ROOT, kill_at

BETWEEN_STEPS = "models.training.record:Progress.update"
WHILE_SAVING = "transformers:Trainer._save_rng_state"


@pytest.mark.slow
@pytest.mark.parametrize("moment", [BETWEEN_STEPS, WHILE_SAVING])
def test_a_killed_run_ends_where_an_uninterrupted_one_does(
    moment: str,
    tiny_base: Path,
    public_data: Path,
    own_data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The softmax, whose classifier is the loss's own and has to come back too."""
    main = runpy.run_path(str(ROOT / "scripts" / "train_encoder"))["main"]

    def words(name: str) -> list[str]:
        where = ["--base", tiny_base, "--data", public_data, "--own", own_data]
        places = ["--run", tmp_path / name / "run", "--out", tmp_path / name / "out"]
        small = ["--steps", 6, "--batch", 8, "--rate", 1e-3, "--max-tokens", 24, "--pool", 60]
        how = ["--objective", "softmax", "--force", "--save-minutes", 0]
        return [str(word) for word in (*where, *places, *small, *how)]

    assert main(words("whole")) == 0
    kill_at(moment, 4, "train_encoder", words("parts"))
    states = tmp_path / "parts" / "run" / "checkpoints"
    assert (states / "checkpoint-4").exists() == (moment == WHILE_SAVING)
    assert not (tmp_path / "parts" / "out").exists()
    capsys.readouterr()
    assert main(words("parts")) == 0
    assert "going on from checkpoint-3" in capsys.readouterr().out
    whole, parts = (
        load_file(tmp_path / name / "out" / "model.safetensors") for name in ("whole", "parts")
    )
    assert whole.keys() == parts.keys()
    for name, tensor in whole.items():
        assert (tensor - parts[name]).abs().max() < 1e-6, name
