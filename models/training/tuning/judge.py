"""A small second judge: a network over frozen sentence vectors, of judgements that it alone saw.

A policy that was paid by one model has learned that model's mistakes too. This judge shares neither
trained weights nor judgements with the reward, so what both call better more likely is. It is
weak, and trained in a minute or two; any pair scorer can stand in for it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from models.checkpoint import DataSource, Manifest, verify, write_atomically, write_manifest
from models.encoder import Encoder
from models.prompt import normalise
from models.training import judgements
from models.training.examples import Example, read_examples
from models.training.splits import learnable

KIND = "judge"
WEIGHTS = "judge.safetensors"
CONFIG = "judge.json"
SOURCES: dict[str, DataSource] = {
    "ieval": DataSource("iEval", "CC-BY-4.0"),
    "topical_chat": DataSource("Topical-Chat ratings", "CDLA-Sharing-1.0"),
    "dialogue_eval": DataSource("Dialogue evaluation (continuous human ratings)", "MIT"),
}
_HIDDEN = 64
_BATCH = 64


class JudgeNet(nn.Module):
    """From the vectors of the latest turn and of the response to a logit."""

    def __init__(self, width: int, hidden: int = _HIDDEN) -> None:
        super().__init__()
        self.mix = nn.Linear(4 * width, hidden)
        self.out = nn.Linear(hidden, 1)
        self.drop = nn.Dropout(0.3)

    def forward(self, turn: Tensor, response: Tensor) -> Tensor:
        """Logits (n,) of unit vectors (n, width)."""
        product, gap = turn * response * 16.0, (turn - response).abs()
        plain = torch.cat([turn, response, product, gap], dim=1) * 8.0
        logits: Tensor = self.out(self.drop(F.gelu(self.mix(self.drop(plain))))).squeeze(1)
        return logits


class Judge:
    """A PairScorer with one head."""

    def __init__(self, net: JudgeNet, encoder: Encoder, head: str, scale: float, name: str) -> None:
        self._net, self._encoder, self._scale = net.eval(), encoder, scale
        self.heads: tuple[str, ...] = (head,)
        self.name = name

    @property
    def parameters(self) -> int:
        """Weights of the trained part; the encoder's are not counted, they are not trained."""
        return sum(p.numel() for p in self._net.parameters())

    def score(self, examples: Sequence[Example]) -> NDArray[np.float32]:
        """Calibrated probabilities (n, 1), as in PairScorer."""
        turns, responses = vectors(self._encoder, examples)
        with torch.inference_mode():
            scores = torch.sigmoid(self._scale * self._net(turns, responses))
        probabilities: NDArray[np.float32] = scores[:, None].numpy()
        return probabilities

    @classmethod
    def load(cls, folder: Path) -> Judge:
        """A folder that `train_judge` wrote. Raises models.checkpoint.ModelFileError."""
        manifest = verify(folder, kind=KIND)
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        net = JudgeNet(config["width"], config["hidden"])
        net.load_state_dict(load_file(folder / WEIGHTS))
        # torch in fp32: the exported figures must not depend on what else is installed.
        encoder = Encoder.load(config["encoder"], runtime="torch", dtype="fp32")
        name = f"judge {config['head']} {manifest.version}"
        return cls(net, encoder, config["head"], config["scale"], name)


def vectors(encoder: Encoder, examples: Sequence[Example]) -> tuple[Tensor, Tensor]:
    """Unit vectors (n, width) of the latest turns and of the responses; each text once."""
    texts = [text for e in examples for text in (e.context[-1], e.response)]
    unique = list(dict.fromkeys(texts))
    rows = dict(zip(unique, encoder.encode(unique), strict=True))
    turns = torch.from_numpy(np.stack([rows[e.context[-1]] for e in examples]))
    return turns, torch.from_numpy(np.stack([rows[e.response] for e in examples]))


def judge_examples(source: str, data: Path | None) -> list[Example]:
    """Judgements of a public source below `data`, or the learnable ones of a file of Examples.

    Raises ValueError for a name that is neither, FileNotFoundError if the source is not there.
    """
    if source not in SOURCES:
        if not Path(source).is_file():
            raise ValueError(f"{source!r} is neither a file nor one of {', '.join(SOURCES)}")
        examples = learnable(read_examples(Path(source)))
        head = examples[0].head if examples else ""
        return [example for example in examples if example.head == head]
    if data is None:
        raise ValueError(f"the judgements of {source} need --data")
    rows = (
        judgements.load_topical_ratings(data)
        if source == "topical_chat"
        else judgements.load_liking(data, source)
    )
    return [
        Example(source, row.head, row.context, text, label, conversation=row.unit)
        for row in rows
        for text, label in zip(row.responses, row.labels, strict=True)
        if normalise(row.context[-1])
    ]


@dataclass(frozen=True)
class Schedule:
    """How long the judge learns; the best of the epochs on its own held-out part is kept."""

    epochs: int = 12
    rate: float = 1e-3
    decay: float = 0.05


def train_judge(
    examples: Sequence[Example],
    folder: Path,
    *,
    command: str,
    seed: int,
    source: DataSource,
    encoder: str = "auto",
    schedule: Schedule | None = None,
) -> Manifest:
    """Train, calibrate and write a judge; a tenth of the conversations measures it.

    Raises ValueError if there is too little to learn or to measure with.
    """
    held = [_is_held(example) for example in examples]
    if not any(held) or all(held):
        raise ValueError("too few conversations to train a judge and to measure it")
    model = Encoder.load(encoder, runtime="torch", dtype="fp32")
    turns, responses = vectors(model, examples)
    labels = torch.tensor([example.label for example in examples])
    weights = torch.tensor([example.weight for example in examples])
    is_dev = torch.tensor(held)
    torch.manual_seed(seed)
    net = JudgeNet(turns.shape[1])
    rows = (~is_dev).nonzero().squeeze(1)
    _fit(net, (turns, responses, labels, weights), rows, is_dev, schedule or Schedule(), seed)
    with torch.inference_mode():
        raw = net(turns[is_dev], responses[is_dev])
    scale = _temperature(raw, labels[is_dev])
    metrics = {
        "auc": round(auc(raw.numpy(), labels[is_dev].numpy()), 4),
        "examples": len(rows), "held_out": int(is_dev.sum()),
    }  # fmt: skip
    config: dict[str, Any] = {
        "head": examples[0].head, "width": turns.shape[1], "hidden": _HIDDEN,
        "scale": scale, "encoder": encoder,
    }  # fmt: skip
    _write(folder, net, config)
    return write_manifest(
        folder,
        name="kindred-judge",
        kind=KIND,
        command=command,
        data=[source],
        metrics=metrics,
        people=(example.rater for example in examples),
    )


def _write(folder: Path, net: JudgeNet, config: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    save_file(net.state_dict(), folder / WEIGHTS)
    (folder / WEIGHTS).chmod(0o644)
    write_atomically(folder / CONFIG, json.dumps(config, indent=2) + "\n")


def _is_held(example: Example) -> bool:
    name = example.conversation or "\n".join(example.context)
    return hashlib.sha256(name.encode()).digest()[0] % 10 == 0


def _fit(
    net: JudgeNet,
    tensors: tuple[Tensor, Tensor, Tensor, Tensor],
    rows: Tensor,
    is_dev: Tensor,
    schedule: Schedule,
    seed: int,
) -> None:
    turns, responses, labels, weights = tensors
    optimizer = torch.optim.AdamW(
        net.parameters(), lr=schedule.rate, weight_decay=schedule.decay, betas=(0.9, 0.95)
    )
    generator = torch.Generator().manual_seed(seed)
    best, state = float("inf"), net.state_dict()
    for _ in range(schedule.epochs):
        net.train()
        order = rows[torch.randperm(len(rows), generator=generator)]
        for part in torch.split(order, _BATCH):
            losses = F.binary_cross_entropy_with_logits(
                net(turns[part], responses[part]), labels[part], reduction="none"
            )
            optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward((losses * weights[part]).mean())
            optimizer.step()
        net.eval()
        with torch.inference_mode():
            seen = net(turns[is_dev], responses[is_dev])
            loss = float(F.binary_cross_entropy_with_logits(seen, labels[is_dev]))
        if loss < best:
            best = loss
            state = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    net.load_state_dict(state)


def _temperature(raw: Tensor, labels: Tensor) -> float:
    """The factor of the logits that the held-out labels like best (Guo et al. 2017), at most 1."""
    # Few held-out labels, all of them right, would ask for any sharpness.
    factors = torch.logspace(-1.5, 0.0, 31)
    losses = [float(F.binary_cross_entropy_with_logits(f * raw, labels)) for f in factors]
    return float(factors[int(np.argmin(losses))])


def auc(scores: NDArray[np.float32], labels: NDArray[np.float32]) -> float:
    """Share of (above, below the median label) pairs in the right order; ties count half."""
    middle = float(np.median(labels))
    above, below = scores[labels > middle], scores[labels <= middle]
    if not len(above) or not len(below):
        return 0.5
    wins = (above[:, None] > below[None, :]).mean() + 0.5 * (
        above[:, None] == below[None, :]
    ).mean()
    return float(wins)
