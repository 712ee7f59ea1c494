"""Training of one network of the family, by transformers' Trainer.

The Trainer owns the loop, the device, mixed precision, gradient clipping and its checkpoints; what
it lacks is here: batches of like length with groups kept together, losses of several heads, and
runs that stop on a signal. The batches of the whole run are planned ahead and an "example" of the
Trainer is one of them, so that a run that goes on skips exactly those it has done, in any epoch.
"""

from __future__ import annotations

import shutil
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_utils import get_last_checkpoint

from models.training.record import Run
from models.training.reranker.family.batches import Batches
from models.training.reranker.family.lesson import Lesson, Teaching
from models.training.reranker.family.networks import PairNetwork

COMPLETE = "complete"
LOG_EVERY = 20


@dataclass(frozen=True)
class FitConfig:
    """What a training depends on beside its data; `save_minutes` are of wall clock.

    `head_start` and `warmup` are shares of the steps (see `rate`).
    """

    epochs: int = 1
    batch: int = 64
    lr: float = 1e-4
    head_lr: float = 1e-3
    head_start: float = 0.0
    warmup: float = 0.06
    weight_decay: float = 0.01
    clip: float = 1.0
    pairwise: float = 0.5
    bf16: bool = False
    accumulate: int = 1
    seed: int = 7
    save_minutes: float = 3.0


class _LessonTrainer(Trainer):  # type: ignore[misc]
    """The Trainer over a `Lesson`; keeps the terms of the loss for the record."""

    terms: dict[str, list[Tensor]]

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Tensor],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """The loss of one batch."""
        found = dict(model(inputs))
        loss = found.pop("loss")
        for name, value in found.items():
            self.terms.setdefault(name, []).append(value.detach())
        return (loss, found) if return_outputs else loss


class _Watch(TrainerCallback):  # type: ignore[misc]
    """Progress, the record, and when to save: by the clock, when asked to stop, and at the end."""

    def __init__(
        self, trainer: _LessonTrainer, run: Run, plan: Sequence[Sequence[int]], config: FitConfig
    ) -> None:
        self._trainer, self._run, self._config = trainer, run, config
        accumulate = config.accumulate
        self._sizes = [
            sum(map(len, plan[start : start + accumulate]))
            for start in range(0, len(plan), accumulate)
        ]
        self._saved = time.monotonic()
        self._progress: Any = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Count from where the run goes on."""
        done = sum(self._sizes[: state.global_step])
        self._progress = self._run.progress(sum(self._sizes), "pairs", done)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Show progress; save and stop where it is time."""
        latest = {name: float(values[-1]) for name, values in self._trainer.terms.items()}
        self._progress.update(self._sizes[state.global_step - 1], **latest)
        late = time.monotonic() - self._saved >= self._config.save_minutes * 60
        if self._run.stopping or late or state.global_step >= state.max_steps:
            control.should_save = True
        if self._run.stopping:
            control.should_training_stop = True

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        """Keep the means since the last time."""
        if not logs or "loss" not in logs:
            return
        means = {n: float(torch.stack(v).mean()) for n, v in self._trainer.terms.items()}
        self._trainer.terms.clear()
        rates = {"loss": float(logs["loss"]), "learning_rate": float(logs["learning_rate"])}
        self._run.report(state.global_step, **rates, **means)

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Mark the checkpoint as whole: one without the mark was cut off by a kill."""
        (Path(args.output_dir) / f"checkpoint-{state.global_step}" / COMPLETE).touch()
        self._saved = time.monotonic()


def fit(
    network: PairNetwork,
    batches: Batches,
    config: FitConfig,
    run: Run,
    *,
    teaching: Teaching | None = None,
) -> bool:
    """Train `network` in place, from where the run's folder left off; False if stopped early."""
    lesson = Lesson(network, config.pairwise, teaching, config.seed)
    folder = run.folder / "checkpoints"
    steps = -(-len(batches) // config.accumulate)
    last = last_checkpoint(folder)
    if last is not None and last.name == f"checkpoint-{steps}":
        lesson.load_state_dict(load_file(last / "model.safetensors"))
        return True
    trainer = _trainer(lesson, batches, config, folder, steps)
    watch = _Watch(trainer, run, batches.plan, config)
    trainer.add_callback(watch)
    with warnings.catch_warnings():
        # torch warns of the order of scheduler and optimizer when a scheduler's state is restored.
        warnings.filterwarnings("ignore", message=".*lr_scheduler.*", category=UserWarning)
        trainer.train(resume_from_checkpoint=str(last) if last else None)
    return int(trainer.state.global_step) >= steps


def last_checkpoint(folder: Path) -> Path | None:
    """The latest whole checkpoint; those that a kill cut off are cleared away."""
    if not folder.is_dir():
        return None
    for path in folder.glob("checkpoint-*"):
        if not (path / COMPLETE).exists():
            shutil.rmtree(path)
    found = get_last_checkpoint(str(folder))
    return None if found is None else Path(found)


def _trainer(
    lesson: Lesson, batches: Batches, config: FitConfig, folder: Path, steps: int
) -> _LessonTrainer:
    optimizer = torch.optim.AdamW(_groups(lesson, config), lr=config.lr)
    begin = [0.0 if group["fresh"] else config.head_start for group in optimizer.param_groups]
    rates: list[Callable[[int], float]] = [
        partial(rate, total=steps, begin=at, warmup=config.warmup) for at in begin
    ]
    schedule = LambdaLR(optimizer, rates)
    arguments = TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=1,
        per_device_train_batch_size=1,  # an item is a batch already
        gradient_accumulation_steps=config.accumulate,
        max_grad_norm=config.clip,
        bf16=config.bf16,
        use_cpu=not torch.cuda.is_available(),
        train_sampling_strategy="sequential",
        seed=config.seed,
        save_strategy="no",
        save_total_limit=2,
        logging_steps=LOG_EVERY,
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=False,
    )
    trainer = _LessonTrainer(
        model=lesson,
        args=arguments,
        train_dataset=batches,
        data_collator=lambda items: items[0],
        optimizers=(optimizer, schedule),
    )
    trainer.remove_callback(PrinterCallback)
    trainer.terms = {}
    return trainer


def rate(step: int, total: int, begin: float, warmup: float) -> float:
    """The share of its peak that a learning rate has at a step: zero, warm-up, linear to zero.

    A pretrained body waits for `begin` of the run, so that a head which starts at random does not
    pull it about (linear probing, then fine-tuning: Kumar et al. 2022, arXiv:2202.10054).
    """
    done = step / max(1, total)
    if done < begin:
        return 0.0
    if done < begin + warmup:
        return (step + 1 - begin * total) / max(1.0, warmup * total)
    return max(0.0, (1.0 - done) / (1.0 - begin - warmup))


def _groups(lesson: nn.Module, config: FitConfig) -> list[dict[str, Any]]:
    """A fresh head learns faster than a pretrained body; biases and norms are not decayed."""
    groups: dict[tuple[bool, bool], list[Tensor]] = {}
    for name, parameter in lesson.named_parameters():
        if parameter.requires_grad:
            fresh = not name.startswith("network.encoder.")
            groups.setdefault((fresh, parameter.dim() > 1), []).append(parameter)
    return [
        {
            "params": parameters,
            "fresh": fresh,
            "lr": config.head_lr if fresh else config.lr,
            "weight_decay": config.weight_decay if decayed else 0.0,
        }
        for (fresh, decayed), parameters in groups.items()
    ]
