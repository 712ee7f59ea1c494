"""Train the generator: a GPT-2 from scratch, in a fixed time, resumable at any moment.

The learning rate follows **time**, not steps: `progress` goes from 0 to 1 as the budget of
minutes is used, and the rate decays by a cosine to a tenth at 1, so that a run always ends with
its decay done, however fast the machine turns out to be. A checkpoint holds weights, optimizer,
progress, and the place in the data; the order of the data follows from seed, phase and epoch.
A resumed run continues at the progress it had; with `minutes_left` it uses up what remains of
the schedule in that time instead of the time first planned.

The last part of the budget (`finish_share`) mixes in the project's own texts, read (and kept
beside the checkpoint) at the moment when that phase begins.
"""

from __future__ import annotations

import json
import math
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from transformers import GPT2Config, GPT2LMHeadModel

from models.checkpoint import write_atomically
from models.training.generator.data import MAIN, TrainingData
from models.training.generator.muon import Muon
from models.training.generator.perplexity import evaluate, learned_nll
from models.training.generator.windows import Batch

STATE_FILE = "state.pt"
CONFIG_FILE = "run.json"
Log = Callable[[str], None]


@dataclass(frozen=True)
class TrainConfig:
    """The shape and schedule of a run; kept in `run.json`, and what is resumed must match it.

    `learning_rate` is the peak for embeddings, biases and norms (AdamW); `matrix_rate` the peak
    for the hidden matrices (Muon, Jordan et al. 2024), or 0 to train these by AdamW too.
    """

    layers: int = 4
    width: int = 224
    heads: int = 7
    vocabulary: int = 4096
    positions: int = 256
    learning_rate: float = 2e-3
    matrix_rate: float = 3e-3
    weight_decay: float = 0.1
    clip: float = 1.0
    warmup_steps: int = 60
    tokens_per_batch: int = 3072
    finish_share: float = 0.18
    own_share: float = 0.5
    seed: int = 20


@dataclass
class Progress:
    """Where a run stands. `fraction` of the budget used, `per_second` its speed."""

    fraction: float = 0.0
    per_second: float = 0.0
    seconds: float = 0.0
    step: int = 0
    tokens: int = 0
    phase: str = MAIN
    epoch: int = 0
    batch: int = 0


def new_model(config: TrainConfig, eos: int) -> GPT2LMHeadModel:
    """A GPT-2 with tied embeddings and no dropout (the data is seen about twice)."""
    torch.manual_seed(config.seed)
    return GPT2LMHeadModel(
        GPT2Config(
            vocab_size=config.vocabulary,
            n_positions=config.positions,
            n_embd=config.width,
            n_layer=config.layers,
            n_head=config.heads,
            # The same function as GPT-2's gelu_new, in one kernel.
            activation_function="gelu_pytorch_tanh",
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            bos_token_id=eos,
            eos_token_id=eos,
        )
    )


def rate_factor(fraction: float, step: int, warmup_steps: int) -> float:
    """Linear warm-up by steps, times a cosine from 1 to 0.1 over the time budget."""
    warm = min(1.0, (step + 1) / max(1, warmup_steps))
    return warm * (0.1 + 0.45 * (1.0 + math.cos(math.pi * min(1.0, fraction))))


def make_optimizers(model: GPT2LMHeadModel, config: TrainConfig) -> list[torch.optim.Optimizer]:
    """AdamW for everything, or Muon for the hidden matrices and AdamW for the rest."""
    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and ".h." in n]
    tables = [p for n, p in model.named_parameters() if p.ndim == 2 and ".h." not in n]
    vectors = [p for p in model.parameters() if p.ndim < 2]
    decayed = tables if config.matrix_rate else tables + matrices
    groups = [
        {"params": decayed, "weight_decay": config.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    optimizers: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.95), fused=True)
    ]
    if config.matrix_rate:
        muon = Muon(matrices, lr=config.matrix_rate, weight_decay=config.weight_decay)
        optimizers.append(muon)
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak"] = group["lr"]
    return optimizers


class Trainer:
    """One run in one folder: `Trainer(...)` starts or resumes it, `run()` goes to its end."""

    def __init__(
        self,
        folder: Path,
        config: TrainConfig,
        data: TrainingData,
        log: Log,
        *,
        minutes: float,
        minutes_left: float | None = None,
        save_seconds: float = 180.0,
        report_seconds: float = 300.0,
    ) -> None:
        self.folder, self.config, self.data, self.log = folder, config, data, log
        self.save_seconds, self.report_seconds = save_seconds, report_seconds
        self.model = new_model(config, data.eos)
        self.optimizers = make_optimizers(self.model, config)
        self.progress = Progress(per_second=1.0 / (60.0 * minutes))
        self.stopping = False
        if (folder / STATE_FILE).exists():
            self._load()
        else:
            write_atomically(folder / CONFIG_FILE, json.dumps(asdict(config), indent=2))
        if minutes_left is not None:
            self.progress.per_second = (1.0 - self.progress.fraction) / (60.0 * minutes_left)

    def _load(self) -> None:
        state = torch.load(self.folder / STATE_FILE, weights_only=True)
        if state["config"] != asdict(self.config):
            raise ValueError(f"{self.folder}: holds a run with other settings: {state['config']}")
        self.model.load_state_dict(state["model"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.progress = Progress(**state["progress"])
        torch.set_rng_state(state["rng"])
        self.log(f"resumed at {100 * self.progress.fraction:.1f} %, step {self.progress.step}")

    def save(self) -> None:
        """Write the whole state beside the old one and rename it into place."""
        state: dict[str, Any] = {
            "config": asdict(self.config),
            "model": self.model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "progress": asdict(self.progress),
            "rng": torch.get_rng_state(),
        }
        half_written = self.folder / f".{STATE_FILE}.tmp"
        torch.save(state, half_written)
        half_written.replace(self.folder / STATE_FILE)

    def run(self, max_steps: int | None = None) -> bool:
        """Train until the budget is used (True), or SIGTERM, SIGINT or `max_steps` (False).

        Saves in every case.
        """
        previous = {s: signal.signal(s, self._stop) for s in (signal.SIGTERM, signal.SIGINT)}
        try:
            self._loop(math.inf if max_steps is None else self.progress.step + max_steps)
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
        self.save()
        self.report(full=not self.stopping)
        return not self.stopping

    def _stop(self, _signal: int, _frame: FrameType | None) -> None:
        self.stopping = True

    def _loop(self, last_step: float) -> None:
        saved = reported = told = last = time.monotonic()
        told_tokens, loss = self.progress.tokens, 0.0
        for batch in self._batches():
            value = self._step(batch)
            loss = value if loss == 0.0 else 0.97 * loss + 0.03 * value
            now = time.monotonic()
            self._advance(now - last)
            last = now
            if now - told >= 20.0:
                speed = (self.progress.tokens - told_tokens) / (now - told)
                self._tell(loss, speed)
                told, told_tokens = now, self.progress.tokens
            if now - saved >= self.save_seconds:
                self.save()
                saved = now
            if now - reported >= self.report_seconds:
                self.report()
                reported = now
            self.stopping |= self.progress.step >= last_step
            if self.stopping or self.progress.fraction >= 1.0:
                break

    def _advance(self, seconds: float) -> None:
        self.progress.seconds += seconds
        self.progress.fraction += seconds * self.progress.per_second

    def _batches(self) -> Iterator[Batch]:
        """Batches from where the run stands, for ever; changes phase when its time has come."""
        place = self.progress
        while True:
            place.phase = self.data.phase(place.fraction, self.config.finish_share, place.phase)
            phase = place.phase
            batches = self.data.epoch(phase, place.epoch)
            while place.batch < len(batches):
                place.batch += 1
                yield self.data.collate(batches[place.batch - 1])
                now = self.data.phase(place.fraction, self.config.finish_share, phase)
                if now != phase:
                    break
            place.epoch += 1
            place.batch = 0

    def _step(self, batch: Batch) -> float:
        factor = rate_factor(self.progress.fraction, self.progress.step, self.config.warmup_steps)
        nll = learned_nll(self.model, batch).mean()
        torch.autograd.backward(nll)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * factor
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.progress.step += 1
        self.progress.tokens += batch.inputs.numel()
        return float(nll.detach())

    def _tell(self, loss: float, speed: float) -> None:
        place = self.progress
        left = (1.0 - place.fraction) / place.per_second / 60.0
        self.log(
            f"{100 * place.fraction:5.1f} % | {left:5.1f} min left | step {place.step} | "
            f"{place.tokens / 1e6:.2f} M tokens | {speed:.0f} tokens/s | loss {loss:.3f} | "
            f"{place.phase} epoch {place.epoch}"
        )

    def report(self, full: bool = False) -> None:
        """Log the perplexity of the held-out responses of each source."""
        figures = evaluate(self.model, self.data, full=full)
        shown = "  ".join(f"{source} {value:.1f}" for source, value in figures.items())
        kind = "full" if full else "sample"
        self.log(f"held-out perplexity ({kind}): {shown}")
