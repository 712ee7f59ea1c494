"""One plain classifier (a BERT or DistilBERT with a head) served in several ways.

All of them answer the same question with the same weights, so that their scores can be compared:
`scores(texts)`, where a text may be a pair. Tokenisation is part of the work.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from scripts.benches.standins import folder_of
from scripts.benches.texts import Pair

Texts = Sequence[str] | Sequence[Pair]
Scores = NDArray[np.float32]


class Classifier(Protocol):
    """A model that gives each text one number."""

    def scores(self, texts: Texts) -> Scores:
        """(n,) logits of n ≥ 1 texts, as one batch."""


class TorchClassifier:
    """transformers, as its documentation shows it.

    pad: every text is padded (and cut) to that many tokens; None pads to the batch's longest.
    format_: fp32, bf16, or int8 (torch's dynamic quantisation of the linear layers).
    """

    def __init__(
        self, model: str, *, pad: int | None = None, format_: str = "fp32", device: str = "cpu"
    ) -> None:
        import torch
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        folder = folder_of(model)
        self.device = device
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.padding: dict[str, Any] = {"padding": True, "truncation": True, "max_length": 512}
        if pad is not None:
            self.padding = {"padding": "max_length", "truncation": True, "max_length": pad}
        net = AutoModelForSequenceClassification.from_pretrained(
            folder, dtype=torch.float32, use_safetensors=True
        )
        net = net.eval().to(device)
        if format_ == "bf16":
            net = net.to(torch.bfloat16)
        self.net = dynamic_int8(net) if format_ == "int8" else net

    def scores(self, texts: Texts) -> Scores:
        """(n,) logits."""
        import torch

        rows = [list(part) for part in zip(*texts, strict=True)] if _pairs(texts) else [list(texts)]
        encoded = self.tokenizer(*rows, return_tensors="pt", **self.padding).to(self.device)
        with torch.inference_mode():
            logits = self.net(**encoded).logits[:, 0]
        found: Scores = logits.float().cpu().numpy()
        return found


def dynamic_int8(net: Any) -> Any:
    """The net with int8 linear layers, by the call that the talk on CPUs names."""
    import torch

    with warnings.catch_warnings():
        # It is announced to go; the torch that this is measured with is pinned.
        warnings.simplefilter("ignore")
        from torch.ao.quantization import quantize_dynamic

        return quantize_dynamic(net, {torch.nn.Linear}, torch.qint8)


class Tokens:
    """Texts as padded ids, straight through the Rust tokenizer."""

    def __init__(self, model: str, limit: int = 512) -> None:
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_file(str(Path(folder_of(model)) / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(limit)

    def rows(self, texts: Texts) -> list[Any]:
        """One encoding (`ids`, `type_ids`) for each text."""
        if len(texts) == 1:  # a batch of one costs the set-up of the thread pool
            text = texts[0]
            one = self._tokenizer.encode(*([text] if isinstance(text, str) else text))
            return [one]
        found: list[Any] = self._tokenizer.encode_batch(list(texts))
        return found

    def padded(self, texts: Texts) -> dict[str, NDArray[np.int64]]:
        """(n, longest) ids, mask and types."""
        rows = self.rows(texts)
        longest = max(len(row.ids) for row in rows)
        arrays = np.zeros((3, len(rows), longest), dtype=np.int64)
        for number, row in enumerate(rows):
            size = len(row.ids)
            arrays[0, number, :size] = row.ids
            arrays[1, number, :size] = 1
            arrays[2, number, :size] = row.type_ids
        names = ("input_ids", "attention_mask", "token_type_ids")
        return dict(zip(names, arrays, strict=True))


class OpenVinoClassifier:
    """An exported network (see `exports`) under OpenVINO; format_: fp32, bf16 or int8.

    An int8 network computes what is left of floating point in bf16 where the machine has it.
    """

    def __init__(self, model: str, network: Path, format_: str, threads: int) -> None:
        import openvino as ov

        core = ov.Core()
        fast = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        options = {
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
            "ENABLE_CPU_PINNING": False,
            "INFERENCE_PRECISION_HINT": "f32" if format_ == "fp32" or not fast else "bf16",
        }
        self.tokens = Tokens(model)
        compiled = core.compile_model(str(network), "CPU", options)
        self._request = compiled.create_infer_request()
        self._inputs = [port.get_any_name() for port in compiled.inputs]

    def scores(self, texts: Texts) -> Scores:
        """(n,) logits."""
        arrays = self.tokens.padded(texts)
        found = self._request.infer([arrays[name] for name in self._inputs], share_inputs=True)
        return np.array(found[0], dtype=np.float32).reshape(len(texts), -1)[:, 0]


class PackedClassifier:
    """The service's own torch BERT (packed rows, no padding) under the same head; not DistilBERT.

    format_: fp32, bf16, fp16 or int8, as `models.runtimes.torch_bert` has them. Token types, which
    that BERT does without, are folded into a second half of its word embeddings.
    """

    def __init__(self, model: str, *, format_: str, device: str = "cpu") -> None:
        import torch
        from transformers import AutoModelForSequenceClassification

        from models.runtimes.torch_bert import load_bert, prepare_for

        folder = folder_of(model)
        self.tokens = Tokens(model)
        whole = AutoModelForSequenceClassification.from_pretrained(
            folder, dtype=torch.float32, use_safetensors=True
        )
        bert = load_bert(folder)
        self._words = bert.word.num_embeddings
        types = bert.segment.weight.detach()
        word = bert.word.weight.detach()
        bert.word = torch.nn.Embedding.from_pretrained(
            torch.cat([word, word + types[1] - types[0]])
        )
        self.device = torch.device(device)
        sample = [row.ids for row in self.tokens.rows(["how was your day?", "long, but good."])]
        self._bert = prepare_for(bert, self.device, format_, sample)
        self._head = torch.nn.Sequential(
            whole.bert.pooler.dense, torch.nn.Tanh(), whole.classifier
        ).to(self.device)

    def scores(self, texts: Texts) -> Scores:
        """(n,) logits."""
        import torch

        from models.runtimes.packing import Batch

        rows = self.tokens.rows(texts)
        ids = [
            [i + self._words * kind for i, kind in zip(row.ids, row.type_ids, strict=True)]
            for row in rows
        ]
        with torch.inference_mode():
            batch = Batch.of(ids, device=self.device)
            first = self._bert(batch)[batch.contexts.pad[:, 0]].float()
            logits = self._head(first)[:, 0]
        found: Scores = logits.cpu().numpy()
        return found


def scores_in_batches(model: Classifier, texts: Sequence[Any], size: int) -> Scores:
    """(n,) logits of many texts, like lengths together (by characters), in their order."""
    order = sorted(range(len(texts)), key=lambda i: len("".join(texts[i])))
    out = np.zeros(len(texts), dtype=np.float32)
    for start in range(0, len(order), size):
        rows = order[start : start + size]
        out[rows] = model.scores([texts[i] for i in rows])
    return out


def agreement(ours: Scores, reference: Scores) -> float:
    """Spearman's rank correlation of two lists of scores; NaN where one is constant."""
    a, b = (np.argsort(np.argsort(values)).astype(float) for values in (ours, reference))
    if np.ptp(ours) == 0.0 or np.ptp(reference) == 0.0:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def _pairs(texts: Texts) -> bool:
    return not isinstance(texts[0], str)
