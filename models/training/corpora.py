"""Dialogs for training: the public corpora and the project's own texts, cleaned and split.

Public corpora are read from a folder of gzip JSON lines (see `PUBLIC_SOURCES`), the project's
own from `data/dialogs/*.jsonl` (`turns[{speaker, text}]`) and `data/bank/*.jsonl`
(`contexts[]`, `replies[]`). Dialogs are held out by a hash of source and id, so that the same
dialogs are held out in every run, whatever else changes.
"""

from __future__ import annotations

import gzip
import hashlib
import itertools
import json
import random
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.checkpoint import DataSource
from models.prompt import normalise

SELF_DIALOGUE = "self_dialogue"
TOPICAL_CHAT = "topical_chat"
PERSONA_CHAT = "synthetic_persona_chat"
PERSONALITY_CHAT = "personality_chat"
OWN_DIALOGS = "own_dialogs"
OWN_BANK = "own_bank"

PUBLIC_SOURCES: dict[str, DataSource] = {
    SELF_DIALOGUE: DataSource("Self-dialogue Corpus", "BSD-3-Clause"),
    TOPICAL_CHAT: DataSource("Topical-Chat", "CDLA-Sharing-1.0"),
    PERSONA_CHAT: DataSource("Synthetic-Persona-Chat", "CC-BY-4.0"),
    PERSONALITY_CHAT: DataSource("Microsoft Personality Chat", "MIT"),
}
OWN_SOURCES: dict[str, DataSource] = {
    OWN_DIALOGS: DataSource("Kindred dialogs (data/dialogs)", "Apache-2.0"),
    OWN_BANK: DataSource("Kindred response bank (data/bank)", "Apache-2.0"),
}
# Parts of a thousand that are held out; there are few dialogs of our own, so more of them.
HELD_OUT_PER_MILLE = {OWN_DIALOGS: 100, OWN_BANK: 30}
HELD_OUT_PUBLIC = 15
# One answer has up to hundreds of questions; this many of them go into an epoch.
QUESTIONS_PER_ANSWER = 8

_PLACEHOLDER = re.compile(r"\[[^\]]*\]|<[a-z_ ]+>|\*[A-Z_]+\*")
_CLITIC = re.compile(r"\b(\w+)\s+'\s*(s|t|re|ve|ll|d|m)\b|\b(\w+)'\s+(s|t|re|ve|ll|d|m)\b", re.I)
_NEGATION = re.compile(r"\b(\w+)\s+n't\b", re.I)
_SPACE_BEFORE = re.compile(r"\s+([,.!?;:])(?=\s|$)")
_GLUED = re.compile(r"([a-z]{2}[.!?])([A-Z][a-z])")


@dataclass(frozen=True)
class Dialog:
    """A cleaned dialog. `speakers[i]` (0 or 1) said `turns[i]`; speakers alternate.

    `facts[s]` are persona sentences of speaker s. `target` is the speaker whose turns are
    learned, None where both are. `group` names what is held out together.
    """

    id: str
    source: str
    turns: tuple[str, ...]
    first_speaker: int = 0
    facts: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    target: int | None = None

    def speaker(self, turn: int) -> int:
        """Who said turn number `turn`: 0 or 1."""
        return (self.first_speaker + turn) % 2


def clean(text: str) -> str:
    """Repair spacing artefacts; empty if the text holds a placeholder such as `[name]`."""
    text = normalise(text)
    if _PLACEHOLDER.search(text):
        return ""
    text = _CLITIC.sub(lambda m: f"{m[1] or m[3]}'{m[2] or m[4]}", text)
    text = _NEGATION.sub(r"\1n't", text)
    return _GLUED.sub(r"\1 \2", _SPACE_BEFORE.sub(r"\1", text)).strip()


def is_held_out(source: str, dialog_id: str) -> bool:
    """Whether a dialog is kept from training; depends on nothing but these two names."""
    digest = hashlib.sha256(f"{source}:{dialog_id}".encode()).digest()
    part = int.from_bytes(digest[:8], "big") % 1000
    return part < HELD_OUT_PER_MILLE.get(source, HELD_OUT_PUBLIC)


def load_public(folder: Path, sources: Sequence[str] = tuple(PUBLIC_SOURCES)) -> list[Dialog]:
    """All usable dialogs of the named public sources. Raises FileNotFoundError."""
    dialogs: list[Dialog] = []
    for source in sources:
        with gzip.open(folder / f"{source}.jsonl.gz", "rt", encoding="utf-8") as lines:
            rows = [json.loads(line) for line in lines]
        if source == PERSONALITY_CHAT:
            dialogs.extend(_answers(rows))
        else:
            dialogs.extend(itertools.chain.from_iterable(_split(row, source) for row in rows))
    return dialogs


def load_own(folder: Path) -> list[Dialog]:
    """The project's own dialogs and bank entries below `folder`; empty if there are none yet.

    Raises ValueError, with file and line, for a line that is not a dialog or an entry.
    """
    dialogs: list[Dialog] = []
    for where, row in _own_rows(folder / "dialogs"):
        dialogs.extend(_split(row, OWN_DIALOGS, where))
    for where, row in _own_rows(folder / "bank"):
        dialogs.extend(_entry(row, where))
    return dialogs


def _own_rows(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted(folder.glob("*.jsonl")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise ValueError(f"{path}:{number}: not JSON: {error}") from error
            yield f"{path}:{number}", row


def _content_id(texts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]


def _split(row: dict[str, Any], source: str, where: str = "") -> Iterator[Dialog]:
    """Alternating, cleaned runs of turns; a placeholder ends a run, equal speakers are merged."""
    try:
        raw = [(str(turn["speaker"]), clean(turn["text"])) for turn in row["turns"]]
    except (KeyError, TypeError) as error:
        raise ValueError(f"{where or source}: not a dialog: {error!r}") from error
    names = list(dict.fromkeys(speaker for speaker, _ in raw))
    if len(names) > 2:
        return
    dialog_id = str(row.get("id") or row.get("dialog_id") or _content_id(text for _, text in raw))
    personas = row.get("personas", {})
    facts = [tuple(clean(fact) for fact in personas.get(name, [])) for name in names]
    facts += [()] * (2 - len(facts))
    target = names.index("kindred") if "kindred" in names else None
    for speaker, turns in _runs(raw):
        first = names.index(speaker)
        yield Dialog(dialog_id, source, turns, first, (facts[0], facts[1]), target)


def _runs(raw: Sequence[tuple[str, str]]) -> Iterator[tuple[str, tuple[str, ...]]]:
    speakers: list[str] = []
    texts: list[str] = []
    for speaker, text in [*raw, ("", "")]:
        if not text:
            if len(texts) > 1:
                yield speakers[0], tuple(texts)
            speakers, texts = [], []
        elif speakers and speakers[-1] == speaker:
            texts[-1] = f"{texts[-1]} {text}"
        else:
            speakers.append(speaker)
            texts.append(text)


def _answers(rows: Sequence[dict[str, Any]]) -> Iterator[Dialog]:
    # Held out by answer: a question of an answer that was seen would tell nothing.
    for row in rows:
        answer = clean(row["answer"])
        group = f"{row['style']}:{_content_id([answer])}"
        for question in row["questions"]:
            asked = clean(question)
            if asked and answer and "=" not in asked:
                yield Dialog(group, PERSONALITY_CHAT, (asked, answer), target=1)


def _entry(row: dict[str, Any], where: str) -> Iterator[Dialog]:
    try:
        contexts = [clean(text) for text in row["contexts"]]
        replies = [clean(text) for text in row["replies"]]
    except (KeyError, TypeError) as error:
        raise ValueError(f"{where}: not a bank entry: {error!r}") from error
    group = str(row.get("id") or _content_id(contexts))
    for context, reply in itertools.product(contexts, replies):
        if context and reply:
            yield Dialog(group, OWN_BANK, (context, reply), target=1)


def split_held_out(dialogs: Iterable[Dialog]) -> tuple[list[Dialog], list[Dialog]]:
    """(train, held out). A held-out answer keeps one of its questions, a bank entry all."""
    train: list[Dialog] = []
    held: list[Dialog] = []
    seen: set[str] = set()
    for dialog in dialogs:
        if not is_held_out(dialog.source, dialog.id):
            train.append(dialog)
        elif dialog.source != PERSONALITY_CHAT or dialog.id not in seen:
            held.append(dialog)
            seen.add(dialog.id)
    return train, held


def epoch_dialogs(dialogs: Sequence[Dialog], rng: random.Random) -> list[Dialog]:
    """The dialogs of one epoch, shuffled: all, but few questions for each canned answer."""
    chosen = [dialog for dialog in dialogs if dialog.source != PERSONALITY_CHAT]
    answers: dict[str, list[Dialog]] = {}
    for dialog in dialogs:
        if dialog.source == PERSONALITY_CHAT:
            answers.setdefault(dialog.id, []).append(dialog)
    for group in answers.values():
        chosen.extend(rng.sample(group, min(QUESTIONS_PER_ANSWER, len(group))))
    rng.shuffle(chosen)
    return chosen
