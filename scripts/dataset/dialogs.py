"""Records of conversations in the forms that are about, as dialogs to train on.

turns      {"turns": [{"speaker", "text"}], "dialog_id"?, "topic"?, "personas"?}
messages   {"messages": [{"role", "content"}]}, {"conversations": [{"from", "value"}]}
answers    {"questions": [...], "answer", "style"?}: a dialog of two turns for each question
exchange   {"context": [...], "response"}: turns of two who alternate, Kindred's last
CSV        one row a turn, rows of a dialog one after the other

A dialog is written as `{"id", "source", "topic"?, "personas"?, "turns": [{"speaker", "text"}]}`,
the form of `data/dialogs`, which `models/training/corpora.py` and `judgements.py` read. An
assistant's turns are Kindred's: they are what is learned. Of two people both are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from scripts.dataset.lines import BadRecord, Record, Reject
from scripts.dataset.texts import (
    KINDRED,
    PERSON,
    Turn,
    content_id,
    messages_of,
    name_of,
    needed,
    texts_of,
    turns_of,
)

Dialog = dict[str, Any]
FORMATS = ("turns", "messages", "answers", "exchange")


def detect(record: Mapping[str, Any]) -> str:
    """The format of a record (BadRecord: none of ours)."""
    for name, fields in (
        ("turns", {"turns"}),
        ("messages", {"messages"}),
        ("messages", {"conversations"}),
        ("answers", {"questions", "answer"}),
        ("exchange", {"context", "response"}),
    ):
        if fields <= set(record):
            return name
    raise BadRecord("no dialog: neither turns, messages, questions with answer nor context")


def dialogs_of(record: Mapping[str, Any], source: str, form: str = "auto") -> list[Dialog]:
    """The dialogs of one record (BadRecord: why there are none)."""
    form = detect(record) if form == "auto" else form
    if form == "answers":
        return _answers(record, source)
    if form == "messages":
        turns = messages_of(record.get("messages", record.get("conversations")))
    elif form == "exchange":
        turns = _alternating(record)
    else:
        turns = turns_of(record.get("turns"))
    dialog = _dialog(turns, source, name_of(record.get("dialog_id", record.get("id"))))
    if topic := name_of(record.get("topic")):
        dialog["topic"] = topic
    if isinstance(record.get("personas"), dict):
        personas = record["personas"].items()
        dialog["personas"] = {str(name): texts_of(value, "personas") for name, value in personas}
    return [dialog]


def group_rows(
    rows: Iterator[Record | Reject], dialog: str, speaker: str, text: str
) -> Iterator[Record | Reject]:
    """CSV rows of one turn each as records of format `turns`.

    Args:
        dialog, speaker, text: the columns' names. A row belongs to the dialog of the row before
            when its `dialog` is the same; a dialog that comes back later is refused. One ends
            before a row that cannot be read: a turn is missing there, and those on its two sides
            do not answer each other.
    """
    seen: set[str] = set()
    current: str | None = None
    torn: str | None = None  # the dialog that a row which cannot be read has ended
    turns: list[dict[str, str]] = []
    line = 0
    for row in rows:
        name = None if isinstance(row, Reject) else row.value[dialog]
        if name != current and turns:
            yield Record(line, {"dialog_id": current, "turns": turns})
            turns = []
        if isinstance(row, Reject):
            torn, current = current or torn, None
            yield row
            continue
        if name != current:
            current = name
            if name in seen:
                current = None
                why = (
                    "goes on behind a row that cannot be read"
                    if name == torn
                    else "came before; sort the file by dialog"
                )
                yield Reject(row.line, f"dialog {str(name)[:60]!r} {why}")
                continue
            seen.add(name)
            torn = None
        turns.append({"speaker": row.value[speaker], "text": row.value[text]})
        line = row.line
    if turns:
        yield Record(line, {"dialog_id": current, "turns": turns})


def _answers(record: Mapping[str, Any], source: str) -> list[Dialog]:
    answer = needed(record.get("answer"), "answer")
    questions = texts_of(record.get("questions"), "questions")
    if not questions:
        raise BadRecord("questions is empty")
    # Questions of one answer share an id, so that they are held out together.
    name = f"{name_of(record.get('style'))}:{content_id([answer])}"
    return [_dialog([(PERSON, asked), (KINDRED, answer)], source, name) for asked in questions]


def _alternating(record: Mapping[str, Any]) -> list[Turn]:
    texts = (
        *texts_of(record.get("context"), "context"),
        needed(record.get("response"), "response"),
    )
    speakers = (KINDRED, PERSON)
    return [(speakers[(len(texts) - 1 - i) % 2], text) for i, text in enumerate(texts)]


def _dialog(turns: Sequence[Turn], source: str, name: str) -> Dialog:
    speakers = list(dict.fromkeys(speaker for speaker, _ in turns))
    if len(turns) < 2:
        raise BadRecord(f"{len(turns)} turns with text; a dialog has at least 2")
    if len(speakers) != 2:
        raise BadRecord(f"{len(speakers)} speakers; a dialog has 2")
    return {
        "id": f"{source}:{name or content_id(text for _, text in turns)}",
        "source": source,
        "turns": [{"speaker": speaker, "text": text} for speaker, text in turns],
    }
