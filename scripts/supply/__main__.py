"""`python -m scripts.supply lock|audit`: see ./scripts/lock and ./scripts/audit."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime

from scripts.supply import audit, locking
from scripts.supply.pins import ROOT


def main(words: list[str]) -> int:
    """The exit status: 1 where locks differ or cannot be made, or a weakness is known; 3 where
    nobody could be asked for weaknesses."""
    parser = argparse.ArgumentParser(prog="scripts/supply", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    lock = commands.add_parser("lock", prog="scripts/lock", help="make the locks anew")
    lock.add_argument("--check", action="store_true", help="write nothing; fail where they differ")
    commands.add_parser("audit", prog="scripts/audit", help="look every pin up")
    options = parser.parse_args(words)
    try:
        if options.command == "audit":
            return audit.report(audit.look_up(ROOT, today=datetime.now(UTC).date()))
        return _lock(check=options.check)
    except (locking.LockError, audit.AuditError) as error:
        print(f"scripts/{options.command}: {error}", file=sys.stderr)
        return 1


def _lock(*, check: bool) -> int:
    texts = locking.make(ROOT)
    if check:
        stale = [
            name
            for name, text in texts.items()
            if not (ROOT / name).exists() or (ROOT / name).read_text(encoding="utf-8") != text
        ]
        print(f"differ: {', '.join(stale)}" if stale else "the locks are what would be made now")
        return 1 if stale else 0
    changed = locking.write(ROOT, texts)
    print(f"written: {', '.join(changed)}" if changed else "nothing changed")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
