"""The network in training: sentence-transformers' modules over any BERT-like base, and its folder.

Mean pooling (Reimers and Gurevych 2019). In training the vectors are not normalised, since the
siamese softmax reads their lengths too; every other objective compares by cosine, where length
does not matter. What is written ends in a normalising module, as the served `Encoder` does.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

from models.encoder import MAX_TOKENS, Encoder
from models.prompt import normalise
from models.training.encoder.folders import base_name

_PROBES = ("hello", "my sister's wedding is in 3 weeks, and i can't dance [SEP]", "what? 🙂")
SERVED_COSINE = 0.999


def open_network(base: str, max_tokens: int) -> Any:
    """A `SentenceTransformer` of fp32 weights: the encoder, then mean pooling.

    Args:
        base: "auto" (the packaged MiniLM), a folder, or a hub id of any BERT-like encoder.
        max_tokens: longer texts keep their beginning.

    Raises:
        OSError, ValueError: there is no such model, or its folder cannot be read.
    """
    encoder = Transformer(
        base_name(base),
        max_seq_length=max_tokens,
        model_kwargs={"dtype": torch.float32},
        # What a person types stays text, as in `models.encoder.WordPiece`.
        processor_kwargs={"split_special_tokens": True},
    )
    pooling = Pooling(encoder.get_embedding_dimension(), "mean")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return SentenceTransformer(modules=[encoder, pooling], device=device)


def embed(network: Any, texts: Sequence[str], batch: int = 64) -> NDArray[np.float32]:
    """(n, width) unit vectors of normalised texts; the network is left in evaluation mode."""
    network.eval()
    vectors: NDArray[np.float32] = network.encode(
        [normalise(text) for text in texts],
        batch_size=batch,
        normalize_embeddings=True,
        show_progress_bar=False,
        convert_to_numpy=True,
    )
    return vectors.astype(np.float32, copy=False)


def write_network(network: Any, folder: Path) -> None:
    """Write weights (safetensors), configuration and tokenizer; no manifest yet.

    `models.encoder.Encoder`, transformers and sentence-transformers each load the folder.
    """
    encoder, pooling = network[0], network[1]
    whole = SentenceTransformer(modules=[encoder, pooling, Normalize()], device="cpu")
    encoder.max_seq_length = min(MAX_TOKENS, encoder.config.max_position_embeddings)
    whole.save_pretrained(str(folder), create_model_card=False)
    # transformers 5 writes a BERT's LayerNorm under its names of 2018 unless it is told not to.
    encoder.model.save_pretrained(folder, save_original_format=False)


def served_alike(network: Any, folder: Path) -> str:
    """Empty if the service's own encoder reads the folder as the network does, else why not."""
    try:
        served = Encoder.load(str(folder), runtime="torch", device="cpu", dtype="fp32")
    except (OSError, ValueError, KeyError) as error:
        return str(error)
    agreement = (served.encode(_PROBES) * embed(network, _PROBES)).sum(1)
    if float(agreement.min()) < SERVED_COSINE:
        return f"its vectors differ (cosine {float(agreement.min()):.4f})"
    return ""
