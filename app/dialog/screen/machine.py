"""What machines wrote is read by a sentence reader while the reranker ranks it.

The words of `rules` know what was thought of; the reader knows what such replies mean. Lines of
the bank were reviewed by people and are not asked about, nor are those that quote the person. What
it could not read in time is kept back: there is always a line that needs no reading.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from app.domain import Candidate, Source
from app.serving.batching.pending import Pending
from app.serving.screens.replies import Reasons, Replies


class MachineText:
    """The candidates that a machine wrote, being read."""

    def __init__(self, ids: Sequence[str], reading: Pending[list[Reasons]] | None) -> None:
        self._ids, self._reading = ids, reading

    @classmethod
    def begin(
        cls, candidates: Iterable[Candidate], replies: Replies | None, deadline: float
    ) -> MachineText:
        """Begin to read them; nothing is read where there is no reader."""
        written = [c for c in candidates if c.source is not Source.RETRIEVAL]
        if replies is None or not written:
            return cls((), None)
        reading = replies.begin([c.text for c in written], deadline)
        return cls([c.candidate_id for c in written], reading)

    def cancel(self) -> None:
        """Nobody waits for it any more."""
        if self._reading is not None:
            self._reading.cancel()

    def judged(self, candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
        """The same candidates, each with the reasons that reading it gave."""
        if self._reading is None:
            return tuple(candidates)
        found = dict(zip(self._ids, self._reading.wait(), strict=True))
        return tuple(
            c.with_(filters=(*c.filters, *reasons)) if (reasons := found.get(c.candidate_id)) else c
            for c in candidates
        )
