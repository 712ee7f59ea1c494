"""FAISS at 10⁴…10⁷ vectors: build time, bytes, latency and recall@10 against exact search.

One thread builds and one searches, a query at a time, as the hub does. Vectors are embeddings of
distinct real turns by the shipped encoder; above their number they are jittered copies (Gaussian
noise with the turns' own covariance, normalised; the median cosine to the original is that of a
turn to its nearest other turn). Queries are real turns of held-out dialogs. Beside the wall time
stands the thread's own processor time: where they part, other processes had the core.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval import table
from retrieval.kinds import FLAT, HNSW, Kind, ivf, kind_for, lists_for, probes_for
from retrieval.table import Table
from scripts.benches import report, service
from scripts.benches.charts import Chart, Panel, Series
from scripts.benches.vectors import Bank, Vectors, exact, load_turns

TITLE = "Retrieval"
K, WARM = 10, 50
ROOM = 8 * 2**30  # what an index may take
FLOOR = 0.95  # the recall that a setting must reach to count
P99_MS = 5.0  # and the latency at 10⁷
_PROBES = (16, 32, 64, 128, 256, 512, 768, 1024, 2048)
_BEAMS = (16, 32, 64, 128, 256, 512)  # of the HNSW search


def kinds(size: int, dimension: int) -> dict[str, tuple[Kind, int]]:
    """What is compared at a size: name → (kind, bytes that a row takes at least)."""
    lists = lists_for(size)
    full = 4 * dimension
    sq8 = Kind("ivf-sq8", f"IVF{lists}_HNSW32,SQ8", "", lists)
    codes = dimension // 8  # 4 bits for every 4 dimensions
    pq = Kind("ivf-pq", f"IVF{lists}_HNSW32,PQ{dimension // 4}x4fs", "", lists)
    return {
        "flat": (FLAT, full),
        "hnsw": (HNSW, full + 4 * 64),
        "ivf-sq8": (sq8, dimension + 8),
        "ivf-pq": (pq, codes + 8),
        "ivf-pq+sq8": (ivf(lists, dimension, 1), codes + 8 + dimension),
    }


def sweep(name: str, kind: Kind) -> list[str]:
    """The search parameters that a kind is measured at."""
    if name == "flat":
        return [""]
    if name == "hnsw":
        return [f"efSearch={beam}" for beam in _BEAMS]
    probes = sorted({n for n in _PROBES if n < kind.lists} | {probes_for(kind.lists)})
    if name == "ivf-pq+sq8":
        return [f"nprobe={n},k_factor_rf={kept}" for n in probes for kept in (30, 60)]
    return [f"quantizer_efSearch={n},nprobe={n}" for n in probes]


def main() -> int:
    """Build or reuse, measure, print, save."""
    options = _options()
    folder: Path = options.cache
    real, queries = load_turns(options.dialogs, folder / "turns.npz")
    rows: list[dict[str, Any]] = []
    cosine = 0.0
    for size in options.sizes:
        bank = Bank.of(real, size)
        cosine = bank.cosine
        truth = _truth(bank, queries, folder / "retrieval" / f"exact-{size}.npz")
        for name, (kind, row_bytes) in kinds(size, bank.dimension).items():
            if options.kinds and name not in options.kinds:
                continue
            if size * row_bytes > ROOM:
                rows.append({"size": size, "name": name, "needs_bytes": size * row_bytes})
                continue
            path = folder / "retrieval" / f"{name}-{size}.faiss"
            built, opened = _built(bank, kind, path, reuse=options.reuse)
            rows += measure(opened, name, built, queries, truth)
            del opened
            print(show_rows(rows[-1:]), file=sys.stderr, flush=True)
            if not options.keep:
                path.unlink()
                path.with_suffix(".json").unlink()
    result = {
        "machine": report.machine(),
        "real_turns": len(real),
        "queries": len(queries),
        "dimension": int(real.shape[1]),
        "jitter_cosine": cosine,
        "rows": rows,
    }
    report.save(options.out, result)
    print(show(result))
    return 0


def measure(
    opened: Table,
    name: str,
    built: dict[str, Any],
    queries: Vectors,
    truth: NDArray[np.int64],
) -> list[dict[str, Any]]:
    """One row of figures for each setting of the search: recall@10, wall and processor time."""
    rows = []
    chosen = kind_for(opened.size, opened.dimension)
    for search in sweep(name, opened.kind):
        opened.tune(search)
        found = []
        wall, cpu = [], []
        for query in [*queries[:WARM], *queries]:
            began, busy = time.perf_counter(), time.thread_time()
            found.append(opened.search(query, K)[1])
            cpu.append(1e3 * (time.thread_time() - busy))
            wall.append(1e3 * (time.perf_counter() - began))
        hits = sum(len(np.intersect1d(f, t)) for f, t in zip(found[WARM:], truth, strict=True))
        wall, cpu = sorted(wall[WARM:]), sorted(cpu[WARM:])
        rows.append(
            {
                "size": opened.size,
                "name": name,
                **built,
                "search": search,
                "chosen": (opened.kind.factory, search) == (chosen.factory, chosen.search),
                "recall": hits / truth.size,
                "p50_ms": report.percentile(wall, 0.5),
                "p99_ms": report.percentile(wall, 0.99),
                "cpu_p50_ms": report.percentile(cpu, 0.5),
                "cpu_p99_ms": report.percentile(cpu, 0.99),
            }
        )
    return rows


def _built(bank: Bank, kind: Kind, path: Path, *, reuse: bool) -> tuple[dict[str, Any], Table]:
    """The figures of the build, and the table as it is opened from its file."""
    about = path.with_suffix(".json")
    if not (reuse and about.is_file() and json.loads(about.read_text())["factory"] == kind.factory):
        path.parent.mkdir(parents=True, exist_ok=True)
        began, busy = time.perf_counter(), time.process_time()
        table.build(bank, replace(kind, search=""), threads=1).save(path)
        figures = {
            "factory": kind.factory,
            "build_s": time.perf_counter() - began,
            "build_cpu_s": time.process_time() - busy,
            "bytes": path.stat().st_size,
        }
        about.write_text(json.dumps(figures, indent=2) + "\n")
    before = _anonymous_bytes()
    opened = table.load(path, replace(kind, search=""))
    figures = json.loads(about.read_text())
    return {**figures, "rss_bytes": _anonymous_bytes() - before}, opened


def _anonymous_bytes() -> int:
    """What this process holds of memory that is no file's; 0 where /proc does not tell."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon:"))


def _truth(bank: Bank, queries: Vectors, path: Path) -> NDArray[np.int64]:
    """The exact answers, computed once for a size and a set of turns."""
    key = f"{len(bank.real)}:{float(bank.real.sum()):.6f}:{float(queries.sum()):.6f}:{bank.cosine}"
    if path.is_file():
        kept = np.load(path)
        if str(kept["key"]) == key:
            answers: NDArray[np.int64] = kept["rows"]
            return answers
    answers = exact(bank, queries, K)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, rows=answers, key=key)
    return answers


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench retrieval", description=__doc__)
    bench = service.ROOT / "var" / "bench"
    number: Callable[[str], int] = lambda text: int(float(text))  # noqa: E731
    parser.add_argument(
        "--dialogs", type=Path, default=Path("dialogs"), help="folder of public dialogs"
    )
    parser.add_argument("--sizes", type=number, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--kinds", nargs="+", help="only these, by name")
    parser.add_argument("--reuse", action="store_true", help="measure indexes that were kept")
    parser.add_argument("--keep", action="store_true", help="keep the indexes for --reuse")
    parser.add_argument("--cache", type=Path, default=bench, help="turns, exact answers, indexes")
    parser.add_argument("--out", type=Path, default=bench / "retrieval.json")
    return parser.parse_args()


def best(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The quickest setting that reaches the recall; the one that comes closest where none does."""
    enough = [row for row in rows if row["recall"] >= FLOOR]
    if enough:
        return min(enough, key=lambda row: float(row["cpu_p50_ms"]))
    return max(rows, key=lambda row: float(row["recall"]))


def show(result: dict[str, Any]) -> str:
    """The result as text: for each size and kind its best setting, and what the table chooses."""
    groups: dict[tuple[int, str], list[dict[str, Any]]] = {}
    for row in result["rows"]:
        groups.setdefault((row["size"], row["name"]), []).append(row)
    picked = []
    for rows in groups.values():
        measured = [row for row in rows if "recall" in row]
        picked.append(best(measured) if measured else rows[0])
        picked += [row for row in measured if row["chosen"] and row is not picked[-1]]
    lines = show_rows(picked)
    return (
        f"{report.describe(result['machine'])}\n\n"
        f"{result['real_turns']:,} distinct real turns; above that number, jittered copies (median "
        f"cosine {result['jitter_cosine']:.2f}). {result['queries']:,} queries. Each line is the "
        f"quickest setting with recall@10 ≥ {FLOOR}, else the one with the most recall; ◆ marks "
        f"what `retrieval/kinds.py` chooses at that size.\n\n{lines}\n\n{_bar(picked)}\n"
    )


def charts(result: dict[str, Any]) -> list[Chart]:
    """Recall over the search's processor time, a panel a size, a line a kind."""
    panels = []
    for size in sorted({row["size"] for row in result["rows"]}):
        measured = [r for r in result["rows"] if r["size"] == size and "recall" in r]
        lines = [
            Series(
                name,
                [row["cpu_p50_ms"] for row in measured if row["name"] == name],
                [row["recall"] for row in measured if row["name"] == name],
            )
            for name in dict.fromkeys(row["name"] for row in measured)
        ]
        panels.append(Panel(f"ms a search (processor, median), {size:,} rows", "recall@10", lines))
    return [Chart("recall", "What recall costs, by kind of index", panels)]


def show_rows(rows: list[dict[str, Any]]) -> str:
    """A table of rows."""
    header = ["rows", "kind", "search", "build s (cpu)", "GB", "recall@10", "p50 / p99 ms", "cpu"]
    return report.table(header, [_line(row) for row in rows])


def _line(row: dict[str, Any]) -> list[str]:
    name = f"{row['name']}{' ◆' if row.get('chosen') else ''}"
    if "recall" not in row:
        return [
            f"{row['size']:,}",
            name,
            "-",
            "-",
            f"{row['needs_bytes'] / 1e9:.1f}",
            "-",
            "-",
            "-",
        ]
    return [
        f"{row['size']:,}",
        name,
        row["search"].replace(",", ", ") or "-",
        f"{row['build_s']:.1f} ({row['build_cpu_s']:.1f})",
        f"{row['bytes'] / 1e9:.3f}",
        f"{row['recall']:.4f}",
        f"{row['p50_ms']:.2f} / {row['p99_ms']:.2f}",
        f"{row['cpu_p50_ms']:.2f} / {row['cpu_p99_ms']:.2f}",
    ]


def _bar(rows: list[dict[str, Any]]) -> str:
    """Whether the bar at 10⁷ is met, and by what."""
    large = [row for row in rows if row["size"] == 10_000_000 and "recall" in row]
    if not large:
        return "10⁷ rows: not measured in this run."
    met = [
        f"{row['name']} at {row['search']}"
        for row in large
        if row["recall"] >= FLOOR and row["p99_ms"] <= P99_MS and row["bytes"] <= ROOM
    ]
    bar = f"10⁷ rows in ≤ 8 GiB, p99 ≤ {P99_MS:g} ms at recall@10 ≥ {FLOOR}"
    return f"{bar}: {'met by ' + '; '.join(met) if met else 'not met in this run'}."
