"""sentence-transformers' trainer, with rows in a given order and a loss whose weights are kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.base.sampler import DefaultBatchSampler
from torch import nn
from torch.utils.data import SequentialSampler

from models.training.encoder.objectives import Rows
from models.training.encoder.trainers import Keeper, arguments
from models.training.record import Run

_LOSS_FILE = "loss.safetensors"


def in_order(dataset: Any, **options: Any) -> Any:
    """Batches of neighbouring rows, first to last."""
    return DefaultBatchSampler(SequentialSampler(dataset), **options)


class EncoderTrainer(SentenceTransformerTrainer):  # type: ignore[misc]
    """Keeps the loss's own weights (a softmax's classifier) in each state and brings them back.

    The library saves the encoder and the optimizer alone: resumed there, a classifier begins anew
    while the optimizer believes it to be trained.
    """

    def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
        """None: its card, written beside each state, quotes texts of the training data."""

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        super()._save(output_dir, state_dict)
        weights = _own_weights(self.loss)
        if weights:
            save_file(weights, Path(output_dir or self.args.output_dir) / _LOSS_FILE)

    def _load_from_checkpoint(self, checkpoint_path: str) -> None:
        super()._load_from_checkpoint(checkpoint_path)
        path = Path(checkpoint_path) / _LOSS_FILE
        if path.exists():
            self.loss.load_state_dict(load_file(path), strict=False)


def _own_weights(loss: nn.Module) -> dict[str, torch.Tensor]:
    state = loss.state_dict()
    return {
        n: t.detach().cpu().contiguous() for n, t in state.items() if not n.startswith("model.")
    }


def build_trainer(
    network: Any,
    loss: nn.Module,
    rows: Rows,
    run: Run,
    *,
    steps: int,
    batch: int,
    rate: float,
    seed: int,
    save_minutes: float,
) -> EncoderTrainer:
    """A trainer over `steps` batches of `rows`. Raises ValueError where the rows do not suffice."""
    settings = arguments(
        SentenceTransformerTrainingArguments,
        run.folder,
        steps=steps,
        batch=batch,
        rate=rate,
        seed=seed,
        batch_sampler=in_order,
    )
    return EncoderTrainer(
        model=network,
        args=settings,
        train_dataset=Dataset.from_dict(rows.table(steps, batch)),
        loss=loss,
        callbacks=[Keeper(run, batch, "rows", save_minutes)],
    )


def try_steps(network: Any, loss: nn.Module, rows: Rows, batch: int) -> Callable[[int], None]:
    """A function that does the work of one step, to see how long it takes; weights do change."""
    optimizer = torch.optim.AdamW(loss.parameters(), lr=1e-6)

    def step(number: int) -> None:
        values = rows.full(number, batch)
        labels = None
        if rows.columns[-1] == "label":
            labels = torch.tensor(values.pop(), device=network.device)
        features = [_on(network.device, network.preprocess(texts)) for texts in values]
        loss.train()
        loss(features, labels).backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def _on(device: torch.device, features: dict[str, Any]) -> dict[str, Any]:
    return {k: v.to(device) if isinstance(v, torch.Tensor) else v for k, v in features.items()}
