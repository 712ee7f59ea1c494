"""Dynamic masking (Devlin et al. 2019; Liu et al. 2019): new masks whenever a text comes again.

transformers' collator chooses 15 % of the tokens at every call and makes 80 % of them `[MASK]`,
10 % a random token, and leaves 10 %; it is used for that. It draws from one stream of random
numbers, which a resumed run cannot rejoin, and masks whole words by `[MASK]` alone. Here the
masks of a batch follow from the seed and the first example's number, and whole words have the
same 80/10/10.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import DataCollatorForLanguageModeling

MASKED = 0.15
_REPLACED, _RANDOM = 0.8, 0.1
_LABELS = {"nsp": "next_sentence_label", "sop": "sentence_order_label"}


class DialogMasking(DataCollatorForLanguageModeling):  # type: ignore[misc]
    """A batch of `windows.Examples`, padded and masked."""

    def __init__(self, tokenizer: Any, seed: int, *, whole_words: bool, sentence: str = "") -> None:
        """`sentence`: which label the model expects for `sentence` of an example."""
        super().__init__(
            tokenizer=tokenizer,
            mlm_probability=MASKED,
            mask_replace_prob=_REPLACED,
            random_replace_prob=_RANDOM,
        )
        self._seed_of_masks, self._whole_words = seed, whole_words
        self._sentence = sentence
        self._starts: Tensor | None = None

    def torch_call(self, examples: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Tensors by the names of the model's arguments; labels are -100 where nothing is asked."""
        own = ("key", "starts", "sentence")
        plain = [{k: v for k, v in example.items() if k not in own} for example in examples]
        self.generator = _generator(self._seed_of_masks, examples[0]["key"])
        longest = max(len(example["input_ids"]) for example in examples)
        rows = [e["starts"] + [True] * (longest - len(e["starts"])) for e in examples]
        self._starts = torch.tensor(rows)
        batch: dict[str, Any] = super().torch_call(plain)
        if self._sentence:
            batch[_LABELS[self._sentence]] = torch.tensor([e["sentence"] for e in examples])
        return batch

    def torch_mask_tokens(
        self, inputs: Tensor, special_tokens_mask: Any = None, offset_mapping: Any = None
    ) -> tuple[Tensor, Tensor]:
        """(masked ids, labels), both (n, L)."""
        if not self._whole_words or self._starts is None:
            masked: tuple[Tensor, Tensor] = super().torch_mask_tokens(
                inputs, special_tokens_mask, offset_mapping
            )
            return masked
        chosen = self._words(self._starts) & ~special_tokens_mask.bool()
        labels = torch.where(chosen, inputs, -100)
        fate = torch.rand(inputs.shape, generator=self.generator)
        drawn = torch.randint(len(self.tokenizer), inputs.shape, generator=self.generator)
        inputs = torch.where(chosen & (fate < _REPLACED), self.tokenizer.mask_token_id, inputs)
        changed = chosen & (fate >= _REPLACED) & (fate < _REPLACED + _RANDOM)
        return torch.where(changed, drawn, inputs), labels

    def _words(self, starts: Tensor) -> Tensor:
        """(n, L): true in whole words, each chosen with probability 0.15."""
        word = starts.long().cumsum(dim=1) - 1
        draws = torch.rand(starts.shape, generator=self.generator) < MASKED
        return draws.gather(1, word.clamp_min(0))


def _generator(seed: int, key: int) -> torch.Generator:
    digest = hashlib.sha256(f"{seed}:{key}:masks".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))
