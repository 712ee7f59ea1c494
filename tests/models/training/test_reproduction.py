"""A recorded run made again: what differs is named, what comes out is compared."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from models.checkpoint import file_sha256
from models.training import reproduction
from models.training.record import revision
from models.training.reproduction import NotReproducible, command_line, compare, numbers

ROOT = Path(__file__).parents[3]


def recorded(folder: Path, **changes: Any) -> Path:
    document = {
        "command": "scripts/simulate --quick --run old --data here",
        "data": {},
        "revision": revision(),
        "metrics": {"accuracy": 0.8},
        **changes,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.json").write_text(json.dumps(document))
    return folder


def reproduce(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "reproduce"), *map(str, words)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_the_command_gets_a_new_folder_and_what_is_elsewhere_here() -> None:
    typed = {"command": ".venv/bin/python /x/scripts/train --run=a --data 'old place' --n 3"}
    words = command_line(typed, Path("b"), {"data": "/new place"})
    assert words == ["scripts/train", "--run=b", "--data", "/new place", "--n", "3"]
    assert command_line({"command": "scripts/x --n 1"}, Path("b"), {})[-2:] == ["--run", "b"]
    with pytest.raises(NotReproducible, match="has no --size"):
        command_line(typed, Path("b"), {"size": "3"})
    with pytest.raises(NotReproducible, match="not a command of scripts/"):
        command_line({"command": "rm -r x"}, Path("b"), {})


def test_what_the_run_had_written_is_not_written_over() -> None:
    # Without --out this one would replace the reranker that ships.
    shipped = command_line({"command": "scripts/train_reranker --data d"}, Path("again"), {})
    assert shipped[3:] == ["--run", "again", "--out", "again/out"]
    table = {"command": "scripts/compare_rerankers --data d --out docs/learning/rerankers"}
    words = command_line(table, Path("again"), {})
    assert words[3:] == ["--out", "again/out", "--run", "again"]
    assert command_line(table, Path("again"), {"out": "x"})[3:5] == ["--out", "x"]
    played = command_line({"command": "scripts/simulate --publish --seeds 2"}, Path("again"), {})
    assert played == ["scripts/simulate", "--seeds", "2", "--run", "again"]


def test_numbers_are_found_wherever_they_are() -> None:
    metrics = {"a": {"b": 1, "c": [0.5, {"d": 2}]}, "name": "x", "yes": True, "none": None}
    assert dict(numbers(metrics)) == {"a.b": 1.0, "a.c[0]": 0.5, "a.c[1].d": 2.0}


def test_metrics_are_compared_within_a_tolerance_and_times_not_at_all() -> None:
    then = {"auc": 0.8, "perplexity": 40.0, "nan": float("nan"), "seconds": 3.0, "gone": 1.0,
            "pairs/s": 60, "rounds": {"time": 9.0}}  # fmt: skip
    now = {"auc": 0.805, "perplexity": 41.0, "nan": float("nan"), "seconds": 99.0, "pairs/s": 1}
    rows = {row.name: row.agrees for row in compare(then, now, tolerance=0.01)}
    assert rows == {"auc": True, "perplexity": False, "nan": True, "gone": False}
    assert all(row.agrees for row in compare(then, {**now, "gone": 1.0}, tolerance=0.03))


@pytest.mark.parametrize(
    "name",
    ["seconds", "train_seconds", "eval.time", "runtime", "pairs_per_s", "tokens/s", "step_ms",
     "peak_memory_mb", "memory_bytes", "pairs_per_second", "training_minutes", "ETA", "speedup",
     "milliseconds.p50", "rounds[0].time"],
)  # fmt: skip
def test_figures_of_the_machine_are_not_compared(name: str) -> None:
    assert compare({name: 1.0}, {name: 2.0}, 0.01) == []


@pytest.mark.parametrize(
    "name",
    ["sentiment.auc", "beta", "theta", "hourglass", "estimate", "sometimes.f1", "multimeans",
     "accuracy_per_source", "items/sample", "embeddings", "bus", "reacted"],
)  # fmt: skip
def test_names_that_only_hold_such_a_word_are(name: str) -> None:
    assert [row.agrees for row in compare({name: 1.0}, {name: 2.0}, 0.01)] == [False]


def test_a_run_of_several_revisions_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reproduction, "revision", lambda: "b")
    for made_by in (["a", "b"], ["b", "a", "b"]):
        document = {"revision": made_by[0], "revisions": made_by, "data": {}}
        (line,) = reproduction.differences(document, ["scripts/x"])
        assert ", then ".join(made_by) in line
    assert not list(reproduction.differences({"revisions": ["b"], "data": {}}, ["scripts/x"]))


def test_files_of_one_name_are_looked_for_in_their_folders(tmp_path: Path) -> None:
    for folder in "ab":
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "d.txt").write_text(folder)
    hashes = {f"{folder}/d.txt": file_sha256(tmp_path / folder / "d.txt") for folder in "ab"}
    document = {"revisions": [revision()], "data": hashes}
    words = ["scripts/x", "--data", str(tmp_path)]
    assert not [line for line in reproduction.differences(document, words) if "data:" in line]
    (tmp_path / "b" / "d.txt").write_text("a")
    (line,) = [line for line in reproduction.differences(document, words) if "data:" in line]
    assert "b/d.txt has changed" in line
    (tmp_path / "b").rename(tmp_path / "c")  # folders may have other names here
    (tmp_path / "c" / "d.txt").write_text("b")
    assert not [line for line in reproduction.differences(document, words) if "data:" in line]


def test_what_differs_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    same, changed = tmp_path / "in" / "same.txt", tmp_path / "in" / "changed.txt"
    same.parent.mkdir()
    same.write_text("1")
    changed.write_text("1")
    hashes = {path.name: file_sha256(path) for path in (same, changed)}
    changed.write_text("2")
    document = {"revision": "abc", "data": {**hashes, "gone.txt": "0"}}
    monkeypatch.setattr(reproduction, "revision", lambda: "def")
    lines = list(reproduction.differences(document, ["scripts/x", "--data", str(same.parent)]))
    assert len(lines) == 3
    assert "abc" in lines[0]
    assert "def" in lines[0]
    assert "changed.txt has changed" in lines[1]
    assert "gone.txt is not below" in lines[2]
    whole = {"revision": "def", "data": {"same.txt": hashes["same.txt"]}}
    assert not list(reproduction.differences(whole, ["scripts/x", f"--data={same.parent}"]))


def test_the_command_says_what_differs_and_does_not_run(tmp_path: Path) -> None:
    folder = recorded(tmp_path / "run", revision="0123456789ab", data={"gone.txt": "0"})
    done = reproduce(folder)
    assert done.returncode == 1
    assert "differs: code: the run was made by 0123456789ab" in done.stdout
    assert "differs: data: gone.txt" in done.stdout
    assert f"command: scripts/simulate --quick --run {tmp_path / 'run-again'}" in done.stdout
    assert "--anyway" in done.stderr
    assert not (tmp_path / "run-again").exists()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["/nowhere"], "there is no folder /nowhere"),
        ([ROOT, "--set", "data"], "must be NAME=VALUE"),
        ([ROOT, "--tolerance", "-1"], "must not be negative"),
        ([ROOT, "--out", ROOT], "another folder"),
    ],
)
def test_a_wrong_value_is_one_clear_line(words: list[object], reason: str) -> None:
    done = reproduce(*words)
    assert done.returncode == 2
    assert reason in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"metrics": ...}, "it has not finished"), ({"command": ...}, "it has no command")],
)
def test_a_run_that_cannot_be_made_again_is_refused(
    tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    folder = recorded(tmp_path)
    document = json.loads((folder / "run.json").read_text())
    kept = {name: value for name, value in document.items() if name not in change}
    (folder / "run.json").write_text(json.dumps(kept))
    with pytest.raises(NotReproducible, match=reason):
        reproduction.read_run(folder)
    (folder / "run.json").unlink()
    with pytest.raises(NotReproducible, match="cannot be read"):
        reproduction.read_run(folder)
