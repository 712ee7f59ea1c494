"""What rerankers are compared on: judged responses, recall lists, and users of other bots.

A `Trial` is a fixed list of examples. Its measures need the scores only, so that scores can be
kept and a table made again without any model.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from models.training.examples import Example
from models.training.judgements import (
    Judged,
    is_held_out,
    load_accentor,
    load_liking,
    load_safety,
    read_rows,
)
from models.training.reranker.comparison import recall
from models.training.reranker.comparison.floor import text_key
from models.training.reranker.family.folder import WANTED

ACCENTOR, DIASAFETY, RECALL = "accentor", "diasafety", "recall"
DIALOGUE_EVAL, IEVAL = "dialogue_eval", "ieval"
WEAK_BOT = "QualityControl"
"""The bot of `dialogue_eval` that was degraded on purpose; its users liked it least."""
OVERALL = WANTED
"""Which head stands for how a reply is liked, the first that a scorer has: as serving chooses."""
_SAMPLE_SEED = 3


@dataclass(frozen=True)
class Trial:
    """Examples that every scorer scores, and what their measures need besides labels.

    kind: "judged", "recall" or "users".
    heads: whose score is asked, the first that a scorer has; the first of all is the one whose
        labels these are, so that only its probabilities can be judged as such.
    clusters: what bootstraps draw together, for each example.
    held_out: units (`group`) that no reranker is trained on, where some are.
    bots: who spoke, for each example of kind "users".
    seen: keys of the responses (`text_key`) that trainers may have met.
    """

    name: str
    kind: str
    heads: tuple[str, ...]
    examples: tuple[Example, ...]
    clusters: tuple[str, ...]
    held_out: frozenset[str] = frozenset()
    bots: tuple[str, ...] = ()
    seen: frozenset[str] = field(default=frozenset(), repr=False)

    @property
    def fingerprint(self) -> str:
        """Changes with any text, label or order of the examples."""
        return recall.fingerprint(self.examples)

    def head_of(self, heads: Sequence[str]) -> str | None:
        """The head of a scorer with these `heads` that answers this trial; None without one."""
        return next((head for head in self.heads if head in heads), None)


def load_trials(
    data: Path,
    *,
    limit: int = 0,
    lists: int = recall.LISTS_PER_SOURCE,
    seen: Iterable[Example] = (),
) -> list[Trial]:
    """The trials of the public data below `data`.

    limit: examples of a trial, as whole groups drawn by a fixed seed; 0 for all.
    lists: recall lists of each source of conversations.
    seen: training examples besides those of the public sources.
    Raises FileNotFoundError for a file that is not there, ValueError for one without rows.
    """
    safety = load_safety(data, "train")
    known = {
        text_key(r) for judged in [*load_accentor(data, "train"), *safety] for r in judged.responses
    }
    known |= {text_key(example.response) for example in seen}
    trials = [
        judged_trial(ACCENTOR, "accentor", load_accentor(data, "test"), known, limit),
        judged_trial(DIASAFETY, "offensive", load_safety(data, "test"), known, limit),
        recall_trial(data, lists),
        users_trial(data, DIALOGUE_EVAL, limit),
        users_trial(data, IEVAL, limit),
    ]
    for trial in trials:
        if not trial.examples:
            raise ValueError(f"{data}: no examples for the trial {trial.name!r}")
    return trials


def judged_trial(
    name: str, head: str, rows: Sequence[Judged], seen: Collection[str], limit: int = 0
) -> Trial:
    """Responses judged one by one or beside each other; a transfer for scorers without the head."""
    examples = sampled(as_examples(rows), limit)
    # What is offensive and what is liked are not each other's opposite: nothing stands in for it.
    heads = (head,) if head == "offensive" else (head, *OVERALL)
    # ACCENTOR names a group `dialog:turn:place`: slots of one dialog are not independent.
    clusters = tuple(example.group.split(":", 1)[0] for example in examples)
    return Trial(name, "judged", heads, examples, clusters, seen=frozenset(seen))


def recall_trial(data: Path, lists: int) -> Trial:
    """True next turns against nine others; see `models.training.reranker.comparison.recall`."""
    drawn = recall.draw_lists(recall.held_out_dialogs(data), lists=lists)
    examples = tuple(example for mine in drawn.values() for example in mine)
    groups = tuple(example.group for example in examples)
    return Trial(RECALL, "recall", (recall.HEAD, "upvote"), examples, groups)


def users_trial(data: Path, source: str, limit: int = 0) -> Trial:
    """Users' opinions of whole dialogs with bots, as a mean over each bot's turns is compared.

    Users are drawn together: one of `dialogue_eval` is a `worker`, one of `ieval` a conversation
    id, since its four dialogs about one scenario are one person's.
    """
    examples = sampled(as_examples(load_liking(data, source)), limit)
    people: dict[str, str] = {}
    bots: dict[str, str] = {}
    for row in read_rows(data / "reactions" / f"{source}.jsonl.gz"):
        unit = row["dialog_id"]
        people[unit] = str(row.get("worker") or unit.rsplit(":", 2)[0])
        bots[unit] = str(row.get("bot", ""))
    units = {example.group for example in examples}
    return Trial(
        source,
        "users",
        OVERALL,
        examples,
        tuple(people[example.group] for example in examples),
        frozenset(unit for unit in units if is_held_out(unit)),
        tuple(bots[example.group] for example in examples),
    )


def as_examples(rows: Iterable[Judged]) -> list[Example]:
    """One example a response, `group` the unit that they were judged in."""
    return [
        Example(row.source, row.head, row.context, text, label, row.unit, row.unit)
        for row in rows
        for text, label in zip(row.responses, row.labels, strict=True)
    ]


def sampled(examples: Sequence[Example], limit: int) -> tuple[Example, ...]:
    """At least `limit` examples as whole groups, drawn by a fixed seed; all for 0."""
    if not limit or len(examples) <= limit:
        return tuple(examples)
    groups: Mapping[str, list[Example]] = defaultdict(list)
    for example in examples:
        groups[example.group].append(example)
    names = sorted(groups)
    random.Random(_SAMPLE_SEED).shuffle(names)
    chosen: list[Example] = []
    for name in names:
        if len(chosen) >= limit:
            break
        chosen += groups[name]
    return tuple(chosen)
