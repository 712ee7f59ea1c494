"""`./scripts/soak`: people talk and react while Redis and the worker are killed by the clock.

At the end every acknowledged reaction is looked for in the store: it must be there, once. The
figures go to var/bench/soak.json. Exit status 1 where a promise was broken, or memory grew.

    ./scripts/soak                                  an hour at 70 % of the capacity
    ./scripts/soak --minutes 3 --redis-every 1 --worker-every 1.5 --settle 20
    ./scripts/soak --page                           docs/reliability.md and its picture, anew
"""

from __future__ import annotations

import argparse
import json
import math
import signal
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any

from scripts.benches import peers, plots
from scripts.benches.borrowed import borrow
from scripts.benches.service import PROMPTS
from scripts.soaking import page
from scripts.soaking.run import Plan, Soak
from scripts.soaking.standing import ROOT, Standing

_SETTINGS = {
    "KINDRED_GUEST_LIMIT_PER_MINUTE": "100000",
    "KINDRED_MESSAGE_LIMIT_PER_MINUTE": "100000",
    "KINDRED_PERSON_IN_FLIGHT_MAX": "10000",
    "KINDRED_ADDRESS_LIMIT_PER_MINUTE": "1000000",
    "KINDRED_REQUEST_LIMIT_PER_MINUTE": "100000",
    "KINDRED_METRICS_OPEN": "true",
}


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="scripts/soak",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--minutes", type=_above_zero, default=60.0)
    parser.add_argument("--share", type=_above_zero, default=0.7, help="of the capacity")
    parser.add_argument("--rate", type=float, default=0.0, help="visits a second, instead")
    parser.add_argument(
        "--probe", type=_above_zero, default=30.0, help="seconds to find the capacity"
    )
    parser.add_argument("--redis-every", type=_above_zero, default=5.0, metavar="MINUTES")
    parser.add_argument(
        "--away", type=_above_zero, default=5.0, help="seconds that Redis stays away"
    )
    parser.add_argument("--worker-every", type=_above_zero, default=10.0, metavar="MINUTES")
    parser.add_argument(
        "--settle", type=_above_zero, default=120.0, help="seconds of a worker's making"
    )
    parser.add_argument("--people", type=_some, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=ROOT / "var" / "bench" / "soak.json")
    parser.add_argument("--page", action="store_true", help="only write the page from --out")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs" / "reliability.md")
    return parser.parse_args()


def _above_zero(text: str) -> float:
    value = float(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError("must be above 0")
    return value


def _some(text: str) -> int:
    if int(text) < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return int(text)


def main() -> int:
    """Soak, or write the page."""
    asked = options()
    signal.signal(signal.SIGTERM, _end)  # what it started ends with it
    if asked.page:
        if not asked.out.is_file():
            print(f"scripts/soak: there is no {asked.out}: soak first", file=sys.stderr)
            return 1
        return _write_page(json.loads(asked.out.read_text(encoding="utf-8")), asked.docs)
    plan = Plan(
        seconds=60 * asked.minutes,
        share=asked.share,
        rate=asked.rate,
        probe=asked.probe,
        redis_every=60 * asked.redis_every,
        away=asked.away,
        worker_every=60 * asked.worker_every,
        sample_every=min(5.0, asked.minutes),
        settle=asked.settle,
        people=asked.people,
        seed=asked.seed,
    )
    result = soak(plan, {})
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(result) + "\n", encoding="utf-8")
    print(page.show(result))
    return 0 if result["verdict"]["holds"] and page.flat(result) is not False else 1


def soak(plan: Plan, environment: Mapping[str, str]) -> dict[str, Any]:
    """One soak of a service of its own, in a folder that is gone afterwards."""
    texts = PROMPTS.read_text(encoding="utf-8").split("\n")
    with tempfile.TemporaryDirectory(prefix="kindred-soak-") as folder:
        service = Standing(Path(folder), {**_SETTINGS, **environment})
        try:
            service.start()
            return Soak(plan, service, _say).run([text for text in texts if text.strip()])
        finally:
            service.close()


def _write_page(result: dict[str, Any], docs: Path) -> int:
    section = f"## A soak\n\n{page.show(result)}"
    try:
        borrow("plots")
    except peers.PeerAbsent as reason:
        print(f"scripts/soak: no picture: matplotlib {reason}", file=sys.stderr)
    else:
        plots.draw(page.chart(result), docs.parent / page.PICTURE.relative_to("docs"))
        section += f"\n![Memory and answers]({page.PICTURE.relative_to('docs').as_posix()})\n"
    page.write(section, docs)
    print(f"wrote {docs}")
    return 0


def _say(line: str) -> None:
    print(f"soak: {line}", file=sys.stderr, flush=True)


def _end(signum: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + signum)


if __name__ == "__main__":
    sys.exit(main())
