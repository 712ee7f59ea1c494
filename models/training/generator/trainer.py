"""Train the generator: a GPT-2, new or from given weights, resumable at any moment.

A saved state holds weights, optimizers, progress and the place in the data; the order of the data
follows from seed, phase and epoch. A resumed run continues at the progress it had, on as many
processes as it is given then; what one process would learn from a batch, several learn from their
shares of it. The last part of the schedule (`finish_share`) mixes in the project's own texts and
the replies that people liked.
"""

from __future__ import annotations

import math
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

import torch
from transformers import GPT2LMHeadModel

from models.training.generator.config import TrainConfig
from models.training.generator.data import TrainingData
from models.training.generator.network import make_optimizers, new_model
from models.training.generator.perplexity import ResponseLoss, Total, measure, perplexities
from models.training.generator.recorder import Recorder
from models.training.generator.schedule import Progress, Schedule, rate_factor
from models.training.generator.sharding import Group, load_optimizer, local_bytes, reshard, whole
from models.training.generator.states import load_state, save_state
from models.training.generator.windows import Batch, Window, parts_of
from models.training.record import duration

TOKENS_AT_ONCE = 16_384


class _Stopped(Exception):
    """A stop was asked for in the middle of an update or of a measurement."""


class Trainer:
    """One run in one folder: `Trainer(...)` starts or resumes it, `run()` goes to its end.

    base: gives the weights to start from; called only where nothing is saved yet.
    tokens_at_once: of one forward pass, at most; what a batch has more is computed one part after
    the other. checkpointing: activations are computed again in the backward pass instead of being
    kept. minutes_left: use up the rest of a schedule of minutes in this time.
    Raises ValueError if `run.folder` holds a run with another configuration.
    """

    def __init__(
        self,
        run: Recorder,
        config: TrainConfig,
        data: TrainingData,
        schedule: Schedule,
        *,
        group: Group | None = None,
        base: Callable[[], GPT2LMHeadModel] | None = None,
        tokens_at_once: int = TOKENS_AT_ONCE,
        checkpointing: bool = False,
        minutes_left: float | None = None,
        save_seconds: float = 180.0,
        report_seconds: float = 300.0,
        tell_seconds: float = 20.0,
    ) -> None:
        self.recorder, self.config, self.data, self.schedule = run, config, data, schedule
        self.group = group or Group()
        self.tokens_at_once = tokens_at_once
        self.save_seconds, self.report_seconds = save_seconds, report_seconds
        self.tell_seconds = tell_seconds
        saved = load_state(run.folder, run.log)
        if saved is not None:
            self._check(saved)
        if base is not None and saved is None:
            self.model = base()
        else:
            self.model = new_model(config, data.eos)
        if saved is not None:
            self.model.load_state_dict(saved["model"])
        if checkpointing:
            self.model.gradient_checkpointing_enable({"use_reentrant": False})
        self.model.train()
        self.loss = ResponseLoss(self.model)
        self.group.shard(self.loss, list(self.model.transformer.h))
        self.optimizers = make_optimizers(self.loss, config)
        self.progress = schedule.start()
        if saved is not None:
            self._resume(saved)
        if minutes_left is not None:
            self.progress.per_second = (1.0 - self.progress.fraction) / (60.0 * minutes_left)

    def _check(self, saved: dict[str, Any]) -> None:
        if saved["config"] != asdict(self.config):
            held = saved["config"]
            raise ValueError(f"{self.recorder.folder}: holds a run with other settings: {held}")

    def _resume(self, saved: dict[str, Any]) -> None:
        for optimizer, state in zip(self.optimizers, saved["optimizers"], strict=True):
            load_optimizer(optimizer, state)
        self.progress = Progress(**saved["progress"])
        done = f"{100 * self.progress.fraction:.1f} %, step {self.progress.step}"
        self.recorder.log(f"resumed at {done}")

    def save(self) -> None:
        """Write the whole state; every process must call it, the first writes."""
        reshard(self.loss)
        state = {
            "config": asdict(self.config),
            "model": whole(self.model.state_dict()),
            "optimizers": [whole(optimizer.state_dict()) for optimizer in self.optimizers],
            "progress": asdict(self.progress),
        }
        with self.group.in_turn():
            if not self.group.rank:
                save_state(self.recorder.folder, self.progress.step, state)

    def run(self, max_steps: int | None = None) -> bool:
        """Train until the schedule is done (True), or SIGTERM, SIGINT or `max_steps` (False).

        Saves in every case.
        """
        with self.recorder.stoppable():
            if self.progress.fraction < 1.0:
                self._loop(math.inf if max_steps is None else self.progress.step + max_steps)
                self.save()
        return self.progress.fraction >= 1.0

    def _loop(self, last_step: float) -> None:
        last = time.monotonic()
        saved = reported = told = self.progress.seconds
        told_tokens, told_fraction = self.progress.tokens, self.progress.fraction
        smooth = 0.0
        for rows in self._batches():
            try:
                nll = self._step(rows)
            except _Stopped:
                self._drop_update()
                return
            now = time.monotonic()
            # What is decided by the clock is decided by the first process's.
            spent = 0.0 if self.group.rank else now - last
            last = now
            stop = float(self._asked())
            nll, stop, spent = self.group.sum((nll, stop, spent))
            smooth = nll if smooth == 0.0 else 0.97 * smooth + 0.03 * nll
            place = self.progress
            self.schedule.advance(place, spent)
            if place.seconds - told >= self.tell_seconds:
                elapsed = max(1e-9, place.seconds - told)
                speed = (place.tokens - told_tokens) / elapsed
                self._tell(nll, smooth, speed, (place.fraction - told_fraction) / elapsed)
                told, told_tokens, told_fraction = place.seconds, place.tokens, place.fraction
            if stop or place.step >= last_step or place.fraction >= 1.0:
                return
            if place.seconds - saved >= self.save_seconds:
                self.save()
                saved = place.seconds
            if place.seconds - reported >= self.report_seconds:
                self.report()
                reported = place.seconds

    def _batches(self) -> Iterator[list[Window]]:
        """Updates from where the run stands, for ever; changes phase when its time has come.

        What comes next follows from the progress alone, so that a resumed run goes on as it would
        have gone on.
        """
        place = self.progress
        while True:
            phase = self.data.phase(place.fraction, self.config.finish_share, place.phase)
            if place.batch and (
                phase != place.phase or place.batch >= len(self.data.epoch(phase, place.epoch))
            ):
                place.epoch += 1
                place.batch = 0
            place.phase = phase
            place.batch += 1
            yield self.data.epoch(phase, place.epoch)[place.batch - 1]

    def _asked(self) -> bool:
        return self.recorder.stopping or self.group.orphaned

    def _heed(self) -> None:
        """Raise _Stopped if any process was asked to stop; every process must call it."""
        if self.group.sum((float(self._asked()),))[0]:
            raise _Stopped

    def _drop_update(self) -> None:
        """Forget the parts of an update that was begun: it is done whole when the run resumes."""
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        self.progress.batch -= 1

    def _step(self, rows: Sequence[Window]) -> float:
        """One update; returns this process's part of the mean loss of its learned tokens.

        Raises _Stopped, between parts: on a CPU a large update takes minutes.
        """
        learned = sum(window.targets for window in rows)
        mean = 0.0
        for part, counts in self._parts(rows):
            self._heed()
            batch = self.data.collate(part).to(self.group.device)
            nll = self.loss(batch.inputs, batch.targets) * (counts / learned)
            # Sharding takes the mean over processes of what is to be their sum.
            torch.autograd.backward(nll * self.group.count)
            mean += float(nll.detach())
        torch.nn.utils.clip_grad_norm_(self.loss.parameters(), self.config.clip)
        place = self.progress
        place.tokens += sum(len(window.ids) - 1 for window in rows)
        factor = rate_factor(place.fraction, place.tokens, self.config.warmup_tokens)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * factor
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        place.step += 1
        return mean

    def _parts(self, rows: Sequence[Window]) -> Iterator[tuple[list[Window], float]]:
        """(part, 1), or (a row, 0) where this process has fewer parts than another.

        All processes compute equally often, as each gathers the others' shards.
        """
        count = self.group.count
        parts = [parts_of(rows, rank, count, self.tokens_at_once) for rank in range(count)]
        mine = parts[self.group.rank]
        yield from ((part, 1.0) for part in mine)
        for _ in range(max(map(len, parts)) - len(mine)):
            yield list(rows[-1:]), 0.0

    def _tell(self, nll: float, smooth: float, speed: float, share: float) -> None:
        place = self.progress
        left = duration((1.0 - min(1.0, place.fraction)) / max(1e-12, share))
        self.recorder.log(
            f"{100 * place.fraction:5.1f} % | {left} left | step {place.step} | "
            f"{place.tokens / 1e6:.2f} M tokens | {speed:.0f} tokens/s | loss {smooth:.3f} | "
            f"{place.phase} epoch {place.epoch}"
        )
        rate = self.optimizers[0].param_groups[0]["lr"]
        self.recorder.report(place.step, loss=nll, tokens_per_second=round(speed), rate=rate)

    def measure(self, *, full: bool) -> dict[str, Total]:
        """The held-out responses of each source; every process must call it. Raises _Stopped."""

        def nll_of(batch: Batch) -> float:
            self._heed()
            batch = batch.to(self.group.device)
            return float(self.loss(batch.inputs, batch.targets))

        self.loss.eval()
        try:
            return measure(nll_of, self.data, full=full, group=self.group)
        finally:
            self.loss.train()
            reshard(self.loss)

    def report(self, full: bool = False) -> dict[str, Total] | None:
        """Log the perplexity of the held-out responses of each source; None if it was stopped."""
        try:
            totals = self.measure(full=full)
        except _Stopped:
            return None
        figures = perplexities(totals)
        shown = "  ".join(f"{source} {value:.1f}" for source, value in figures.items())
        self.recorder.log(f"held-out perplexity ({'full' if full else 'sample'}): {shown}")
        named = {f"perplexity_{source}": value for source, value in figures.items()}
        self.recorder.report(self.progress.step, **named)
        return totals

    def memory(self) -> dict[str, int]:
        """What each process holds, the largest of them: bytes of state, and of the process.

        `state_bytes` counts parameters and optimizer states, `peak_bytes` the most that the
        process ever had in memory (resident, or allocated on its GPU).
        """
        if self.group.device.type == "cuda":
            peak = torch.cuda.max_memory_allocated()
        else:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        held = float(local_bytes(self.loss, self.optimizers))
        each = [0.0] * (2 * self.group.count)
        each[2 * self.group.rank : 2 * self.group.rank + 2] = [held, float(peak)]
        each = self.group.sum(each)
        return {"state_bytes": int(max(each[::2])), "peak_bytes": int(max(each[1::2]))}
