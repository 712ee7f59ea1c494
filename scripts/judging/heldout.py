"""What a candidate is judged on: reactions that no part of it was trained on.

From the exported dataset, or from a file of examples. The test part is cut by person and
conversation (`models.training.splits`); trainers learn from what that module calls learnable, the
other parts of the same assignment, so nobody whose reactions trained a model judges it.
"""

from __future__ import annotations

import random
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from models.checkpoint import file_sha256
from models.training.examples import Example, read_examples
from models.training.reliability import weighed, weights
from models.training.splits import TEST, split

if TYPE_CHECKING:
    from scripts.dataset.reader import LoggedImpression

LIKED = frozenset({"upvote", "love", "funny"})
UPVOTE = "upvote"


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Judged responses, the impressions behind them (none from a file), and where it is all from.

    `trust` in [0, 1] damps people of bad faith, by person; the examples' weights have it in.
    `described` goes into the report: what was read, hashed, and how much was left.
    """

    examples: Sequence[Example]
    impressions: Sequence[LoggedImpression]
    described: dict[str, object]
    trust: Mapping[str, float] = field(default_factory=dict)


class NothingHeldOut(ValueError):
    """There is nothing to judge by; the message says why."""


def from_file(path: Path, *, part: str) -> HeldOut:
    """The examples of a file (JSON lines, gzip or not); `part`: test, or all of them.

    Raises:
        NothingHeldOut: there are none. BadExample: a line is no example.
    """
    read = list(read_examples(path))
    trust = weights(read)
    examples = weighed(_part(read, part), trust)
    described: dict[str, object] = {
        "source": f"file {path.name}",
        "sha256": file_sha256(path),
        "part": part,
    }
    return _held_out(examples, (), described, trust)


def from_dataset(folder: Path, *, part: str, seed: int) -> HeldOut:
    """The reactions and impressions of an exported dataset, opened with the key store.

    How far each person is trusted follows from all that was said, not from the part alone: the
    more others judged the same replies, the better it is known. It knows of no model.

    Args:
        seed: of the order of the impressions, so that the first few are a fair sample.

    Raises:
        NothingHeldOut, DatasetError, StartupError: each with one line.
    """
    from scripts.dataset.reader import Dataset, open_keys

    dataset = Dataset(folder, open_keys())
    read = list(dataset.reactions())
    trust = weights(read)
    examples = weighed(_part(read, part), trust)
    people = {example.rater for example in examples}
    impressions = [one for one in dataset.impressions() if one.person in people]
    random.Random(seed).shuffle(impressions)
    described = {
        "source": "dataset",
        "part": part,
        "files": len(dataset.manifest.parts),
        "skipped": dict(dataset.skipped),
    }
    return _held_out(examples, impressions, described, trust)


def cluster(example: Example) -> Hashable:
    """Whose judgement it is: judgements of one person are not independent of each other."""
    return example.rater or example.conversation or example.context


def _part(examples: list[Example], part: str) -> list[Example]:
    return split(examples)[part] if part == TEST and examples else examples


def _held_out(
    examples: Sequence[Example],
    impressions: Iterable[LoggedImpression],
    described: dict[str, object],
    trust: Mapping[str, float],
) -> HeldOut:
    if not examples:
        raise NothingHeldOut(f"{described['source']}: no reactions are held out ({described})")
    people = len({cluster(example) for example in examples})
    kept = tuple(impressions)
    counts = {"judgements": len(examples), "people": people, "impressions": len(kept)}
    return HeldOut(tuple(examples), kept, {**described, **counts}, trust)
