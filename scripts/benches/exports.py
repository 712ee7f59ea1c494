"""Networks for OpenVINO from transformers' models, made once and kept in `var/bench/networks`.

A classifier is exported here. int8 of weights and activations needs NNCF, and a GPT-2 that
openvino_genai accepts needs optimum-intel: both are made in the environment `openvino` of
`requirements-bench.txt` (see `peers`), by this module run there.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scripts.benches import children, peers
from scripts.benches.service import ROOT
from scripts.benches.standins import folder_of

NETWORKS = ROOT / "var" / "bench" / "networks"
CALIBRATION = 300  # texts, as NNCF's guide proposes
_EXPORT_SECONDS = 1200.0


def network_of(model: str, format_: str, calibration: Sequence[Any]) -> Path:
    """The .xml of a classifier; int8 is fitted to the texts of `calibration`.

    Raises PeerAbsent where what makes it is not installed, ChildError where it failed.
    """
    try:
        import openvino  # noqa: F401
    except ImportError:
        raise peers.PeerAbsent("openvino is not installed") from None
    source = folder_of(model)
    stem = model.replace("/", "--").strip("-.")
    plain = _once(NETWORKS / f"{stem}-1", lambda folder: _export_classifier(source, folder))
    if format_ != "int8":
        return plain / "model.xml"
    texts = json.dumps(list(calibration[:CALIBRATION])).encode()
    fitted = NETWORKS / f"{stem}-int8-{hashlib.sha256(texts).hexdigest()[:8]}-1"
    return _once(fitted, lambda folder: _quantise(model, plain, folder, calibration)) / "model.xml"


def gpt2_of(model: str) -> Path:
    """A folder that openvino_genai reads, weights in int8. Raises PeerAbsent, ChildError."""
    source = folder_of(model)
    stem = model.replace("/", "--").strip("-.")

    def make(folder: Path) -> None:
        _elsewhere("gpt2", source=source, target=str(folder))

    return _once(NETWORKS / f"{stem}-genai-1", make)


def _once(folder: Path, make: Callable[[Path], None]) -> Path:
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        making = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
        try:
            make(making)
            os.replace(making, folder)
        finally:
            shutil.rmtree(making, ignore_errors=True)
    return folder


def _export_classifier(source: str, target: Path) -> None:
    """ids, mask and, for BERT, types → logits; the batch and the length stay open."""
    import openvino as ov
    import torch
    from transformers import AutoModelForSequenceClassification

    net = AutoModelForSequenceClassification.from_pretrained(
        source, dtype=torch.float32, use_safetensors=True
    ).eval()

    class Open(torch.nn.Module):
        """Hands the model a ready additive mask: its own mask code cannot be traced."""

        def forward(
            self, input_ids: Any, attention_mask: Any, token_type_ids: Any = None
        ) -> torch.Tensor:
            bias = (1.0 - attention_mask[:, None, None, :].to(torch.float32)) * -1e4
            more = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
            logits: torch.Tensor = self.net(input_ids, attention_mask=bias, **more).logits
            return logits

        def __init__(self) -> None:
            super().__init__()
            self.net = net

    example = {
        "input_ids": torch.randint(5, 1000, (2, 9)),
        "attention_mask": torch.ones((2, 9), dtype=torch.long),
    }
    if net.config.model_type == "bert":
        example["token_type_ids"] = torch.zeros((2, 9), dtype=torch.long)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing is what converts, and torch deprecates it
        model = ov.convert_model(Open().eval(), example_input=example)
    for port, name in zip(model.inputs, example, strict=True):
        port.get_tensor().set_names({name})
        port.get_node().set_partial_shape(ov.PartialShape([-1, -1]))
    model.validate_nodes_and_infer_types()
    ov.save_model(model, target / "model.xml", compress_to_fp16=False)


def _quantise(model: str, plain: Path, target: Path, calibration: Sequence[Any]) -> None:
    from scripts.benches.classifiers import Tokens

    tokens = Tokens(model)
    rows = [tokens.padded([text]) for text in calibration[:CALIBRATION]]
    data = {f"{i}-{name}": array for i, row in enumerate(rows) for name, array in row.items()}
    np.savez(target / "calibration.npz", **data)
    _elsewhere(
        "int8",
        source=str(plain / "model.xml"),
        target=str(target / "model.xml"),
        calibration=str(target / "calibration.npz"),
    )


def _elsewhere(verb: str, **arguments: str) -> None:
    """One of `HANDLERS` in the environment that has what it needs."""
    python = peers.python_of("openvino")
    said = ROOT / "var" / "bench" / "logs" / f"export-{verb}.log"
    with children.Child("scripts.benches.exports", python=python, said=said) as child:
        child.call(verb, _EXPORT_SECONDS, **arguments)


def int8(source: str, target: str, calibration: str) -> None:
    """NNCF's quantisation of weights and activations, with its settings for transformers."""
    import nncf
    import openvino as ov

    model = ov.Core().read_model(source)
    names = [port.get_any_name() for port in model.inputs]
    with np.load(calibration) as data:
        count = len({key.split("-")[0] for key in data.files})
        rows = [{name: data[f"{i}-{name}"] for name in names} for i in range(count)]
    made = nncf.quantize(
        model,
        nncf.Dataset(rows),
        model_type=nncf.ModelType.TRANSFORMER,
        subset_size=len(rows),
    )
    ov.save_model(made, target, compress_to_fp16=False)


def gpt2(source: str, target: str) -> None:
    """optimum-intel's export of a GPT-2, and its tokenizer as openvino_genai wants it."""
    from optimum.intel import OVModelForCausalLM, OVWeightQuantizationConfig
    from transformers import AutoTokenizer

    made = OVModelForCausalLM.from_pretrained(
        source, export=True, quantization_config=OVWeightQuantizationConfig(bits=8)
    )
    made.save_pretrained(target)
    tokenizer = AutoTokenizer.from_pretrained(source)
    tokenizer.save_pretrained(target)
    import openvino as ov
    from openvino_tokenizers import convert_tokenizer

    for part, name in zip(
        convert_tokenizer(tokenizer, with_detokenizer=True),
        ("tokenizer", "detokenizer"),
        strict=True,
    ):
        ov.save_model(part, Path(target) / f"openvino_{name}.xml")


HANDLERS: dict[str, children.Handler] = {"int8": int8, "gpt2": gpt2}

if __name__ == "__main__":
    children.serve(HANDLERS)
