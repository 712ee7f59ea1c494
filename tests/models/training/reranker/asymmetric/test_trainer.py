"""Training of the reranker on conversations written here: data, losses, resuming, export."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from models.reranker import Reranker
from models.training import judgements as j
from models.training.reranker.asymmetric.evaluate import (
    Scored,
    auc,
    balanced,
    choose_upvote,
    expected_calibration_error,
    platt,
    selection_measures,
    unit_auc,
    within_group_accuracy,
)
from models.training.reranker.asymmetric.export import HeldOut, export
from models.training.reranker.asymmetric.trainer import (
    HEADS,
    Material,
    TrainConfig,
    Trainer,
    schedule,
)
from models.training.selection import DialogSampler, ExchangeSampler, spoil

TOPICS = ["rain", "bread", "trains", "cats", "chess", "the sea", "tea", "gardens", "maps", "jazz"]


def write_rows(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "wt", encoding="utf-8") as stream:
        stream.writelines(json.dumps(row) + "\n" for row in rows)


def talk(topic: str, rating: str = "Good") -> list[dict[str, str]]:
    lines = [
        f"do you like {topic}?",
        f"yes, {topic} is what i live for",
        "since when?",
        f"since my aunt showed me {topic} one summer",
    ]
    return [{"speaker": "AB"[i % 2], "text": t, "rating": rating} for i, t in enumerate(lines)]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder laid out like the public data, with conversations of this test's own."""
    root: Path = tmp_path_factory.mktemp("data")
    selves = [{"dialog_id": f"s{t}", "topic": "hobby", "turns": talk(t)} for t in TOPICS]
    write_rows(root / "dialogs/self_dialogue.jsonl.gz", selves)
    poor = [{"dialog_id": f"t{t}", "turns": talk(t, "Poor")} for t in TOPICS]
    write_rows(root / "dialogs/topical_chat.jsonl.gz", poor)
    persona = [
        {"dialog_id": f"p{t}", "personas": {"A": [f"I own {t}."], "B": []}, "turns": talk(t)}
        for t in TOPICS
    ]
    write_rows(root / "dialogs/synthetic_persona_chat.jsonl.gz", persona)
    small = [
        {"style": "kind", "questions": [f"{t}?", f"{t}!"], "answer": f"Ah, {t}."} for t in TOPICS
    ]
    write_rows(root / "dialogs/personality_chat.jsonl.gz", small)
    slots = [
        {
            "context": ["book a table", "where?"],
            "response": f"{word} {t}",
            "label": label,
            "group": t,
        }
        for t in TOPICS
        for word, label in (("Enjoy", "good"), ("Whatever,", "bad"))
    ]
    write_rows(root / "reactions/accentor_train.jsonl.gz", slots)
    safety = [
        {"split": "train", "context": ["hi"], "response": text, "label": label}
        for text, label in (("you idiot", "Unsafe"), ("hello you", "Safe"), ("\u200b", "Safe"))
    ]
    write_rows(root / "reactions/diasafety.jsonl.gz", safety)
    turns = [{"speaker": s, "text": f"{s} says"} for s in ("user", "bot", "user", "bot")]
    rated = [{"dialog_id": f"i{i}", "rating": i, "turns": turns} for i in (1, 2, 3)]
    write_rows(root / "reactions/ieval.jsonl.gz", rated)
    return root


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root: Path = tmp_path_factory.mktemp("own")
    bank = [
        {
            "id": f"b{t}",
            "contexts": [f"i miss {t}", f"{t} is gone"],
            "replies": [f"Tell me of {t}."],
        }
        for t in TOPICS
    ]
    write_rows(root / "bank/loss.jsonl", bank)
    turns = [{"speaker": ("person", "kindred")[i % 2], "text": f"line {i}"} for i in range(4)]
    write_rows(root / "dialogs/day.jsonl", [{"id": "d1", "turns": turns}])
    return root


def test_conversations_are_read_with_their_facts(data: Path) -> None:
    dialogs = {d.name: d for d in j.load_dialogs(data)}
    assert len(dialogs) == 3 * len(TOPICS)
    assert dialogs["prain"].facts[0] == ("I own rain.",)
    assert not any(map(dialogs["train"].is_target, range(4))), "poorly rated turns are no examples"
    assert [dialogs["srain"].is_target(i) for i in range(4)] == [False, True, True, True]


def test_lists_have_one_true_response_and_never_it_again(data: Path) -> None:
    sampler = DialogSampler([d for d in j.load_dialogs(data) if d.source == "self_dialogue"])
    rng = random.Random(0)
    for _ in range(50):
        drawn = sampler.draw(rng, 5)
        assert len(drawn.responses) == 6
        assert drawn.responses[0] not in drawn.responses[1:]
        assert 1 <= len(drawn.context) <= 5


def test_only_kindreds_turns_are_examples(own: Path) -> None:
    dialogs, bank = j.load_own(own)
    rng = random.Random(0)
    true = {DialogSampler(dialogs).draw(rng, 2).responses[0] for _ in range(20)}
    assert true == {"line 1", "line 3"}
    assert len(bank) == len(TOPICS)


def test_near_entries_become_hard_negatives(own: Path) -> None:
    _, bank = j.load_own(own)
    near = [[(i + 1) % len(bank)] for i in range(len(bank))]
    sampler = ExchangeSampler(bank, near)
    rng = random.Random(0)
    hits = 0
    for _ in range(40):
        drawn = sampler.draw(rng, 4)
        i = next(i for i, e in enumerate(bank) if drawn.responses[0] in e.replies)
        hits += bank[near[i][0]].replies[0] in drawn.responses[1:]
    assert hits > 20


@pytest.mark.parametrize("seed", range(12))
def test_a_spoiled_reply_differs(seed: int) -> None:
    text = "Then let us not rush past it, did something set it off?"
    spoiled = spoil(text, random.Random(seed))
    assert spoiled
    assert spoiled != text


def test_judgements_keep_their_meaning(data: Path) -> None:
    accentor = j.load_accentor(data, "train")
    assert all(row.labels == (1.0, 0.0) for row in accentor)
    safety = j.load_safety(data, "train")
    assert [row.labels[0] for row in safety] == [1.0, 0.0], "a reply nobody can see is left out"
    liking = j.load_liking(data, "ieval")
    assert [row.labels[0] for row in liking] == [0.0, 0.0, 0.5, 0.5, 1.0, 1.0]
    assert {row.labels for row in j.load_topical_ratings(data)} == {(0.0,)}


def test_the_split_is_stable_and_near_its_share() -> None:
    held = [j.is_held_out(f"dialog-{i}") for i in range(4000)]
    assert 0.03 < sum(held) / len(held) < 0.07
    assert held == [j.is_held_out(f"dialog-{i}") for i in range(4000)]


def test_auc_counts_pairs() -> None:
    scores, labels = [0.1, 0.4, 0.35, 0.8, 0.4], [0.0, 0.0, 1.0, 1.0, 1.0]
    pairs = [
        (s, t)
        for s, a in zip(scores, labels, strict=True)
        if a
        for t, b in zip(scores, labels, strict=True)
        if not b
    ]
    expected = sum((s > t) + 0.5 * (s == t) for s, t in pairs) / len(pairs)
    assert auc(scores, labels) == pytest.approx(expected)
    assert auc([1.0, 2.0], [1.0, 1.0]) != auc([1.0, 2.0], [1.0, 1.0]), "NaN with one class"


def test_platt_finds_the_probabilities() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6000, generator=generator) * 3
    labels = (torch.rand(6000, generator=generator) < torch.sigmoid(0.5 * logits + 1)).float()
    scale, shift = platt(logits, labels, torch.ones(6000))
    assert scale == pytest.approx(0.5, abs=0.05)
    assert shift == pytest.approx(1.0, abs=0.1)
    calibrated = torch.sigmoid(logits * scale + shift)
    even = torch.ones(6000)
    assert expected_calibration_error(calibrated, labels, even) < 0.03
    assert expected_calibration_error(torch.sigmoid(logits), labels, even) > 0.05
    weights = balanced(labels)
    assert float(weights[labels > 0.5].sum()) == pytest.approx(float(weights[labels < 0.5].sum()))


def test_recall_within_lists() -> None:
    logits = torch.tensor([[3.0, 1.0, 2.0], [1.0, 2.0, 0.0]])
    assert selection_measures(logits) == {"recall_at_1": 0.5, "auc": 0.75, "lists": 2}


def test_units_and_groups() -> None:
    scored = Scored(torch.zeros(4, 1), torch.tensor([1.0, 1.0, 0.0, 0.0]), ("a", "a", "b", "b"))
    assert unit_auc(torch.tensor([0.0, 3.0, 1.0, 1.0]), scored) == 1.0
    mixed = Scored(torch.zeros(4, 1), torch.tensor([1.0, 0.0, 1.0, 0.0]), ("a", "a", "b", "b"))
    assert within_group_accuracy(torch.tensor([1.0, 0.0, 0.0, 1.0]), mixed) == 0.5


def test_a_head_joins_the_upvote_only_if_it_agrees() -> None:
    truth = Scored(torch.zeros(40, 1), (torch.arange(40) >= 20).float(), tuple(map(str, range(40))))
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(40, generator=generator)
    useful = noise * 0.3 + truth.labels * 2
    weights, tried = choose_upvote(
        {"selection": noise, "liking": useful}, truth, ["selection", "liking"]
    )
    assert weights["liking"] > 0
    assert tried["selection"] < 0.7
    plain, _ = choose_upvote(
        {"selection": useful, "liking": -noise}, truth, ["selection", "liking"]
    )
    assert plain == {"selection": 1.0}


def test_the_schedule_follows_the_clock() -> None:
    assert schedule(0.0, 0.05) < 0.05
    assert schedule(0.05, 0.05) == pytest.approx(1.0)
    assert schedule(1.0, 0.05) == 0.0
    assert schedule(1.7, 0.05) == 0.0


def make_trainer(data: Path, own: Path, folder: Path, **changes: Any) -> Trainer:
    _, bank = j.load_own(own)
    sampler = ExchangeSampler(bank)
    judged = {"accentor": j.load_accentor(data, "train"), "offensive": j.load_safety(data, "train")}
    settings = {
        "lists": 2,
        "negatives": 3,
        "frozen": 4,
        "join": 4,
        "judged": {"accentor": 1, "offensive": 1},
    }
    config = TrainConfig(minutes=1.0, **{**settings, **changes})
    material = Material(lambda rng, n, progress: sampler.draw(rng, n), judged)
    return Trainer(config, material, folder)


def test_steps_learn_and_leave_frozen_layers_alone(data: Path, own: Path, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    trainer = make_trainer(data, own, tmp_path)
    before = {n: p.detach().clone() for n, p in trainer.net.named_parameters()}
    first = [trainer.step(0.3) for _ in range(3)]
    later = [trainer.step(0.3) for _ in range(12)][-3:]
    assert set(first[0]) == {"selection", "accentor", "offensive"}
    assert sum(x["selection"] for x in later) < sum(x["selection"] for x in first)
    moved = {n for n, p in trainer.net.named_parameters() if not torch.equal(p, before[n])}
    assert not any(n.startswith(("bert.word", "bert.layers.0", "bert.layers.3")) for n in moved)
    assert {"bert.layers.4.gate", "bert.layers.5.up.weight", "mix.weight"} <= moved
    liking = trainer.net.out.weight[HEADS.index("liking")]
    assert torch.equal(liking, torch.zeros_like(liking)), "a head without labels is not trained"


def test_gates_travel_faster_than_weights(data: Path, own: Path, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    trainer = make_trainer(data, own, tmp_path)
    before = trainer.net.state_dict()["bert.layers.5.gate"].clone()
    for _ in range(3):
        trainer.step(0.04)
    moved = (trainer.net.state_dict()["bert.layers.5.gate"] - before).abs()
    assert float(moved.max()) > 5e-3


def test_a_resumed_run_goes_on_as_the_same_run(data: Path, own: Path, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    straight = make_trainer(data, own, tmp_path / "a")
    for _ in range(4):
        straight.step(0.4)
    broken = make_trainer(data, own, tmp_path / "b")
    for _ in range(2):
        broken.step(0.4)
    broken.save()
    again = make_trainer(data, own, tmp_path / "b")
    assert again.resume()
    assert again.step_number == 2
    for _ in range(2):
        again.step(0.4)
    for (name, a), b in zip(straight.net.named_parameters(), again.net.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-6), name
    assert not make_trainer(data, own, tmp_path / "c").resume()


def test_an_export_loads_with_its_metrics(data: Path, own: Path, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    trainer = make_trainer(data, own, tmp_path / "run")
    for _ in range(4):
        trainer.step(0.3)
    _, bank = j.load_own(own)
    accentor, liking = j.load_accentor(data, "train"), j.load_liking(data, "ieval")
    judged = {"accentor": accentor, "offensive": j.load_safety(data, "train"), "liking": liking}
    held_out = HeldOut({"own_bank": ExchangeSampler(bank)}, judged, judged, liking, (), 6)
    metrics = export(
        trainer.net,
        trainer.render,
        held_out,
        tmp_path / "out",
        base="auto",
        command="a test",
        training={"steps": 4},
        log=lambda line: None,
    )
    assert metrics["reload"]["spearman"] > 0.999
    card = json.loads((tmp_path / "out/manifest.json").read_text())
    assert card["metrics"]["training"] == {"steps": 4}
    assert card["base"]["sha256"]
    assert all(source["licence"] for source in card["data"])
    reranker = Reranker.load(tmp_path / "out", device="cpu")
    assert reranker.heads == HEADS
    assert len(reranker.run(reranker.prepare(["i miss rain"], ["Tell me of rain.", "no"]))) == 2
