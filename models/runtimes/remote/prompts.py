"""A conversation as a service's model wants it: a dialog to go on with, or messages.

What a person wrote stays on one line, so it cannot begin a line of its own in the dialog.
"""

from __future__ import annotations

from typing import Any

from models.prompt import normalise
from models.runtimes.remote.text import Dialog

PERSON = "Person"
COMPANION = "Companion"
STOP = ("\n",)
_PREAMBLE = (
    "The following is a dialog between a person and a warm, attentive companion, "
    "who remembers what it was told and answers in one or two short sentences."
)
_SYSTEM = (
    "You are a warm, attentive companion. Answer the last message in one or two short sentences, "
    "in plain text, without a name before it."
)


def completion_prompt(dialog: Dialog) -> str:
    """The dialog up to the companion's next line, for a plain language model.

    Speakers alternate backwards from the last turn, which is the person's.
    """
    lines = [_PREAMBLE]
    if dialog.facts:
        lines.append(f"What the companion knows of the person: {dialog.facts}")
    lines.append("")
    for turn, person in _speakers(dialog):
        lines.append(f"{PERSON if person else COMPANION}: {turn}")
    return "\n".join([*lines, f"{COMPANION}:"])


def chat_messages(dialog: Dialog) -> list[dict[str, Any]]:
    """The dialog as the messages of a chat completion."""
    system = f"{_SYSTEM} What you know of the person: {dialog.facts}" if dialog.facts else _SYSTEM
    return [
        {"role": "system", "content": system},
        *(
            {"role": "user" if person else "assistant", "content": turn}
            for turn, person in _speakers(dialog)
        ),
    ]


def reply_text(written: str) -> str:
    """What the companion says: one line, without its own label, up to where the person speaks."""
    said = normalise(written).removeprefix(f"{COMPANION}:")
    return said.split(f"{PERSON}:", 1)[0].strip()


def _speakers(dialog: Dialog) -> list[tuple[str, bool]]:
    last = len(dialog.turns) - 1
    return [(turn, (last - place) % 2 == 0) for place, turn in enumerate(dialog.turns)]
