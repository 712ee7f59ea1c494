"""What the model benches share: turns, limits, texts, peers and their processes."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from scripts.benches import children, limits, peers, sides, standins, texts, timing

MINILM = str(standins.packaged_minilm() / "tokenizer.json")


def test_sides_take_turns_and_each_begins_a_round() -> None:
    order: list[str] = []
    works = {name: (lambda name=name: order.append(name)) for name in "abc"}
    seconds = timing.alternate(works, 3, warm=0)
    assert order == ["a", "b", "c", "b", "c", "a", "c", "a", "b"]
    assert {len(rounds) for rounds in seconds.values()} == {3}


def test_warm_rounds_do_not_count_and_a_side_may_time_itself() -> None:
    ticks = iter(range(100))
    told = iter([9.0, 0.5, 0.25])
    seconds = timing.alternate(
        {"own clock": lambda: next(told), "ours": lambda: None},
        2,
        warm=1,
        clock=lambda: float(next(ticks)),
    )
    assert seconds == {"own clock": [0.5, 0.25], "ours": [1.0, 1.0]}


def test_spread_and_quantile() -> None:
    spread = timing.Spread.of([3.0, 1.0, 2.0])
    assert (spread.median, spread.low, spread.high) == (2.0, 1.0, 3.0)
    assert timing.quantile([4.0, 1.0, 3.0, 2.0], 0.5) == 3.0
    assert np.isnan(timing.quantile([], 0.5))


def test_the_arithmetic_of_a_bert_is_what_torch_counts() -> None:
    import torch
    from torch.utils.flop_counter import FlopCounterMode
    from transformers import BertConfig, BertModel

    config = BertConfig(
        hidden_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=256,
        vocab_size=100,
        attn_implementation="eager",
    )
    model = BertModel(config, add_pooling_layer=False).eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(torch.ones((1, 80), dtype=torch.long))
    assert limits.bert_flop(config.to_dict(), 80) == pytest.approx(counter.get_total_flops())


def test_the_arithmetic_of_gpt2_small() -> None:
    config = {"n_embd": 768, "n_layer": 12, "vocab_size": 50257}
    # 84.9 M weights of the layers for 80 + 10 × 19 tokens, 38.6 M of the output for 1 + 190.
    linear = 2 * 84_934_656 * 270 + 2 * 38_597_376 * 191
    found = limits.gpt2_flop(config, 80, 10, 20)
    assert linear < found < 1.02 * linear


def test_small_products_have_a_limit() -> None:
    found = limits.measure(64, 1, threads=1)
    assert min(found.values()) > 0
    assert {"torch fp32", "torch bf16", "copy GB/s"} <= set(found)
    assert limits.higher(found, {name: 2 * value for name, value in found.items()}) == {
        name: 2 * value for name, value in found.items()
    }


def test_pairs_have_exactly_the_tokens_that_were_asked_for() -> None:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(MINILM)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    slates = texts.slates(3, 4, 80, MINILM, seed=1)
    assert [len(slate) for slate in slates] == [4, 4, 4]
    assert {len(tokenizer.encode(*pair).ids) for slate in slates for pair in slate} == {80}
    assert len({slate[0][0] for slate in slates}) == 3


def test_the_committed_histogram() -> None:
    lengths = texts.Lengths.read()
    assert lengths.counts.sum() == 455_912
    assert lengths.quantile(0.5) == 14
    drawn = lengths.draw(20_000, np.random.default_rng(0))
    assert drawn.mean() == pytest.approx(lengths.mean, rel=0.02)


def test_a_wrong_histogram_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "lengths.json"
    path.write_text('{"counts": {"2": 5}}')
    with pytest.raises(ValueError, match="not a histogram"):
        texts.Lengths.read(path)


def test_the_sections_of_the_requirements() -> None:
    found = peers.sections(peers.REQUIREMENTS.read_text(encoding="utf-8"))
    by_name = {(section.name, section.options): section.lines for section in found}
    assert "infinity-emb[torch,server]==0.0.78" in by_name["infinity", ()]
    assert by_name["openvino", ("--no-deps",)][0].startswith("optimum")
    assert all("==" in line for lines in by_name.values() for line in lines)


def test_an_absent_peer_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "VENVS", tmp_path)
    with pytest.raises(peers.PeerAbsent, match="bench peers"):
        peers.python_of("infinity")
    (tmp_path / "infinity").mkdir()
    (tmp_path / "infinity" / "reason.txt").write_text("no such version\n")
    with pytest.raises(peers.PeerAbsent, match="no such version"):
        peers.python_of("infinity")


def test_what_is_absent_is_reported_and_what_is_broken_is_raised() -> None:
    def lacking() -> int:
        raise sides.Absent("no such machine")

    def broken() -> int:
        raise KeyError("a mistake")

    said: list[str] = []
    ready, absent = sides.prepare([("one", lambda: 1), ("two", lacking)], said.append)
    assert ready == {"one": 1}
    assert absent == {"two": "no such machine"}
    with pytest.raises(KeyError):
        sides.prepare([("three", broken)], said.append)


@pytest.fixture
def child(tmp_path: Path) -> Iterator[children.Child]:
    with children.Child("tests.scripts.child_example", said=tmp_path / "log") as started:
        yield started


def test_a_child_answers_through_its_noise(child: children.Child) -> None:
    assert child.call("echo", 60.0, value={"a": [1, 2.5]}) == {"a": [1, 2.5]}


def test_a_childs_error_is_told_and_it_lives_on(child: children.Child) -> None:
    with pytest.raises(children.ChildError, match="ValueError: not today"):
        child.call("refuse", 60.0)
    assert child.call("echo", 60.0, value=1) == 1


def test_a_silent_child_is_an_error(child: children.Child) -> None:
    child.call("echo", 60.0, value=0)
    with pytest.raises(children.ChildError, match="did not answer"):
        child.call("nap", 0.2, seconds=30.0)


def test_what_a_child_started_ends_with_it(child: children.Child) -> None:
    grandchild = child.call("child", 60.0)
    os.kill(grandchild, 0)
    child.close()
    end = time.monotonic() + 10.0
    while time.monotonic() < end and _alive(grandchild):
        time.sleep(0.05)
    assert not _alive(grandchild)
    with pytest.raises(children.ChildError, match="has ended"):
        child.call("echo", 60.0, value=1)


def test_a_child_without_a_parent_ends_whatever_its_threads_do(tmp_path: Path) -> None:
    started = children.Child("tests.scripts.child_example", said=tmp_path / "log")
    try:
        pid = started.call("linger", 60.0)
        assert started._process.stdin is not None
        started._process.stdin.close()  # as the system does where a parent is killed
        assert started._process.wait(20.0) == 0
        assert not _alive(pid)
    finally:
        started.close()


def _alive(pid: int) -> bool:
    """Running; a zombie that nobody has waited for is not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
