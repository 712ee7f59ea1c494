"""The language side of the leash: perplexity on dialogs of people, and batches to rehearse them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

from transformers import GPT2LMHeadModel, PreTrainedTokenizerBase

from models.prompt import plain_encoder
from models.training.corpora import Dialog
from models.training.generator.perplexity import evaluate
from models.training.generator.windows import (
    Batch,
    Window,
    collate,
    encode_dialogs,
    make_batches,
    windows_of,
)

TOKENS_PER_BATCH = 3072
# Windows of each source at a check.
SAMPLE_WINDOWS = 40


class HeldText:
    """Dialogs, encoded once, whose responses' perplexity is measured."""

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        dialogs: Sequence[Dialog],
        device: str = "cpu",
    ) -> None:
        self._encode = plain_encoder(tokenizer)
        self._eos = int(tokenizer.eos_token_id)
        self._dialogs = encode_dialogs(dialogs, self._encode)
        self._device = device

    def held_out_batches(self, *, full: bool) -> Iterator[tuple[str, list[Batch]]]:
        """(source, batches) on the device; the windows that the generator's own figures have."""
        for source in dict.fromkeys(item.dialog.source for item in self._dialogs):
            rng = random.Random(f"held-out:{source}")
            items = [item for item in self._dialogs if item.dialog.source == source]
            windows = [w for item in items for w in windows_of(item, self._encode, self._eos, rng)]
            if not full and len(windows) > SAMPLE_WINDOWS:
                windows = rng.sample(windows, SAMPLE_WINDOWS)
            batches = [
                collate(rows, self._eos) for rows in make_batches(windows, TOKENS_PER_BATCH, rng)
            ]
            yield (
                source,
                [Batch(b.inputs.to(self._device), b.targets.to(self._device)) for b in batches],
            )

    def perplexities(self, model: GPT2LMHeadModel, *, full: bool) -> dict[str, float]:
        """Per source, and of `all`; a fixed sample of the windows unless `full`."""
        return evaluate(model, self, full=full)


def rehearsal(
    tokenizer: PreTrainedTokenizerBase, dialogs: Sequence[Dialog], tokens: int, seed: int
) -> Callable[[int], Batch]:
    """A batch of about `tokens` tokens of these dialogs for every step, fixed by step and seed."""
    encode, eos = plain_encoder(tokenizer), int(tokenizer.eos_token_id)

    def batch(step: int) -> Batch:
        rng = random.Random(f"{seed}:rehearsal:{step}")
        rows: list[Window] = []
        room = tokens
        while room > 0:
            (item,) = encode_dialogs([rng.choice(dialogs)], encode)
            windows = list(windows_of(item, encode, eos, rng))
            if windows:
                rows.append(rng.choice(windows))
                room -= len(rows[-1].ids)
        return collate(rows, eos)

    return batch
