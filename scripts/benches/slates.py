"""Slates to compare rerankers on: this project's own contexts, with replies hard to tell apart.

Half of the contexts are the bank's, half the last turns of its dialogs. Among the responses are
the true one, replies to the same topic and random ones; a generator can add its own. Close calls
are the point: a runtime that rounds differently shows in who wins them.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from models.generator import GenerateItem, Generator
from retrieval.corpus import Corpus, Entry, load_corpus

SIZE = 20
TURNS = 5  # of a dialog, before the reply


@dataclass(frozen=True)
class Slate:
    """Turns, oldest first, and distinct responses to the last of them."""

    turns: tuple[str, ...]
    responses: tuple[str, ...]


def own_slates(data: Path, count: int, *, seed: int = 0, size: int = SIZE) -> list[Slate]:
    """`count` slates of `size` from the bank and the dialogs in `data`, the same for a seed."""
    rng = random.Random(seed)
    corpus = load_corpus(data)
    talks = list(_replies(data))
    slates = []
    for number in range(count):
        if number % 2:
            turns, true = rng.choice(talks)
            topic = ""
        else:
            entry = rng.choice(corpus.entries)
            turns, true, topic = (
                (rng.choice(entry.contexts),),
                rng.choice(entry.replies),
                entry.topic,
            )
        slates.append(Slate(turns, _responses(rng, corpus, true, topic, size)))
    return slates


def with_generated(slates: Sequence[Slate], generator: Generator, n: int = 10) -> list[Slate]:
    """The same slates with up to `n` generated candidates in the place of their last responses."""
    made = []
    for number, slate in enumerate(slates):
        context = generator.encode_context(slate.turns)
        result = generator.run([GenerateItem(context, n, seed=number, max_new_tokens=24)])[0]
        texts = [g.text for g in result.candidates if g.text not in slate.responses]
        kept = slate.responses[: len(slate.responses) - len(texts)]
        made.append(replace(slate, responses=(*kept, *texts)))
    return made


def own_texts(data: Path, count: int, *, seed: int = 0) -> list[str]:
    """Contexts and replies of the bank, mixed: a sample of what the models read."""
    corpus = load_corpus(data)
    texts = [text for text, _ in (*corpus.contexts, *corpus.replies)]
    return random.Random(seed).sample(texts, min(count, len(texts)))


def _responses(
    rng: random.Random, corpus: Corpus, true: str, topic: str, size: int
) -> tuple[str, ...]:
    near = [entry for entry in corpus.entries if entry.topic == topic]
    wanted: dict[str, None] = {true: None}
    for text in _drawn(rng, near, size // 3):
        wanted.setdefault(text)
    while len(wanted) < size:
        wanted.setdefault(rng.choice(rng.choice(corpus.entries).replies))
    texts = list(wanted)[:size]
    rng.shuffle(texts)
    return tuple(texts)


def _drawn(rng: random.Random, entries: Sequence[Entry], count: int) -> Iterator[str]:
    for entry in rng.sample(entries, min(count, len(entries))):
        yield rng.choice(entry.replies)


def _replies(data: Path) -> Iterator[tuple[tuple[str, ...], str]]:
    """(the turns before it, a reply of Kindred's) for every reply in the dialogs."""
    for path in sorted((data / "dialogs").glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            turns = json.loads(line)["turns"]
            for i, turn in enumerate(turns):
                if i and turn["speaker"] == "kindred":
                    before = tuple(t["text"] for t in turns[max(0, i - TURNS) : i])
                    yield before, turn["text"]
