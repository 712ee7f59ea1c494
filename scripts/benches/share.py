"""Who wins the slates of 200 fixed prompts: retrieval or generator, and by which scores.

The service runs as it ships but for N pinned at 10, no exploration and far deadlines; each prompt
opens a conversation of its own, so that "no repeats" does not push one source out.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

from scripts.benches import report, service
from scripts.benches.chat import PINNED, PROMPTS

TITLE = "Who wins the slates"


def call(url: str, body: dict[str, Any] | None, headers: dict[str, str]) -> dict[str, Any]:
    """One JSON request; POST where there is a body."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json", **headers})
    with urllib.request.urlopen(request, timeout=120) as answer:
        result: dict[str, Any] = json.loads(answer.read())
        return result


def ask(url: str, admin_key: str, prompt: str) -> dict[str, Any]:
    """The explained slate of one prompt, asked by a new person."""
    token = call(f"{url}/v1/auth/guest", {}, {})["token"]
    reply = call(f"{url}/v1/chat", {"message": prompt}, {"Authorization": f"Bearer {token}"})
    path = f"{url}/admin/v1/replies/{reply['reply_id']}/explain"
    return {"reply": reply, "slate": call(path, None, {"X-API-Key": admin_key})}


def best(slate: dict[str, Any], source: str) -> float | None:
    """The best serving score of a source among the candidates that may be shown."""
    scores = [
        c["score"]
        for c in slate["candidates"]
        if c["source"] == source and not c["filters"] and c["score"] is not None
    ]
    return max(scores, default=None)


def main() -> int:
    """Run, print, save."""
    parser = argparse.ArgumentParser(prog="scripts/bench share", description=__doc__)
    parser.add_argument("--out", type=Path, default=service.ROOT / "var" / "bench" / "share.json")
    parser.add_argument("--prompts", type=int, default=200, help="the first so many of the 200")
    options = parser.parse_args()
    prompts = PROMPTS.read_text(encoding="utf-8").splitlines()[: options.prompts]
    rows = []
    with service.kindred({**PINNED, "KINDRED_NEW_TOKENS": "40"}) as ours:
        admin_key = (ours.folder / "admin_key").read_text().strip()
        for i, prompt in enumerate(prompts):
            rows.append(ask(ours.url, admin_key, prompt))
            if sys.stderr.isatty() or i % 20 == 19:
                print(f"\r{i + 1} of {len(prompts)}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    result = {"machine": report.machine(), "settings": PINNED, **evaluate(rows)}
    report.save(options.out, result)
    print(show(result))
    return 0


def evaluate(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Shares, best scores by source, and why generated candidates were kept back."""
    sources = Counter(row["reply"]["source"] for row in rows)
    retrieved = [best(row["slate"], "retrieval") for row in rows]
    generated = [best(row["slate"], "generator") for row in rows]
    both = [
        (r, g) for r, g in zip(retrieved, generated, strict=True) if r is not None and g is not None
    ]
    candidates = [
        c for row in rows for c in row["slate"]["candidates"] if c["source"] == "generator"
    ]
    filters = Counter(reason for c in candidates for reason in c["filters"])
    return {
        "prompts": len(rows),
        "share": {source: count / len(rows) for source, count in sources.items()},
        "best_retrieval_median": statistics.median(r for r, _ in both) if both else None,
        "best_generator_median": statistics.median(g for _, g in both) if both else None,
        "generator_better": sum(g > r for r, g in both) / max(1, len(both)),
        "generated": len(candidates),
        "generated_kept_back": dict(filters.most_common()),
    }


def show(result: dict[str, Any]) -> str:
    """The result as text."""
    shares = [[source, f"{share:.1%}"] for source, share in sorted(result["share"].items())]
    kept = ", ".join(f"{k} {v}" for k, v in result["generated_kept_back"].items()) or "none"
    return (
        f"{report.describe(result['machine'])}\n\n"
        f"{report.table(['chosen from', 'share'], shares)}\n\n"
        f"Best score, median over slates with both: retrieval {result['best_retrieval_median']}, "
        f"generator {result['best_generator_median']}; generator's best is above retrieval's in "
        f"{result['generator_better']:.1%}.\n"
        f"Generated candidates: {result['generated']}; kept back: {kept}.\n"
    )
