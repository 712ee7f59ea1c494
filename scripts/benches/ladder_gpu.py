"""The ladder of a GPU talk on reranking with BERT-base, and then our runtime.

Pairs (a context and a candidate, 80 tokens) scored by one process, each rung on top of the last:
padded to 128 tokens with the slow tokenizer in fp32, one pair a call; padded to 80; compiled; with
mixed precision (AMP: fp16 on CUDA, bf16 on a CPU); gathered into batches of 32; with the fast
tokenizer; and last our own runtime: the packed torch BERT in half precision, on a CPU OpenVINO
besides. Rungs take turns; those of one pair a call score fewer pairs in a round.
"""

from __future__ import annotations

import argparse
import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from scripts.benches import exports, limits, report, service, standins, texts, timing, versions
from scripts.benches.charts import Chart, Panel, Series
from scripts.benches.classifiers import (
    Classifier,
    OpenVinoClassifier,
    PackedClassifier,
    Scores,
    Texts,
    agreement,
)
from scripts.benches.sides import Absent, prepare

TITLE = "The GPU ladder"
TOKENS, BATCH = 80, 32

Pairs = list[texts.Pair]


@dataclass(frozen=True)
class Steps:
    """Which of the talk's steps a rung has taken."""

    pad: int
    compiled: bool = False
    amp: bool = False
    fast: bool = False


class Talk:
    """The talk's reranker after some of its steps."""

    def __init__(self, model: str, steps: Steps, device: str) -> None:
        from transformers import BertTokenizer, BertTokenizerLegacy

        folder = standins.folder_of(model)
        self._steps, self._device = steps, device
        if steps.fast:
            self._tokenizer: Any = BertTokenizer.from_pretrained(folder)
        else:
            self._tokenizer = BertTokenizerLegacy(str(Path(folder) / "vocab.txt"))
        plain, compiled = networks(folder, device)
        self._net = compiled if steps.compiled else plain

    def scores(self, texts: Texts) -> Scores:
        """(n,) logits of one batch of pairs; its shape is always the same for one n."""
        import torch

        left, right = (list(part) for part in zip(*texts, strict=True))
        encoded = self._tokenizer(
            left,
            right,
            padding="max_length",
            truncation="only_first",
            max_length=self._steps.pad,
            return_tensors="pt",
        ).to(self._device)
        half = torch.float16 if self._device == "cuda" else torch.bfloat16
        amp = torch.autocast(self._device, half) if self._steps.amp else contextlib.nullcontext()
        with torch.inference_mode(), amp:
            logits = self._net(**encoded).logits[:, 0]
        found: Scores = logits.float().cpu().numpy()
        return found


@cache
def networks(folder: str, device: str) -> tuple[Any, Any]:
    """The network, and the same compiled for each shape and precision that comes, once each."""
    import torch
    from transformers import AutoModelForSequenceClassification

    net = AutoModelForSequenceClassification.from_pretrained(
        folder, dtype=torch.float32, use_safetensors=True
    )
    net = net.eval().to(device)
    return net, torch.compile(net, dynamic=False)


@dataclass(frozen=True)
class Rung:
    """One step of the ladder: what it adds, how many pairs a call has, and its maker."""

    name: str
    batch: int
    load: Callable[[], Classifier]


def ladder(model: str, device: str, threads: int) -> list[Rung]:
    """All rungs in order."""

    def talk(**steps: Any) -> Callable[[], Classifier]:
        return partial(Talk, model, Steps(**steps), device)

    half = "fp16" if device == "cuda" else "bf16"
    amp = {"pad": TOKENS, "compiled": True, "amp": True}
    rungs = [
        Rung("128 tokens", 1, talk(pad=128)),
        Rung("80 tokens", 1, talk(pad=TOKENS)),
        Rung("compiled", 1, talk(pad=TOKENS, compiled=True)),
        Rung(f"AMP ({half})", 1, talk(**amp)),
        Rung(f"batches of {BATCH}", BATCH, talk(**amp)),
        Rung("fast tokenizer", BATCH, talk(**amp, fast=True)),
        Rung(
            f"ours: torch packed {half}",
            BATCH,
            partial(PackedClassifier, model, format_=half, device=device),
        ),
    ]
    if device == "cpu":
        for format_ in ("bf16", "int8"):
            load = partial(openvino, model, format_, threads)
            rungs.append(Rung(f"ours: OpenVINO {format_}", BATCH, load))
    return rungs


def openvino(model: str, format_: str, threads: int) -> Classifier:
    """The exported network; int8 is fitted to pairs that are not measured."""
    other = [p for slate in texts.slates(30, 10, TOKENS, tokenizer_of(model), 70) for p in slate]
    network = exports.network_of(model, format_, other)
    return OpenVinoClassifier(model, network, format_, threads)


def tokenizer_of(model: str) -> str:
    """The tokenizer.json of a model."""
    return str(Path(standins.folder_of(model)) / "tokenizer.json")


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Every rung in turns."""
    slates = texts.slates(BATCH // 8 + 1, 8, TOKENS, tokenizer_of(options.model), seed=7)
    pairs = [pair for slate in slates for pair in slate][:BATCH]
    rungs = {rung.name: rung for rung in ladder(options.model, options.device, options.threads)}
    ready, absent = prepare(
        ((name, partial(first_run, rung, pairs)) for name, rung in rungs.items()), report.progress
    )
    calls: dict[str, list[float]] = {name: [] for name in ready}

    def work(name: str) -> float:
        size = rungs[name].batch
        counted = pairs if size > 1 else pairs[: options.single]
        for start in range(0, len(counted), size):
            part = counted[start : start + size]
            calls[name].append(limits.best_seconds(partial(ready[name].scores, part), 1, warm=0))
        return sum(calls[name][-(len(counted) // size) :]) / len(counted)

    seconds = timing.alternate(
        {name: partial(work, name) for name in ready}, options.rounds, say=report.progress
    )
    compared = 2 * options.single
    scores = {name: first_scores(ready[name], rungs[name], pairs, compared) for name in ready}
    reference = scores["80 tokens"]
    about = versions.machine("torch", "transformers", "openvino")
    if options.device == "cuda":
        import torch

        about["processor"] = f"{torch.cuda.get_device_name()} beside {about['processor']}"
    return {
        "machine": about,
        "device": options.device,
        "model": standins.describe(options.model),
        "threads": options.threads,
        "rungs": [
            {
                "rung": name,
                "batch": rungs[name].batch,
                "pairs_per_s": 1.0 / timing.Spread.of(took).median,
                "p50_ms": 1e3 * timing.quantile(calls[name], 0.5),
                "p99_ms": 1e3 * timing.quantile(calls[name], 0.99),
                "agreement": agreement(scores[name], reference),
            }
            for name, took in seconds.items()
        ],
        "absent": absent,
    }


def first_run(rung: Rung, pairs: Pairs) -> Classifier:
    """A rung that is ready to be measured: loaded, compiled, run once.

    Raises Absent where this machine cannot compile.
    """
    model = rung.load()
    try:
        model.scores(pairs[: rung.batch])
    except Exception as error:
        # The compiler's own exceptions: it is missing, or it does not know this machine.
        if not type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
            raise
        raise Absent(f"torch.compile: {str(error).strip().splitlines()[0][:200]}") from None
    return model


def first_scores(model: Classifier, rung: Rung, pairs: Pairs, count: int) -> Scores:
    """Logits of the first `count` pairs, in calls of the shapes that were compiled."""
    if rung.batch > 1:
        return model.scores(pairs)[:count]
    return np.concatenate([model.scores([pair]) for pair in pairs[:count]])


def show(result: dict[str, Any]) -> str:
    """The ladder."""
    rows, first, before = [], result["rungs"][0]["pairs_per_s"], result["rungs"][0]["pairs_per_s"]
    for row in result["rungs"]:
        rows.append(
            [
                row["rung"],
                str(row["batch"]),
                f"{row['p50_ms']:.2f}",
                f"{row['p99_ms']:.2f}",
                f"{row['pairs_per_s']:.1f}",
                f"{row['pairs_per_s'] / first:.1f}",
                f"{row['pairs_per_s'] / before:.2f}",
                f"{row['agreement']:.3f}",
            ]
        )
        if not row["rung"].startswith("ours"):
            before = row["pairs_per_s"]
    header = ["rung", "pairs a call", "p50 ms", "p99 ms", "pairs/s", "× the first"]
    header += ["× the rung before", "ranks as 80 tokens"]
    where = "" if result["device"] == "cuda" else " No CUDA device: the same rungs on the CPU."
    parts = [
        report.describe(result["machine"]),
        f"{result['model']}; {result['threads']} CPU threads.{where} Each of ours is compared with "
        "the talk's last rung.",
        report.table(header, rows),
    ]
    parts += [f"Absent: {name}: {reason}" for name, reason in result["absent"].items()]
    return "\n\n".join(parts) + "\n"


def charts(result: dict[str, Any]) -> list[Chart]:
    """Pairs a second by rung."""
    names = [row["rung"] for row in result["rungs"]]
    rates = [row["pairs_per_s"] for row in result["rungs"]]
    panel = Panel("rung", "pairs/s", [Series("", names, rates)], kind="bars")
    return [Chart("rungs", "Reranking with BERT-base, rung by rung", [panel])]


def main() -> int:
    """Run, print the table, save the JSON."""
    import torch

    parser = argparse.ArgumentParser(prog="scripts/bench ladder-gpu", description=__doc__)
    parser.add_argument("--model", default="bert-base", help="a stand-in, a folder or a hub id")
    parser.add_argument("--device", choices=("cpu", "cuda"), default=None, help="cuda where it is")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--single", type=int, default=8, help="pairs of a round, one at a time")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--quick", action="store_true", help="a smoke run: MiniLM, one round")
    default = service.ROOT / "var" / "bench" / "ladder-gpu.json"
    parser.add_argument("--out", type=Path, default=default)
    options = parser.parse_args()
    options.device = options.device or ("cuda" if torch.cuda.is_available() else "cpu")
    if options.quick:
        options.model, options.rounds, options.single = "minilm", 1, 2
    torch.set_num_threads(options.threads)
    standins.quiet()
    result = measure(options)
    report.save(options.out, result)
    print(show(result))
    report.progress(f"(figures in {options.out})")
    return 0
