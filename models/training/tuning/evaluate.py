"""Before against after: what tuning won, by whom it is confirmed, and what it cost.

Both models answer the same held-out contexts with serving's sampling and the same seeds. Figures
are of responses as they would be served; intervals are of half-samples of the contexts, whose
spread is that of the whole (Politis and Romano 1994).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import GPT2LMHeadModel, PreTrainedTokenizerBase

from models.generator import Generation
from models.metrics import distinct_n
from models.prompt import plain_encoder
from models.training.tuning.contexts import Context
from models.training.tuning.reward import RewardModel

RISE = 0.5
PERPLEXITY_RATIO = 1.10
HALVES = 400
Answers = Sequence[Sequence[Generation]]


@dataclass(frozen=True)
class Side:
    """One model's answers to the held-out contexts, and its held-out perplexities."""

    version: str
    answers: Answers
    wanted: int
    perplexity: dict[str, float]


def compare(
    contexts: Sequence[Context],
    before: Side,
    after: Side,
    reward: RewardModel,
    judge: RewardModel | None,
    divergence: tuple[float, float],
    seed: int,
) -> dict[str, Any]:
    """All figures of both sides, the differences with intervals, and the verdict; JSON values.

    `divergence`: nats a token and a response, of after from before (see `divergence_of`).
    """
    document: dict[str, Any] = {
        "contexts": len(contexts),
        "responses_each": before.wanted,
        "before": _figures(before),
        "after": _figures(after),
        "reward": _rise(contexts, before.answers, after.answers, reward, seed),
        "divergence": {"per_token": divergence[0], "per_response": divergence[1]},
        "distinct_1": _distinct(before.answers, after.answers, 1, seed),
        "distinct_2": _distinct(before.answers, after.answers, 2, seed),
        "perplexity_ratio": {
            source: after.perplexity[source] / value for source, value in before.perplexity.items()
        },
    }
    if judge is not None:
        document["judge"] = _rise(contexts, before.answers, after.answers, judge, seed)
    document["verdict"] = verdict(document)
    return document


def verdict(document: dict[str, Any]) -> dict[str, bool]:
    """Which of the bounds hold; `judge` is there only if there was a second judge."""
    found = {
        "reward": document["reward"]["rise"] >= RISE,
        "perplexity": document["perplexity_ratio"]["all"] <= PERPLEXITY_RATIO,
        "distinct_2": document["distinct_2"]["after"] >= document["distinct_2"]["before"],
    }
    if "judge" in document:
        found["judge"] = document["judge"]["rise"] >= RISE
    found["all"] = all(found.values()) and "judge" in document
    return found


def _figures(side: Side) -> dict[str, Any]:
    flat = [answer for found in side.answers for answer in found]
    asked = max(1, side.wanted * len(side.answers))
    lengths = [len(answer.text.split()) for answer in flat]
    return {
        "version": side.version,
        "perplexity": side.perplexity,
        "mean_words": float(np.mean(lengths)) if lengths else 0.0,
        "mean_logprob": float(np.mean([a.mean_logprob for a in flat])) if flat else 0.0,
        # Ill, empty or the same as another of its slate.
        "share_dropped": 1.0 - len(flat) / asked,
        "share_unfinished": sum(not answer.finished for answer in flat) / max(1, len(flat)),
    }


def _rise(
    contexts: Sequence[Context], before: Answers, after: Answers, model: RewardModel, seed: int
) -> dict[str, Any]:
    """The rise of the mean reward, in standard deviations of single responses before."""
    old, new = (_by_context(contexts, answers, model) for answers in (before, after))
    both = [n for n in range(len(contexts)) if len(old[n]) and len(new[n])]
    if len(both) < 2:
        raise ValueError("too few contexts were answered by both models")
    spread = max(1e-9, float(np.concatenate([old[n] for n in both]).std()))
    gaps = np.array([new[n].mean() - old[n].mean() for n in both]) / spread
    means = [float(np.mean([side[n].mean() for n in both])) for side in (old, new)]
    return {
        "name": model.name,
        "before": means[0],
        "after": means[1],
        "deviation": spread,
        "rise": float(gaps.mean()),
        "interval": interval(len(both), lambda rows: float(gaps[rows].mean()), seed),
        "contexts": len(both),
        "share_of_contexts_up": float((gaps > 0).mean()),
    }


def _by_context(
    contexts: Sequence[Context], answers: Answers, model: RewardModel
) -> list[NDArray[np.float64]]:
    """Logits of each context's responses."""
    pairs = [(c, a.text) for c, found in zip(contexts, answers, strict=True) for a in found]
    scores = model.score([context for context, _ in pairs], [text for _, text in pairs])
    ends = np.cumsum([len(found) for found in answers])[:-1]
    return list(np.split(scores, ends))


def _distinct(before: Answers, after: Answers, n: int, seed: int) -> dict[str, Any]:
    def values(rows: NDArray[np.int64]) -> tuple[float, float]:
        return matched_distinct([before[row] for row in rows], [after[row] for row in rows], n)

    whole = values(np.arange(len(before)))

    def gap(rows: NDArray[np.int64]) -> float:
        old, new = values(rows)
        return new - old

    return {
        "before": round(whole[0], 4),
        "after": round(whole[1], 4),
        "interval": interval(len(before), gap, seed, halves=HALVES // 8),
    }


def matched_distinct(before: Answers, after: Answers, n: int) -> tuple[float, float]:
    """distinct-n of both sides over equally many words: the longer text would always have less."""
    old, new = words_of(before), words_of(after)
    budget = min(sum(map(len, old)), sum(map(len, new)))
    return distinct_n(first_words(old, budget), n), distinct_n(first_words(new, budget), n)


def words_of(answers: Answers) -> list[list[str]]:
    """The words of the first response to each context, then of the second, and so on."""
    most = max((len(found) for found in answers), default=0)
    return [
        found[k].text.lower().split() for k in range(most) for found in answers if k < len(found)
    ]


def first_words(texts: Sequence[Sequence[str]], budget: int) -> list[Sequence[str]]:
    """The texts up to `budget` words in all, the last one cut."""
    kept: list[Sequence[str]] = []
    for text in texts:
        if budget <= 0:
            break
        kept.append(text[:budget])
        budget -= len(text)
    return kept


def interval(
    size: int, figure: Callable[[NDArray[np.int64]], float], seed: int, halves: int = HALVES
) -> list[float]:
    """The middle 95 % of `figure` over halves of `size` rows."""
    rng = np.random.default_rng(seed)
    half = max(1, size // 2)
    values = [figure(np.sort(rng.permutation(size)[:half])) for _ in range(halves)]
    return [float(v) for v in np.percentile(values, [2.5, 97.5])]


@torch.inference_mode()
def divergence_of(
    after: GPT2LMHeadModel,
    before: GPT2LMHeadModel,
    tokenizer: PreTrainedTokenizerBase,
    contexts: Sequence[Context],
    answers: Answers,
) -> tuple[float, float]:
    """KL(after ‖ before), nats a token and a response, along what `after` says.

    Exact at every token: the sum over the vocabulary of both models' distributions.
    """
    encode, eos = plain_encoder(tokenizer), int(tokenizer.eos_token_id)
    device = next(after.parameters()).device
    total, tokens, responses = 0.0, 0, 0
    for context, found in zip(contexts, answers, strict=True):
        prompt = context.ids(tokenizer)
        for answer in found[:1]:
            said = [*encode(answer.text), *([eos] if answer.finished else [])]
            ids = torch.tensor([[*prompt, *said]], device=device)
            logs = [
                model(ids[:, :-1]).logits[0, -len(said) :].float().log_softmax(-1)
                for model in (after, before)
            ]
            total += float((logs[0].exp() * (logs[0] - logs[1])).sum())
            tokens += len(said)
            responses += 1
    return total / max(1, tokens), total / max(1, responses)


def some_samples(
    contexts: Sequence[Context], before: Answers, after: Answers, count: int, seed: int
) -> str:
    """A page to read: contexts with both models' responses, neither chosen nor edited."""
    rows = sorted(random.Random(seed).sample(range(len(contexts)), min(count, len(contexts))))
    lines = ["# Before and after", ""]
    for row in rows:
        lines += [f"> {turn}  " for turn in contexts[row].turns[-3:]]
        for name, answers in (("before", before), ("after", after)):
            lines += ["", f"{name}:", "", *(f"- {answer.text}" for answer in answers[row])]
        lines.append("")
    return "\n".join(lines)
