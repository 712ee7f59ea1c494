"""Contexts to answer: for tuning, for the checks during it, and for the final judgement.

Nothing is in two parts: a dialog that the generator's own training held out is never tuned on, and
the held-out ones are halved by a hash into those that the leash looks at and those that only the
final evaluation sees.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from models.checkpoint import DataSource
from models.prompt import MAX_CONTEXT_TOKENS, TextTokenizer, context_ids, normalise
from models.training import corpora
from models.training.corpora import Dialog
from models.training.examples import Example, read_examples
from models.training.splits import learnable

TRAIN, DEV, TEST = "train", "dev", "test"
PARTS = (TRAIN, DEV, TEST)
MAX_TURNS = 8
FACTS_SHARE = 0.5
MAX_FACTS = 2
# Tenths of the examples' conversations that are kept from tuning: one for each held-out part.
_EXAMPLE_PARTS = (TEST, DEV)


@dataclass(frozen=True)
class Context:
    """What is to be answered: turns, oldest first, and facts of the one who is answered."""

    source: str
    turns: tuple[str, ...]
    facts: tuple[str, ...] = ()

    def ids(self, tokenizer: TextTokenizer, max_tokens: int = MAX_CONTEXT_TOKENS) -> list[int]:
        """As serving renders it (`models.prompt`)."""
        return context_ids(tokenizer, self.turns, self.facts, max_tokens)


@dataclass(frozen=True)
class Talk:
    """Dialogs by part, where they come from, and of whom (keyed hashes) some of them are."""

    parts: dict[str, list[Dialog]]
    sources: tuple[DataSource, ...]
    people: frozenset[str] = frozenset()

    def held_out(self) -> list[Dialog]:
        """All that is not tuned on."""
        return [*self.parts[DEV], *self.parts[TEST]]


def load_talk(public: Path | None, own: Path | None, examples: Sequence[Path] = ()) -> Talk:
    """Dialogs of a folder of public corpora, of the project's own, and of examples.

    `public` may hold the files or a folder `dialogs` with them; corpora that are not there are
    left out. Raises ValueError if nothing is found, BadExample for a line that is no example.
    """
    dialogs: list[Dialog] = []
    if public is not None:
        folder = public / "dialogs" if (public / "dialogs").is_dir() else public
        there = [n for n in corpora.PUBLIC_SOURCES if (folder / f"{n}.jsonl.gz").exists()]
        dialogs += corpora.load_public(folder, there)
    if own is not None:
        dialogs += corpora.load_own(own)
    parts: dict[str, list[Dialog]] = {part: [] for part in PARTS}
    for dialog in dialogs:
        parts[_part(dialog)].append(dialog)
    judged = [e for path in examples for e in learnable(read_examples(path))]
    for dialog, part in _example_dialogs(judged):
        parts[part].append(dialog)
    for part in (DEV, TEST):
        parts[part] = _one_question_each(parts[part])
    if missing := [part for part in PARTS if not parts[part]]:
        raise ValueError(f"the data has no dialogs for the part {missing[0]!r}")
    known = {**corpora.PUBLIC_SOURCES, **corpora.OWN_SOURCES}
    names = dict.fromkeys(dialog.source for part in PARTS for dialog in parts[part])
    sources = tuple(known.get(name, DataSource(name, "as exported")) for name in names)
    return Talk(parts, sources, frozenset(example.rater for example in judged))


def files_of(public: Path | None, own: Path | None, examples: Sequence[Path]) -> list[Path]:
    """The files that `load_talk` reads, for the record of a run."""
    files: list[Path] = list(examples)
    if public is not None:
        folder = public / "dialogs" if (public / "dialogs").is_dir() else public
        files += [p for n in corpora.PUBLIC_SOURCES if (p := folder / f"{n}.jsonl.gz").exists()]
    if own is not None:
        files += [p for part in ("dialogs", "bank") for p in sorted((own / part).glob("*.jsonl"))]
    return files


def _part(dialog: Dialog) -> str:
    if not corpora.is_held_out(dialog.source, dialog.id):
        return TRAIN
    return DEV if _digest("half", dialog.source, dialog.id) % 2 else TEST


def _digest(*words: str) -> int:
    return int.from_bytes(hashlib.sha256(":".join(words).encode()).digest()[:8], "big")


def _one_question_each(dialogs: Sequence[Dialog]) -> list[Dialog]:
    """Of the many questions with one canned answer, the first."""
    seen: set[str] = set()
    kept = []
    for dialog in dialogs:
        if dialog.source == corpora.PERSONALITY_CHAT and dialog.id in seen:
            continue
        seen.add(dialog.id)
        kept.append(dialog)
    return kept


def _example_dialogs(examples: Iterable[Example]) -> Iterable[tuple[Dialog, str]]:
    """Liked responses as dialogs whose last turn is the target."""
    for example in examples:
        if example.label < 0.5 or not normalise(example.response):
            continue
        turns = (*example.context, example.response)
        target = (len(turns) - 1) % 2
        facts: tuple[tuple[str, ...], tuple[str, ...]] = (
            (example.facts, ()) if target else ((), example.facts)
        )
        name = example.conversation or "\n".join(example.context)
        tenth = _digest("example", name) % 10
        part = _EXAMPLE_PARTS[tenth] if tenth < len(_EXAMPLE_PARTS) else TRAIN
        yield Dialog(name, example.source, turns, 0, facts, target), part


def draw_contexts(dialogs: Sequence[Dialog], count: int, seed: str) -> list[Context]:
    """At most `count` contexts, as many of each source as there are; fixed by `seed`.

    No context comes twice. A dialog gives one for each turn that may be answered.
    """
    rng = random.Random(seed)
    places: dict[str, list[tuple[Dialog, int]]] = {}
    for dialog in dialogs:
        turns = range(1, len(dialog.turns))
        answered = [i for i in turns if dialog.target in (None, dialog.speaker(i))]
        places.setdefault(dialog.source, []).extend((dialog, i) for i in answered)
    for found in places.values():
        rng.shuffle(found)
    drawn: list[Context] = []
    seen: set[Context] = set()
    while len(drawn) < count and any(places.values()):
        for source in sorted(places):
            if places[source] and len(drawn) < count:
                context = _context(*places[source].pop(), rng)
                if context not in seen:
                    drawn.append(context)
                    seen.add(context)
    return drawn


def _context(dialog: Dialog, turn: int, rng: random.Random) -> Context:
    known = dialog.facts[1 - dialog.speaker(turn)]
    facts: tuple[str, ...] = ()
    if known and rng.random() < FACTS_SHARE:
        facts = tuple(rng.sample(known, min(len(known), MAX_FACTS)))
    return Context(dialog.source, dialog.turns[max(0, turn - MAX_TURNS) : turn], facts)
