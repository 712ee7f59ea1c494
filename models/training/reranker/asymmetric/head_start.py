"""The reranker's head, trained first on frozen features of the sentence encoder.

With the gates closed a context and a response do not see each other, so each text is computed once
and the head trains on thousands of lists a second. The layers then start from a head that already
ranks well, instead of being pulled about by a random one.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from models.reranker import Renderer, RerankBatch, RerankItem, RerankNet
from models.training.judgements import Judged, Selection

BATCH_TOKENS = 2000


@dataclass
class Features:
    """Unit vectors of distinct contexts (whole, latest turn) and responses, and where they are."""

    whole: Tensor
    latest: Tensor
    reply: Tensor
    context_row: dict[Hashable, int]
    reply_row: dict[Hashable, int]


@dataclass
class Lists:
    """Examples as rows of `Features`: (n,) contexts, (n, k) responses, the first one true."""

    context: Tensor
    responses: Tensor


@dataclass
class Marks:
    """Judged pairs as rows of `Features`, with labels (n,)."""

    context: Tensor
    reply: Tensor
    labels: Tensor


def features_of(
    net: RerankNet, items: Sequence[RerankItem], log: Callable[[str], None]
) -> Features:
    """Every distinct context and response of `items`, computed once."""
    contexts = list({item.context: item.latest for item in items}.items())
    replies = list(dict.fromkeys(item.response for item in items))
    contexts.sort(key=lambda pair: len(pair[0]))
    replies.sort(key=len)
    whole, latest = [], []
    for start in range(0, len(contexts), 40):
        chunk = contexts[start : start + 40]
        rows = [RerankItem(ids, replies[0], at, 0) for ids, at in chunk]
        vectors = _vectors(net, rows)
        whole.append(vectors[0])
        latest.append(vectors[1])
        if start % 2000 == 0:
            log(f"contexts {start} of {len(contexts)}")
    reply = []
    for start in range(0, len(replies), 100):
        rows = [RerankItem(contexts[0][0], ids, 1, 0) for ids in replies[start : start + 100]]
        reply.append(_vectors(net, rows)[2])
        if start % 5000 == 0:
            log(f"responses {start} of {len(replies)}")
    return Features(
        torch.cat(whole),
        torch.cat(latest),
        torch.cat(reply),
        {ids: i for i, (ids, _) in enumerate(contexts)},
        {ids: i for i, ids in enumerate(replies)},
    )


def _vectors(net: RerankNet, rows: Sequence[RerankItem]) -> tuple[Tensor, Tensor, Tensor]:
    with torch.no_grad():
        return net.vectors(RerankBatch.of(rows))


def train_head(
    net: RerankNet,
    features: Features,
    lists: Lists,
    marks: dict[int, Marks],
    *,
    steps: int,
    seed: int,
    log: Callable[[str], None],
) -> None:
    """Fit the head on rows of features, the true response against 20 random ones.

    Only random ones: frozen features cannot tell an echo from an answer, and a head that is
    made to try forgets what it knew.
    """
    generator = torch.Generator().manual_seed(seed)
    head = [p for n, p in net.named_parameters() if not n.startswith("bert.")]
    optimizer = torch.optim.AdamW(head, lr=5e-4, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-4, total_steps=steps)
    for step in range(steps):
        rows = torch.randint(len(lists.context), (64,), generator=generator)
        extra = torch.randint(len(features.reply), (64, 20), generator=generator)
        chosen = torch.cat([lists.responses[rows, :1], extra], dim=1)
        logits = _logits(net, features, lists.context[rows], chosen)[:, :, 0]
        loss = F.cross_entropy(logits, torch.zeros(len(rows), dtype=torch.long))
        loss = loss + 0.2 * (F.softplus(-logits[:, 0]).mean() + F.softplus(logits[:, 1:]).mean())
        for head_index, mark in marks.items():
            pick = torch.randint(len(mark.labels), (128,), generator=generator)
            judged = _logits(net, features, mark.context[pick], mark.reply[pick][:, None])
            loss = loss + F.binary_cross_entropy_with_logits(
                judged[:, 0, head_index], mark.labels[pick]
            )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        if step % 100 == 0:
            log(f"head {step} of {steps}: {float(loss.detach()):.3f}")


def _logits(net: RerankNet, features: Features, context: Tensor, responses: Tensor) -> Tensor:
    """(n,) and (n, k) rows → logits (n, k, heads)."""
    k = responses.shape[1]
    whole = features.whole[context][:, None].expand(-1, k, -1)
    latest = features.latest[context][:, None].expand(-1, k, -1)
    drop = F.dropout(features.reply[responses], 0.3)
    return net.judge(F.dropout(whole, 0.3), F.dropout(latest, 0.3), drop)


def rows_of_lists(
    render: Renderer, drawn: Sequence[Selection]
) -> tuple[list[RerankItem], list[tuple[RerankItem, ...]]]:
    """All items of drawn lists, flat and by list."""
    grouped = [tuple(render.items(d.context, d.responses, d.facts)) for d in drawn]
    return [item for group in grouped for item in group], grouped


def to_lists(features: Features, grouped: Sequence[tuple[RerankItem, ...]]) -> Lists:
    """Items by list → rows of features."""
    context = [features.context_row[group[0].context] for group in grouped]
    responses = [[features.reply_row[item.response] for item in group] for group in grouped]
    return Lists(torch.tensor(context), torch.tensor(responses))


def to_marks(features: Features, items: Sequence[RerankItem], labels: Sequence[float]) -> Marks:
    """Judged items → rows of features."""
    context = torch.tensor([features.context_row[item.context] for item in items])
    reply = torch.tensor([features.reply_row[item.response] for item in items])
    return Marks(context, reply, torch.tensor(labels))


def start_head(
    net: RerankNet,
    quick: RerankNet,
    render: Renderer,
    draw: Callable[[random.Random, int], Selection],
    judged: dict[int, Sequence[Judged]],
    *,
    lists: int,
    per_head: int,
    steps: int,
    seed: int,
    log: Callable[[str], None] = print,
) -> None:
    """Draw examples, compute their features with `quick` (gates closed), train `net`'s head."""
    rng = random.Random(seed)
    items, grouped = rows_of_lists(render, [draw(rng, 1) for _ in range(lists)])
    marked: dict[int, tuple[list[RerankItem], list[float]]] = {}
    for head, rows in judged.items():
        mine: list[RerankItem] = []
        labels: list[float] = []
        for row in rng.sample(rows, min(per_head, len(rows))):
            mine += render.items(row.context, row.responses, row.facts)
            labels += row.labels
        marked[head] = (mine, labels)
        items += mine
    features = features_of(quick, items, log)
    marks = {head: to_marks(features, mine, labels) for head, (mine, labels) in marked.items()}
    train_head(net, features, to_lists(features, grouped), marks, steps=steps, seed=seed, log=log)
