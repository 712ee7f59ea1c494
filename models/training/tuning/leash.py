"""The loop's keeper: looks at held-out text while a policy is tuned, tightens, keeps the best.

At every check the policy answers contexts that it is not tuned on, as it would in serving. The
weights with the highest reward within the bounds are kept; where the perplexity on dialogs of
people nears its bound, the leash is tightened, and where it stays beyond, the run ends.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import GPT2LMHeadModel, TrainerCallback

from models.checkpoint import write_atomically
from models.training.record import Run
from models.training.tuning.adapters import plain_network

KEEPER_FILE = "leash.json"
TIGHTEN_ABOVE = 1.06
BOUND = 1.08
STIFFER = 1.5
PATIENCE = 2
# What trl calls the figures that a run keeps.
_KEPT = {
    "loss": "loss", "reward": "reward", "reward_std": "reward_deviation", "kl": "kl",
    "entropy": "entropy", "completions/mean_length": "length",
    "completions/clipped_ratio": "unfinished", "rewards/margins": "margin",
    "rewards/accuracies": "pair_accuracy", "grad_norm": "gradient_norm",
}  # fmt: skip


@dataclass(frozen=True)
class Look:
    """What a check saw. `reward`: mean logit; `perplexity`: of all held-out responses."""

    reward: float
    perplexity: float
    distinct_2: float
    length: float


@dataclass
class Kept:
    """What the keeper remembers; saved with every checkpoint."""

    base: dict[str, float] = field(default_factory=dict)
    deviation: float = 1.0
    best_step: int = 0
    best_rise: float = 0.0
    beta: float = 0.0
    over: int = 0
    seconds: float = 0.0
    step: int = 0
    done: bool = False


class Leash(TrainerCallback):  # type: ignore[misc]
    """A callback of trl's trainers. `trainer` is set once there is one."""

    def __init__(
        self,
        run: Run,
        folder: Path,
        look: Callable[[GPT2LMHeadModel], Look],
        kept: Kept,
        *,
        steps: int,
        check_every: int,
        minutes: float | None,
        save_seconds: float = 180.0,
    ) -> None:
        self.run, self.folder, self.look, self.kept = run, folder, look, kept
        self.check_every, self.minutes, self.save_seconds = check_every, minutes, save_seconds
        self.trainer: Any = None
        self._last = self._saved = time.monotonic()
        self._steps = steps
        self._progress = run.progress(steps, "steps", kept.step)

    @property
    def within(self) -> float:
        """The perplexity that must not be exceeded while tuning."""
        return BOUND * self.kept.base["perplexity"]

    def on_train_begin(self, _args: Any, _state: Any, _control: Any, **_others: Any) -> None:
        """Go on with the stiffness that the run had; the clock starts here."""
        self.trainer.beta = self.kept.beta
        self._progress = self.run.progress(self._steps, "steps", self.kept.step)
        self._last = self._saved = time.monotonic()

    def on_step_end(self, _args: Any, state: Any, control: Any, **_others: Any) -> None:
        """Check, save and stop when it is time."""
        kept = self.kept
        now = time.monotonic()
        kept.seconds += now - self._last
        self._last = now
        kept.step = state.global_step
        last = state.global_step >= state.max_steps
        if state.global_step % self.check_every == 0 or last:
            self.check(state.global_step)
        late = self.minutes is not None and kept.seconds >= 60.0 * self.minutes
        kept.done = last or late or kept.over >= PATIENCE
        stop = kept.done or self.run.stopping
        if stop or now - self._saved >= self.save_seconds:
            control.should_save = True
            self._saved = now
        if stop:
            control.should_training_stop = True

    def on_log(
        self, _args: Any, state: Any, _control: Any, logs: dict[str, Any], **_others: Any
    ) -> None:
        """Keep trl's figures of a step in the run's record, and show where it stands."""
        values = {ours: float(logs[n]) for n, ours in _KEPT.items() if logs.get(n) is not None}
        if not values or "train_runtime" in logs:
            return
        self.run.report(state.global_step, **values)
        shown = {n: v for n, v in values.items() if n in ("reward", "kl", "length", "margin")}
        self._progress.update(state.global_step - self._progress.done, **shown)

    def on_save(self, args: Any, state: Any, _control: Any, **_others: Any) -> None:
        """What the keeper remembers, beside the checkpoint: the mark that it is whole."""
        path = Path(args.output_dir) / f"checkpoint-{state.global_step}" / KEEPER_FILE
        write_atomically(path, json.dumps(asdict(self.kept)))
        for older in self.folder.glob("best-*.pt"):  # no state that is left names them
            if older != best_file(self.folder, self.kept.best_step):
                older.unlink()

    def check(self, step: int) -> None:
        """Look, report, keep the weights if they are the best so far, tighten if need be."""
        kept = self.kept
        policy = self.trainer.accelerator.unwrap_model(self.trainer.model)
        with torch.random.fork_rng():  # looking must not change what is sampled next
            model = plain_network(policy)
            seen = self.look(model)
        policy.train()
        rise = (seen.reward - kept.base["reward"]) / kept.deviation
        ratio = seen.perplexity / kept.base["perplexity"]
        self.run.report(
            step, held_out_rise=rise, held_out_perplexity=seen.perplexity,
            held_out_distinct_2=seen.distinct_2, held_out_length=seen.length, beta=kept.beta,
        )  # fmt: skip
        fine = ratio <= BOUND and seen.distinct_2 >= kept.base["distinct_2"]
        mark = ""
        if fine and rise > kept.best_rise:
            kept.best_step, kept.best_rise = step, rise
            self._keep(model.state_dict(), step)
            mark = ", the best so far"
        self.run.log(
            f"step {step}: held-out reward {rise:+.2f} deviations, perplexity x {ratio:.3f}, "
            f"distinct-2 {seen.distinct_2:.3f} ({kept.base['distinct_2']:.3f} before){mark}"
        )
        self._tighten(ratio)

    def _keep(self, state: dict[str, Tensor], step: int) -> None:
        path = best_file(self.folder, step)
        half_written = path.with_name(f".{path.name}")
        torch.save({name: tensor.detach().cpu() for name, tensor in state.items()}, half_written)
        half_written.replace(path)

    def _tighten(self, ratio: float) -> None:
        kept = self.kept
        kept.over = kept.over + 1 if ratio > BOUND else 0
        if ratio > TIGHTEN_ABOVE:
            kept.beta *= STIFFER
            self.trainer.beta = kept.beta
            self.run.log(f"perplexity nears its bound: beta is now {kept.beta:.3g}")
        if kept.over >= PATIENCE:
            self.run.log(f"perplexity stays above x {BOUND}: the run ends here")


def best_file(folder: Path, step: int) -> Path:
    """Where the weights of the check at `step` are kept, if they were the best.

    By step: a run that was killed after a check goes on from a state before it, which names the
    best of then; those weights must still be there if the check comes out otherwise this time.
    """
    return folder / f"best-{step}.pt"


def newest_checkpoint(folder: Path) -> Path | None:
    """The newest whole checkpoint below `folder`; torn ones, without their mark, are cleared away.

    The Trainer counts every folder among those that it keeps, and clears before the new one has its
    mark: beside a torn one, no whole one would be left for a moment.
    """
    found = []
    for path in folder.glob("checkpoint-*"):
        if (path / KEEPER_FILE).exists():
            found.append(path)
        else:
            shutil.rmtree(path)
    return max(found, key=lambda path: int(path.name.rsplit("-", 1)[1]), default=None)


def read_kept(checkpoint: Path) -> Kept:
    """What the keeper remembered when this checkpoint was saved."""
    return Kept(**json.loads((checkpoint / KEEPER_FILE).read_text(encoding="utf-8")))
