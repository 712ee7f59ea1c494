"""Training the toxicity reader from the public data, and comparing it with the reranker's head."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.checkpoint import DataSource, write_manifest
from models.text_reader import KIND, TextReader
from models.training.judgements import read_rows
from models.training.reranker.measures import auc
from models.training.text_reader import toxicity
from retrieval.corpus import load_corpus

NAME = "kindred-toxicity"
_EVERYDAY = ("synthetic_persona_chat", "self_dialogue")
_TURNS = 6_000  # of each
_LEARNED = 5_000  # of all of them; the thresholds come from the others
_EVERY = 5  # of a dialog's turns, one in so many
_SEED = 1
_BATCH = 32
_LICENCES = {
    "diasafety": "Apache-2.0",
    "synthetic_persona_chat": "CC-BY-4.0",
    "self_dialogue": "BSD-3-Clause",
    "Kindred's own bank": "Apache-2.0",
}


def run(data: Path, bank: Path, development: Path, out: Path, command: str) -> dict[str, Any]:
    """Train, measure on the test split, write the folder with its manifest."""
    settings = toxicity.Settings()
    own = [text for text, _ in load_corpus(bank).replies]
    everyday = everyday_turns(data)
    reader = toxicity.train(
        toxicity.toxic_texts(data, own, everyday[:_LEARNED], settings),
        toxicity.unsafe_texts(data, own, settings),
        everyday[_LEARNED:],
        settings,
    )
    out.mkdir(parents=True, exist_ok=True)
    reader.save(out)
    found = toxicity.measures(reader, data, "test", development)
    write_manifest(
        out,
        name=NAME,
        kind=KIND,
        command=command,
        data=[DataSource(name, licence) for name, licence in _LICENCES.items()],
        metrics={"settings": toxicity.described(settings), **found},
    )
    return found


def everyday_turns(data: Path) -> list[str]:
    """Some thousand turns of dialogs about everyday things, shuffled."""
    found: dict[str, None] = {}
    for name in _EVERYDAY:
        rows = read_rows(data / "dialogs" / f"{name}.jsonl.gz")
        turns = (turn["text"] for row in rows for turn in row["turns"][2::_EVERY])
        found.update(dict.fromkeys(itertools.islice(turns, _TURNS)))
    texts = list(found)
    random.Random(_SEED).shuffle(texts)
    return texts


def compare(folder: Path, reranker: Path, data: Path, development: Path) -> dict[str, Any]:
    """The reader that is there beside the reranker's offensive head, on the same texts.

    The reranker reads the context, too; the development texts have none.
    """
    from app.dialog.screen import OFFENSIVE_LIMIT

    reader = TextReader.load(folder)
    found = toxicity.measures(reader, data, "test", development)
    judge = _Offensive(reranker)
    rows = list(toxicity.judged_replies(data, "test"))
    scores = judge([(context, reply) for context, reply, _ in rows])
    labels = [unsafe for _, _, unsafe in rows]
    found["reranker_offensive"] = {
        "auc": round(float(auc(scores, labels)), 4),
        "development": toxicity.on_development(
            lambda texts: judge([(("hello",), text) for text in texts]),
            development,
            OFFENSIVE_LIMIT,
        ),
    }
    return found


class _Offensive:
    """P(offensive) by the reranker that ships."""

    def __init__(self, folder: Path) -> None:
        from models.reranker import Reranker

        self._model = Reranker.load(folder, runtime="torch", threads=1)

    def __call__(self, pairs: Sequence[tuple[tuple[str, ...], str]]) -> NDArray[np.float64]:
        items = [self._model.prepare(context, [reply])[0] for context, reply in pairs]
        order = sorted(range(len(items)), key=lambda i: len(items[i].context))
        found = np.zeros(len(items))
        for start in range(0, len(order), _BATCH):
            places = order[start : start + _BATCH]
            results = self._model.run([items[i] for i in places])
            found[places] = [result.heads["offensive"] for result in results]
        return found
