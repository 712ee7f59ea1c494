"""Where a run of the served reranker starts, and in what numbers it computes."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from models.checkpoint import DataSource, load_manifest, write_manifest
from models.people_filter import may_hold
from models.reranker import KIND
from models.training.judgements import Selection
from models.training.reranker.asymmetric.export import LICENCES, write_card
from models.training.reranker.asymmetric.start import Predecessor, init_tensors
from models.training.reranker.asymmetric.trainer import HEADS, Material, TrainConfig, Trainer

SHIPPED = Path(__file__).parents[5] / "artifacts" / "reranker"
CONFIG = TrainConfig(minutes=1.0, lists=2, negatives=3)


def draw(rng: random.Random, negatives: int, progress: float) -> Selection:
    wrong = rng.sample(["blue", "no idea", "on the roof", "seven of them", "ask her"], negatives)
    return Selection("own", ("where is the cat?",), ("asleep on the sofa", *wrong))


def trainer(folder: Path, config: TrainConfig) -> Trainer:
    made = Trainer(config, Material(draw, {}), folder)
    made.load_trained(init_tensors(SHIPPED, config))
    return made


def test_a_run_starts_from_a_written_reranker(tmp_path: Path) -> None:
    shipped = init_tensors(SHIPPED, CONFIG)
    fresh, started = Trainer(CONFIG, Material(draw, {}), tmp_path), trainer(tmp_path, CONFIG)
    changed = [n for n, t in fresh.net.state_dict().items() if not torch.equal(t, shipped[n])]
    assert changed, "the shipped reranker is what MiniLM was"
    assert all(torch.equal(t, shipped[n]) for n, t in started.net.state_dict().items())


def test_a_run_starts_from_the_state_of_another(tmp_path: Path) -> None:
    one = trainer(tmp_path / "one", CONFIG)
    one.step(0.5)
    one.save()
    tensors = init_tensors(tmp_path / "one" / "state.pt", CONFIG)
    assert all(torch.equal(one.net.state_dict()[n], t) for n, t in tensors.items())


def test_a_state_that_does_not_say_whose_reactions_it_knows_is_refused(tmp_path: Path) -> None:
    judged = replace(CONFIG, heads=(*HEADS, "reaction_upvote"))
    one = Trainer(judged, Material(draw, {}), tmp_path)
    one.save()
    with pytest.raises(SystemExit, match="learned from reactions"):
        init_tensors(tmp_path / "state.pt", judged)
    with pytest.raises(SystemExit, match="has other heads"):
        init_tensors(tmp_path / "state.pt", CONFIG)


def test_the_manifest_says_what_a_run_went_on_from(tmp_path: Path) -> None:
    (first := tmp_path / "first").mkdir()
    (first / "reranker.json").write_text("{}")
    theirs = [DataSource("self_dialogue", "BSD-3-Clause"), DataSource("reactions", "private")]
    said = {"name": "n", "kind": KIND, "command": "c"}
    written = write_manifest(first, **said, data=theirs, people=["p1"])  # type: ignore[arg-type]
    (second := tmp_path / "second").mkdir()
    (second / "reranker.json").write_text("[]")
    before = Predecessor.of(first)
    assert before.named == {"name": "n", "version": written.version}
    write_card(second, "auto", "c", {}, [], ["p2"], before)
    card = load_manifest(second)
    assert [source.name for source in card.data] == [*LICENCES, "reactions"]
    assert [[may_hold(known, who) for known in card.people] for who in ("p1", "p2")] == [
        [True, False],
        [False, True],
    ]
    (tmp_path / "state.pt").write_bytes(b"a state")
    state = Predecessor.of(tmp_path / "state.pt")
    assert set(state.named) == {"name", "sha256"}
    write_card(second, "auto", "c", {}, before=state)
    assert load_manifest(second).people == ()


@pytest.mark.parametrize("wrong", [{"join": 3}, {"heads": ("selection", "accentor")}])
def test_a_reranker_of_another_kind_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(SystemExit, match=r"--init: .* has other heads or joins elsewhere"):
        init_tensors(SHIPPED, replace(CONFIG, **wrong))  # type: ignore[arg-type]


def test_a_folder_that_is_no_reranker_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="--init: "):
        init_tensors(tmp_path, CONFIG)


def test_bf16_learns_the_same(tmp_path: Path) -> None:
    plain = trainer(tmp_path, CONFIG)
    short = trainer(tmp_path, replace(CONFIG, bf16=True))
    for progress in (0.2, 0.5):
        assert short.step(progress)["selection"] == pytest.approx(
            plain.step(progress)["selection"], rel=0.02
        )
    kinds = {p.dtype for p in short.net.parameters()}
    assert kinds == {torch.float32}
