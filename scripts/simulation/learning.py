"""What an arm learns from: the logged reactions, and the model that they make."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from app.domain import Impression
from models.checkpoint import DataSource, ManifestError, verify
from models.reranker import CONFIG, KIND, Reranker
from models.training.examples import Example
from models.training.reranker.reactions.frozen import HeadOverVectors, PairVectors
from models.training.reranker.reactions.head import retrain_head
from models.training.reranker.reactions.placing import head_of, same_bert

WEIGHT_MAX = 3.0
"""Clips inverse propensities: unclipped, one reply in ten that was explored would outweigh the
other nine, and two thirds of what was said would be as good as unsaid."""
_SOURCE = DataSource("reactions of simulated people", "made by scripts/simulate")


def examples_of(judged: Iterable[Impression], names: Mapping[str, str]) -> list[Example]:
    """Liked or not, by inverse propensity; `names` are the raters' by user id."""
    examples = []
    for impression in judged:
        chosen = impression.slate.candidate(impression.slate.chosen)
        if chosen is None or impression.reaction is None:
            continue
        examples.append(
            Example(
                source="reactions",
                head="upvote",
                context=impression.context,
                response=chosen.text,
                label=float(impression.reaction.weight > 0),
                conversation=impression.reply.conversation_id,
                rater=names[impression.user_id],
                weight=min(WEIGHT_MAX, 1.0 / max(1e-9, chosen.propensity)),
                facts=impression.facts,
            )
        )
    return sorted(examples, key=lambda e: (e.rater, e.context, e.response))


def shuffled(examples: Sequence[Example], seed: int) -> list[Example]:
    """The same examples, each with the label of another: what they would teach is gone."""
    labels = [example.label for example in examples]
    Random(seed).shuffle(labels)
    return [replace(e, label=label) for e, label in zip(examples, labels, strict=True)]


def learn(
    base: Path, examples: Sequence[Example], out: Path, vectors: PairVectors, command: str
) -> dict[str, Any]:
    """Write the model that these reactions make of `base`; what was measured.

    Raises models.training.reranker.reactions.head.TooFewReactions.
    """
    source = replace(_SOURCE, rows=len(examples))
    return retrain_head(base, examples, out, command=command, vectors=vectors, sources=[source])


def reranker_over(base: Path, folder: Path, vectors: PairVectors) -> Reranker:
    """The model of `folder`, its Bert computed once for all arms; scores are those of the folder.

    Raises ManifestError where its Bert is not that of `base`, which `vectors` came from.
    """
    manifest = verify(folder, kind=KIND)
    if folder != base and not same_bert(base, folder):
        raise ManifestError(f"{folder}: not a head on the reranker of {base}")
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    config["version"] = manifest.version
    network = HeadOverVectors(vectors, head_of(folder))
    return Reranker(network, vectors.tokens, config, "a head over remembered vectors")
