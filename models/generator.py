"""The generator: candidates for a reply, as a pure batch function.

`Generator.run(items)` answers every `GenerateItem` with one `GenerateResult`; items of different
contexts, numbers of candidates and lengths run together, each context computed once. It holds
no queue, thread or lock: one caller at a time (the batcher sees to that).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.checkpoint import (
    MANIFEST_NAME,
    ModelFileError,
    content_version,
    file_sha256,
    verify,
)
from models.hub import DEFAULT_REVISION, split_revision
from models.prompt import MAX_CONTEXT_TOKENS, context_ids
from models.reply_text import is_ill, last_sentence
from models.runtimes.choice import choose
from models.runtimes.gpt2 import Decoding, Gpt2Runtime, make_runtime
from models.sampling import RowSampler, Sampling, uniforms

KIND = "generator"
MAX_NEW_TOKENS = 100
MAX_CANDIDATES = 64


@dataclass(frozen=True)
class GenerateItem:
    """One request: a rendered context (`Generator.encode_context`) and what is wanted of it.

    n: candidates to sample, 0 to 64. max_new_tokens: 1 to 100, the end token included.
    seed: makes the sampling repeatable, whatever else is in the batch.
    Raises ValueError for values outside these ranges.
    """

    context_ids: tuple[int, ...]
    n: int
    seed: int
    max_new_tokens: int = 40
    sampling: Sampling = field(default_factory=Sampling)

    def __post_init__(self) -> None:
        if not self.context_ids:
            raise ValueError("an empty context")
        if not 0 <= self.n <= MAX_CANDIDATES:
            raise ValueError(f"n {self.n} is not in 0..{MAX_CANDIDATES}")
        if not 1 <= self.max_new_tokens <= MAX_NEW_TOKENS:
            raise ValueError(f"max_new_tokens {self.max_new_tokens} not in 1..{MAX_NEW_TOKENS}")


@dataclass(frozen=True)
class Generation:
    """One candidate. `mean_logprob`: nats a token, of the model without sampling rules.

    `finished`: it ended itself. Otherwise it was cut at its last whole sentence, if it has one.
    """

    text: str
    token_count: int
    mean_logprob: float
    finished: bool


@dataclass(frozen=True)
class GenerateResult:
    """Distinct usable candidates in the order sampled: at most `n`, as ill ones are dropped."""

    candidates: tuple[Generation, ...]


class Generator:
    """A GPT-2 (or DialoGPT) checkpoint ready to generate."""

    local = True

    def __init__(
        self, network: Gpt2Runtime, tokenizer: Any, version: str, runtime: str = "given"
    ) -> None:
        """`runtime` says in words what the network is."""
        self.network, self.tokenizer = network, tokenizer
        self.version, self.runtime = version, runtime
        self.eos = int(tokenizer.eos_token_id)
        self._banned_first = self._unusable([self.eos])
        self._banned = self._unusable([])

    @classmethod
    def load(
        cls,
        path_or_id: str | Path,
        *,
        runtime: str = "auto",
        device: str = "auto",
        dtype: str = "auto",
        threads: int | None = None,
    ) -> Generator:
        """Load a folder (checked against its manifest, if it has one), or a hub id or id@commit.

        runtime, device, dtype: see `models.runtimes.choice`. threads: of one run; torch's
        are the whole process's; None leaves them. Raises ModelFileError for a folder that is
        altered, incomplete or has no safetensors, OSError for a hub id that cannot be had,
        ValueError for a runtime that is not to be had.
        """
        # Importing transformers takes seconds; whoever only needs the types is spared it.
        from transformers import AutoTokenizer, GPT2LMHeadModel
        from transformers.utils import logging as transformers_logging

        transformers_logging.disable_progress_bar()
        folder = Path(path_or_id)
        local = folder.is_dir()
        if not local and (isinstance(path_or_id, Path) or str(path_or_id).startswith((".", "/"))):
            raise ModelFileError(f"{folder}: there is no such folder")
        version = _folder_version(folder) if local else ""
        choice = choose(runtime, device, dtype)
        choice.set_threads(threads)
        options = {"local_files_only": local, "trust_remote_code": False}
        name, revision = (
            (str(folder), DEFAULT_REVISION) if local else split_revision(str(path_or_id))
        )
        model = GPT2LMHeadModel.from_pretrained(
            name, revision=revision, use_safetensors=True, dtype=torch.float32, **options
        )
        tokenizer = AutoTokenizer.from_pretrained(name, revision=revision, **options)
        if not local:
            commit = getattr(model.config, "_commit_hash", None) or "unknown"
            version = f"{name}@{commit[:12]}"
        network = make_runtime(model, choice, threads=threads)
        return cls(network, tokenizer, version, str(choice))

    @property
    def positions(self) -> int:
        """Tokens that a context and what is generated after it may have together."""
        return self.network.positions

    def encode_context(
        self,
        turns: Sequence[str],
        facts: Sequence[str] = (),
        max_tokens: int = MAX_CONTEXT_TOKENS,
    ) -> tuple[int, ...]:
        """The ids of a conversation (oldest turn first), as `models.prompt` renders it."""
        return tuple(context_ids(self.tokenizer, turns, facts, max_tokens))

    def cost(self, item: GenerateItem) -> int:
        """How many tokens an item may put through the model: for the batcher's budget."""
        return len(item.context_ids) + item.n * item.max_new_tokens

    def warm(self) -> None:
        """Run once at a usual size, so that the first request does not pay for it."""
        size = min(MAX_CONTEXT_TOKENS, self.positions // 2)
        item = GenerateItem((self.eos,) * size, n=10, seed=0, max_new_tokens=4)
        self.run([item])

    def run(
        self,
        items: Sequence[GenerateItem],
        between_steps: Callable[[], None] | None = None,
    ) -> list[GenerateResult]:
        """One result for each item, in order.

        `between_steps` is called between two steps of decoding: another model may go first there.
        Raises ValueError if a context has ids outside the vocabulary or fills all positions.
        """
        active = [number for number, item in enumerate(items) if item.n > 0]
        wanted = [items[number] for number in active]
        sampled = self._sample(wanted, between_steps) if active else []
        results = [GenerateResult(()) for _ in items]
        for number, rows in zip(active, sampled, strict=True):
            results[number] = GenerateResult(self._usable(rows))
        return results

    @torch.inference_mode()
    def _sample(
        self, items: Sequence[GenerateItem], between_steps: Callable[[], None] | None
    ) -> list[list[_Row]]:
        self._check(items)
        limits = [self._limit(item) for item in items]
        rows = [
            _Row(number, limits[number]) for number, item in enumerate(items) for _ in range(item.n)
        ]
        sampler = self._sampler(items, max(limits))
        decode = self.network.start(
            [item.context_ids for item in items], [item.n for item in items], max(limits)
        )
        parents = torch.tensor([row.item for row in rows], device=self.network.device)
        self._decode(decode, sampler, rows, decode.first[parents], between_steps)
        return [[row for row in rows if row.item == number] for number in range(len(items))]

    def _decode(
        self,
        decode: Decoding,
        sampler: RowSampler,
        rows: Sequence[_Row],
        logits: Tensor,
        between_steps: Callable[[], None] | None,
    ) -> None:
        living = list(rows)
        banned = self._banned_first
        while True:
            ids, logprobs = sampler.choose(logits, banned)
            banned = self._banned
            for row, token, logprob in zip(living, ids.tolist(), logprobs.tolist(), strict=True):
                row.add(token, logprob, self.eos)
            going = [index for index, row in enumerate(living) if not row.ended]
            if not going:
                return
            if len(going) < len(living):
                kept = torch.tensor(going, device=ids.device)
                sampler.keep(kept)
                decode.keep(kept)
                ids = ids[kept]
                living = [living[index] for index in going]
            if between_steps is not None:
                between_steps()
            logits = decode.step(ids)

    def _sampler(self, items: Sequence[GenerateItem], steps: int) -> RowSampler:
        draws = torch.zeros((sum(item.n for item in items), steps), dtype=torch.float64)
        begin = 0
        for item in items:
            own = uniforms(item.seed, item.n, item.max_new_tokens)
            draws[begin : begin + item.n, : own.shape[1]] = own[:, :steps]
            begin += item.n
        settings = [item.sampling for item in items for _ in range(item.n)]
        return RowSampler(settings, draws, self.network.vocabulary, self.network.device)

    def _check(self, items: Sequence[GenerateItem]) -> None:
        for item in items:
            if len(item.context_ids) >= self.positions:
                size, most = len(item.context_ids), self.positions - 1
                raise ValueError(f"a context of {size} tokens; at most {most} can be")
            if not 0 <= min(item.context_ids) <= max(item.context_ids) < self.network.vocabulary:
                raise ValueError("a context has ids outside the vocabulary")

    def _limit(self, item: GenerateItem) -> int:
        """New tokens that the positions leave room for; the last one needs no position."""
        return min(item.max_new_tokens, self.positions - len(item.context_ids) + 1)

    def _unusable(self, ids: Sequence[int]) -> Tensor | None:
        """`ids`, and those that the output layer has but the tokenizer does not know."""
        banned = [*ids, *range(len(self.tokenizer), self.network.vocabulary)]
        return torch.tensor(banned, device=self.network.device) if banned else None

    def _usable(self, rows: Sequence[_Row]) -> tuple[Generation, ...]:
        found: dict[str, Generation] = {}
        for row in rows:
            said = row.ids[:-1] if row.finished else row.ids
            text = " ".join(self.tokenizer.decode(said, skip_special_tokens=True).split())
            if not row.finished:
                text = last_sentence(text)
            if is_ill(text):
                continue
            mean = row.logprob / len(row.ids)
            found.setdefault(text, Generation(text, len(row.ids), mean, row.finished))
        return tuple(found.values())


@dataclass
class _Row:
    """A candidate while it grows."""

    item: int
    limit: int
    ids: list[int] = field(default_factory=list)
    logprob: float = 0.0
    finished: bool = False

    def add(self, token: int, logprob: float, eos: int) -> None:
        self.ids.append(token)
        self.logprob += logprob
        self.finished = token == eos

    @property
    def ended(self) -> bool:
        return self.finished or len(self.ids) >= self.limit


def _folder_version(folder: Path) -> str:
    if (folder / MANIFEST_NAME).exists():
        return verify(folder, kind=KIND).version
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise ModelFileError(f"{folder}: holds no safetensors")
    return content_version({path.name: file_sha256(path) for path in weights})
