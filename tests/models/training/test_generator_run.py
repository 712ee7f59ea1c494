"""Training: cleaning, windows, batches, resuming, the finishing phase, the artifact."""

from __future__ import annotations

import gzip
import importlib.util
import json
import random
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

import pytest
import torch

from models.checkpoint import load_manifest, verify
from models.generator import GenerateItem, Generator
from models.metrics import distinct_n, perplexity
from models.prompt import context_ids, plain_encoder
from models.training import corpora
from models.training.corpora import Dialog, clean, is_held_out, load_own, load_public
from models.training.generator.data import FINISH, MAIN, TrainingData
from models.training.generator.export import export, load_run, public_command, sample_contexts
from models.training.generator.muon import orthogonalise
from models.training.generator.tokenizer import train_tokenizer
from models.training.generator.trainer import TrainConfig, Trainer, rate_factor
from models.training.generator.windows import (
    IGNORED,
    EncodedDialog,
    Window,
    collate,
    encode_dialogs,
    make_batches,
    windows_of,
)

ROOT = Path(__file__).resolve().parents[3]
TALK = ["the kettle is on", "then I will stay a while", "stay as long as you like", "thank you"]
TINY = TrainConfig(
    layers=1, width=16, heads=2, vocabulary=300, positions=256, tokens_per_batch=256,
    warmup_steps=2, seed=5,
)  # fmt: skip


def write_rows(path: Path, rows: list[dict[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "\n".join(json.dumps(row) for row in rows) + "\n"
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)


def chat(number: int, names: tuple[str, str]) -> dict[str, object]:
    turns = [
        {"speaker": names[n % 2], "text": f"{TALK[(n + number) % 4]} {number + n}."}
        for n in range(6)
    ]
    return {"dialog_id": f"d{number}", "turns": turns}


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("public")
    for source in (corpora.SELF_DIALOGUE, corpora.TOPICAL_CHAT):
        rows = [chat(n, ("A", "B")) for n in range(120)]
        write_rows(folder / f"{source}.jsonl.gz", rows)
    personas = {"1": ["I bake bread.", "I sing."], "2": ["I swim."]}
    rows = [{**chat(n, ("1", "2")), "personas": personas} for n in range(120)]
    write_rows(folder / f"{corpora.PERSONA_CHAT}.jsonl.gz", rows)
    questions = [f"how are you {n}" for n in range(30)]
    rows = [{"style": "kind", "questions": questions, "answer": f"well, {n}."} for n in range(200)]
    write_rows(folder / f"{corpora.PERSONALITY_CHAT}.jsonl.gz", rows)
    return folder


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    rows = [{"id": f"own-{n}", **chat(n, ("person", "kindred"))} for n in range(150)]
    write_rows(folder / "dialogs" / "a.jsonl", rows)
    entry = {"id": "e1", "contexts": ["hi", "hello"], "replies": ["there you are", "welcome"]}
    write_rows(folder / "bank" / "b.jsonl", [entry])
    return folder


def make_data(
    run: Path, public: Path, own: Path | None, config: TrainConfig = TINY
) -> TrainingData:
    return TrainingData(
        run, load_public(public), own, vocabulary=config.vocabulary, positions=config.positions,
        tokens_per_batch=config.tokens_per_batch, own_share=config.own_share, seed=config.seed,
        log=lambda line: None,
    )  # fmt: skip


def make_trainer(
    run: Path, public: Path, own: Path | None = None, minutes: float = 1e9
) -> tuple[Trainer, list[str]]:
    lines: list[str] = []
    data = make_data(run, public, own)
    return Trainer(run, TINY, data, lines.append, minutes=minutes), lines


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("that ' s good , is n't it ?", "that's good, isn't it?"),
        ("I' m here .", "I'm here."),
        ("fingers crossed.It helps", "fingers crossed. It helps"),
        ("Hi, I'm [User 1's name].", ""),
        ("3.5 and U.S.A. stay", "3.5 and U.S.A. stay"),
        ("rock 'n' roll", "rock 'n' roll"),
    ],
)
def test_cleaning(raw: str, cleaned: str) -> None:
    assert clean(raw) == cleaned


def test_sources_become_alternating_dialogs(public: Path, own: Path) -> None:
    dialogs = load_public(public) + load_own(own)
    by_source = {d.source: d for d in dialogs}
    assert set(by_source) == {*corpora.PUBLIC_SOURCES, *corpora.OWN_SOURCES}
    assert by_source[corpora.OWN_DIALOGS].target == 1
    assert by_source[corpora.SELF_DIALOGUE].target is None
    assert by_source[corpora.PERSONA_CHAT].facts == (("I bake bread.", "I sing."), ("I swim.",))
    bank = [d.turns for d in dialogs if d.source == corpora.OWN_BANK]
    assert len(bank) == 4
    assert ("hello", "welcome") in bank


def test_placeholders_end_a_run_and_equal_speakers_are_merged(tmp_path: Path) -> None:
    says = [("A", "one"), ("A", "two"), ("B", "[name]"), ("B", "three"), ("A", "four")]
    rows = [{"dialog_id": "x", "turns": [{"speaker": s, "text": t} for s, t in says]}]
    write_rows(tmp_path / f"{corpora.SELF_DIALOGUE}.jsonl.gz", rows)
    (dialog,) = load_public(tmp_path, [corpora.SELF_DIALOGUE])
    assert dialog.turns == ("three", "four")
    assert dialog.speaker(0) == 1


def test_an_own_line_that_is_wrong_is_named(tmp_path: Path) -> None:
    write_rows(tmp_path / "bank" / "b.jsonl", [{"contexts": ["a"], "replies": ["b"]}, {"x": 1}])
    with pytest.raises(ValueError, match=r"b\.jsonl:2"):
        load_own(tmp_path)


def test_held_out_depends_on_source_and_id_alone(public: Path) -> None:
    dialogs = load_public(public)
    train, held = corpora.split_held_out(dialogs)
    assert train
    assert held
    assert not {(d.source, d.id) for d in train} & {(d.source, d.id) for d in held}
    shuffled = random.Random(1).sample(dialogs, len(dialogs))
    again = corpora.split_held_out(shuffled)[1]
    assert {(d.source, d.id) for d in again} == {(d.source, d.id) for d in held}
    share = sum(is_held_out(corpora.SELF_DIALOGUE, str(n)) for n in range(20_000)) / 20_000
    assert share == pytest.approx(0.015, abs=0.004)


def test_an_epoch_asks_few_of_the_many_questions(public: Path) -> None:
    train = corpora.split_held_out(load_public(public))[0]
    epoch = corpora.epoch_dialogs(train, random.Random(1))
    canned = [d for d in epoch if d.source == corpora.PERSONALITY_CHAT]
    answers = {d.id for d in canned}
    assert len(canned) == corpora.QUESTIONS_PER_ANSWER * len(answers)
    rest = [d for d in train if d.source != corpora.PERSONALITY_CHAT]
    assert len(epoch) == len(canned) + len(rest)


def letters(text: str) -> list[int]:
    return [ord(c) for c in text]


def make_dialog(turns: list[str], **changes: object) -> EncodedDialog:
    dialog = Dialog("x", "s", tuple(turns), **changes)  # type: ignore[arg-type]
    return encode_dialogs([dialog], letters)[0]


def learned_text(window: Window) -> str:
    pairs = zip(window.ids, window.learned, strict=True)
    return "".join(chr(i) if i else "|" for i, learned in pairs if learned)


def test_all_turns_but_the_first_are_learned_once() -> None:
    item = make_dialog([f"{n}" * 30 for n in range(9)])
    windows = list(windows_of(item, letters, 0, random.Random(3)))
    assert len(windows) > 1
    learned = "".join(learned_text(w) for w in windows)
    assert learned == "".join(f"{n}" * 30 + "|" for n in range(1, 9))
    assert all(len(w.ids) <= 200 for w in windows)


def test_only_the_target_is_learned() -> None:
    item = make_dialog(["a", "b", "c", "d"], target=1)
    (window,) = windows_of(item, letters, 0, random.Random(1))
    assert learned_text(window) == "b|d|"


def test_facts_are_rendered_as_in_serving_and_only_their_hearer_is_learned() -> None:
    tokenizer = train_tokenizer(TALK * 9, 300, 128)
    encode, eos = plain_encoder(tokenizer), int(tokenizer.eos_token_id)
    dialog = Dialog("x", "s", ("hi", "yes", "why", "so"), facts=(("I swim.",), ()))
    (item,) = encode_dialogs([dialog], encode)
    seen = set()
    for seed in range(20):
        (window,) = windows_of(item, encode, eos, random.Random(seed))
        with_facts = window.ids[0] == encode("I swim.")[0]
        seen.add(with_facts)
        told = [i for i, learned in zip(window.ids, window.learned, strict=True) if learned]
        if with_facts:
            served = context_ids(tokenizer, dialog.turns, ["I swim."])
            assert list(window.ids) == served
            assert told == [*encode("yes"), eos, *encode("so"), eos]
        else:
            assert list(window.ids) == context_ids(tokenizer, dialog.turns)
            assert told == [*encode("yes"), eos, *encode("why"), eos, *encode("so"), eos]
    assert seen == {True, False}


def test_long_turns_leave_room_for_the_response() -> None:
    item = make_dialog(["a" * 500, "b" * 500, "c"])
    for window in windows_of(item, letters, 0, random.Random(2)):
        assert len(window.ids) <= 200
        assert any(window.learned)
        assert not all(window.learned)


def test_batches_hold_every_window_with_little_padding() -> None:
    rng = random.Random(1)
    windows = [
        Window((1,) * n, (False, *[True] * (n - 1))) for n in rng.choices(range(5, 150), k=900)
    ]
    batches = make_batches(windows, 1024, rng)
    assert sorted(len(w.ids) for rows in batches for w in rows) == sorted(
        len(w.ids) for w in windows
    )
    padded = sum(len(rows) * max(len(w.ids) for w in rows) for rows in batches)
    assert padded < 1.1 * sum(len(w.ids) for w in windows)
    assert all(len(rows) * len(rows[0].ids) <= 1024 for rows in batches)


def test_collate_shifts_and_masks() -> None:
    rows = [Window((7, 8, 9, 0), (False, False, True, True)), Window((5, 6), (False, True))]
    batch = collate(rows, 0)
    assert batch.inputs.tolist() == [[7, 8, 9], [5, 0, 0]]
    assert batch.targets.tolist() == [[IGNORED, 9, 0], [6, IGNORED, IGNORED]]
    assert batch.tokens == 3


def test_the_rate_warms_up_and_decays_to_a_tenth() -> None:
    assert rate_factor(0.0, 0, 10) == pytest.approx(0.1)
    assert rate_factor(0.0, 50, 10) == pytest.approx(1.0)
    assert rate_factor(0.5, 50, 10) == pytest.approx(0.55)
    assert rate_factor(1.3, 50, 10) == pytest.approx(0.1)


@pytest.mark.parametrize("shape", [(12, 30), (30, 12), (16, 16)])
def test_muon_makes_singular_values_alike(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    values = torch.linalg.svdvals(orthogonalise(torch.randn(shape) * 7.0))
    assert 0.3 < float(values.min()) <= float(values.max()) < 1.35


def test_a_resumed_run_is_the_same_run(tmp_path: Path, public: Path) -> None:
    straight, _ = make_trainer(tmp_path / "a", public)
    assert straight.run(max_steps=7) is False
    first, _ = make_trainer(tmp_path / "b", public)
    first.run(max_steps=3)
    second, lines = make_trainer(tmp_path / "b", public)
    second.run(max_steps=4)
    assert any("resumed" in line for line in lines)
    assert second.progress.step == straight.progress.step == 7
    assert second.progress.tokens == straight.progress.tokens
    for ours, theirs in zip(second.model.parameters(), straight.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_the_budget_ends_a_run_and_its_own_texts_come_last(
    tmp_path: Path, public: Path, own: Path
) -> None:
    trainer, lines = make_trainer(tmp_path, public, own, minutes=0.05)
    assert trainer.data.phase(0.5, TINY.finish_share, MAIN) == MAIN
    trainer.progress.fraction = 0.9  # a slow machine might leap over the finishing phase
    assert trainer.run() is True
    assert trainer.progress.phase == FINISH
    assert trainer.progress.fraction >= 1.0
    assert trainer.progress.seconds >= 0.29
    report = next(line for line in reversed(lines) if "held-out" in line)
    assert "own_dialogs" in report
    assert "self_dialogue" in report
    # What the finishing phase read is kept: later changes of the folder do not reach the run.
    again = make_data(tmp_path, public, tmp_path / "elsewhere")
    assert len(again.own_train) == len(trainer.data.own_train) > 0


def test_the_finishing_phase_is_half_own_texts(tmp_path: Path, public: Path, own: Path) -> None:
    data = make_data(tmp_path, public, own)
    data.phase(0.9, 0.2, MAIN)
    windows = [w for rows in data.epoch(FINISH, 0) for w in rows]
    total = sum(len(w.ids) for w in windows)
    rng = random.Random(0)
    own_windows = [w for d in data.own_train for w in windows_of(d, data._encode, data.eos, rng)]
    share = sum(len(w.ids) for w in own_windows) / total
    assert share == pytest.approx(0.5, abs=0.08)


def test_a_folder_of_another_run_is_refused(tmp_path: Path, public: Path) -> None:
    trainer, _ = make_trainer(tmp_path, public)
    trainer.save()
    other = TrainConfig(**{**trainer.config.__dict__, "layers": 2})
    with pytest.raises(ValueError, match="other settings"):
        Trainer(tmp_path, other, trainer.data, print, minutes=1.0)


def test_minutes_left_use_up_the_rest_of_the_schedule(tmp_path: Path, public: Path) -> None:
    trainer, _ = make_trainer(tmp_path, public, minutes=100.0)
    trainer.progress.fraction = 0.5
    trainer.save()
    again = Trainer(
        tmp_path, TINY, trainer.data, lambda line: None, minutes=100.0, minutes_left=10.0
    )
    assert again.progress.fraction + 600.0 * again.progress.per_second == pytest.approx(1.0)


def test_what_is_exported_is_what_was_trained(tmp_path: Path, public: Path, own: Path) -> None:
    run, artifact = tmp_path / "run", tmp_path / "artifacts" / "generator"
    trainer, _ = make_trainer(run, public, own, minutes=0.02)
    trainer.run()
    manifest = export(run, artifact, "scripts/train_generator", public, own, lambda line: None)
    assert verify(artifact, kind="generator") == manifest == load_manifest(artifact)
    figures = manifest.metrics["held_out_perplexity"]
    assert set(figures) > {"self_dialogue", "own_dialogs", "all"}
    assert {s.licence for s in manifest.data} >= {"MIT", "CC-BY-4.0", "BSD-3-Clause"}

    generator = Generator.load(artifact, device="cpu", dtype="fp32")
    assert generator.version == manifest.version
    ids = generator.encode_context(["the kettle is on"])
    generator.run([GenerateItem(ids, n=2, seed=1)])
    model = load_run(run)[0]
    with torch.inference_mode():
        first = generator.network.start([ids], [1], 1).first[0]
        theirs = model(torch.tensor([ids])).logits[0, -1]
    torch.testing.assert_close(first, theirs, atol=2e-2, rtol=0.0)  # rounded to fp16


def load_script() -> ModuleType:
    loader = SourceFileLoader("train_generator_script", str(ROOT / "scripts" / "train_generator"))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def test_the_command_trains_and_exports(tmp_path: Path, public: Path, own: Path) -> None:
    script = load_script()
    run, artifact = tmp_path / "run", tmp_path / "generator"
    small = ["--layers", "1", "--width", "16", "--heads", "2", "--vocabulary", "300"]
    places = ["--data", str(public), "--finish-with", str(own), "--run", str(run)]
    assert script.main([*places, *small, "--minutes", "0.03", "--tokens-per-batch", "256"]) == 0
    samples = tmp_path / "samples.md"
    exported = ["--export", "--run", str(run), "--artifact", str(artifact), "--samples"]
    assert script.main([*exported, "--finish-with", str(own), "--samples-file", str(samples)]) == 0
    manifest = verify(artifact)
    assert "self_dialogue" in manifest.metrics["held_out_perplexity"]
    assert str(public) not in manifest.command
    assert "--data DIALOGS" in manifest.command
    page = samples.read_text()
    assert page.count("## ") == 10
    assert manifest.version in page


def test_samples_are_of_held_out_dialogs_and_end_with_the_person(own: Path) -> None:
    dialogs = load_own(own)
    contexts = sample_contexts(dialogs)
    assert len(contexts) == 10
    assert contexts == sample_contexts(dialogs)
    held = [d.turns for d in dialogs if is_held_out(d.source, d.id)]
    assert all(any(t[: len(c)] == c for t in held) and len(c) % 2 for c in contexts)


def test_a_command_is_recorded_without_folders() -> None:
    command = "scripts/train_generator --data /a/b --minutes 9 --run /c"
    assert public_command(command) == "scripts/train_generator --data DIALOGS --minutes 9 --run RUN"


def test_metrics() -> None:
    assert perplexity(0.0, 5) == 1.0
    assert perplexity(6.931471805599453, 10) == pytest.approx(2.0)
    assert distinct_n([["a", "b"], ["a", "b"]], 1) == 0.5
    assert distinct_n([["a"]], 2) == 0.0
    with pytest.raises(ValueError):
        perplexity(1.0, 0)
    with pytest.raises(ValueError):
        distinct_n([], 0)
