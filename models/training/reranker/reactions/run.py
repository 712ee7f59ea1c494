"""`scripts/retrain_head`: files of reactions to a served reranker with heads of them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from typing import Any

from models.checkpoint import ModelFileError
from models.reranker import CONFIG, KIND, WEIGHTS
from models.training.encoder.folders import refuse_to_replace
from models.training.examples import BadExample, Example, read_examples
from models.training.record import Run, RunConflict
from models.training.reranker.reactions.frozen import PairVectors
from models.training.reranker.reactions.head import TooFewReactions, retrain_head
from models.training.splits import learnable
from models.training.stopping import Stopped, stops_at_once

_LEFT = "the people of the test part are left for scripts/evaluate"


def main(options: argparse.Namespace, typed: str) -> int:
    """Retrain and report; 1 with one line where it cannot be, 0 also where it was stopped."""
    try:
        with stops_at_once():
            return _main(options, typed)
    except Stopped:
        print("stopped; the same command begins anew", flush=True)
        return 0


def _main(options: argparse.Namespace, typed: str) -> int:
    try:
        refuse_to_replace(options.out, KIND)
        record = Run.open(
            options.run,
            command=typed,
            config={"least": options.least},
            seed=options.seed,
            data=[*options.examples, options.reranker / WEIGHTS, options.reranker / CONFIG],
        )
        given = [example for path in options.examples for example in read_examples(path)]
        examples = learnable(given)
        record.log(f"{len(examples)} of {len(given)} examples to learn from; {_LEFT}")
        with record.stoppable():
            metrics = _retrain(record, examples, options, typed)
    except (BadExample, TooFewReactions, RunConflict, ModelFileError, ValueError, OSError) as error:
        print(f"scripts/retrain_head: {error}", file=sys.stderr)
        return 1
    for line in lines(metrics):
        record.log(line)
    record.log(f"wrote {options.out}")
    record.finish(metrics)
    return 0


def _retrain(
    record: Run, examples: list[Example], options: argparse.Namespace, typed: str
) -> dict[str, Any]:
    progress = record.progress(len(examples), "examples")

    def tell(count: int) -> None:
        if record.stopping:
            raise Stopped
        progress.update(count)

    vectors = PairVectors.open(
        options.reranker, base=options.base, device=options.device, threads=options.threads
    )
    return retrain_head(
        options.reranker,
        examples,
        options.out,
        command=typed,
        vectors=vectors,
        least=options.least,
        seed=options.seed,
        tell=tell,
    )


def lines(metrics: dict[str, Any]) -> Iterator[str]:
    """What was measured on people left out of the fit, a line a head."""
    for head, measured in metrics["heads"].items():
        yield (
            f"{head}: {measured['examples']} examples, AUC {measured['auc']:.3f} (before "
            f"{measured['auc_before']:.3f}), log loss {measured['log_loss']:.3f} (before "
            f"{measured['log_loss_before']:.3f}), ECE {measured['ece']:.3f}"
        )
    most = max(metrics["moved_rms"].values(), default=0.0)
    yield f"the other heads' logits moved by at most {most:.4f} (root mean square)"
