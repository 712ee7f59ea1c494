"""The exported reactions opened as a file of examples, for trainers that take files.

The file holds texts in clear, readable by its owner alone: delete it after the training, as a
deleted key does not reach it.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from app.errors import KindredError
from models.training.examples import write_examples
from models.training.reliability import weighed, weights
from models.training.splits import learnable
from scripts.dataset.manifest import DatasetError
from scripts.dataset.reader import Dataset, open_keys

_DOUBTED = 0.5  # weight below which a rater is counted as one


def run(folder: Path, out: Path, *, weigh: bool) -> int:
    """Open, weigh and write; the exit status, 1 with one line where nothing was written."""
    os.umask(0o077)
    # Asked to end, it goes through the `finally`s: what is half-written is in clear.
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    try:
        dataset = Dataset(folder, open_keys())
        examples = list(dataset.reactions())
        if not examples:
            print("nothing written: no reaction can be opened", file=sys.stderr)
            return 1
        if weigh:
            # People of the test part keep their say: they judge, and teach nothing.
            by_rater = weights(learnable(examples))
            examples = weighed(examples, by_rater)
            doubted = sum(weight < _DOUBTED for weight in by_rater.values())
            known = f"{len(by_rater)} people to learn from"
            print(f"{known}; {doubted} of them weigh less than {_DOUBTED}")
        count = write_examples(out, examples)
    except KindredError as error:
        print(f"scripts/import_reactions: {error.detail}", file=sys.stderr)
        return 1
    except (DatasetError, OSError) as error:
        print(f"scripts/import_reactions: {error}", file=sys.stderr)
        return 1
    for reason, skipped in sorted(dataset.skipped.items()):
        print(f"  {skipped} rows skipped: {reason}")
    print(f"written: {out}, {count} examples in clear text; delete it after the training")
    return 0
