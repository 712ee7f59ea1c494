"""Shapes and rates by size: the table of the GPT-3 paper, and the shape that Kindred ships.

Brown et al. 2020, "Language Models are Few-Shot Learners", table 2.1 and appendix B: AdamW with
betas 0.9 and 0.95, gradients clipped at 1.0, weight decay 0.1, a linear warm-up over the first
375 million tokens, then a cosine down to a tenth of the peak.
"""

from __future__ import annotations

from dataclasses import dataclass

# 375 million tokens of warm-up in batches of half a million.
PAPER_WARMUP_STEPS = 750
# Fine-tuning starts from weights that know most of what there is to learn: a tenth of the peak.
FINE_TUNING_SHARE = 0.1


@dataclass(frozen=True)
class Size:
    """One row of the table. `matrix_rate` is Muon's peak, 0 for AdamW throughout.

    `checkpointing`: activations are computed again in the backward pass by default.
    """

    layers: int
    width: int
    heads: int
    learning_rate: float
    tokens_per_batch: int
    matrix_rate: float = 0.0
    vocabulary: int = 16384
    warmup_steps: int = PAPER_WARMUP_STEPS
    checkpointing: bool = False


SIZES: dict[str, Size] = {
    # What one core trains in an hour and a half; ours, not the paper's.
    "tiny": Size(4, 224, 7, 2e-3, 3072, matrix_rate=3e-3, vocabulary=4096, warmup_steps=60),
    "small": Size(12, 768, 12, 6.0e-4, 500_000),
    "medium": Size(24, 1024, 16, 3.0e-4, 500_000),
    "large": Size(24, 1536, 16, 2.5e-4, 500_000),
    # The table has 24 heads of 128 here, which do not make 2048; 16 do.
    "xl": Size(24, 2048, 16, 2.0e-4, 1_000_000, checkpointing=True),
}
