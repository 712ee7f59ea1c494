"""An OpenVINO graph in int8, made by NNCF from sample inputs and kept for the next start.

NNCF (Neural Network Compression Framework) is an optional package: only who makes the graph needs
it, once. The graph is kept under a name that follows from the weights, the sample and the versions
of this file and OpenVINO, so a stale one is never read.
"""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import openvino as ov

from models.runtimes.openvino_bert import LENGTH, ROWS, read_graph
from models.runtimes.rows import Packed
from models.runtimes.rows_networks import feed

FORMAT = 1  # raised when the same inputs would give another graph


def int8_graph(graph: ov.Model, sample: Sequence[Packed], cache: Path | None) -> ov.Model:
    """`graph` in int8, from `cache` where it was made before; without a cache it is made anew.

    Raises ValueError where it has to be made and NNCF is not installed.
    """
    path = None if cache is None else cache / f"int8-{_key(graph, sample)}.xml"
    if path is not None and path.exists():
        return read_graph(path)
    made = quantise(graph, sample)
    if path is not None:
        _keep(made, path)
    return made


def quantise(graph: ov.Model, sample: Sequence[Packed]) -> ov.Model:
    """Weights and inputs of the linear layers in int8, with ranges taken from `sample`.

    Outlying columns are smoothed into the weights first (SmoothQuant, Xiao et al. 2023). The second
    layer of each feed-forward block is left as it is: its few huge inputs cost more agreement than
    all the others together. So is attention, which is little work.
    """
    if importlib.util.find_spec("nncf") is None:
        raise ValueError(
            "int8 with OpenVINO is made by the optional package nncf, which is not installed "
            "(pip install nncf); dtype auto does without"
        )
    import nncf

    nncf.set_log_level(logging.ERROR)
    feeds = [feed(packed.rounded(ROWS, LENGTH)) for packed in sample]
    linear = [node.get_friendly_name() for node in graph.get_ops() if _is_linear(node)]
    others = [
        node.get_friendly_name()
        for node in graph.get_ops()
        if node.get_type_name() in ("MatMul", "Gather", "Add", "Multiply")
        and (node.get_friendly_name() not in linear or node.get_friendly_name().endswith(".down"))
    ]
    return nncf.quantize(
        graph,
        nncf.Dataset(feeds),
        model_type=nncf.ModelType.TRANSFORMER,
        subset_size=len(feeds),
        ignored_scope=nncf.IgnoredScope(names=others, validate=False),
    )


def _is_linear(node: Any) -> bool:
    return bool(node.get_type_name() == "MatMul" and node.get_friendly_name().startswith("layers."))


def _key(graph: ov.Model, sample: Sequence[Packed]) -> str:
    content = hashlib.sha256()
    content.update(f"{FORMAT} {ov.__version__}".encode())
    for node in graph.get_ordered_ops():
        content.update(node.get_type_name().encode())
        if node.get_type_name() == "Constant":
            content.update(node.data.tobytes())
    for packed in sample:
        content.update(packed.ids.tobytes())
        content.update(packed.contexts.lengths.tobytes())
    return content.hexdigest()[:16]


def _keep(graph: ov.Model, path: Path) -> None:
    """Write the graph so that another process never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".making-") as folder:
        made = Path(folder) / path.name
        ov.save_model(graph, made, compress_to_fp16=False)
        # The weights first: who finds the .xml finds both.
        os.replace(made.with_suffix(".bin"), path.with_suffix(".bin"))
        os.replace(made, path)
