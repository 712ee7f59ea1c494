"""Tokenising messages: the slow tokenizer and the fast one, one text at a time and batched.

BERT's uncased WordPiece. Slow is transformers' tokenizer in Python (`BertTokenizerLegacy`), fast
its Rust one (`BertTokenizer`); "direct" is what the service does: the Rust tokenizer without the
layer of transformers around it. Messages have the lengths of `data/bench/lengths.json`. All sides
give the same ids, which is checked first, and take turns.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from scripts.benches import report, service, standins, texts, timing, versions
from scripts.benches.charts import Chart, Panel, Series

TITLE = "Tokenising"
FIRST = "slow"

Ids = list[list[int]]
Encode = Callable[[list[str]], Ids]


def sides() -> dict[str, Encode]:
    """Every way of tokenising."""
    from tokenizers import Tokenizer
    from transformers import BertTokenizer, BertTokenizerLegacy

    folder = Path(standins.folder_of("minilm"))
    slow = BertTokenizerLegacy(str(folder / "vocab.txt"), do_lower_case=True)
    fast = BertTokenizer.from_pretrained(str(folder))
    direct = Tokenizer.from_file(str(folder / "tokenizer.json"))
    return {
        FIRST: lambda batch: [slow(text)["input_ids"] for text in batch],
        "slow batched": lambda batch: slow(batch)["input_ids"],
        "fast": lambda batch: [fast(text)["input_ids"] for text in batch],
        "fast batched": lambda batch: fast(batch)["input_ids"],
        "direct": lambda batch: [direct.encode(text).ids for text in batch],
        "direct batched": lambda batch: [row.ids for row in direct.encode_batch(batch)],
    }


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Check that all agree, then let them take turns."""
    lengths = texts.Lengths.read().draw(options.messages, np.random.default_rng(11))
    tokenizer = str(Path(standins.folder_of("minilm")) / "tokenizer.json")
    batch = texts.messages([int(n) for n in lengths], tokenizer, seed=12)
    every = sides()
    same = every[FIRST](batch)
    for name, encode in every.items():
        if encode(batch) != same:
            raise AssertionError(f"{name} gives other ids than {FIRST}")
    works = {name: _work(encode, batch) for name, encode in every.items()}
    seconds = timing.alternate(works, options.rounds, say=report.progress)
    tokens = sum(len(ids) for ids in same)
    rows = []
    for name, took in seconds.items():
        spread = timing.Spread.of(took)
        rows.append(
            {
                "side": name,
                "us_per_message": 1e6 * spread.median / len(batch),
                "us_low": 1e6 * spread.low / len(batch),
                "us_high": 1e6 * spread.high / len(batch),
                "tokens_per_s": tokens / spread.median,
            }
        )
    return {
        "machine": versions.machine("transformers", "tokenizers"),
        "messages": len(batch),
        "tokens": tokens,
        "threads": os.environ.get("RAYON_NUM_THREADS", "all")
        if os.environ.get("TOKENIZERS_PARALLELISM") != "false"
        else "1",
        "sides": rows,
    }


def _work(encode: Encode, batch: list[str]) -> Callable[[], None]:
    def work() -> None:
        encode(batch)

    return work


def show(result: dict[str, Any]) -> str:
    """The table."""
    first = result["sides"][0]["us_per_message"]
    rows = [
        [
            row["side"],
            f"{row['us_per_message']:.1f}",
            f"{row['us_low']:.1f}–{row['us_high']:.1f}",
            f"{row['tokens_per_s']:,.0f}",
            f"{first / row['us_per_message']:.1f}",
        ]
        for row in result["sides"]
    ]
    header = ["side", "µs a message", "range", "tokens/s", f"× {FIRST}"]
    return (
        f"{report.describe(result['machine'])}\n\n{result['messages']:,} messages, "
        f"{result['tokens'] / result['messages']:.1f} tokens each; threads of the batched Rust "
        f"tokenizers: {result['threads']}.\n\n{report.table(header, rows)}\n"
    )


def charts(result: dict[str, Any]) -> list[Chart]:
    """Tokens a second by side."""
    names = [row["side"] for row in result["sides"]]
    rates = [row["tokens_per_s"] for row in result["sides"]]
    panel = Panel("side", "tokens/s", [Series("", names, rates)], kind="bars", log_y=True)
    return [Chart("tokens", "Tokens a second, by tokenizer", [panel])]


def main() -> int:
    """Run, print the table, save the JSON."""
    parser = argparse.ArgumentParser(prog="scripts/bench tokenize", description=__doc__)
    parser.add_argument("--messages", type=int, default=4096, help="in a round")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="a smoke run")
    parser.add_argument(
        "--out", type=Path, default=service.ROOT / "var" / "bench" / "tokenize.json"
    )
    options = parser.parse_args()
    if options.quick:
        options.messages, options.rounds = 64, 2
    standins.quiet()
    result = measure(options)
    report.save(options.out, result)
    print(show(result))
    report.progress(f"(figures in {options.out})")
    return 0
