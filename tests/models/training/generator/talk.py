"""Small corpora and runs for the tests of the generator's training."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path

from models.training.corpora import load_public
from models.training.examples import Example
from models.training.generator.config import TrainConfig
from models.training.generator.data import TrainingData, keep_own
from models.training.generator.schedule import Schedule
from models.training.generator.trainer import Trainer
from models.training.record import Run

ROOT = Path(__file__).resolve().parents[4]
TALK = ["the kettle is on", "then I will stay a while", "stay as long as you like", "thank you"]
TINY = TrainConfig(
    layers=1, width=16, heads=2, vocabulary=300, positions=256, tokens_per_batch=256,
    warmup_tokens=512, seed=5,
)  # fmt: skip
# The same on the command line.
TINY_OPTIONS = [
    "--layers", "1", "--width", "16", "--heads", "2", "--vocabulary", "300",
    "--tokens-per-batch", "256", "--warmup-tokens", "512", "--seed", "5",
]  # fmt: skip


def write_rows(path: Path, rows: list[dict[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "\n".join(json.dumps(row) for row in rows) + "\n"
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)


def chat(number: int, names: tuple[str, str]) -> dict[str, object]:
    turns = [
        {"speaker": names[n % 2], "text": f"{TALK[(n + number) % 4]} {number + n}."}
        for n in range(6)
    ]
    return {"dialog_id": f"d{number}", "turns": turns}


def make_data(
    run: Path, public: Path | None, own: Path | None = None, judged: tuple[Example, ...] = (),
    config: TrainConfig = TINY,
) -> TrainingData:  # fmt: skip
    return TrainingData(
        run, load_public(public) if public else [], keep_own(run, own), judged,
        vocabulary=config.vocabulary, positions=config.positions,
        tokens_per_batch=config.tokens_per_batch, own_share=config.own_share, seed=config.seed,
        log=lambda line: None,
    )  # fmt: skip


def make_trainer(
    folder: Path, public: Path, own: Path | None = None, schedule: Schedule | None = None,
    **options: object,
) -> Trainer:  # fmt: skip
    config = replace(TINY, **options.pop("config", {}))  # type: ignore[call-overload]
    run = Run.open(folder, command="test", config={}, seed=config.seed)
    data = make_data(folder, public, own, config=config)
    schedule = schedule or Schedule(minutes=1e9)
    return Trainer(run, config, data, schedule, **options)  # type: ignore[arg-type]


def lines_of(trainer: Trainer) -> list[str]:
    return (trainer.recorder.folder / "log.txt").read_text().splitlines()
