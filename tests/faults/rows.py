"""The faults that Kindred is proven against, by number, and which tests prove which.

A test says what it proves by `@pytest.mark.faults(3)`, or `faults(3, 7)` where it is two rows.
`./scripts/test faults` runs them all and prints the table.
"""

from __future__ import annotations

from collections.abc import Mapping

import pytest

MARKER = "faults"

ROWS: Mapping[int, str] = {
    1: "Redis is killed under load and comes back: what was acknowledged is there, once",
    2: "What Redis acknowledges was synced to the disk before, as its system calls show",
    3: "An answer is lost after the write: the client's retry adds nothing",
    4: "An idempotency key again: same body, other body, while the first still runs",
    5: "The disk is full under Redis: nothing is acknowledged that is not kept",
    6: "Redis freezes: chat answers in time from what the client sent; the breaker opens",
    7: "Redis returns: what was spooled arrives, each once",
    8: "The app dies while it spools: a torn end is ignored, what was acknowledged stays",
    9: "The exporter dies at any step: the files hold the stream's ids, each once",
    10: "A primary with replicas dies: the loss is within its bound, none of what WAIT confirmed",
    11: "A Redis that would forget: the start is refused, and the setting named",
    12: "Two devices of a person write at once: one order, nothing lost or doubled",
    13: "SIGTERM under load: who was accepted is answered, and the end comes within the grace",
    14: "SIGTERM beside idle connections and slow bodies: the end comes within the grace",
    15: "The worker dies: the next serves once it is warm, and what was acknowledged is there",
    16: "A model gives no numbers: retrieval answers that person, a metric counts, others are well",
    17: "One item spoils its batch: that item alone fails",
    18: "Memory runs out in a batch: its halves are tried once, then the fallback answers",
    19: "A native thread hangs: deadlines answer, readiness says so, the worker is replaced",
    20: "Native code leaves a SystemError behind: the worker lives on",
    21: "Long forward passes: the event loop wakes in time",
    22: "Load from half to ten times the capacity and back: in time, refused early, soon as before",
    23: "Clients who retry through an overload: soon after it all is as before",
    24: "Clients hang up while they wait: they are dropped before the batch",
    25: "A message of 100,000 characters: refused, and nobody else notices",
    26: "A chunked body that begins like a valid one: never taken for whole",
    27: "Strange JSON (depth, NaN, doubled keys, huge numbers, half characters, wrong types): 4xx",
    28: "Slow headers and slow bodies: cut at the limit, others unaffected",
    29: "Forged, unsigned, expired, foreign or altered tokens: 401",
    30: "Another person's conversation, reply or reaction: 404, and a security event",
    31: "What a person says is in no log, trace, metric or error",
    32: "A person is erased and an old backup restored: unreadable, erased again, tokens void",
    33: "Pickled weights, or weights that are not the manifest's: refused at the start",
    34: "Script in a message: inert on the admin pages, behind a strict policy and CSRF tokens",
    35: "Special tokens and speaker markers in a message: plain text to every model",
    36: "Hidden and overriding characters: normalised once, shown inertly",
    37: "A flag that is malformed, a flag store that is gone: chat goes on with what is known",
    38: "Fuzzers over the API, texts and schedules: no 5xx, nothing undocumented, lost or doubled",
}


def rows_of(item: pytest.Item) -> tuple[int, ...]:
    """The rows that a test proves.

    Raises:
        ValueError: a mark without a number, or with one that is no row.
    """
    numbers: set[int] = set()
    for mark in item.iter_markers(MARKER):
        if not mark.args or not set(mark.args) <= set(ROWS):
            raise ValueError(f"{item.nodeid}: faults({', '.join(map(repr, mark.args))}) is no row")
        numbers.update(mark.args)
    return tuple(sorted(numbers))
