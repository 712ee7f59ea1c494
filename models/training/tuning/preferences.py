"""Pairs of responses to one context, one liked more: from judgements, or ranked by a reward."""

from __future__ import annotations

import gzip
import itertools
import json
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from models.generator import Generator
from models.prompt import TextTokenizer, normalise, plain_encoder
from models.sampling import Sampling
from models.training.examples import BadExample, Example, parse_example
from models.training.tuning.contexts import Context
from models.training.tuning.policy import answers
from models.training.tuning.shaping import ShapedReward

# Heads whose label says how bad a response is.
BLAME = frozenset({"meaningless", "offensive", "downvote"})
# Judgements that bad faith has damped below this say nothing by themselves.
MIN_WEIGHT = 0.3
MIN_MARGIN = 0.5
PAIRS_A_GROUP = 4
PART_CONTEXTS = 128


@dataclass(frozen=True)
class Preference:
    """`chosen` was liked more than `rejected` as a response to `context`."""

    context: Context
    chosen: str
    rejected: str

    def ids(self, tokenizer: TextTokenizer) -> tuple[list[int], list[int], list[int]]:
        """(prompt, chosen, rejected); both responses end with the end-of-text token."""
        encode, eos = plain_encoder(tokenizer), int(tokenizer.eos_token_id)
        chosen, rejected = ([*encode(text), eos] for text in (self.chosen, self.rejected))
        return self.context.ids(tokenizer), chosen, rejected

    def to_json(self) -> dict[str, Any]:
        """One line of a file of pairs."""
        return {
            "source": self.context.source,
            "context": list(self.context.turns),
            "facts": list(self.context.facts),
            "chosen": self.chosen,
            "rejected": self.rejected,
        }


def read_preferences(path: Path, seed: int = 0) -> list[Preference]:
    """The pairs of a file of JSON lines (gzip where the name ends so).

    A line is a pair (`context`, `chosen`, `rejected`, perhaps `facts`, `source`) or an Example; of
    Examples those with one group (or, without one, one context) and one head are paired.
    Raises BadExample, naming file and line.
    """
    pairs, examples = _read(path)
    return pairs + pairs_of(examples, seed)


def people_of(path: Path) -> frozenset[str]:
    """Who judged the examples of such a file, as keyed hashes; ready pairs name nobody."""
    return frozenset(example.rater for example in _read(path)[1])


def _read(path: Path) -> tuple[list[Preference], list[Example]]:
    pairs: list[Preference] = []
    examples: list[Example] = []
    opener: Any = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as stream:
        for number, line in enumerate(stream, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
                if isinstance(row, dict) and "chosen" in row:
                    pairs.append(_pair(row))
                else:
                    examples.append(parse_example(row))
            except ValueError as error:
                raise BadExample(f"{path.name}:{number}: {error}") from error
    return pairs, examples


def _pair(row: dict[str, Any]) -> Preference:
    try:
        turns, facts = tuple(row["context"]), tuple(row.get("facts", ()))
        texts = (row["chosen"], row["rejected"])
    except (KeyError, TypeError) as error:
        raise BadExample(f"incomplete: {error}") from error
    if not turns or not all(isinstance(t, str) and normalise(t) for t in (*turns, *texts)):
        raise BadExample("context, chosen and rejected must be texts, none of them empty")
    return Preference(Context(str(row.get("source", "pairs")), turns, facts), *texts)


def pairs_of(examples: Iterable[Example], seed: int = 0) -> list[Preference]:
    """Pairs of trusted examples whose labels differ by at least MIN_MARGIN, best against worst.

    A group gives at most PAIRS_A_GROUP pairs, each response being in as few as can be.
    """
    groups: dict[tuple[str, ...], list[Example]] = defaultdict(list)
    for example in examples:
        if example.weight >= MIN_WEIGHT and normalise(example.response):
            unit = example.group or "\n".join(example.context)
            groups[example.source, example.head, unit].append(example)
    rng = random.Random(f"{seed}:pairs")
    found: list[Preference] = []
    for rows in groups.values():
        rng.shuffle(rows)
        rows.sort(key=_liking, reverse=True)
        for best, worst in itertools.islice(_opposed(rows), PAIRS_A_GROUP):
            context = Context(best.source, best.context, best.facts)
            found.append(Preference(context, best.response, worst.response))
    rng.shuffle(found)
    return found


def _liking(example: Example) -> float:
    return 1.0 - example.label if example.head in BLAME else example.label


def _opposed(ranked: Sequence[Example]) -> Iterator[tuple[Example, Example]]:
    """The first with the last, the second with the last but one, while they differ enough."""
    for best, worst in zip(ranked, reversed(ranked), strict=True):
        if _liking(best) - _liking(worst) < MIN_MARGIN:
            return
        if best.response != worst.response and best.context == worst.context:
            yield best, worst


def ranked_preferences(
    generator: Generator,
    contexts: Sequence[Context],
    reward: ShapedReward,
    folder: Path,
    *,
    n: int,
    temperature: float,
    max_new_tokens: int,
    seed: int,
    going: Callable[[int], bool],
) -> list[Preference] | None:
    """The best against the worst of `n` of the generator's own responses to each context.

    Pairs are kept in `folder`, a file for every PART_CONTEXTS contexts, and read back from there.
    `going` is told how many contexts are done; False stops, and then the result is None.
    """
    found: list[Preference] = []
    sampling = Sampling(temperature, top_p=1.0, top_k=0, repetition_penalty=1.0, no_repeat_ngram=0)
    for part, begin in enumerate(range(0, len(contexts), PART_CONTEXTS)):
        path = folder / f"part-{part:04d}.jsonl.gz"
        if not path.exists():
            if not going(begin):
                return None
            asked = contexts[begin : begin + PART_CONTEXTS]
            said = answers(generator, asked, n, sampling, seed + begin, max_new_tokens)
            pairs = []
            for context, responses in zip(asked, said, strict=True):
                texts = [response.text for response in responses]
                worth = reward.pay([context] * len(texts), texts, [r.finished for r in responses])
                pairs += _extremes(context, texts, worth.tolist())
            _write(path, pairs)
        found += read_preferences(path)
    return found


def _extremes(context: Context, texts: Sequence[str], worth: Sequence[float]) -> list[Preference]:
    if len(texts) < 2:
        return []
    best, worst = int(np.argmax(worth)), int(np.argmin(worth))
    if worth[best] - worth[worst] < MIN_MARGIN:
        return []
    return [Preference(context, texts[best], texts[worst])]


def _write(path: Path, pairs: Sequence[Preference]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    half_written = path.with_name(f".{path.name}")
    with gzip.open(half_written, "wt", encoding="utf-8") as stream:
        for pair in pairs:
            stream.write(json.dumps(pair.to_json(), ensure_ascii=False) + "\n")
    half_written.replace(path)
