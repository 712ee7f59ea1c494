"""The evaluation as a table to read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from models.training.tuning.evaluate import PERPLEXITY_RATIO, RISE


def table(document: Mapping[str, Any]) -> str:
    """A Markdown table of an evaluation, and a line for each bound."""
    before, after = document["before"], document["after"]
    rows: list[tuple[str, str, str, str]] = []
    for key, title in (("reward", "reward"), ("judge", "second judge")):
        if key in document:
            rows.append(_judged(title, document[key]))
    for source, ratio in document["perplexity_ratio"].items():
        old, new = before["perplexity"][source], after["perplexity"][source]
        rows.append((f"perplexity, {source}", f"{old:.2f}", f"{new:.2f}", f"x {ratio:.3f}"))
    for n in (1, 2):
        found = document[f"distinct_{n}"]
        low, high = found["interval"]
        gap = f"{found['after'] - found['before']:+.3f} [{low:+.3f}, {high:+.3f}]"
        rows.append((f"distinct-{n}", f"{found['before']:.3f}", f"{found['after']:.3f}", gap))
    for key, title in (
        ("mean_words", "words a response"),
        ("mean_logprob", "log-probability a token"),
        ("share_dropped", "share dropped (ill or the same)"),
        ("share_unfinished", "share unfinished"),
    ):
        change = f"{after[key] - before[key]:+.3f}"
        rows.append((title, f"{before[key]:.3f}", f"{after[key]:.3f}", change))
    kl = document["divergence"]
    rows.append(
        ("KL from before", "0", f"{kl['per_token']:.3f} a token", f"{kl['per_response']:.2f} each")
    )
    lines = [
        f"{document['contexts']} held-out contexts, {document['responses_each']} responses each",
        "",
        f"| | {before['version']} | {after['version']} | change [95 %] |",
        "|---|---|---|---|",
        *(f"| {' | '.join(row)} |" for row in rows),
        "",
        *_bounds(document),
    ]
    return "\n".join(lines) + "\n"


def _judged(title: str, found: Mapping[str, Any]) -> tuple[str, str, str, str]:
    low, high = found["interval"]
    change = f"{found['rise']:+.2f} deviations [{low:+.2f}, {high:+.2f}]"
    name = f"{title} ({found['name']}), logit"
    return name, f"{found['before']:.3f}", f"{found['after']:.3f}", change


def _bounds(document: Mapping[str, Any]) -> list[str]:
    held = document["verdict"]
    wanted = {
        "reward": f"reward up by at least {RISE} deviations",
        "judge": f"second judge up by at least {RISE} deviations",
        "perplexity": f"perplexity at most x {PERPLEXITY_RATIO}",
        "distinct_2": "distinct-2 not lower",
    }
    lines = [
        f"- {'reached' if held[key] else 'NOT reached'}: {text}"
        for key, text in wanted.items()
        if key in held
    ]
    return lines if "judge" in held else [*lines, "- not judged by a second judge"]
