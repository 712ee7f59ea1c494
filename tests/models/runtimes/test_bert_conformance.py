"""Every local runtime of encoder and reranker against torch in fp32, with the shipped weights."""

from __future__ import annotations

import importlib.util
import random
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr

from models.contracts import EncodeItem, RerankItem
from models.encoder import Encoder
from models.reranker import Reranker
from models.runtimes.choice import choose
from scripts.benches.slates import Slate, own_slates, own_texts

ROOT = Path(__file__).parents[3]
ARTIFACT = ROOT / "artifacts" / "reranker"
SLATES = 8
UNREADABLE = r"vocabulary|tokens|without ids|last turn"


@dataclass(frozen=True)
class Case:
    """A runtime and what may differ from torch fp32.

    score: the largest difference of a serving score; cosine: the least likeness of vectors; top_1:
    the least share of slates whose best response stays the best; mixed: how far a score may move
    with the rest of its batch (int8 scales inputs by the largest of them, so by batch-mates).
    """

    runtime: str
    dtype: str
    score: float
    cosine: float
    top_1: float
    mixed: float
    compiled: bool = False

    def __str__(self) -> str:
        return f"{self.runtime}-{self.dtype}{'-compiled' * self.compiled}"

    @property
    def missing(self) -> str | None:
        """Why it cannot run here, if it cannot."""
        needs = {"openvino": ["openvino"], "onnx": ["onnx", "onnxruntime"]}.get(self.runtime, [])
        if self.runtime == "openvino" and self.dtype == "int8":
            needs.append("nncf")
        for name in needs:
            if importlib.util.find_spec(name) is None:
                return f"{name} is not installed"
        try:
            choose(self.runtime, "cpu", self.dtype)
        except ValueError as error:
            return str(error)
        return None


CASES = [
    Case("torch", "fp32", 1e-5, 0.99999, 1.0, 1e-5),
    Case("torch", "bf16", 0.03, 0.999, 0.9, 0.02),
    Case("torch", "int8", 0.15, 0.98, 0.6, 0.1),
    Case("torch", "fp32", 1e-4, 0.99999, 1.0, 1e-4, compiled=True),
    Case("openvino", "fp32", 1e-4, 0.99999, 1.0, 1e-4),
    Case("openvino", "bf16", 0.03, 0.999, 0.85, 0.02),
    Case("openvino", "int8", 0.15, 0.98, 0.8, 0.02),
    Case("onnx", "fp32", 1e-4, 0.99999, 1.0, 1e-4),
    Case("onnx", "fp16", 0.01, 0.9999, 0.9, 0.01),
    Case("onnx", "int8", 0.25, 0.96, 0.7, 0.15),
]
# torch.compile imports a part of torch that warns of another part.
pytestmark = pytest.mark.filterwarnings("ignore:.*script_method:DeprecationWarning")
# Seconds of compiling or quantising for one case.
SLOW = {"torch-fp32-compiled", "openvino-int8"}


@dataclass(frozen=True)
class Subject:
    case: Case
    encoder: Encoder
    reranker: Reranker


def load(case: Case, cache: Path) -> Subject:
    options: dict[str, Any] = {
        "runtime": case.runtime,
        "dtype": case.dtype,
        "device": "cpu",
        "threads": 1,
        "compiled": case.compiled,
        "sample": own_texts(ROOT / "data", 24),
        "cache": cache,
    }
    return Subject(case, Encoder.load(**options), Reranker.load(ARTIFACT, **options))


def marked(case: Case) -> Any:
    return pytest.param(case, id=str(case), marks=[pytest.mark.slow] * (str(case) in SLOW))


@pytest.fixture(scope="module", params=[marked(case) for case in CASES])
def subject(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Subject:
    if request.param.missing:
        pytest.skip(request.param.missing)
    return load(request.param, tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def slates() -> list[Slate]:
    return own_slates(ROOT / "data", SLATES)


@pytest.fixture(scope="module")
def texts() -> list[str]:
    own = own_texts(ROOT / "data", 40, seed=1)
    return ["", "naïve café, 東京 and a 🙂", *own[:14], " ".join(own)]


@dataclass(frozen=True)
class Reference:
    """What torch in fp32 says."""

    scores: list[np.ndarray]
    vectors: np.ndarray


@pytest.fixture(scope="module")
def reference(
    slates: list[Slate], texts: list[str], tmp_path_factory: pytest.TempPathFactory
) -> Reference:
    torch_fp32 = load(CASES[0], tmp_path_factory.mktemp("cache"))
    return Reference(
        [scores(torch_fp32.reranker, slate) for slate in slates], torch_fp32.encoder.encode(texts)
    )


def scores(reranker: Reranker, slate: Slate) -> np.ndarray:
    found = reranker.run(reranker.prepare(slate.turns, slate.responses))
    return np.array([result.serving for result in found])


def test_slates_are_ranked_as_in_torch_fp32(
    subject: Subject, slates: list[Slate], reference: Reference
) -> None:
    case, same = subject.case, 0
    for slate, expected in zip(slates, reference.scores, strict=True):
        found = scores(subject.reranker, slate)
        assert np.abs(found - expected).max() <= case.score
        assert spearmanr(found, expected).statistic >= (0.95 if case.dtype == "int8" else 0.99)
        # Who wins instead of the best was nearly as good.
        assert expected.max() - expected[found.argmax()] <= case.score
        same += int(found.argmax() == expected.argmax())
    assert same >= case.top_1 * len(slates)


def test_vectors_point_where_torch_fp32_has_them(
    subject: Subject, texts: list[str], reference: Reference
) -> None:
    vectors = subject.encoder.encode(texts)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    assert (vectors * reference.vectors).sum(axis=1).min() >= subject.case.cosine


def test_the_rest_of_a_batch_does_not_matter(subject: Subject, slates: list[Slate]) -> None:
    reranker = subject.reranker
    requests = [
        reranker.prepare(slate.turns, slate.responses[: 2 + 5 * i])
        for i, slate in enumerate(slates[:3])
    ]
    mixed = [item for request in requests for item in request]
    random.Random(2).shuffle(mixed)
    together = {item: r.serving for item, r in zip(mixed, reranker.run(mixed), strict=True)}
    for request in requests:
        for item, alone in zip(request, reranker.run(request), strict=True):
            assert together[item] == pytest.approx(alone.serving, abs=subject.case.mixed)


def test_a_text_means_the_same_alone(subject: Subject, texts: list[str]) -> None:
    items = subject.encoder.prepare(texts[:6])
    for item, vector in zip(items, subject.encoder.run(items), strict=True):
        assert float(subject.encoder.run([item])[0] @ vector) >= subject.case.cosine


def test_nothing_gives_nothing(subject: Subject) -> None:
    assert subject.encoder.run([]) == []
    assert subject.reranker.run([]) == []


def test_the_longest_items_and_the_shortest(subject: Subject) -> None:
    long = subject.reranker.prepare(["word " * 400, "and " * 300], ["reply " * 200, "k"])
    assert all(np.isfinite(result.serving) for result in subject.reranker.run(long))
    items = subject.encoder.prepare(["word " * 600, ""])
    assert all(np.isfinite(vector).all() for vector in subject.encoder.run(items))


@pytest.mark.parametrize("ids", [(101, 10**6, 102), (101, -1, 102), (), (101,) * 513])
def test_ids_that_the_model_cannot_read_are_refused(subject: Subject, ids: tuple[int, ...]) -> None:
    good = subject.reranker.prepare(["hello"], ["hi"])[0]
    with pytest.raises(ValueError, match=UNREADABLE):
        subject.encoder.run([EncodeItem((101, 102)), EncodeItem(ids)])
    with pytest.raises(ValueError, match=UNREADABLE):
        subject.reranker.run([good, RerankItem(good.context, ids, good.latest, len(ids))])
    with pytest.raises(ValueError, match=UNREADABLE):
        subject.reranker.run([good, RerankItem(ids, good.response, 1, len(ids))])
    assert subject.reranker.run([good]), "and it still answers"


def test_a_last_turn_outside_its_context_is_refused(subject: Subject) -> None:
    good = subject.reranker.prepare(["hello"], ["hi"])[0]
    with pytest.raises(ValueError, match="last turn"):
        subject.reranker.run([RerankItem(good.context, good.response, len(good.context), 3)])


def test_any_thread_may_call_it_one_at_a_time(subject: Subject, slates: list[Slate]) -> None:
    here = scores(subject.reranker, slates[0])
    found: list[np.ndarray] = []
    thread = threading.Thread(target=lambda: found.append(scores(subject.reranker, slates[0])))
    thread.start()
    thread.join(60)
    assert np.allclose(found[0], here, atol=1e-6)


def test_results_are_kept_apart_from_later_runs(subject: Subject) -> None:
    """A runtime that lends out its own memory would change them."""
    first = subject.encoder.run(subject.encoder.prepare(["good morning"]))[0]
    copy = first.copy()
    subject.encoder.run(subject.encoder.prepare(["an entirely different text"]))
    assert np.array_equal(first, copy)


def test_versions_name_the_weights_not_the_runtime(subject: Subject) -> None:
    plain = Reranker.load(ARTIFACT, runtime="torch", device="cpu", dtype="fp32")
    assert subject.reranker.version == plain.version
    assert subject.reranker.heads == plain.heads
    assert str(subject.case.dtype) in subject.reranker.runtime
