"""The dataset opened with the key store at hand: examples to train on, impressions to judge by.

Of several events about one reply the last one counts, whichever file it stands in: a reaction
that was replaced is the new one, one that was retracted is none. Rows of people whose key is gone
are skipped and counted. Reading does not lengthen the life of anybody's key.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from app.domain import Impression, Source
from app.settings import Settings, load_settings
from app.store.export import open_body, open_comment
from app.store.sealing.codec import Cipher, Unreadable
from app.store.sealing.keystore import KeyRing
from app.store.store import open_ring
from app.telemetry import Metrics
from models.training.examples import Example
from scripts.dataset import manifest as manifests
from scripts.dataset import schema
from scripts.dataset.labels import LIKED as LIKED  # for whoever reads reactions
from scripts.dataset.labels import tap_labels
from scripts.dataset.manifest import DatasetError
from scripts.dataset.parts import order
from scripts.dataset.people import People

SOURCE = "reactions"  # of examples that people of this service gave
ELSEWHERE = "judged:"  # in front of the source's own name, for judgements made elsewhere
_CANNED = frozenset({Source.SAFETY, Source.FALLBACK})  # no model chose these
_ROWS = 1_000  # of a file, in memory at once


@dataclass(frozen=True, slots=True)
class LoggedCandidate:
    """A candidate as it was logged; see `app.domain.Candidate`."""

    candidate_id: str
    text: str
    source: str
    tags: tuple[str, ...]
    retrieval_score: float | None
    logprob: float | None
    heads: Mapping[str, float]
    bias: float
    score: float | None
    filters: tuple[str, ...]
    propensity: float  # probability with which it was chosen


@dataclass(frozen=True, slots=True)
class LoggedImpression:
    """A reply that was shown, the slate it was chosen from, and what became of it.

    `reaction` is the last one and None where there is none (any more), which is data too.
    `person` is a keyed hash; `chosen` None where safety or the fallback spoke.
    """

    reply_id: str
    time: float  # Unix seconds
    person: str
    conversation: str
    turn_id: str
    context: tuple[str, ...]  # texts, oldest first, the last one is answered
    facts: tuple[str, ...]
    response: str
    source: str  # where the reply came from
    candidates: tuple[LoggedCandidate, ...]
    chosen: str | None
    explored: bool
    exploration: float
    seed: int
    n: int
    late: tuple[str, ...]
    shown: tuple[str, ...]  # candidates shown before this one (alternatives)
    degraded: bool
    variants: Mapping[str, str]
    versions: Mapping[str, str]
    alternative_of: str | None
    reaction: str | None
    comment: str | None


class Dataset:
    """The dataset in `folder`, opened with `keys`.

    `skipped` counts, while rows are read, those left out: "keyless" (erased, or too long unused),
    "gone" (the impression expired before it was exported), "unreadable".

    Raises:
        DatasetError: there is none, or it belongs to another key store.
    """

    def __init__(self, folder: Path, keys: KeyRing) -> None:
        found = manifests.load(folder)
        if found is None:
            raise DatasetError(f"{folder} holds no dataset; scripts/export_reactions makes one")
        self._people = People(keys)
        if found.keys != self._people.fingerprint:
            raise DatasetError(f"{folder} belongs to another key store")
        self.folder, self.manifest = folder, found
        self.skipped: Counter[str] = Counter()

    def impressions(self) -> Iterator[LoggedImpression]:
        """Every reply that Kindred showed, with its last reaction; ordered by day and file."""
        reactions = self._last_reactions()
        for row in self._rows(schema.IMPRESSIONS):
            opened = self._open(row)
            if opened is not None:
                cipher, impression = opened
                last = reactions.get(row["reply_id"], {})
                yield _logged(row, impression, last.get("reaction"), _comment(cipher, last))

    def reactions(self, *, canned: bool = False) -> Iterator[Example]:
        """One example a head for the last reaction to each reply; see `examples_of`.

        Args:
            canned: also replies that no model chose (safety, fallback).
        """
        reactions = self._last_reactions()
        for row in self._rows(schema.EVENTS):
            last = reactions[row["reply_id"]]
            if row["event_id"] != last["event_id"] or row["reaction"] is None:
                continue
            opened = self._open(row)
            if opened is not None and (canned or opened[1].reply.source not in _CANNED):
                yield from examples_of(row, opened[1])

    def _last_reactions(self) -> dict[str, dict[str, Any]]:
        """The last event of each reply: event_id, reaction, comment."""
        wanted = ["event_id", "reply_id", "reaction", "comment"]
        last: dict[str, dict[str, Any]] = {}
        for row in self._rows(schema.EVENTS, wanted):
            reply = row["reply_id"]
            if reply not in last or order(row["event_id"]) > order(last[reply]["event_id"]):
                last[reply] = row
        return last

    def _rows(self, kind: str, columns: list[str] | None = None) -> Iterator[dict[str, Any]]:
        parts = [part for part in self.manifest.parts if part.kind == kind]
        for part in sorted(parts, key=lambda part: (part.day, part.path)):
            try:
                file = pq.ParquetFile(self.folder / part.path)
            except FileNotFoundError:
                raise DatasetError(
                    f"{self.folder} was compacted while it was read; read it again"
                ) from None
            with file:
                for batch in file.iter_batches(_ROWS, columns=columns):
                    yield from batch.to_pylist()

    def _open(self, row: Mapping[str, Any]) -> tuple[Cipher, Impression] | None:
        cipher = self._people.key_behind(row["owner"])
        if cipher is None:
            self.skipped["keyless"] += 1
        elif row["body"] is None:
            self.skipped[row["state"]] += 1
        else:
            try:
                return cipher, open_body(cipher, row["reply_id"], row["body"])
            except Unreadable:
                self.skipped["unreadable"] += 1
        return None


def open_keys(settings: Settings | None = None) -> KeyRing:
    """The key store that the settings name (StartupError where it cannot be used)."""
    return open_ring(settings or load_settings(), Metrics())


def read_reactions(folder: Path, keys: KeyRing) -> Iterator[Example]:
    """Examples of the last reaction to each reply; see `Dataset`."""
    return Dataset(folder, keys).reactions()


def read_impressions(folder: Path, keys: KeyRing) -> Iterator[LoggedImpression]:
    """Every reply shown, reacted to or not; see `Dataset`."""
    return Dataset(folder, keys).impressions()


def examples_of(row: Mapping[str, Any], impression: Impression) -> Iterator[Example]:
    """One reaction as examples: whether the reply was liked, and which of the six taps it was.

    The alternatives of one turn are one group: they were judged beside each other. What was judged
    elsewhere names no rater: its row's person stands for a whole source, which is neither diligent
    nor one to be kept in one part. Its context ties what was judged of it.
    """
    elsewhere = row["action"] == "judged"
    source = f"{ELSEWHERE}{impression.slate.versions.get('source', '')}" if elsewhere else SOURCE
    for head, label in tap_labels(row["reaction"]).items():
        yield Example(
            source=source,
            head=head,
            context=impression.context,
            response=impression.reply.text,
            label=label,
            group=impression.turn_id,
            conversation=impression.reply.conversation_id,
            rater="" if elsewhere else row["person"],
            facts=impression.facts,
        )


def _comment(cipher: Cipher, last: Mapping[str, Any]) -> str | None:
    try:
        return open_comment(cipher, last.get("reply_id", ""), last.get("comment"))
    except Unreadable:
        return None


def _logged(
    row: Mapping[str, Any], impression: Impression, reaction: str | None, comment: str | None
) -> LoggedImpression:
    reply, slate = impression.reply, impression.slate
    candidates = tuple(
        LoggedCandidate(
            c.candidate_id,
            c.text,
            c.source.value,
            c.tags,
            c.retrieval_score,
            c.logprob,
            c.heads,
            c.bias,
            c.score,
            c.filters,
            c.propensity,
        )
        for c in slate.candidates
    )
    return LoggedImpression(
        reply_id=reply.reply_id,
        time=reply.created_at,
        person=row["person"],
        conversation=reply.conversation_id,
        turn_id=impression.turn_id,
        context=impression.context,
        facts=impression.facts,
        response=reply.text,
        source=reply.source.value,
        candidates=candidates,
        chosen=slate.chosen,
        explored=slate.explored,
        exploration=slate.exploration,
        seed=slate.seed,
        n=slate.n,
        late=slate.late,
        shown=slate.shown,
        degraded=reply.degraded,
        variants=slate.variants,
        versions=slate.versions,
        alternative_of=impression.alternative_of,
        reaction=reaction,
        comment=comment,
    )
