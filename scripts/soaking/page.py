"""The figures of a soak as a part of docs/reliability.md, and its picture. Pure but for `write`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scripts.benches import report
from scripts.benches.charts import Chart, Panel, Series
from scripts.soaking.memory import FLAT

BEGIN, END = "<!-- soak: written by scripts/soak -->", "<!-- soak: end -->"
PICTURE = Path("docs") / "images" / "soak.svg"
_MEGABYTE = 1 << 20


def flat(result: dict[str, Any]) -> bool | None:
    """Whether no worker's memory grew by more than 3 %; None where none lived long enough."""
    growths = [life["growth"] for life in result["lives"] if life["growth"] is not None]
    return max(growths) <= FLAT if growths else None


def show(result: dict[str, Any]) -> str:
    """The section, without its picture."""
    plan, verdict = result["plan"], result["verdict"]
    kills = {
        what: sum(blow["what"] == what for blow in result["blows"]) for what in ("redis", "worker")
    }
    found = (
        f"{plan['share']:.0%} of the {result['capacity']:.2f} whole replies a second that eight "
        "people who never pause were given"
        if result["capacity"]
        else "as asked for"
    )
    lines = [
        f"{plan['seconds'] / 60:g} minutes at {result['rate']:.2f} visits a second ({found}), "
        f"{plan['people']} people, open loop. Redis was killed {kills['redis']} times and stayed "
        f"away for {plan['away']:g} s each, the worker {kills['worker']} times.",
        report.describe(result["machine"]),
        report.table(["", "figure"], [*_promises(verdict), *_answers(result)]),
        _workers(result),
    ]
    return "\n\n".join(line for line in lines if line) + "\n"


def _promises(verdict: dict[str, Any]) -> list[list[str]]:
    words = {
        "acknowledged": "reactions acknowledged",
        "kept_once": "of them kept exactly once",
        "lost": "lost",
        "doubled": "doubled",
        "altered": "kept as another reaction",
        "unasked": "kept, though the answer that says so was lost",
    }
    return [[what, f"{verdict[name]:,}"] for name, what in words.items()]


def _answers(result: dict[str, Any]) -> list[list[str]]:
    visits = max(1, result["visits"])
    rows = [
        ("messages", f"{result['visits']:,}"),
        ("answered in the end", f"{result['answered']:,} ({result['answered'] / visits:.2%})"),
        ("of them degraded", f"{result['degraded']:,} ({result['degraded'] / visits:.2%})"),
        ("sent more than once", f"{result['retried']:,} ({result['retried'] / visits:.2%})"),
        ("reactions given up", f"{result['given_up']:,}"),
    ]
    outages = [blow["seconds"] for blow in result["blows"] if blow["what"] == "worker"]
    if outages:
        rows.append(("longest time until the next worker was ready", f"{max(outages):.1f} s"))
    return [list(row) for row in rows]


def _workers(result: dict[str, Any]) -> str:
    rows = [
        [
            f"{life['begins'] / 60:.1f} to {life['ends'] / 60:.1f}",
            f"{life['settled_bytes'] / _MEGABYTE:.0f}",
            f"{life['last_bytes'] / _MEGABYTE:.0f}",
            "too short" if life["growth"] is None else f"{life['growth']:+.1%}",
        ]
        for life in result["lives"]
    ]
    if not rows:
        return ""
    header = ["worker, minutes", "MiB after settling", "MiB at the end", "growth"]
    judged = {True: "flat", False: "NOT flat", None: "not judged: no worker lived long enough"}
    redis = [sample["redis_bytes"] for sample in result["samples"] if sample["redis_bytes"]]
    grown = ""
    if redis and result["verdict"]["acknowledged"]:
        grown = (
            f" Redis had {min(redis) / _MEGABYTE:.1f} to {max(redis) / _MEGABYTE:.1f} MiB: it "
            "keeps every reply shown, its slate and its reaction."
        )
    limit = f"Workers' memory (RSS), to grow by {FLAT:.0%} at most: {judged[flat(result)]}."
    return f"{report.table(header, rows)}\n\n{limit}{grown}"


def chart(result: dict[str, Any]) -> Chart:
    """Memory and answers over time."""
    samples, answers = result["samples"], result["answers"]
    minutes = [sample["at"] / 60 for sample in samples]
    memory = [
        Series(name, minutes, [s[f"{name}_bytes"] / _MEGABYTE or float("nan") for s in samples])
        for name in ("worker", "redis")
    ]
    at = [seconds / 60 for seconds in answers["seconds"]]
    said = [Series(name, at, answers[name]) for name in ("whole", "degraded", "unanswered")]
    return Chart(
        "soak",
        "Redis and the worker killed again and again",
        [
            Panel("minutes", "MiB in RAM", memory, from_zero=True),
            Panel("minutes", "messages a second", said, from_zero=True),
        ],
    )


def write(section: str, page: Path) -> None:
    """Put the section where the last one stands, or at the end."""
    text = page.read_text(encoding="utf-8") if page.is_file() else "# Reliability\n"
    head, begin, rest = text.partition(BEGIN)
    tail = rest.partition(END)[2] if begin else ""
    whole = f"{head.rstrip()}\n\n{BEGIN}\n\n{section.strip()}\n\n{END}\n{tail}"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(whole, encoding="utf-8")
