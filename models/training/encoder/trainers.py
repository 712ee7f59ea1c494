"""What this project adds to transformers' `Trainer`: its record, its clock, its way to stop.

What a step sees is the caller's to fix: the training set is a sequence in the order of training,
`steps` batches long, so that "skip what was seen" is all that resuming needs. (An epoch's shuffle
inside the Trainer is redrawn wrongly when a custom batch sampler is resumed in a later epoch.)
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import PrinterCallback, Trainer, TrainerCallback

from models.checkpoint import write_atomically
from models.training.record import Progress, Run

PLAN_FILE = "plan.json"
_STATE_FILE = "trainer_state.json"
_WARM_STEPS = 2
_LONGEST_TRIAL = 20  # steps


def arguments(kind: Any, folder: Path, *, steps: int, batch: int, rate: float, **more: Any) -> Any:
    """Training arguments of a run in `folder`: bf16 on a GPU, fp32 on a CPU.

    Args:
        kind: transformers' `TrainingArguments` or a class made from it.
        rate: the highest learning rate; it rises over 6 % of the steps and falls to 0.
        more: further arguments of `kind`; they win.
    """
    gpu = torch.cuda.is_available()
    settings: dict[str, Any] = {
        "output_dir": str(folder / "checkpoints"),
        "max_steps": steps,
        "per_device_train_batch_size": batch,
        "learning_rate": rate,
        "weight_decay": 0.01,
        "max_grad_norm": 1.0,
        "lr_scheduler_type": "linear",
        "warmup_steps": max(1, round(0.06 * steps)),
        "bf16": gpu and torch.cuda.is_bf16_supported(),
        "use_cpu": not gpu,
        "dataloader_pin_memory": gpu,
        "remove_unused_columns": False,
        "train_sampling_strategy": "sequential",
        "save_strategy": "no",  # `Keeper` saves by the clock
        "save_total_limit": 2,
        "logging_steps": max(1, min(50, steps // 20)),
        "report_to": "none",
        "disable_tqdm": True,
    }
    return kind(**{**settings, **more})


class Keeper(TrainerCallback):  # type: ignore[misc]
    """Ties a `Trainer` to its run: figures, progress, states saved by the clock, stopping."""

    def __init__(self, run: Run, per_step: int, unit: str, minutes: float = 3.0) -> None:
        """`per_step` `unit`s go into a step; a state is saved every so many minutes."""
        self._run, self._per_step, self._unit = run, per_step, unit
        self._every = 60.0 * minutes
        self._saved = time.monotonic()
        self._progress: Progress | None = None

    def on_train_begin(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        """Start to count, from where the state stands."""
        done = state.global_step * self._per_step
        self._progress = self._run.progress(state.max_steps * self._per_step, self._unit, done)
        self._saved = time.monotonic()

    def on_step_end(self, _args: Any, state: Any, control: Any, **_: Any) -> None:
        """Show, and save where it is time, where it is the end, or where it was asked to stop."""
        if self._progress is not None:
            self._progress.update(self._per_step)
        now = time.monotonic()
        last = state.global_step >= state.max_steps
        if last or self._run.stopping or now - self._saved > self._every:
            control.should_save = True
            self._saved = now
        if self._run.stopping:
            control.should_training_stop = True

    def on_log(
        self, _args: Any, state: Any, _control: Any, logs: dict[str, float] | None = None, **_: Any
    ) -> None:
        """Keep the figures of a step; those of the whole training are the run's own."""
        shown = {k: logs[k] for k in ("loss", "learning_rate", "grad_norm") if logs and k in logs}
        if shown:
            self._run.report(state.global_step, **{name: float(v) for name, v in shown.items()})


class ExactTrainer(Trainer):  # type: ignore[misc]
    """A `Trainer` that resumes with every weight.

    transformers 5.5 saves a BERT's LayerNorms as `gamma` and `beta`, and on resuming looks for
    `weight` and `bias`: it leaves them as they were, and says nothing. `from_pretrained` knows
    both names.
    """

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        network = self.model if model is None else model
        saved = type(network).from_pretrained(
            resume_from_checkpoint, use_safetensors=True, dtype=torch.float32
        )
        network.load_state_dict(saved.state_dict())


def train(trainer: Trainer, run: Run) -> bool:
    """Train to the end, or until the run is told to stop; from its last state if there is one.

    Returns whether the end was reached. The trainer holds the trained model either way.
    """
    trainer.remove_callback(PrinterCallback)
    state = latest_state(Path(trainer.args.output_dir))
    if state is not None:
        run.log(f"going on from {state.name}")
    trainer.train(resume_from_checkpoint=str(state) if state else None)
    return bool(trainer.state.global_step >= trainer.args.max_steps)


def latest_state(folder: Path) -> Path | None:
    """The newest whole state below `folder`; those that a kill cut off are cleared away.

    The Trainer counts every folder among the states that it keeps: a torn one takes a whole one's
    place.
    """
    whole = []
    for path in folder.glob("checkpoint-*"):
        if _is_whole(path):
            whole.append(path)
        else:
            shutil.rmtree(path)
    return max(whole, key=lambda path: int(path.name.rsplit("-", 1)[1]), default=None)


def _is_whole(state: Path) -> bool:
    try:  # the Trainer writes this file after the others
        json.loads((state / _STATE_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return True


def plan_steps(run: Run, minutes: float, try_step: Callable[[int], object]) -> int:
    """How many steps fit in so many minutes; tried out once, then kept with the run.

    `try_step(i)` does the work of training step i on a model that is thrown away.
    """
    path = run.folder / PLAN_FILE
    if path.exists():
        return int(json.loads(path.read_text(encoding="utf-8"))["steps"])
    for i in range(_WARM_STEPS):
        try_step(i)
    seconds: list[float] = []
    while len(seconds) < _LONGEST_TRIAL and sum(seconds) < 10.0:
        began = time.monotonic()
        try_step(_WARM_STEPS + len(seconds))
        seconds.append(time.monotonic() - began)
    each = sum(seconds) / len(seconds)
    steps = max(1, int(60.0 * minutes / each))
    write_atomically(path, json.dumps({"steps": steps, "seconds_per_step": each}) + "\n")
    run.log(f"{each:.2f} s a step: {steps} steps in {minutes:g} minutes")
    return steps
