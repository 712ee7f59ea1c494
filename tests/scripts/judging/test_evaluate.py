"""scripts/evaluate as a person runs it: a report for promote, words for people, clear errors."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from models.checkpoint import write_manifest
from models.registry import Registry
from models.reranker import CONFIG
from models.training.examples import Example, write_examples
from scripts.judging.heldout import HeldOut
from scripts.judging.verdict import FORMAT
from tests.scripts.judging.conftest import Fake, Log, knowing, mistaken
from tests.scripts.judging.test_promote import load_command, make

ROOT = Path(__file__).parents[3]
Command = Callable[..., int]


@pytest.fixture
def evaluate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs the command with this test's `var`."""
    monkeypatch.setenv("KINDRED_VAR_DIR", str(tmp_path / "var"))
    monkeypatch.delenv("REDIS_URL", raising=False)
    command = load_command("evaluate")

    def run(*arguments: object) -> int:
        return int(command.main([str(one) for one in arguments]))

    return run


class Exported:
    """Stands where the dataset is read: what the log fixture says was exported."""

    def __init__(self, held: HeldOut) -> None:
        self._held = held
        self.skipped: Counter[str] = Counter(keyless=2)
        self.manifest = type("Manifest", (), {"parts": [1, 2]})()

    def reactions(self) -> Any:
        return iter(self._held.examples)

    def impressions(self) -> Any:
        return iter(self._held.impressions)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: Log) -> tuple[Path, str, str]:
    """Two folders whose models know and are mistaken; the folder, and both versions."""
    known: dict[str, Fake] = {}
    versions = []
    for name, fake in (("candidate", knowing()), ("serving", mistaken())):
        versions.append(make(tmp_path / name, name))
        known[name] = fake
    exported = Exported(log(60))
    monkeypatch.setattr("scripts.judging.evaluate_run.load", lambda f, t, e: known[f.name])
    monkeypatch.setattr("scripts.dataset.reader.Dataset", lambda folder, keys: exported)
    monkeypatch.setattr("scripts.dataset.reader.open_keys", lambda: None)
    return tmp_path, versions[0], versions[1]


def test_the_verdict_is_kept_where_promote_looks_for_it(
    evaluate: Command, world: tuple[Path, str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, candidate, serving = world
    sides = ("--candidate", folder / "candidate", "--serving", folder / "serving")
    assert evaluate(*sides, "--part", "all", "--resamples", 100) == 0
    report = Registry(folder / "var").report("reranker", candidate)
    assert report is not None
    assert report["verdict"] == "better"
    assert report["candidate"]["version"] == candidate
    assert report["serving"]["version"] == serving
    assert report["data"]["skipped"] == {"keyless": 2}
    assert report["data"]["judgements"] == 720
    names = [measure["name"] for measure in report["measures"]]
    assert names[:3] == ["accuracy", "auc", "auc, shown"]
    assert report["format"] == FORMAT
    assert report["lacking"] == []
    assert {"upvote rate (IPS)", "upvote rate (SNIPS)", "upvote rate (DR)"} <= set(names)
    assert report["off_policy"]["candidate"]["effective_sample_size"] > 10
    said = capsys.readouterr().out
    assert "better" in said
    markdown = (folder / "var" / "models" / "reranker").glob("*.md")
    assert "| auc |" in next(iter(markdown)).read_text()


def test_the_test_part_holds_whole_people_and_what_is_left_decides(
    evaluate: Command, world: tuple[Path, str, str]
) -> None:
    folder, candidate, _ = world
    sides = ("--candidate", folder / "candidate", "--serving", folder / "serving")
    assert evaluate(*sides, "--resamples", 50, "--impressions-max", 10) == 0
    report = Registry(folder / "var").report("reranker", candidate)
    assert report is not None
    assert report["data"]["part"] == "test"
    assert 0 < report["data"]["people"] < 30
    assert report["data"]["judgements"] == 12 * report["data"]["people"]
    assert report["off_policy"]["choices"] <= 10
    assert report["verdict"] == "unknown"  # of five people
    assert not any("upvote rate" in one["name"] for one in report["measures"])  # too few


def test_what_is_wrong_is_one_line(
    evaluate: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path / "one", "one")
    (tmp_path / "bad.jsonl").write_text('{"source": "x"}\n')
    (tmp_path / "empty.jsonl").write_text("")
    sides = ("--candidate", tmp_path / "one", "--serving", tmp_path / "one")
    for arguments, says in (
        (("--candidate", tmp_path / "none"), "no manifest"),
        ((*sides, "--kind", "generator"), "holds a reranker"),
        ((*sides, "--examples", tmp_path / "bad.jsonl"), "bad.jsonl:1"),
        ((*sides, "--examples", tmp_path / "empty.jsonl"), "no reactions are held out"),
        ((*sides, "--examples", tmp_path / "none.jsonl"), "No such file"),
        ((*sides, "--dataset", tmp_path / "nothing"), "no dataset"),
    ):
        assert evaluate(*arguments) == 1, says
        said = capsys.readouterr().err
        assert says in said
        assert said.startswith("scripts/evaluate: ")
    for wrong in ([], [*sides, "--part", "train"], [*sides, "--resamples", "0"]):
        with pytest.raises(SystemExit) as ended:
            evaluate(*wrong)
        assert ended.value.code == 2
    with pytest.raises(SystemExit) as ended:
        evaluate("--help")
    assert ended.value.code == 0


def judgements(count: int) -> list[Example]:
    """Replies of which the kind ones are liked."""
    lines = ("That sounds lovely, tell me more!", "whatever")
    return [
        Example(
            source="judged elsewhere",
            head="upvote",
            context=(f"i went hiking with my sister on day {number}",),
            response=f"{lines[number % 2]} {number // 2}",
            label=float(number % 2 == 0),
            conversation=f"c{number // 4}",
            rater=f"p{number // 6}",
        )
        for number in range(count)
    ]


@pytest.mark.slow
def test_the_shipped_reranker_is_judged_against_one_of_another_penalty(
    evaluate: Command, tmp_path: Path
) -> None:
    shipped = ROOT / "artifacts" / "reranker"
    shutil.copytree(shipped, tmp_path / "new")
    manifest = json.loads((tmp_path / "new" / "manifest.json").read_text())
    (tmp_path / "new" / "manifest.json").unlink()
    config = json.loads((tmp_path / "new" / CONFIG).read_text())
    config["serving"]["upvote"]["bias"] += 0.5
    (tmp_path / "new" / CONFIG).write_text(json.dumps(config))
    write_manifest(
        tmp_path / "new", name="new", kind="reranker", command="a test", base=manifest["base"]
    )
    write_examples(tmp_path / "judged.jsonl.gz", judgements(72))
    given = ("--examples", tmp_path / "judged.jsonl.gz", "--part", "all", "--threads", 1)
    out = tmp_path / "report.json"
    sides = ("--candidate", tmp_path / "new", "--serving", shipped, "--out", out)
    assert evaluate(*sides, *given, "--resamples", 50) == 0
    report = json.loads(out.read_text())
    auc = next(one for one in report["measures"] if one["name"] == "auc")
    assert auc["serving"][0] > 0.6
    assert auc["difference"][0] == pytest.approx(0.0, abs=1e-3)  # a bias orders nothing anew
    assert report["verdict"] == "not-worse"


@pytest.mark.slow
def test_the_shipped_generator_is_as_good_as_itself(evaluate: Command, tmp_path: Path) -> None:
    shipped = ROOT / "artifacts" / "generator"
    write_examples(tmp_path / "judged.jsonl", judgements(120))
    given = ("--examples", tmp_path / "judged.jsonl", "--part", "all", "--threads", 1)
    out = tmp_path / "report.json"
    sides = ("--candidate", shipped, "--serving", shipped, "--kind", "generator", "--out", out)
    assert evaluate(*sides, *given, "--resamples", 50) == 0
    report = json.loads(out.read_text())
    assert report["verdict"] == "not-worse"
    liked, other = report["measures"]
    assert 0.5 < liked["serving"][0] < 8
    assert liked["difference"][0] == 0
    assert not other["decides"]
