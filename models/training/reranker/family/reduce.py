"""Layer reduction: an encoder with some of its layers (Sajjad et al. 2020, arXiv:2004.03844).

Which ones: every other, as DistilBERT's student begins (Sanh et al. 2019), the bottom, which that
study found best to keep, or the top. Fine-tuning afterwards is the caller's.
"""

from __future__ import annotations

from typing import Any

from torch import nn

KEEP = ("even", "bottom", "top")


def kept_layers(total: int, keep: int, how: str = "even") -> list[int]:
    """The numbers of the layers that stay. Raises ValueError.

    `even` spreads them from the first on: 12 → 6 is 0, 2, 4, 6, 8, 10 and 6 → 4 is 0, 1, 3, 4.
    """
    if not 1 <= keep <= total:
        raise ValueError(f"{keep} of {total} layers cannot be kept")
    if how == "even":
        return [i * total // keep for i in range(keep)]
    if how == "bottom":
        return list(range(keep))
    if how == "top":
        return list(range(total - keep, total))
    raise ValueError(f"unknown way to keep layers {how!r}: one of {', '.join(KEEP)}")


def reduce_layers(encoder: Any, keep: int, how: str = "even") -> list[int]:
    """Take layers out of an encoder of transformers, in place; the numbers of those that stay.

    ALBERT's layers are one set of weights applied again and again: fewer turns are taken, whichever
    way is asked for. Raises ValueError where the encoder has no list of layers, or too few.
    """
    total = int(encoder.config.num_hidden_layers)
    numbers = kept_layers(total, keep, how)
    layers = find_layers(encoder)
    if layers is None:
        if getattr(encoder.config, "num_hidden_groups", 0) != 1:
            raise ValueError(f"no list of layers in a {encoder.config.model_type}")
        numbers = list(range(keep))
    else:
        kept = [layers[i] for i in numbers]
        del layers[:]
        layers.extend(kept)
    encoder.config.num_hidden_layers = keep
    return numbers


def find_layers(encoder: Any) -> nn.ModuleList | None:
    """The list of an encoder's layers, wherever its architecture keeps it; None if it has none."""
    total = int(encoder.config.num_hidden_layers)
    shared = getattr(encoder.config, "num_hidden_groups", None) is not None
    if shared:
        return None
    lists = [m for m in encoder.modules() if isinstance(m, nn.ModuleList) and len(m) == total]
    return max(lists, key=lambda m: sum(p.numel() for p in m.parameters()), default=None)
