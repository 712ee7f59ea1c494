"""The reranker's serving contract, on real MiniLM weights with a head of random numbers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from models.checkpoint import AlteredFileError, ManifestError
from models.encoder import WordPiece
from models.reranker import (
    CONFIG,
    MAX_CONTEXT,
    MAX_RESPONSE,
    WEIGHTS,
    Renderer,
    RerankBatch,
    Reranker,
    RerankNet,
    apply_delta,
    make_delta,
    open_folder,
)
from models.runtimes import torch_bert
from models.runtimes.torch_bert import load_bert, resolve_base
from models.training.reranker.asymmetric.export import (
    PENALTY,
    serving_config,
    spearman,
    write_card,
    write_weights,
)
from models.training.reranker.asymmetric.trainer import HEADS

ARTIFACT = Path(__file__).parents[2] / "artifacts" / "reranker"
TALK = ["hey, how was your day?", "long. my boss shouted at me in front of everyone"]
REPLIES = [
    "That sounds humiliating. What set it off?",
    "I like turtles.",
    "long. my boss shouted at me in front of everyone",
    "Oh no! Being shouted at with an audience is the worst version of it, I am sorry.",
]


def changed_net(seed: int = 0) -> RerankNet:
    """MiniLM moved a little in every trained part, so that nothing is at its neutral value."""
    torch.manual_seed(seed)
    net = RerankNet(load_bert("auto", 2), len(HEADS))
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if name.endswith(".gate"):
                parameter.normal_(-1.0, 1.0)
            elif name.startswith(("bert.layers.5", "bert.layers.2")):
                parameter.add_(torch.randn_like(parameter) * 0.01)
            elif not name.startswith("bert."):
                parameter.add_(torch.randn_like(parameter) * 0.05)
    return net.eval()


@pytest.fixture(scope="module")
def net() -> RerankNet:
    return changed_net()


@pytest.fixture(scope="module")
def folder(net: RerankNet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("reranker")
    calibration = {head: {"scale": 1.1, "shift": -0.2} for head in HEADS}
    upvote = {"weights": {"selection": 0.9, "accentor": 0.3}, "bias": 0.1}
    write_weights(net, path, serving_config(net, calibration, upvote), "auto")
    write_card(path, "auto", "a test", {})
    return path


@pytest.fixture(scope="module")
def reranker(folder: Path) -> Reranker:
    return Reranker.load(folder, runtime="torch", device="cpu", dtype="fp32", threads=1)


def test_probabilities_and_the_named_score(reranker: Reranker) -> None:
    results = reranker.run(reranker.prepare(TALK, REPLIES))
    assert len(results) == len(REPLIES)
    for result in results:
        assert set(result.heads) == {*HEADS, "upvote"}
        assert all(0.0 <= p <= 1.0 for p in result.heads.values())
        expected = result.heads["upvote"] - PENALTY * result.heads["offensive"]
        assert result.serving == pytest.approx(expected, abs=1e-6)


def test_requests_may_be_mixed_in_any_order(reranker: Reranker) -> None:
    other = reranker.prepare(["do you like rain?"], ["Only from inside.", "No, I like it dry."])
    mine = reranker.prepare(TALK, REPLIES)
    mixed = [mine[2], other[0], mine[0], other[1], mine[3], mine[1]]
    alone = {item: reranker.run([item])[0].serving for item in mixed}
    for item, result in zip(mixed, reranker.run(mixed), strict=True):
        assert result.serving == pytest.approx(alone[item], abs=1e-4)


def test_facts_and_older_turns_reach_the_score(reranker: Reranker) -> None:
    plain = reranker.run(reranker.prepare(TALK, REPLIES))
    facts = reranker.run(reranker.prepare(TALK, REPLIES, ["The person works in a bakery."]))
    last = reranker.run(reranker.prepare(TALK[-1:], REPLIES))
    assert any(abs(a.serving - b.serving) > 1e-4 for a, b in zip(plain, facts, strict=True))
    assert any(abs(a.serving - b.serving) > 1e-4 for a, b in zip(plain, last, strict=True))


def test_items_keep_to_eighty_tokens(reranker: Reranker) -> None:
    items = reranker.prepare(["word " * 200, "and more " * 100], ["reply " * 100, "ok"], ["f " * 9])
    assert MAX_CONTEXT + MAX_RESPONSE == 80
    assert all(len(item.context) <= MAX_CONTEXT for item in items)
    assert [len(item.response) for item in items] == [MAX_RESPONSE, 3]


def test_lengths_add_up_to_what_is_computed(reranker: Reranker) -> None:
    items = reranker.prepare(TALK, REPLIES)
    packed = RerankBatch.of(items)
    assert (
        len(packed.batch.ids) <= sum(i.length for i in items) < len(packed.batch.ids) + len(items)
    )


def test_the_context_is_packed_once(reranker: Reranker) -> None:
    items = reranker.prepare(TALK, REPLIES)
    again = reranker.prepare(TALK, REPLIES[:1])
    batch = RerankBatch.of([*items, *again]).batch
    assert len(batch.contexts.lengths) == 1
    assert len(batch.ids) == len(items[0].context) + sum(len(i.response) for i in [*items, *again])


def test_empty_texts_are_refused_and_no_items_give_none(reranker: Reranker) -> None:
    assert reranker.run([]) == []
    assert reranker.prepare(TALK, []) == []
    with pytest.raises(ValueError, match="no text"):
        reranker.prepare(TALK, ["fine", " \u200b "])
    with pytest.raises(ValueError, match="no turn"):
        reranker.prepare(["  "], ["fine"])


def test_the_latest_turn_is_found() -> None:
    tokens = WordPiece(resolve_base())
    item = Renderer(tokens).items(["one two", "three four five"], ["six"])[0]
    assert item.context[item.latest : -1] == tuple(tokens.encode("three four five"))
    single = Renderer(tokens).items(["three four five"], ["six"])[0]
    assert single.latest == 1


def test_special_tokens_in_a_message_do_not_split_it() -> None:
    tokens = WordPiece(resolve_base())
    item = Renderer(tokens).items(["[SEP] hello [CLS]"], ["[SEP] six"])[0]
    assert item.context.count(tokens.sep) == 1
    assert item.response.count(tokens.sep) == 1


def test_delta_and_base_give_the_trained_scores(
    net: RerankNet, folder: Path, reranker: Reranker
) -> None:
    items = [i for t in ("hello", "i lost my job", TALK[1]) for i in reranker.prepare([t], REPLIES)]
    with torch.inference_mode():
        trained = net(RerankBatch.of(items))
        loaded = open_folder(folder)[0](RerankBatch.of(items))
    assert spearman(trained[:, 0], loaded[:, 0]) > 0.99
    assert torch.allclose(trained, loaded, atol=0.03)


def test_a_delta_leaves_out_what_was_not_trained(net: RerankNet) -> None:
    delta = make_delta(net, load_bert("auto", 2).state_dict())
    touched = {name.split(":")[0].rsplit(".", 2)[0] for name in delta if "layers" in name}
    assert all(("layers.2" in n) or ("layers.5" in n) or n.endswith("layers") for n in touched)
    assert not any("word" in name for name in delta)
    size = sum(t.numel() * t.element_size() for t in delta.values())
    assert size < 6 * 2**20


def test_a_delta_of_another_shape_of_net_is_refused() -> None:
    with pytest.raises(ManifestError, match="unknown tensor"):
        apply_delta(changed_net(), {"bert.layers.9.up.weight": torch.zeros(1)})


def test_int8_ranks_as_fp32_does(folder: Path, reranker: Reranker) -> None:
    if not {"fbgemm", "x86"} & set(torch.backends.quantized.supported_engines):
        pytest.skip("this torch has no int8 engine for this CPU")
    small = Reranker.load(folder, runtime="torch", device="cpu", dtype="int8")
    items = [i for t in ("hello", "i lost my job", TALK[1]) for i in reranker.prepare([t], REPLIES)]
    exact = torch.tensor([r.serving for r in reranker.run(items)])
    quick = torch.tensor([r.serving for r in small.run(items)])
    assert spearman(exact, quick) > 0.95


def test_fused_attention_is_the_same(net: RerankNet, monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs on CUDA, here on the CPU."""
    items = Renderer(WordPiece(resolve_base())).items(TALK, REPLIES)
    with torch.inference_mode():
        plain = net(RerankBatch.of(items))
        monkeypatch.setattr(torch_bert, "plain_attention", torch_bert.fused_attention)
        fused = net(RerankBatch.of(items))
    assert torch.allclose(plain, fused, atol=1e-4)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize(
    ("dtype", "compiled", "most"),
    [("fp32", False, 1e-3), ("fp32", True, 1e-3), ("bf16", False, 0.05), ("fp16", False, 0.01)],
)
def test_cuda_agrees(
    folder: Path, reranker: Reranker, dtype: str, compiled: bool, most: float
) -> None:
    items = reranker.prepare(TALK, REPLIES)
    cuda = Reranker.load(folder, device="cuda", dtype=dtype, compiled=compiled)
    for a, b in zip(reranker.run(items), cuda.run(items), strict=True):
        assert a.serving == pytest.approx(b.serving, abs=most)


def test_a_response_is_read_in_its_context(net: RerankNet) -> None:
    """From `join` on a response sees its context; a context never sees a response."""
    render = Renderer(WordPiece(resolve_base()))
    one = render.items(["i lost my job"], ["I am sorry"])
    two = render.items(["i got the job"], ["I am sorry"])
    with torch.inference_mode():
        whole_a, _, reply_a = net.vectors(RerankBatch.of(one))
        _, _, reply_b = net.vectors(RerankBatch.of(two))
        whole_c, _, _ = net.vectors(RerankBatch.of(render.items(["i lost my job"], ["yay"])))
    assert not torch.allclose(reply_a, reply_b, atol=1e-3)
    assert torch.allclose(whole_a, whole_c, atol=1e-5)


def test_altered_weights_and_another_base_are_refused(folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    with (copy / WEIGHTS).open("r+b") as stream:
        stream.seek(-1, 2)
        stream.write(b"\x55")
    with pytest.raises(AlteredFileError):
        Reranker.load(copy)
    other = Path(shutil.copytree(folder, tmp_path / "other"))
    card = json.loads((other / "manifest.json").read_text())
    card["base"]["sha256"] = "0" * 64
    (other / "manifest.json").write_text(json.dumps(card))
    with pytest.raises(ManifestError, match="not the base"):
        Reranker.load(other)


def test_the_serving_score_is_named(folder: Path) -> None:
    serving = json.loads((folder / CONFIG).read_text())["serving"]
    assert serving["name"] == "P(upvote) - penalty * P(offensive)"


@pytest.mark.skipif(not ARTIFACT.exists(), reason="no trained reranker is shipped here")
def test_the_shipped_reranker_prefers_what_fits() -> None:
    shipped = Reranker.load(ARTIFACT, device="cpu")
    shipped.warm()
    scores = [r.serving for r in shipped.run(shipped.prepare(TALK, REPLIES))]
    assert max(scores[0], scores[3]) == max(scores), "a caring answer beats turtles and an echo"
    assert sum(f.stat().st_size for f in ARTIFACT.iterdir()) < 22 * 2**20
