"""From a run to the artifact: what ships is what was trained, and says what it is."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from models.checkpoint import DataSource, load_manifest, verify
from models.generator import GenerateItem, Generator
from models.metrics import distinct_n, perplexity
from models.training import corpora
from models.training.corpora import is_held_out, load_own
from models.training.generator.export import (
    Origin,
    export,
    load_run,
    public_command,
    sample_contexts,
)
from models.training.generator.schedule import Schedule
from tests.models.training.generator.talk import make_trainer


def test_what_is_exported_is_what_was_trained(tmp_path: Path, public: Path, own: Path) -> None:
    run, artifact = tmp_path / "run", tmp_path / "artifacts" / "generator"
    trainer = make_trainer(run, public, own, Schedule(steps=8))
    trainer.run()
    sources = tuple(corpora.PUBLIC_SOURCES.values())
    late = (DataSource("Own", "MIT"),)
    origin = Origin("scripts/train_generator", sources, late, public, own)
    manifest = export(run, artifact, origin, lambda line: None)
    assert verify(artifact, kind="generator") == manifest == load_manifest(artifact)
    figures, counts = (manifest.metrics[f"held_out_{n}"] for n in ("perplexity", "tokens"))
    assert set(figures) == {*counts, "all"} > {"self_dialogue", "own_dialogs", "all"}
    assert counts["self_dialogue"] == sum(
        batch.tokens for batch in dict(trainer.data.held_out_batches(full=True))["self_dialogue"]
    )
    assert {source.name for source in manifest.data} >= {"Own", "Topical-Chat"}
    assert manifest.metrics["training_steps"] == 8

    generator = Generator.load(artifact, device="cpu", dtype="fp32")
    assert generator.version == manifest.version
    ids = generator.encode_context(["the kettle is on"])
    generator.run([GenerateItem(ids, n=2, seed=1)])
    model = load_run(run)[0]
    with torch.inference_mode():
        first = generator.network.start([ids], [1], 1).first[0]
        theirs = model(torch.tensor([ids])).logits[0, -1]
    torch.testing.assert_close(first, theirs, atol=2e-2, rtol=0.0)  # rounded to fp16


def test_a_run_without_a_state_has_nothing_to_export(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no saved state"):
        export(tmp_path, tmp_path / "a", Origin("x"), lambda line: None)


def test_samples_are_of_held_out_dialogs_and_end_with_the_person(own: Path) -> None:
    dialogs = load_own(own)
    contexts = sample_contexts(dialogs)
    assert len(contexts) == 10
    assert contexts == sample_contexts(dialogs)
    held = [d.turns for d in dialogs if is_held_out(d.source, d.id)]
    assert all(any(t[: len(c)] == c for t in held) and len(c) % 2 for c in contexts)


def test_a_command_is_recorded_without_folders() -> None:
    command = "scripts/train_generator --data /a/b --examples x.gz --init /c/d --steps 9 --run /e"
    assert public_command(command) == (
        "scripts/train_generator --data DIALOGS --examples EXAMPLES --init FOLDER --steps 9 "
        "--run RUN"
    )
    shipped = "scripts/train_generator --init artifacts/generator --finish-with data"
    assert public_command(shipped) == shipped


def test_metrics() -> None:
    assert perplexity(0.0, 5) == 1.0
    assert perplexity(6.931471805599453, 10) == pytest.approx(2.0)
    assert distinct_n([["a", "b"], ["a", "b"]], 1) == 0.5
    assert distinct_n([["a"]], 2) == 0.0
    with pytest.raises(ValueError):
        perplexity(1.0, 0)
    with pytest.raises(ValueError):
        distinct_n([], 0)
