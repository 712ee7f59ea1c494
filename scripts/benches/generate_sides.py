"""The sides of the `generate` bench: contexts as ids in, sampled candidates out.

All sample by the same rules (temperature, top-k, nucleus) and give every candidate the same number
of tokens. `forced` is how near a side's next-token distributions are to transformers' fp32 ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from models.generator import GenerateItem, Generator
from models.runtimes.choice import choose
from models.runtimes.gpt2 import Gpt2Runtime, make_runtime
from models.sampling import Sampling
from scripts.benches import exports, standins
from scripts.benches.sides import Absent

FIRST = "transformers generate fp32"
SAMPLING = Sampling(repetition_penalty=1.0, no_repeat_ngram=0)
_SHAPES = {"medium": (1024, 24, 16), "large": (1280, 36, 20), "xl": (1600, 48, 25)}
_LOCAL = {
    "cpu": (
        "torch fp32",
        "torch bf16",
        "openvino fp32",
        "openvino bf16",
        "openvino int8",
        "onnx fp32",
        "onnx int8",
    ),
    "cuda": ("torch fp32", "torch bf16", "torch fp16", "onnx fp16"),
}

Contexts = Sequence[tuple[int, ...]]


@dataclass(frozen=True)
class Task:
    """What every side is asked: the model, and how much of it."""

    model: Any  # a transformers GPT2LMHeadModel, fp32, on the CPU
    name: str
    tokenizer: Any
    device: str
    threads: int
    candidates: int
    tokens: int


@dataclass(frozen=True)
class Forced:
    """Agreement along the reference's greedy tokens: the share of equal first choices, and the
    mean Kullback-Leibler divergence from the reference, in nats a token (None: it gives tokens
    only, and goes its own way after the first that differs)."""

    top1: float
    divergence: float | None


class Sampler(Protocol):
    """One side."""

    def sample(self, contexts: Contexts) -> float:
        """Generate for every context; the tokens that were made for a candidate, on average."""

    def forced(self, contexts: Contexts, reference: Reference) -> Forced:
        """How near it is to the reference."""


@dataclass(frozen=True)
class Reference:
    """Transformers' fp32 greedy tokens [B, T] after contexts, and log-probabilities [B, T, V]."""

    ids: Tensor
    logprobs: Tensor

    @classmethod
    def of(cls, task: Task, contexts: Contexts) -> Reference:
        """Contexts must be of one length."""
        given = torch.tensor(list(contexts))
        with torch.inference_mode():
            whole = task.model.generate(
                given,
                attention_mask=torch.ones_like(given),
                do_sample=False,
                min_new_tokens=task.tokens,
                max_new_tokens=task.tokens,
            )
            logits = task.model(whole).logits[:, given.shape[1] - 1 : -1]
        return cls(whole[:, given.shape[1] :], torch.log_softmax(logits.float(), -1))

    def compare(self, logits: Sequence[Tensor]) -> Forced:
        """`logits[t]` [B, V] of step t along the reference's tokens."""
        theirs = torch.log_softmax(torch.stack([step.float().cpu() for step in logits], 1), -1)
        same = (theirs.argmax(-1) == self.logprobs.argmax(-1)).float().mean()
        apart = (self.logprobs.exp() * (self.logprobs - theirs)).sum(-1).mean()
        return Forced(float(same), max(0.0, float(apart)))


class Transformers:
    """`generate(num_return_sequences=…)`, one request after the other or all as one batch."""

    def __init__(self, task: Task, dtype: torch.dtype, *, together: bool) -> None:
        self._task, self._together = task, together
        model = task.model
        if dtype != torch.float32 or task.device != "cpu":
            model = type(model)(model.config)
            model.load_state_dict(task.model.state_dict())
            model = model.eval().to(task.device, dtype)
        self._model = model

    def sample(self, contexts: Contexts) -> float:
        """Fixed lengths: no candidate ends before the last token."""
        task = self._task
        for group in [contexts] if self._together else [[ids] for ids in contexts]:
            given = torch.tensor(list(group), device=task.device)
            with torch.inference_mode():
                made = self._model.generate(
                    given,
                    attention_mask=torch.ones_like(given),
                    do_sample=True,
                    temperature=SAMPLING.temperature,
                    top_k=SAMPLING.top_k,
                    top_p=SAMPLING.top_p,
                    num_return_sequences=task.candidates,
                    min_new_tokens=task.tokens,
                    max_new_tokens=task.tokens,
                )
            made.cpu()
        return float(task.tokens)

    def forced(self, contexts: Contexts, reference: Reference) -> Forced:
        """One forward pass over contexts and tokens."""
        given = torch.tensor(list(contexts))
        whole = torch.cat([given, reference.ids], 1)[:, :-1].to(self._task.device)
        with torch.inference_mode():
            logits = self._model(whole).logits[:, given.shape[1] - 1 :]
        return reference.compare(list(logits.unbind(1)))


class Ours:
    """The service's generator on one of its runtimes, all requests in one batch."""

    def __init__(self, task: Task, runtime: str, dtype: str) -> None:
        self._task = task
        try:
            choice = choose(runtime, task.device, dtype)
            self._runtime: Gpt2Runtime = make_runtime(task.model, choice, threads=task.threads)
        except ValueError as error:
            raise Absent(str(error)) from None
        self._generator = Generator(self._runtime, task.tokenizer, "bench")
        # No candidate ends before the last token, as on the other sides.
        self._generator._banned = self._generator._banned_first
        self._seed = 0

    def sample(self, contexts: Contexts) -> float:
        """The whole of `Generator.run`: the sampling, the texts, what is ill left out."""
        task = self._task
        self._seed += len(contexts)
        items = [
            GenerateItem(ids, task.candidates, self._seed + i, task.tokens, SAMPLING)
            for i, ids in enumerate(contexts)
        ]
        found = self._generator.run(items)
        counts = [made.token_count for result in found for made in result.candidates]
        return float(np.mean(counts)) if counts else float("nan")

    def forced(self, contexts: Contexts, reference: Reference) -> Forced:
        """Step by step, each step fed the reference's token."""
        steps = reference.ids.shape[1]
        with torch.inference_mode():
            decode = self._runtime.start(contexts, [1] * len(contexts), steps)
            logits = [decode.first.clone()]
            for step in range(steps - 1):
                ids = reference.ids[:, step].to(self._runtime.device)
                logits.append(decode.step(ids).clone())
        return reference.compare(logits)


class GenAi:
    """openvino_genai's continuous batching over optimum-intel's export, weights in int8."""

    def __init__(self, task: Task) -> None:
        if task.device != "cpu":
            raise Absent("on the CPU only")
        import openvino_genai as genai

        scheduler = genai.SchedulerConfig()
        scheduler.cache_size = 2
        scheduler.max_num_batched_tokens = 4096
        scheduler.enable_prefix_caching = False
        options = {"INFERENCE_NUM_THREADS": task.threads}
        folder = exports.gpt2_of(task.name)
        self._pipeline = genai.ContinuousBatchingPipeline(str(folder), scheduler, "CPU", options)
        self._task = task

    def sample(self, contexts: Contexts) -> float:
        """All requests in one call."""
        import openvino_genai as genai

        config = genai.GenerationConfig()
        config.do_sample, config.temperature = True, SAMPLING.temperature
        config.top_k, config.top_p = SAMPLING.top_k, SAMPLING.top_p
        config.num_return_sequences = self._task.candidates
        return float(np.mean([len(ids) for each in self._run(contexts, config) for ids in each]))

    def forced(self, contexts: Contexts, reference: Reference) -> Forced:
        """It gives no logits: its own greedy tokens, where they are the reference's."""
        import openvino_genai as genai

        found = self._run(contexts, genai.GenerationConfig())
        theirs = torch.tensor([each[0] for each in found])
        return Forced(float((theirs == reference.ids).float().mean()), None)

    def _run(self, contexts: Contexts, config: Any) -> list[list[list[int]]]:
        """Ids of every candidate of every context."""
        import openvino as ov

        config.max_new_tokens = config.min_new_tokens = self._task.tokens
        given = [ov.Tensor(np.array([ids], dtype=np.int64)) for ids in contexts]
        found = self._pipeline.generate(given, [config] * len(given))
        return [one.m_generation_ids for one in found]


def makers(task: Task) -> Iterator[tuple[str, Callable[[], Sampler]]]:
    """Every side by name, and what makes it."""
    half = torch.float16 if task.device == "cuda" else torch.bfloat16
    short = "fp16" if task.device == "cuda" else "bf16"
    yield FIRST, partial(Transformers, task, torch.float32, together=False)
    yield f"{FIRST} (one batch)", partial(Transformers, task, torch.float32, together=True)
    yield f"transformers generate {short}", partial(Transformers, task, half, together=False)
    batched = partial(Transformers, task, half, together=True)
    yield f"transformers generate {short} (one batch)", batched
    if task.device == "cpu":
        yield "openvino_genai int8 weights", partial(GenAi, task)
    for side in _LOCAL[task.device]:
        runtime, dtype = side.split()
        yield f"ours: {side}", partial(Ours, task, runtime, dtype)


def model_of(name: str) -> Any:
    """A GPT-2: small, medium, large, xl with random weights; else a folder or a hub id."""
    from transformers import GPT2Config, GPT2LMHeadModel

    if name in _SHAPES:
        width, layers, heads = _SHAPES[name]
        torch.manual_seed(standins.SEED)
        config = GPT2Config(n_embd=width, n_layer=layers, n_head=heads)
        return GPT2LMHeadModel(config).eval()
    return GPT2LMHeadModel.from_pretrained(
        standins.folder_of(name), dtype=torch.float32, use_safetensors=True
    ).eval()
