"""The columns of the dataset (docs/data.md says what each means).

Every row names its stream entry, its time and its person (hashed). An impression's columns stand
in the rows of `impressions/` and again in the rows of `events/`, which are reactions: so each file
can be read alone. Texts are nowhere but in `body` and `comment`, sealed.
"""

from __future__ import annotations

import pyarrow as pa

FORMAT = 1

EVENTS = "events"  # reactions: made, replaced, retracted, judged
IMPRESSIONS = "impressions"  # replies shown, reacted to or not
FEELINGS = "feelings"  # how people felt after a conversation
# Promised while Redis was away, and told behind a later one: it was said, and never counted. These
# have files of their own, so that whoever reads the others need not know of them.
SUPERSEDED = "superseded"
KINDS = (EVENTS, IMPRESSIONS, FEELINGS, SUPERSEDED)
UNKNOWN = "unknown"  # entries that the release which exported them had no name for
FOLDERS = (*KINDS, UNKNOWN)

_numbers = pa.map_(pa.string(), pa.float64())
_words = pa.map_(pa.string(), pa.string())
_list = pa.list_(pa.string())

CANDIDATE = pa.struct(
    [
        ("id", pa.string()),
        ("source", pa.string()),
        ("tags", _list),
        ("retrieval", pa.float64()),
        ("logprob", pa.float64()),
        ("heads", _numbers),
        ("bias", pa.float64()),
        ("score", pa.float64()),
        ("filters", _list),
        ("propensity", pa.float64()),
    ]
)

_ENTRY = [
    ("event_id", pa.string()),
    ("partition", pa.int16()),
    ("time", pa.timestamp("ms", tz="UTC")),
    ("person", pa.string()),
    ("owner", pa.binary()),
    ("conversation_id", pa.string()),
]
_IMPRESSION = [
    # "ok"; "gone" (expired): the columns below are null; "unreadable": all of them but the body.
    ("state", pa.string()),
    ("reply_id", pa.string()),
    ("turn_id", pa.string()),
    ("shown_at", pa.timestamp("ms", tz="UTC")),
    ("source", pa.string()),
    ("degraded", pa.bool_()),
    ("variants", _words),
    ("versions", _words),
    ("candidates", pa.list_(CANDIDATE)),
    ("chosen", pa.string()),
    ("explored", pa.bool_()),
    ("exploration", pa.float64()),
    ("seed", pa.int64()),
    ("n", pa.int32()),
    ("late", _list),
    ("shown", _list),
    ("alternative_of", pa.string()),
    ("timings_ms", _numbers),
    ("body", pa.binary()),
]
_REACTION = [
    ("action", pa.string()),
    ("reaction", pa.string()),  # null: retracted
    ("previous", pa.string()),
    ("current", pa.string()),  # the reply's reaction when it was exported; null: none
    ("comment", pa.binary()),
]

SCHEMAS: dict[str, pa.Schema] = {
    EVENTS: pa.schema([*_ENTRY, *_REACTION, *_IMPRESSION]),
    IMPRESSIONS: pa.schema([*_ENTRY, *_IMPRESSION]),
    FEELINGS: pa.schema([*_ENTRY, ("feeling", pa.string()), ("previous", pa.string())]),
    SUPERSEDED: pa.schema(
        [
            *_ENTRY,
            ("type", pa.string()),
            ("reply_id", pa.string()),  # null: of a feeling
            ("said", pa.string()),  # the reaction or the feeling; null: taken back
            ("standing", pa.string()),  # what stood there by then, and stayed; null: nothing
        ]
    ),
    UNKNOWN: pa.schema([*_ENTRY, ("type", pa.string()), ("entry", pa.binary())]),
}


def table(kind: str, rows: list[dict[str, object]]) -> pa.Table:
    """Rows as a table of that kind's schema (pyarrow.ArrowInvalid where a value does not fit)."""
    return pa.Table.from_pylist(rows, schema=SCHEMAS[kind])
