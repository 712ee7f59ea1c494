"""Splits that measure what they claim to: by conversation and person, never by row.

A person and every conversation of theirs, and every person who judged one of those, form one
component (connected components of the graph that examples draw between conversations and raters),
and a component goes to one part as a whole. Where it goes follows from hashes of its raters' ids
alone (of a conversation's where an example names no rater), so a dataset that grows keeps its
assignment.

The parts are laid out over [0, 1) in the order given, train first, and of several hashes the
smallest decides. When two components grow together, the new one can thus only move towards
train: what a model was once trained on never becomes its test. The price: components of many
raters are mostly in train, and one that holds nearly everything cannot be split at all.

There is one assignment, that of SEED, whatever a training's own seed is: what one command holds
out another must not learn. Trainers learn from `learnable`; `scripts/evaluate` judges by the rest.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from models.training.examples import Example

PARTS: Mapping[str, float] = {"train": 0.8, "dev": 0.1, "test": 0.1}
TEST = "test"
SEED = 0
"""Of the one assignment. Another would let models be judged by people who taught them."""

_MARKS = re.compile(r"[^\w\s]|_")
_DRAWN_OUT = re.compile(r"([^\W\d])\1{2,}")

Node = tuple[str, str, str]  # kind, source, id
Pair = tuple[str, str]  # normal form of the context, of the response


def split(
    examples: Iterable[Example],
    parts: Mapping[str, float] = PARTS,
    seed: int = SEED,
    by: Literal["rater", "conversation"] = "rater",
) -> dict[str, list[Example]]:
    """The examples by part, without repetitions, in the order given.

    Rows that repeat are dropped (see `deduplicate`), and so are rows of a later part whose context
    and response occur, up to spelling, in an earlier one.

    Args:
        parts: names and shares, the training part first; shares are scaled to add up to 1.
        seed: another seed is another assignment; leave it alone where a model is to be judged.
        by: whose hashes decide. Raters, where people come back with new conversations;
            conversations, where several people judge each and nobody comes back (the shares
            then come out as asked for). Neither ever crosses in any case.

    Raises:
        ValueError: a share is not positive.
    """
    if not parts or min(parts.values()) <= 0:
        raise ValueError(f"every part needs a positive share: {dict(parts)}")
    unique = deduplicate(examples)
    part_of = _assign(unique, parts, seed, by)
    result: dict[str, list[Example]] = {name: [] for name in parts}
    for example, part in zip(unique, part_of, strict=True):
        result[part].append(example)
    seen: set[Pair] = set()
    for name, rows in result.items():
        pairs = [normal_pair(example) for example in rows]
        kept = zip(rows, pairs, strict=True)
        result[name] = [example for example, pair in kept if pair not in seen]
        seen.update(pairs)
    return result


def learnable(examples: Iterable[Example]) -> list[Example]:
    """All but the people and conversations of the test part, without repetitions, in order.

    Give all examples there are, before any is chosen or renamed: of fewer, a component may fall
    apart, and sources are part of what decides.
    """
    unique = deduplicate(examples)
    part_of = _assign(unique, PARTS, SEED, "rater")
    return [example for example, part in zip(unique, part_of, strict=True) if part != TEST]


def deduplicate(examples: Iterable[Example]) -> list[Example]:
    """Without rows in which the same person says the same again.

    That is: one source, head, rater, group and label, and the same context and response up to
    spelling. Two raters who agree are two judgements, and so are two rows that name no rater: they
    may be two votes. One rater's contradictions stay too, as they tell how sure the label is.
    """
    seen: set[tuple[object, ...]] = set()
    kept = []
    for example in examples:
        said = (example.source, example.head, example.rater, example.label, example.group)
        key = (*said, *normal_pair(example))
        if key not in seen or not example.rater:
            seen.add(key)
            kept.append(example)
    return kept


@dataclass(frozen=True, slots=True)
class Leakage:
    """What two parts share: numbers of distinct things of the second that the first has too.

    `exact` and `near` are pairs of context and response, as they are and up to spelling; `prompts`
    are contexts whose responses were compared (two or more in a group) on both sides.
    `contexts` and `responses` are either alone (up to spelling), of `of_contexts` and
    `of_responses`: no leak by itself, as many begin with "hi", but a model may know them by heart,
    so figures on unseen ones are worth reporting.
    """

    conversations: int
    raters: int
    exact: int
    near: int
    prompts: int
    contexts: int
    of_contexts: int
    responses: int
    of_responses: int

    @property
    def clean(self) -> bool:
        """Whether nothing leaks; shared contexts or responses alone do not count."""
        people = self.conversations or self.raters
        return not (people or self.exact or self.near or self.prompts)

    def __str__(self) -> str:
        return (
            f"{self.conversations} conversations, {self.raters} raters, {self.exact} pairs, "
            f"{self.near} near-equal pairs and {self.prompts} compared prompts shared; "
            f"{self.contexts} of {self.of_contexts} distinct contexts and "
            f"{self.responses} of {self.of_responses} distinct responses seen before"
        )


def leakage(a: Sequence[Example], b: Sequence[Example]) -> Leakage:
    """What of `b` (to test on) is in `a` (to train on)."""

    def shared(of: Callable[[Example], object]) -> int:
        return len(({of(example) for example in a} & {of(example) for example in b}) - {None})

    return Leakage(
        conversations=shared(lambda e: (e.source, e.conversation) if e.conversation else None),
        raters=shared(lambda e: (e.source, e.rater) if e.rater else None),
        exact=shared(lambda e: (e.context, e.response)),
        near=shared(normal_pair),
        prompts=len(_compared(a) & _compared(b)),
        contexts=shared(lambda e: normal_pair(e)[0]),
        of_contexts=len({normal_pair(example)[0] for example in b}),
        responses=shared(lambda e: normal_form(e.response)),
        of_responses=len({normal_form(example.response) for example in b}),
    )


def _compared(examples: Iterable[Example]) -> set[str]:
    """The contexts (up to spelling) of groups with more than one response."""
    groups: dict[tuple[str, str, str], set[str]] = {}
    for example in examples:
        if example.group:
            context, response = normal_pair(example)
            groups.setdefault((example.source, example.group, context), set()).add(response)
    return {context for (_, _, context), responses in groups.items() if len(responses) > 1}


def unseen(train: Iterable[Example], test: Iterable[Example]) -> list[Example]:
    """The test examples whose response, up to spelling, occurs nowhere in train."""
    known = {normal_form(example.response) for example in train}
    return [example for example in test if normal_form(example.response) not in known]


@lru_cache(maxsize=1 << 16)  # a turn stands in the contexts of all that follow
def normal_form(text: str) -> str:
    """What near-equal texts have in common: letters without case, marks, drawn-out repetition.

    A text without a letter or digit stays as it is, spaces folded.
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    bare = " ".join(_MARKS.sub(" ", folded.replace("'", "").replace("\u2019", "")).split())
    return _DRAWN_OUT.sub(r"\1", bare) or " ".join(folded.split())


def normal_pair(example: Example) -> Pair:
    """The normal forms of the context (turns kept apart) and of the response."""
    return "\n".join(map(normal_form, example.context)), normal_form(example.response)


def components(examples: Sequence[Example]) -> list[int]:
    """For each example the index of the first one of its component."""
    parents: dict[Node, Node] = {}
    for example in examples:
        first, *others = _nodes(example)
        for other in others:
            _union(parents, first, other)
    firsts: dict[Node, int] = {}
    return [
        firsts.setdefault(_find(parents, next(_nodes(example))), i)
        for i, example in enumerate(examples)
    ]


def _assign(
    examples: Sequence[Example], parts: Mapping[str, float], seed: int, by: str
) -> list[str]:
    """The part of each example."""
    component_of = components(examples)
    places: dict[int, float] = {}
    for example, component in zip(examples, component_of, strict=True):
        nodes = list(_nodes(example))
        decides = next((node for node in nodes if node[0] == by), nodes[0])
        place = _place(seed, *decides)
        places[component] = min(places.get(component, 1.0), place)
    return [_part(places[component], parts) for component in component_of]


def _nodes(example: Example) -> Iterator[Node]:
    """What an example ties together; its context where it names neither."""
    if example.rater:
        yield "rater", example.source, example.rater
    if example.conversation:
        yield "conversation", example.source, example.conversation
    if not (example.rater or example.conversation):
        yield "context", "", normal_pair(example)[0]


def _place(seed: int, *node: str) -> float:
    digest = hashlib.sha256("\0".join((str(seed), *node)).encode("utf-8", "replace")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _part(place: float, parts: Mapping[str, float]) -> str:
    total, end = sum(parts.values()), 0.0
    for name, share in parts.items():
        end += share / total
        if place < end:
            return name
    return next(reversed(list(parts)))  # rounding of the last end


def _find(parents: dict[Node, Node], node: Node) -> Node:
    root = node
    while (up := parents.get(root, root)) != root:
        root = up
    while (up := parents.get(node, node)) != root:
        parents[node] = root
        node = up
    return root


def _union(parents: dict[Node, Node], a: Node, b: Node) -> None:
    parents[_find(parents, a)] = _find(parents, b)
