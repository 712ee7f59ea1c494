"""scripts/promote as a person runs it, against a real Redis: refusals, shares, the way back."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.experiments.assignment import evaluate
from app.experiments.model_flags import definition, named, stand_ins
from app.experiments.schema import validate
from app.settings import Settings
from app.store.store import Store
from models.checkpoint import write_manifest
from models.registry import Registry
from scripts.judging.verdict import FORMAT

ROOT = Path(__file__).parents[3]
Command = Callable[..., int]


def load_command(name: str) -> Any:
    """The module that an executable file without suffix is."""
    loader = importlib.machinery.SourceFileLoader(f"command_{name}", str(ROOT / "scripts" / name))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def make(folder: Path, content: str, kind: str = "reranker") -> str:
    folder.mkdir(parents=True)
    (folder / "weights.safetensors").write_text(content)
    return write_manifest(folder, name=content, kind=kind, command="a test").version


@pytest.fixture
def promote(
    settings: Settings, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Command:
    """Runs the command with this test's Redis (`store` empties it), `var` and installed models."""
    make(tmp_path / "artifacts" / "reranker", "base")
    monkeypatch.setenv("REDIS_URL", settings.redis_url)
    monkeypatch.setenv("KINDRED_VAR_DIR", str(settings.var_dir))
    monkeypatch.setenv("KINDRED_ARTIFACTS_DIR", str(tmp_path / "artifacts"))
    command = load_command("promote")

    def run(*arguments: object) -> int:
        return int(command.main([str(one) for one in arguments]))

    return run


@pytest.fixture
def registry(settings: Settings) -> Registry:
    return Registry(settings.var_dir)


def report(candidate: str, serving: str, verdict: str = "better") -> dict[str, Any]:
    return {
        "format": FORMAT,
        "lacking": [],
        "data": {"source": "dataset", "part": "test"},
        "kind": "reranker",
        "candidate": {"version": candidate},
        "serving": {"version": serving},
        "verdict": verdict,
        "reasons": ["a reason"],
    }


def people(store: Store, version: str) -> float:
    """The share of people whose flag names a version."""
    flag = store.flags.all().definitions["reranker-model"]
    assert validate(flag) == []
    found = [
        evaluate(flag, "reranker-model", {"targetingKey": f"u{i}"}).value for i in range(2_000)
    ]
    return found.count(version) / len(found)


def test_from_an_evaluation_to_everybody_and_back(
    promote: Command, registry: Registry, store: Store, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    base = json.loads((tmp_path / "artifacts" / "reranker" / "manifest.json").read_text())[
        "version"
    ]
    new = make(tmp_path / "new", "new")
    registry.save_report("reranker", new, report(new, base))
    assert promote(tmp_path / "new", "--kind", "reranker", "--share", 10, "--who", "anna") == 0
    assert people(store, new) == pytest.approx(0.1, abs=0.03)
    assert named(store.flags.all().definitions)["reranker"] == (base, new)
    tenth = store.flags.all().definitions["reranker-model"]
    assert registry.holds("reranker", base)  # so that it can come back

    assert promote(tmp_path / "new", "--kind", "reranker", "--share", 60) == 0
    assert people(store, new) == pytest.approx(0.6, abs=0.05)
    more = store.flags.all().definitions["reranker-model"]
    kept = [
        evaluate(more, "reranker-model", {"targetingKey": f"u{i}"}).value == new
        for i in range(500)
        if evaluate(tenth, "reranker-model", {"targetingKey": f"u{i}"}).value == new
    ]
    assert all(kept)  # who had it keeps it

    assert promote(tmp_path / "new", "--kind", "reranker", "--share", 100) == 0
    assert people(store, new) == 1.0
    assert named(store.flags.all().definitions)["reranker"] == (new, base)  # stays at hand
    assert promote("--rollback", "--kind", "reranker") == 0
    assert people(store, base) == 1.0
    assert named(store.flags.all().definitions)["reranker"] == (base,)
    assert promote("--list") == 0
    said = capsys.readouterr().out
    assert f"{new} retired, better, new" in said
    assert f"{base} serving" in said
    assert "anna promoted" in said
    assert promote("--rollback", "--kind", "reranker") == 1
    assert "nothing to return to" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("judged", "says"),
    [
        (None, "never evaluated"),
        ({"verdict": "worse"}, "says worse: a reason"),
        ({"verdict": "unknown"}, "says unknown"),
        ({"serving": {"version": "f" * 12}}, "stale"),
        ({"candidate": {"version": "f" * 12}}, "is of reranker ffff"),
        ({"kind": "generator"}, "is of generator"),
        ({"format": 1}, "another rule"),
        ({"lacking": ["offensive"]}, "keep replies back"),
        ({"data": {"source": "dataset", "part": "all"}}, "trained on"),
    ],
)
def test_what_nothing_good_is_known_of_is_refused_unless_forced(
    promote: Command, registry: Registry, store: Store, tmp_path: Path,
    capsys: pytest.CaptureFixture[str], judged: dict[str, Any] | None, says: str,
) -> None:  # fmt: skip
    base = json.loads((tmp_path / "artifacts" / "reranker" / "manifest.json").read_text())[
        "version"
    ]
    new = make(tmp_path / "new", "new")
    if judged is not None:
        registry.save_report("reranker", new, {**report(new, base), **judged})
    assert promote(tmp_path / "new", "--kind", "reranker") == 1
    said = capsys.readouterr().err
    assert says in said
    assert "--force" in said
    assert said.count("\n") == 1
    assert "reranker-model" not in store.flags.all().definitions
    assert not registry.holds("reranker", new)
    assert promote(tmp_path / "new", "--kind", "reranker", "--force", "--why", "I know") == 0
    event = registry.history("reranker")[-1]
    assert (event.forced, event.why, event.share) == (True, "I know", 10)


def test_a_report_may_be_given_by_hand(
    promote: Command, registry: Registry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = json.loads((tmp_path / "artifacts" / "reranker" / "manifest.json").read_text())[
        "version"
    ]
    new = make(tmp_path / "new", "new")
    (tmp_path / "report.json").write_text(json.dumps(report(new, base, "not-worse")))
    given = ("--report", tmp_path / "report.json")
    assert promote(tmp_path / "new", "--kind", "reranker", *given) == 0
    assert registry.report("reranker", new) is not None
    assert promote(tmp_path / "new", "--kind", "reranker", "--share", 100, "--force") == 0
    assert promote(tmp_path / "new", "--kind", "reranker", "--force") == 1
    assert "already" in capsys.readouterr().err
    (tmp_path / "report.json").write_text("[")
    other = tmp_path / "other"
    make(other, "other")
    assert promote(other, "--kind", "reranker", *given) == 1
    assert "no evaluation report" in capsys.readouterr().err


def test_what_is_wrong_is_one_line(
    promote: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path / "gen", "gen", kind="generator")
    assert promote(tmp_path / "gen", "--kind", "reranker", "--force") == 1
    assert "holds a generator" in capsys.readouterr().err
    assert promote(tmp_path / "nowhere", "--kind", "reranker") == 1
    for wrong in (
        ["--kind", "reranker"],
        [tmp_path],
        [tmp_path, "--kind", "encoder"],
        [tmp_path, "--kind", "reranker", "--share", "0"],
        [tmp_path, "--kind", "reranker", "--rollback"],
    ):
        with pytest.raises(SystemExit) as ended:
            promote(*wrong)
        assert ended.value.code == 2


def test_a_model_that_the_settings_name_without_a_manifest_is_called_installed(
    promote: Command, registry: Registry, store: Store, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("KINDRED_GENERATOR", "http://localhost:9/v1")
    make(tmp_path / "gen", "gen", kind="generator")
    assert promote(tmp_path / "gen", "--kind", "generator", "--share", 20, "--force") == 0
    assert named(store.flags.all().definitions)["generator"][0] == "installed"
    assert promote("--rollback", "--kind", "generator") == 0
    assert named(store.flags.all().definitions)["generator"] == ("installed",)
    assert registry.serving("generator") == "installed"


def test_each_candidate_is_tried_by_other_people_who_keep_it_while_its_share_grows() -> None:
    def having(candidate: str, share: int) -> set[int]:
        flag = definition("reranker", "base", candidate, share)
        assert validate(flag) == []
        return {
            i
            for i in range(5_000)
            if evaluate(flag, "reranker-model", {"targetingKey": f"u{i}"}).value == candidate
        }

    first, second = having("0123456789ab", 10), having("ba9876543210", 10)
    assert len(first) == pytest.approx(500, abs=100)
    assert len(second) == pytest.approx(500, abs=100)
    assert len(first & second) == pytest.approx(50, abs=35)  # as many as chance puts into both
    assert first < having("0123456789ab", 30) < having("0123456789ab", 90)


def test_what_was_everybodys_stands_in_and_what_is_tried_does_not() -> None:
    flags = {"reranker-model": definition("reranker", "a", "b", 100)}
    assert named(flags)["reranker"] == ("b", "a")
    assert stand_ins(flags) == {"reranker": "a"}
    assert stand_ins({"reranker-model": definition("reranker", "a", "b", 10)}) == {}
    assert stand_ins({"reranker-model": definition("reranker", "a")}) == {}
    assert stand_ins({"reranker-model": {**flags["reranker-model"], "state": "DISABLED"}}) == {}
    assert stand_ins({}) == {}


def test_flags_of_models_name_what_must_be_loaded() -> None:
    assert named({}) == {"reranker": ("installed",), "generator": ("installed",)}
    flag = definition("reranker", "a", "b", 30)
    assert validate(flag) == []
    assert named({"reranker-model": flag})["reranker"] == ("a", "b")
    assert named({"reranker-model": {**flag, "state": "DISABLED"}})["reranker"] == ("installed",)
    assert named({"reranker-model": {"variants": 3, "state": "ENABLED"}})["reranker"] == (
        "installed",
    )
    many = {**flag, "variants": {name: name for name in "abcd"}, "defaultVariant": "c"}
    assert named({"reranker-model": many})["reranker"] == ("c", "a")
    odd = {**flag, "variants": {"on": True}, "defaultVariant": "on"}
    assert named({"reranker-model": odd})["reranker"] == ("installed",)
    for wrong in (-1, 101):
        with pytest.raises(ValueError):
            definition("reranker", "a", "b", wrong)
    with pytest.raises(ValueError):
        definition("reranker", "a", None, 10)
