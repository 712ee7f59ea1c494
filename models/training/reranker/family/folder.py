"""Folders of trained rerankers: written with a manifest, opened as a `PairScorer`.

A folder of the family holds `model.safetensors` (the whole network), `pair_scorer.json` (family,
heads, limits, temperatures, serving score), the tokenizer, for a cross-encoder the encoder's
`config.json`, and `manifest.json` of kind "pair-scorer". The served reranker's folder, of kind
"reranker", opens as well.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from models.checkpoint import (
    DataSource,
    Manifest,
    ManifestError,
    load_manifest,
    verify,
    write_atomically,
    write_manifest,
)
from models.prompt import normalise
from models.reranker import CONFIG as SERVED_CONFIG
from models.reranker import KIND as SERVED_KIND
from models.reranker import Reranker, open_folder
from models.training.examples import Example
from models.training.reranker.family.bilstm import BiLstm
from models.training.reranker.family.calibration import sigmoid
from models.training.reranker.family.collator import Collator
from models.training.reranker.family.cross_encoder import CrossEncoder, load_tokenizer
from models.training.reranker.family.networks import PairNetwork, count_parameters, logits_of
from models.training.reranker.family.qa_lstm import QaLstm
from models.training.reranker.family.tokens import Limits, PairCoder, Template
from models.training.reranker.scorer import PairScorer

KIND = "pair-scorer"
FORMAT = 1
CONFIG = "pair_scorer.json"
WEIGHTS = "model.safetensors"
SERVED_BATCH = 64
# Heads that speak for a response, the most wanted first: the serving score takes the first it has.
WANTED = ("upvote", "selection", "liking", "accentor")
UNWANTED = "offensive"
PENALTY = 0.1
_RECURRENT: dict[str, type[QaLstm] | type[BiLstm]] = {"qa-lstm": QaLstm, "bilstm": BiLstm}


@dataclass(frozen=True)
class Model:
    """A network with what it reads and says: tokenizer, limits, names of its heads."""

    network: PairNetwork
    tokenizer: Any
    limits: Limits
    heads: tuple[str, ...]

    def coder(self) -> PairCoder:
        """Texts to ids."""
        return PairCoder(self.tokenizer, self.limits)

    def collator(self) -> Collator:
        """Ids to the batches that the network reads."""
        template = Template.of(self.tokenizer) if self.network.joint else None
        return Collator(int(self.tokenizer.pad_token_id or 0), template)


class FamilyScorer:
    """A `PairScorer` of one network of the family."""

    def __init__(self, model: Model, config: Mapping[str, Any], name: str, version: str) -> None:
        self.model, self.config = model, config
        self.name, self.version = name, version
        self.heads = model.heads
        self.parameters = count_parameters(model.network)
        self._coder, self._collate = model.coder(), model.collator()
        temperatures = config["temperatures"]
        self._temperatures = np.array([temperatures[h] for h in self.heads], dtype=np.float32)

    def logits(self, examples: Sequence[Example]) -> NDArray[np.float32]:
        """Logits (n, heads) before calibration, in order."""
        pairs = [self._coder.code(example) for example in examples]
        return logits_of(self.model.network, pairs, self._collate).reshape(-1, len(self.heads))

    def score(self, examples: Sequence[Example]) -> NDArray[np.float32]:
        """Calibrated probabilities (n, heads), in order; labels are not read."""
        return sigmoid(self.logits(examples) / self._temperatures)

    def serving(self, probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
        """The serving score (n,) that the folder names, of what `score` gave."""
        serving = self.config["serving"]
        chosen: NDArray[np.float32] = probabilities[:, self.heads.index(serving["upvote"])]
        if UNWANTED in self.heads:
            chosen = chosen - serving["penalty"] * probabilities[:, self.heads.index(UNWANTED)]
        return chosen.astype(np.float32)


class ServedScorer:
    """A `PairScorer` of the served reranker: its heads, and its P(upvote) as one of them."""

    def __init__(self, reranker: Reranker, parameters: int, penalty: float, name: str) -> None:
        self._reranker, self._penalty = reranker, penalty
        self.name, self.version = name, reranker.version
        self.heads = (*(h for h in reranker.heads if h != "upvote"), "upvote")
        self.parameters = parameters

    def score(self, examples: Sequence[Example]) -> NDArray[np.float32]:
        """Calibrated probabilities (n, heads), in order; labels are not read."""
        # Sorted by context, so that responses to one share it as they do in serving.
        order = sorted(range(len(examples)), key=lambda i: (examples[i].context, examples[i].facts))
        scores = np.zeros((len(examples), len(self.heads)), dtype=np.float32)
        for start in range(0, len(order), SERVED_BATCH):
            rows = order[start : start + SERVED_BATCH]
            items = [self._reranker.prepare(*_texts(examples[row]))[0] for row in rows]
            for row, result in zip(rows, self._reranker.run(items), strict=True):
                scores[row] = [result.heads[head] for head in self.heads]
        return scores

    def serving(self, probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
        """The serving score (n,) of what `score` gave: P(upvote) - penalty · P(offensive)."""
        chosen: NDArray[np.float32] = probabilities[:, -1]
        if UNWANTED in self.heads:
            chosen = chosen - self._penalty * probabilities[:, self.heads.index(UNWANTED)]
        return chosen.astype(np.float32)


def _texts(example: Example) -> tuple[Sequence[str], list[str], Sequence[str]]:
    """What serving would not be asked, a text that nobody can see, is scored as a full stop."""
    context = example.context if any(map(normalise, example.context)) else (".",)
    return context, [example.response if normalise(example.response) else "."], example.facts


def open_scorer(folder: Path, *, device: str = "auto") -> PairScorer:
    """Open a reranker's folder, of the family or the served one.

    `device`: "auto" is a GPU where there is one. Raises models.checkpoint.ModelFileError where the
    folder is not what its manifest says, or holds something else.
    """
    kind = load_manifest(folder).kind
    if kind == SERVED_KIND:
        reranker = Reranker.load(folder, runtime="torch", device=device, dtype="fp32")
        served = json.loads((folder / SERVED_CONFIG).read_text(encoding="utf-8"))["serving"]
        weights = count_parameters(open_folder(folder)[0])
        return ServedScorer(reranker, weights, float(served["penalty"]), folder.name)
    model, config, manifest = open_model(folder)
    model.network.to(_device(device)).eval()
    return FamilyScorer(model, config, manifest.name, manifest.version)


def _device(device: str) -> torch.device:
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(device)


def open_model(folder: Path) -> tuple[Model, dict[str, Any], Manifest]:
    """The network in fp32 on the CPU with its tokenizer, `pair_scorer.json` and the manifest.

    Raises models.checkpoint.ModelFileError.
    """
    manifest = verify(folder, kind=KIND)
    config: dict[str, Any] = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    if config.get("format") != FORMAT:
        raise ManifestError(f"{folder}: not a pair scorer of format {FORMAT}")
    network = _build(folder, config)
    try:
        network.load_state_dict(load_file(folder / WEIGHTS))
    except RuntimeError as error:
        raise ManifestError(f"{folder}: its weights do not fit its configuration") from error
    limits = Limits(**config["limits"])
    model = Model(network.eval(), load_tokenizer(folder), limits, tuple(config["heads"]))
    return model, config, manifest


def _build(folder: Path, config: Mapping[str, Any]) -> PairNetwork:
    family, shape = config["family"], config["shape"]
    if family in _RECURRENT:
        return _RECURRENT[family](**shape)
    if family != CrossEncoder.family:
        raise ManifestError(f"{folder}: unknown family {family!r}")
    from transformers import AutoConfig, AutoModel

    encoder = AutoModel.from_config(AutoConfig.from_pretrained(str(folder)), dtype=torch.float32)
    return CrossEncoder(encoder.float(), **shape)


def serving_score(heads: Sequence[str]) -> dict[str, Any]:
    """The named score that serving would go by, from the heads that there are."""
    upvote = next((head for head in WANTED if head in heads), heads[0])
    name = f"P({upvote})"
    if UNWANTED not in heads:
        return {"name": name, "upvote": upvote, "penalty": 0.0}
    return {
        "name": f"{name} - penalty * P({UNWANTED})",
        "upvote": upvote,
        "penalty": PENALTY,
    }


def save(
    folder: Path,
    model: Model,
    *,
    name: str,
    temperatures: Mapping[str, float],
    command: str,
    data: Sequence[DataSource],
    metrics: Mapping[str, Any],
    base: Mapping[str, Any] | None = None,
    people: Iterable[str] = (),
) -> Manifest:
    """Write a folder that `open_scorer` opens; files of an earlier model in it are replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    network = model.network.cpu().eval()
    config = {
        "format": FORMAT,
        "family": network.family,
        "heads": list(model.heads),
        "shape": network.shape(),
        "limits": asdict(model.limits),
        "temperatures": dict(temperatures),
        "serving": serving_score(model.heads),
    }
    tensors = {n: t.detach().contiguous().clone() for n, t in network.state_dict().items()}
    half_written = folder / f".{WEIGHTS}.tmp"
    save_file(tensors, half_written)
    half_written.chmod(0o644)  # safetensors writes 0600
    half_written.replace(folder / WEIGHTS)
    write_atomically(folder / CONFIG, json.dumps(config, indent=2) + "\n")
    model.tokenizer.save_pretrained(str(folder))
    if isinstance(network, CrossEncoder):
        network.encoder.config.to_json_file(str(folder / "config.json"), use_diff=False)
    return write_manifest(
        folder,
        name=name,
        kind=KIND,
        command=command,
        data=data,
        metrics=metrics,
        base=base,
        people=people,
    )
