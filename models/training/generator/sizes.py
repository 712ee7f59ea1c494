"""Shapes and rates by size: the table of the GPT-3 paper, and the shape that Kindred ships.

Brown et al. 2020, "Language Models are Few-Shot Learners", table 2.1 and appendix B: AdamW with
betas 0.9 and 0.95, gradients clipped at 1.0, weight decay 0.1, a linear warm-up over the first
375 million tokens, then a cosine down to a tenth of the peak.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

PAPER_WARMUP_TOKENS = 375_000_000
# Fine-tuning starts from weights that know most of what there is to learn: a tenth of the peak.
FINE_TUNING_SHARE = 0.1
# And from little data: half a million tokens an update would be an epoch in an update or two.
FINE_TUNING_TOKENS_PER_BATCH = 32_768
# What is trained where nothing says otherwise.
DEFAULT_SIZE = "tiny"


@dataclass(frozen=True)
class Size:
    """One row of the table. `matrix_rate` is Muon's peak, 0 for AdamW throughout.

    The warm-up is counted in tokens, so that larger updates do not make it longer.
    `checkpointing`: activations are computed again in the backward pass by default.
    """

    layers: int
    width: int
    heads: int
    learning_rate: float
    tokens_per_batch: int
    matrix_rate: float = 0.0
    vocabulary: int = 16384
    warmup_tokens: int = PAPER_WARMUP_TOKENS
    checkpointing: bool = False


SIZES: dict[str, Size] = {
    # What one core trains in an hour and a half; ours, not the paper's.
    "tiny": Size(4, 224, 7, 2e-3, 3072, matrix_rate=3e-3, vocabulary=4096, warmup_tokens=60 * 3072),
    "small": Size(12, 768, 12, 6.0e-4, 500_000),
    "medium": Size(24, 1024, 16, 3.0e-4, 500_000),
    "large": Size(24, 1536, 16, 2.5e-4, 500_000),
    # The table has 24 heads of 128 here, which do not make 2048; 16 do.
    "xl": Size(24, 2048, 16, 2.0e-4, 1_000_000, checkpointing=True),
}


def nearest(layers: int, width: int) -> str:
    """The size whose rates suit a network of this shape: the row that has it, else the nearest.

    Near is a small ratio of parameters in the blocks, 12 x layers x width squared: embeddings
    depend on the vocabulary, which is not the size's.
    """

    def distance(name: str) -> float:
        row = SIZES[name]
        return abs(math.log(layers * width**2) - math.log(row.layers * row.width**2))

    return min(SIZES, key=distance)
