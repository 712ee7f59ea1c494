"""What a masked language model knows: loss and accuracy on held-out windows with fixed masks."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader

from models.training.pretrain.masking import DialogMasking
from models.training.pretrain.windows import Examples

_LABELS = ("labels", "next_sentence_label", "sentence_order_label")
_SENTENCE_LOGITS = ("seq_relationship_logits", "sop_logits")


def measure(
    network: Any, examples: Examples, masking: DialogMasking, batch: int = 16
) -> dict[str, float]:
    """`mlm_loss` (nats a masked token), `mlm_accuracy`, `masked_tokens`; `sentence_accuracy`.

    The masks follow from the examples' numbers, so two networks are asked the same.
    """
    network.eval()
    device = next(network.parameters()).device
    loss = right = masked = sentences = sentences_right = 0.0
    for tensors in DataLoader(examples, batch_size=batch, collate_fn=masking):
        labels = {name: tensors.pop(name) for name in _LABELS if name in tensors}
        with torch.inference_mode():
            output = network(**{name: tensor.to(device) for name, tensor in tensors.items()})
        logits = _first(output, ("logits", "prediction_logits"))
        wanted = labels.pop("labels")
        asked = wanted >= 0
        told = logits.cpu()[asked].float()
        loss += float(F.cross_entropy(told, wanted[asked], reduction="sum"))
        right += float((told.argmax(-1) == wanted[asked]).sum())
        masked += float(asked.sum())
        for truth in labels.values():
            guess = _first(output, _SENTENCE_LOGITS).cpu().argmax(-1)
            sentences_right += float((guess == truth).sum())
            sentences += len(truth)
    result = {"mlm_loss": loss / masked, "mlm_accuracy": right / masked, "masked_tokens": masked}
    if sentences:
        result["sentence_accuracy"] = sentences_right / sentences
    return result


def _first(output: Any, names: tuple[str, ...]) -> torch.Tensor:
    tensor: torch.Tensor = next(output[name] for name in names if name in output)
    return tensor
