"""The model benches without their models: the cache's traffic, the ladders' loops, the verdicts."""

from __future__ import annotations

import itertools
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.serving.batching.queue import Budget
from scripts.benches import (
    classifiers,
    generate,
    ladder_cpu,
    ladder_gpu,
    rerank,
    rungs,
    standins,
    texts,
    zipf,
)
from scripts.benches.classifiers import Scores, Texts

MINILM = str(standins.packaged_minilm() / "tokenizer.json")


class Counting:
    """A classifier that answers a text's length and remembers its batches."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []

    def scores(self, given: Texts) -> Scores:
        time.sleep(0.001)
        self.batches.append([str(text) for text in given])
        return np.array([len(text) for text in given], dtype=np.float32)


class Words:
    """A tokenizer that gives a word's ids as the real one does."""

    def __init__(self) -> None:
        self._ids = dict(texts.words(MINILM))

    def rows(self, given: Texts) -> list[Any]:
        class Row:
            def __init__(self, ids: list[int]) -> None:
                self.ids = ids

        return [Row([101, *(self._ids[w] for w in str(text).split()), 102]) for text in given]


def test_the_batching_rung_answers_every_message_once_in_alike_batches() -> None:
    model = Counting()
    lengths = [4, 30] * 200
    messages = itertools.cycle(texts.messages(lengths, MINILM, seed=2))
    took = rungs.batched(model, messages, time.monotonic() + 0.2, Budget(64, 16))
    assert len(took) == sum(len(batch) for batch in model.batches)
    sizes = [{text.count(" ") + 3 for text in batch} for batch in model.batches]
    assert all(len(kinds) == 1 for kinds in sizes[:4])  # short ones with short ones
    assert all(len(b) * max(t.count(" ") + 3 for t in b) <= 64 for b in model.batches)


def test_a_messages_key_is_the_key_of_its_ids() -> None:
    traffic = zipf.Traffic(1000, 1.0, MINILM, seed=3)
    again = zipf.Traffic(1000, 1.0, MINILM, seed=3)
    ranks, messages = again.ranks(50), traffic.messages(50)
    rows = Words().rows(messages)
    assert [zipf.key(row.ids) for row in rows] == [
        zipf.key(traffic.ids(rank, (101, 102))) for rank in ranks
    ]
    assert len({zipf.key(traffic.ids(rank, (101, 102))) for rank in range(1000)}) > 950


def test_a_warm_cache_answers_what_comes_again() -> None:
    traffic = zipf.Traffic(2000, 1.0, MINILM, seed=4)
    cache = zipf.cache_of(500)
    zipf.warm(cache, traffic, 5000, 500, (101, 102))
    assert 400 < len(cache) <= 500  # some sets of eight are full before others
    model, messages = Counting(), traffic.messages(300)
    tokens: Any = Words()
    passed = zipf.through_cache(
        model, tokens, messages, cache, time.monotonic() + 60, Budget(256, 8)
    )
    assert 100 < passed.hits < 300
    asked = [text for batch in model.batches for text in batch]
    assert len(asked) == len(set(asked)) or cache.evicted  # asked again only once evicted
    assert len(passed.took) >= 300 - 8


def test_agreement_is_one_for_the_same_order_and_nothing_for_a_constant() -> None:
    scores = np.array([0.1, 0.5, 0.3], dtype=np.float32)
    assert classifiers.agreement(scores * 7 + 1, scores) == pytest.approx(1.0)
    assert classifiers.agreement(-scores, scores) == pytest.approx(-1.0)
    assert np.isnan(classifiers.agreement(np.zeros(3, dtype=np.float32), scores))


def test_batches_of_like_length_come_back_in_order() -> None:
    model = Counting()
    given = ["a" * n for n in (5, 1, 4, 2, 3)]
    assert classifiers.scores_in_batches(model, given, 2).tolist() == [5, 1, 4, 2, 3]
    assert [len(batch) for batch in model.batches] == [2, 2, 1]


MACHINE = {
    "processor": "p",
    "extensions": [],
    "cores": 2,
    "python": "3",
    "versions": {"torch": "2"},
    "date": "d",
}
PEAKS = {"torch fp32": 100.0, "torch bf16": 200.0, "openvino int8": 400.0, "copy GB/s": 10.0}


def test_a_side_that_ranks_otherwise_is_never_our_best() -> None:
    def row(side: str, rate: float, near: float) -> dict[str, Any]:
        figures = {"pairs_per_s": rate, "slowest": rate, "fastest": rate, "gflop_per_s": 2 * rate}
        return {"side": side, "times_first": rate / 10, "agreement": near, **figures}

    sides = [row("CrossEncoder.predict fp32", 10, 1.0), row("infinity", 20, 1.0)]
    sides += [row("ours: OpenVINO bf16", 50, 0.99), row("ours: OpenVINO int8", 90, 0.5)]
    model = {"what": "m", "gflop_per_pair": 2.0, "pairs": 160, "sides": sides, "absent": {"x": "y"}}
    page = rerank.show(
        {"machine": MACHINE, "limits": PEAKS, "threads": 2, "models": {"minilm": model}}
    )
    assert "Best of ours: ours: OpenVINO bf16, 5.00 × the first" in page
    assert "2.50 × the best of the others (infinity), 50% of the machine's limit" in page
    assert "Absent: x: y" in page


def test_the_generators_verdict_needs_agreement() -> None:
    def side(ms: float) -> dict[str, float]:
        return {"ms": ms, "ms_low": ms, "ms_high": ms, "tokens": 20.0, "gib": 0.0}

    names = {
        generate.FIRST: (1000.0, [1.0, 0.0]),
        "openvino_genai int8 weights": (80.0, [0.9, None]),
        "ours: openvino bf16": (50.0, [0.97, 1e-5]),
        "ours: onnx int8": (20.0, [0.4, 1.0]),
    }
    result = {
        "machine": MACHINE,
        "model": "m",
        "task": [80, 10, 20, 2],
        "gflop_per_request": 5.0,
        "limits": PEAKS,
        "agreement": {name: found for name, (_, found) in names.items()},
        "levels": {"8": {name: side(ms) for name, (ms, _) in names.items()}},
        "absent": {},
    }
    page = generate.show(result)
    assert "Best of ours: ours: openvino bf16, 20.00 × the first" in page
    assert "1.60 × the best of the others (openvino_genai int8 weights)" in page
    assert [panel.kind for panel in generate.charts(result)[0].panels] == ["bars"]


def test_the_cpu_ladder_keeps_the_cache_apart() -> None:
    def rung(rate: float, near: float | None) -> dict[str, Any]:
        return {"per_core": rate, "p50_ms": 1e3 / rate, "p99_ms": 2e3 / rate, "agreement": near}

    rates = dict(zip(rungs.RUNGS, (1, 2, 10, 12, 25, 28, 35), strict=True))
    rows = {name: rung(rate, 0.99) for name, rate in rates.items()}
    rows["OpenVINO int8"]["agreement"] = 0.2
    rows[rungs.BATCHING] = rung(70, None)
    cache = {"entries": 10, "bytes": 1 << 20, "exponent": 1.0, "universe": 100, "hit_rate": 0.8}
    result = {
        "machine": MACHINE,
        "workers": 2,
        "models": ["a", "b"],
        "lengths": {"mean": 15.5, "p50": 14, "p99": 46},
        "batching": {"on": "OpenVINO bf16", "tokens": 512, "waiting": 64},
        "rungs": rows,
        "cache": {**cache, **rung(300, None)},
        "absent": {},
    }
    page = ladder_cpu.show(result)
    assert "One message at a time: OpenVINO bf16, 28.0 × the first" in page
    assert "70.0 × (aim 60 ×" in page
    assert "| ours: batching | a full queue | 14.29 | 28.57 | 70.0 | 70.0 | 2.50 | - |" in page
    assert "Apart from the ladder, a cache of 10 scores" in page


def test_every_rung_of_the_gpu_ladder_is_there() -> None:
    names = [rung.name for rung in ladder_gpu.ladder("bert-base", "cuda", 1)]
    assert names == [
        "128 tokens",
        "80 tokens",
        "compiled",
        "AMP (fp16)",
        "batches of 32",
        "fast tokenizer",
        "ours: torch packed fp16",
    ]
    assert [rung.name for rung in ladder_gpu.ladder("bert-base", "cpu", 1)][-1] == (
        "ours: OpenVINO int8"
    )


@pytest.mark.slow
def test_every_way_of_serving_a_classifier_gives_its_scores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("openvino")
    from transformers import BertConfig, BertForSequenceClassification

    from scripts.benches import exports

    folder = tmp_path / "tiny"
    folder.mkdir()
    shape = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = BertConfig(**shape, intermediate_size=128, num_labels=1, initializer_range=0.2)
    standins.save(BertForSequenceClassification, config, folder)
    standins.wordpiece(folder)
    assert json.loads((folder / "tokenizer.json").read_text())["truncation"] is None
    monkeypatch.setattr(exports, "NETWORKS", tmp_path / "networks")
    model = str(folder)
    pairs = [pair for slate in texts.slates(2, 3, 24, MINILM, seed=6) for pair in slate]
    pairs.append(("hey", "you"))  # shorter: padded, or not, it scores the same
    reference = classifiers.TorchClassifier(model).scores(pairs)
    assert np.ptp(reference) > 0.01
    network = exports.network_of(model, "fp32", [])
    ways = (
        classifiers.TorchClassifier(model, pad=40),
        classifiers.OpenVinoClassifier(model, network, "fp32", 1),
        classifiers.PackedClassifier(model, format_="fp32"),
    )
    for way in ways:
        assert np.abs(way.scores(pairs) - reference).max() < 1e-4
        assert np.abs(way.scores(pairs[-1:]) - reference[-1:]).max() < 1e-4
