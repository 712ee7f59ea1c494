"""The generator in every runtime and precision: perplexity against torch fp32, and speed.

Perplexity is of the own dialogs' replies, token by token as they are decoded (the cache of each
runtime at work), so it is the precision that shows, not the model: these texts were trained on.
*Same best token*: how often the most likely next token stays the most likely. Speed: ten
candidates of 40 tokens at most for one request and for eight together; all sides take turns,
medians.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from pathlib import Path
from typing import Any

import torch

from models.generator import GenerateItem, Generator
from models.sampling import Sampling
from scripts.benches import report, service

REFERENCE = ("torch", "fp32")
SIDES = (
    REFERENCE,
    ("torch", "bf16"),
    ("openvino", "fp32"),
    ("openvino", "bf16"),
    ("openvino", "int8"),
    ("onnx", "fp32"),
    ("onnx", "int8"),
)
_TOGETHER = (1, 8)
_BATCH = 12
_ROUNDS = 5
_CANDIDATES, _TOKENS = 10, 40

Pair = tuple[tuple[int, ...], tuple[int, ...]]


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Perplexities of all sides, then their speed."""
    sides: dict[str, Generator] = {}
    absent: dict[str, str] = {}
    for runtime, dtype in SIDES:
        if options.only and runtime not in options.only:
            continue
        try:
            sides[f"{runtime} {dtype}"] = Generator.load(
                service.ROOT / "artifacts" / "generator",
                runtime=runtime,
                dtype=dtype,
                device="cpu",
                threads=max(options.threads),
            )
        except (ValueError, RuntimeError) as error:
            absent[f"{runtime} {dtype}"] = str(error).splitlines()[0]
    reference = sides[" ".join(REFERENCE)]
    pairs = own_pairs(service.ROOT / "data" / "dialogs", reference, options.slates)
    judged = {}
    expected: list[int] = []
    for name, generator in sides.items():
        report.progress(f"perplexity with {name}")
        perplexity, best = judge(generator, pairs)
        expected = expected or best
        same = sum(a == b for a, b in zip(expected, best, strict=True)) / len(best)
        judged[name] = {"perplexity": perplexity, "same_best": same}
    return {
        "pairs": len(pairs),
        "tokens": len(expected),
        "threads": max(options.threads),
        "agreement": judged,
        "speed": _speed(sides, pairs),
        "absent": absent,
    }


def own_pairs(folder: Path, generator: Generator, most: int) -> list[Pair]:
    """(context, reply) as ids, of the own dialogs: every reply with what was said before it."""
    pairs: list[Pair] = []
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            turns = [turn["text"] for turn in json.loads(line)["turns"]]
            for end in range(1, len(turns), 2):
                reply = generator.tokenizer.encode(turns[end])[:_TOKENS]
                pairs.append((generator.encode_context(turns[:end]), tuple(reply)))
    return pairs[:: max(1, len(pairs) // most)][:most]


@torch.inference_mode()
def judge(generator: Generator, pairs: list[Pair]) -> tuple[float, list[int]]:
    """(perplexity of the replies, the most likely token at each place)."""
    total, best = 0.0, []
    by_length = sorted(pairs, key=lambda pair: len(pair[1]))
    for start in range(0, len(by_length), _BATCH):
        batch = by_length[start : start + _BATCH]
        steps = max(len(reply) for _, reply in batch)
        decode = generator.network.start([c for c, _ in batch], [1] * len(batch), steps)
        replies = [reply for _, reply in batch]
        logits = decode.first
        for place in range(steps):
            ids = torch.tensor([reply[place] for reply in replies])
            chosen = torch.log_softmax(logits, dim=1).gather(1, ids[:, None])
            total -= float(chosen.sum())
            best += logits.argmax(dim=1).tolist()
            going = [row for row, reply in enumerate(replies) if len(reply) > place + 1]
            if not going:
                break
            replies, ids = [replies[row] for row in going], ids[going]
            decode.keep(torch.tensor(going))
            logits = decode.step(ids)
    return math.exp(total / len(best)), best


def _speed(sides: dict[str, Generator], pairs: list[Pair]) -> dict[str, dict[str, float]]:
    """Milliseconds a request, for one and for several together."""
    speed: dict[str, dict[str, float]] = {name: {} for name in sides}
    for together in _TOGETHER:
        times: dict[str, list[float]] = {name: [] for name in sides}
        for number in range(_ROUNDS + 1):
            chosen = [pairs[(number * together + i) % len(pairs)][0] for i in range(together)]
            items = [
                GenerateItem(
                    context, _CANDIDATES, 100 * number + i, _TOKENS, Sampling(0.6, 0.9, 40)
                )
                for i, context in enumerate(chosen)
            ]
            for name, generator in sides.items():
                began = time.perf_counter()
                generator.run(items)
                times[name].append(1e3 * (time.perf_counter() - began) / together)
        for name, values in times.items():  # the first round is not counted
            speed[name][str(together)] = statistics.median(values[1:])
    return speed


def show(result: dict[str, Any]) -> str:
    """The result as a table."""
    base = result["agreement"][" ".join(REFERENCE)]["perplexity"]
    header = ["runtime", "perplexity", "difference", "same best token"]
    header += [f"ms a request, {n} together" for n in _TOGETHER] + ["against torch fp32"]
    first = result["speed"][" ".join(REFERENCE)]
    rows = []
    for name, found in result["agreement"].items():
        speed = result["speed"][name]
        rows.append([
            name, f"{found['perplexity']:.3f}", f"{found['perplexity'] / base - 1:+.2%}",
            f"{found['same_best']:.2%}", *(f"{speed[str(n)]:.1f}" for n in _TOGETHER),
            " / ".join(f"{first[str(n)] / speed[str(n)]:.2f}×" for n in _TOGETHER),
        ])  # fmt: skip
    about = f"{result['pairs']} replies, {result['tokens']} tokens; {result['threads']} threads."
    absent = [f"- {name}: {reason}" for name, reason in result["absent"].items()]
    tail = "\n\nAbsent:\n" + "\n".join(absent) if absent else ""
    return f"{about}\n\n{report.table(header, rows)}{tail}"
