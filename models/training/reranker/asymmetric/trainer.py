"""Training of the reranker: a listwise softmax over several negatives, judgements beside it.

Plain BCE on single pairs from MiniLM's [CLS] hardly learns: that vector was never trained. Here
the start is the sentence encoder's own mean pooling, every context is computed once for eight
responses, and the loss is InfoNCE over the list (van den Oord et al. 2018), with a small BCE
term that gives the logit a zero. Every step mixes selection lists with judgements, one masked loss
a head. The schedule follows the clock, or the steps where their number is given: either way it ends
with its learning rate at zero, and the same command resumes it.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from models.encoder import WordPiece
from models.reranker import Renderer, RerankBatch, RerankItem, RerankNet
from models.runtimes.torch_bert import load_bert, resolve_base
from models.training.judgements import Judged, Selection
from models.training.record import Run, duration

HEADS = ("selection", "accentor", "offensive", "liking")


@dataclass(frozen=True)
class TrainConfig:
    """What a training run depends on; times in minutes of wall clock.

    `steps` above 0 take the place of `minutes`: two such runs end with the same weights.
    """

    minutes: float
    steps: int = 0
    seed: int = 7
    base: str = "auto"
    join: int = 2
    frozen: int = 2
    gate: float = -3.0
    lr_body: float = 1e-4
    lr_head: float = 3e-4
    lr_gate: float = 1e-2
    warmup: float = 0.04
    weight_decay: float = 0.01
    lists: int = 12
    negatives: int = 7
    judged: dict[str, int] = field(
        default_factory=lambda: {"accentor": 6, "offensive": 5, "liking": 4}
    )
    heads: tuple[str, ...] = HEADS
    bce: float = 0.2
    save_every: float = 3.0
    bf16: bool = False  # matrix products of a step; weights and losses stay in fp32


@dataclass
class Material:
    """Where a step's examples come from.

    `trust[h]` are running sums of weights of the rows of head h, which are then drawn by them.
    """

    draw: Callable[[random.Random, int, float], Selection]
    judged: Mapping[str, Sequence[Judged]]
    trust: Mapping[str, Sequence[float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Part:
    """A slice of a packed batch that one loss looks at; lists have equal `width`."""

    head: int
    start: int
    end: int
    width: int = 0
    labels: tuple[float, ...] = ()


def build_net(config: TrainConfig) -> RerankNet:
    """MiniLM with the cosine warm start; embeddings and the lowest layers frozen."""
    torch.manual_seed(config.seed)
    bert = load_bert(config.base, config.join)
    for name, parameter in bert.named_parameters():
        if name.endswith(".gate"):
            torch.nn.init.constant_(parameter, config.gate)
    for module in (
        bert.word,
        bert.position,
        bert.segment,
        bert.norm,
        *bert.layers[: config.frozen],
    ):
        for parameter in module.parameters():
            parameter.requires_grad_(False)
    return RerankNet(bert, len(config.heads))


class Trainer:
    """One resumable run; `step` is a pure function of the step number and the weights."""

    def __init__(self, config: TrainConfig, material: Material, folder: Path) -> None:
        self.config = config
        self.material = material
        self.folder = folder
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.net = build_net(config).to(self.device)
        self.render = Renderer(WordPiece(resolve_base(config.base)))
        self.step_number = 0
        self.elapsed = 0.0
        self.history: list[dict[str, float]] = []
        self._peaks = (config.lr_body, config.lr_head, config.lr_gate)
        self.optimizer = self._optimizer()

    @property
    def progress(self) -> float:
        """The share of the schedule that is done, 1 or more at its end."""
        if self.config.steps:
            return self.step_number / self.config.steps
        return self.elapsed / (self.config.minutes * 60.0)

    def run(self, record: Run, every: int = 20) -> bool:
        """Train to the end of the schedule, saving now and then; False where it was stopped."""
        saved = self.elapsed
        losses: dict[str, list[float]] = {}
        with record.stoppable():
            while self.progress < 1.0 and not record.stopping:
                began = time.monotonic()
                for name, value in self.step(self.progress).items():
                    losses.setdefault(name, []).append(value)
                self.elapsed += time.monotonic() - began
                if self.step_number % every == 0:
                    self._tell(record, {name: sum(v) / len(v) for name, v in losses.items()})
                    losses = {}
                if self.elapsed - saved > self.config.save_every * 60:
                    self.save()
                    saved = self.elapsed
            self.save()
        return not record.stopping

    def _tell(self, record: Run, means: Mapping[str, float]) -> None:
        self.history.append({"step": self.step_number, "minutes": self.elapsed / 60, **means})
        record.report(self.step_number, **means)
        left = self.elapsed * (1.0 / self.progress - 1.0)
        pairs = self.step_number * self.config.lists * (self.config.negatives + 1)
        shown = " ".join(f"{name} {value:.3f}" for name, value in means.items())
        record.log(
            f"{100 * self.progress:5.1f} % | {duration(max(0.0, left))} left | "
            f"{pairs / max(1e-9, self.elapsed):.1f} pairs/s | {shown}"
        )

    def step(self, progress: float) -> dict[str, float]:
        """One update; the losses by head."""
        rng = random.Random(f"{self.config.seed}:{self.step_number}")
        items, parts = self._draw(rng, progress)
        for group, peak in zip(self.optimizer.param_groups, self._peaks, strict=True):
            group["lr"] = peak * schedule(progress, self.config.warmup)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.bf16):
            logits = self.net(RerankBatch.of(items, self.device), self.config.frozen)
        logits = logits.float()
        losses = {self.config.heads[part.head]: self._loss(logits, part) for part in parts}
        total = torch.stack(list(losses.values())).sum()
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.optimizer.step()
        self.step_number += 1
        return {name: float(loss.detach()) for name, loss in losses.items()}

    def _optimizer(self) -> torch.optim.AdamW:
        body: list[Tensor] = []
        head: list[Tensor] = []
        gates: list[Tensor] = []
        for name, parameter in self.net.named_parameters():
            if parameter.requires_grad:
                # A gate has to travel several units while a weight moves by hundredths.
                kind = gates if name.endswith(".gate") else body
                (kind if name.startswith("bert.") else head).append(parameter)
        groups = [
            {"params": body, "weight_decay": self.config.weight_decay},
            {"params": head, "weight_decay": self.config.weight_decay},
            {"params": gates, "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(groups, lr=self.config.lr_body, fused=True)

    def _draw(self, rng: random.Random, progress: float) -> tuple[list[RerankItem], list[Part]]:
        items: list[RerankItem] = []
        for _ in range(self.config.lists):
            drawn = self.material.draw(rng, self.config.negatives, progress)
            items += self.render.items(drawn.context, drawn.responses, drawn.facts)
        parts = [Part(0, 0, len(items), self.config.negatives + 1)]
        for head, count in self.config.judged.items():
            rows = self.material.judged.get(head)
            if not rows or not count:
                continue
            start = len(items)
            labels: list[float] = []
            for judged in self._pick(rng, head, min(count, len(rows))):
                items += self.render.items(judged.context, judged.responses, judged.facts)
                labels += judged.labels
            place = self.config.heads.index(head)
            parts.append(Part(place, start, len(items), 0, tuple(labels)))
        return items, parts

    def _pick(self, rng: random.Random, head: str, count: int) -> list[Judged]:
        rows, trust = self.material.judged[head], self.material.trust.get(head)
        if trust is None:
            return rng.sample(rows, count)
        return rng.choices(rows, cum_weights=trust, k=count)

    def _loss(self, logits: Tensor, part: Part) -> Tensor:
        mine = logits[part.start : part.end, part.head]
        if not part.width:
            labels = torch.tensor(part.labels, device=mine.device)
            return F.binary_cross_entropy_with_logits(mine, labels)
        lists = mine.view(-1, part.width)
        true_first = torch.zeros(len(lists), dtype=torch.long, device=mine.device)
        listwise = F.cross_entropy(lists, true_first)
        # Half of the weight on the one true response: the zero of the logit is at even odds.
        true = F.softplus(-lists[:, 0]).mean()
        wrong = F.softplus(lists[:, 1:]).mean()
        return listwise + self.config.bce * (true + wrong)

    def save(self) -> None:
        """Write the trained state atomically; `resume` reads it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        trained = {n: p for n, p in self.net.named_parameters() if p.requires_grad}
        state = {
            "net": {name: parameter.detach() for name, parameter in trained.items()},
            "optimizer": self.optimizer.state_dict(),
            "step": self.step_number,
            "elapsed": self.elapsed,
            "history": self.history,
            "heads": list(self.config.heads),
        }
        half_written = self.folder / "state.pt.tmp"
        torch.save(state, half_written)
        half_written.replace(self.folder / "state.pt")
        (self.folder / "config.json").write_text(json.dumps(asdict(self.config), indent=1))

    def resume(self) -> bool:
        """Continue from the folder's last state, if there is one.

        Raises ValueError where that run had other heads.
        """
        path = self.folder / "state.pt"
        if not path.exists():
            return False
        state = torch.load(path, weights_only=True, map_location=self.device)
        if tuple(state.get("heads", HEADS)) != self.config.heads:
            raise ValueError(f"{self.folder}: holds a run with other heads")
        self.load_trained(state["net"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step_number, self.elapsed = state["step"], state["elapsed"]
        self.history = state["history"]
        return True

    def load_trained(self, tensors: dict[str, Tensor]) -> None:
        """Take over trained tensors, for a phase that starts where another ended."""
        unknown = self.net.load_state_dict(tensors, strict=False).unexpected_keys
        if unknown:
            raise ValueError(f"unknown tensors: {unknown[:3]}")


def schedule(progress: float, warmup: float) -> float:
    """Linear warm-up over the first `warmup` of the run, then linear to zero."""
    if progress < warmup:
        return 0.02 + 0.98 * progress / warmup
    return max(0.0, (1.0 - progress) / (1.0 - warmup))


def score_items(net: RerankNet, items: Sequence[RerankItem], tokens: int = 1500) -> Tensor:
    """Logits (n, heads) of many items, in batches of about `tokens` tokens, in order."""
    net.eval()
    with torch.inference_mode():
        chunks = [net(RerankBatch.of(chunk)) for chunk in _chunks(items, tokens)]
    return torch.cat(chunks).clone()


def _chunks(items: Sequence[RerankItem], tokens: int) -> Iterator[list[RerankItem]]:
    chunk: list[RerankItem] = []
    size = 0
    for item in items:
        if chunk and size + item.length > tokens:
            yield chunk
            chunk, size = [], 0
        chunk.append(item)
        size += item.length
    if chunk:
        yield chunk
