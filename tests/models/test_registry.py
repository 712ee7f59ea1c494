"""The registry: what is kept of a model, what its history makes of it, and who may change it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from models.checkpoint import AlteredFileError, ManifestError, write_manifest
from models.registry import Event, Registry, RegistryError, State, event_now

KIND = "reranker"


def make(folder: Path, content: str, kind: str = KIND) -> str:
    """A model folder; its version."""
    folder.mkdir(parents=True)
    (folder / "weights.safetensors").write_text(content)
    return write_manifest(folder, name=content, kind=kind, command="a test").version


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "var")


def registered(registry: Registry, tmp_path: Path, *names: str) -> list[str]:
    versions = []
    for name in names:
        make(tmp_path / name, name)
        with registry.changing(KIND):
            versions.append(registry.register(KIND, tmp_path / name, who="me").version)
    return versions


def states(registry: Registry) -> dict[str, tuple[State, int]]:
    return {entry.version: (entry.state, entry.share) for entry in registry.entries(KIND)}


def test_a_model_is_copied_verified_and_listed_once(registry: Registry, tmp_path: Path) -> None:
    (version,) = registered(registry, tmp_path, "one")
    with registry.changing(KIND):
        again = registry.register(KIND, tmp_path / "one", who="me")
    assert again.version == version
    assert states(registry) == {version: (State.CANDIDATE, 0)}
    place = registry.verified(KIND, version)
    assert (place / "weights.safetensors").read_text() == "one"
    assert registry.holds(KIND, version)
    assert not registry.holds(KIND, "installed")
    assert not list(place.parent.glob("*.half"))


def test_what_is_altered_or_of_another_kind_is_not_taken(
    registry: Registry, tmp_path: Path
) -> None:
    make(tmp_path / "other", "other", kind="generator")
    version = make(tmp_path / "bad", "bad")
    (tmp_path / "bad" / "weights.safetensors").write_text("changed")
    with registry.changing(KIND):
        with pytest.raises(ManifestError, match="not a reranker"):
            registry.register(KIND, tmp_path / "other", who="me")
        with pytest.raises(AlteredFileError):
            registry.register(KIND, tmp_path / "bad", who="me")
    assert registry.entries(KIND) == []
    with pytest.raises(RegistryError, match="not registered"):
        registry.verified(KIND, version)


def test_what_is_altered_here_is_not_given_out(registry: Registry, tmp_path: Path) -> None:
    one, two = registered(registry, tmp_path, "one", "two")
    (registry.folder(KIND, one) / "weights.safetensors").write_text("changed")
    with pytest.raises(AlteredFileError):
        registry.verified(KIND, one)
    registry.folder(KIND, one).rename(tmp_path / "gone")
    registry.folder(KIND, two).rename(registry.folder(KIND, one))
    with pytest.raises(RegistryError, match="holds version"):
        registry.verified(KIND, one)


@pytest.mark.parametrize("name", ["../../etc", "", "ABCDEF012345", "0" * 13])
def test_a_name_that_is_no_version_leads_nowhere(registry: Registry, name: str) -> None:
    with pytest.raises(RegistryError, match="not a version"):
        registry.folder(KIND, name)
    with pytest.raises(RegistryError, match="not one of"):
        registry.folder("encoder", "0" * 12)


def test_the_history_says_what_each_version_is(registry: Registry, tmp_path: Path) -> None:
    base, one, two = registered(registry, tmp_path, "base", "one", "two")

    def promote(version: str, share: int, before: str = "") -> None:
        registry.promoted(KIND, version, share, who="me", before=before)

    assert registry.serving(KIND) is None
    assert registry.before(KIND) is None
    promote(one, 10, before=base)
    assert registry.serving(KIND) == base
    assert registry.before(KIND) == base
    assert registry.trial(KIND) is not None
    assert states(registry)[one] == (State.CANDIDATE, 10)
    assert states(registry)[base] == (State.SERVING, 90)
    promote(one, 100)
    assert registry.serving(KIND) == one
    assert states(registry)[base] == (State.RETIRED, 0)
    assert registry.trial(KIND) is None
    promote(two, 10)
    promote(two, 50)
    assert registry.before(KIND) == one

    def back() -> str | None:
        target = registry.before(KIND)
        if target is not None:
            registry.append(KIND, event_now("rolled-back", target, who="me"))
        return target

    assert back() == one
    assert states(registry) == {
        base: (State.RETIRED, 0),
        one: (State.SERVING, 100),
        two: (State.RETIRED, 0),
    }
    assert back() == base
    assert back() is None
    assert registry.serving(KIND) == base
    with pytest.raises(RegistryError, match="share"):
        promote(one, 0)


def test_a_trial_that_another_took_the_place_of_is_not_returned_to(
    registry: Registry, tmp_path: Path
) -> None:
    base, one, two = registered(registry, tmp_path, "base", "one", "two")
    registry.promoted(KIND, one, 10, who="me", before=base)
    registry.promoted(KIND, two, 10, who="me")
    assert registry.before(KIND) == base
    assert states(registry)[one] == (State.RETIRED, 0)


def test_what_was_installed_is_retired_when_another_is_everybodys(
    registry: Registry, tmp_path: Path
) -> None:
    base, one, two = registered(registry, tmp_path, "base", "one", "two")
    registry.promoted(KIND, one, 100, who="me", before=base)
    assert states(registry) == {
        base: (State.RETIRED, 0),
        one: (State.SERVING, 100),
        two: (State.CANDIDATE, 0),
    }


def test_a_line_that_a_crash_cut_short_spoils_no_other(registry: Registry, tmp_path: Path) -> None:
    (one,) = registered(registry, tmp_path, "one")
    path = registry.root / KIND / "history.jsonl"
    with path.open("a") as file:
        file.write('{"at": "now", "who')
    registry.append(KIND, Event("later", "me", "promoted", one, 100, forced=True, why="so"))
    last = registry.history(KIND)[-1]
    assert (last.version, last.forced, last.why) == (one, True, "so")
    assert len(registry.history(KIND)) == 2
    assert states(registry) == {one: (State.SERVING, 100)}


@pytest.mark.parametrize(
    "why", ["caf\u00e9 \u65e5\u672c", "a\u2028b\x85c\x0bd", "lone \udce9 surrogate", "two\nlines"]
)
def test_whatever_the_reason_is_it_is_one_line_that_is_read_again(
    registry: Registry, tmp_path: Path, why: str
) -> None:
    (one,) = registered(registry, tmp_path, "one")
    registry.promoted(KIND, one, 10, who="me", why=why)
    registry.save_report(KIND, one, {"reasons": [why]})
    assert registry.history(KIND)[-1].why == why
    assert len((registry.root / KIND / "history.jsonl").read_bytes().split(b"\n")) == 3
    assert registry.report(KIND, one) == {"reasons": [why]}


def test_bytes_that_are_no_text_spoil_no_line_but_their_own(
    registry: Registry, tmp_path: Path
) -> None:
    (one,) = registered(registry, tmp_path, "one")
    path = registry.root / KIND / "history.jsonl"
    with path.open("ab") as file:
        file.write('{"at": "now", "who": "Ren\u00e9'.encode()[:-1])  # torn within a letter
    registry.promoted(KIND, one, 100, who="me")
    with path.open("ab") as file:
        # Written when lines held more than ASCII, these characters were taken for ends of lines.
        line = {"at": "t", "who": "me", "action": "promoted", "version": one, "why": "a\u2028b"}
        file.write(json.dumps({**line, "share": 10}, ensure_ascii=False).encode() + b"\n")
    assert [event.action for event in registry.history(KIND)] == [
        "registered", "promoted", "promoted",
    ]  # fmt: skip
    assert registry.history(KIND)[-1].why == "a\u2028b"


def test_a_history_that_the_disk_has_no_room_for_is_an_error(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one,) = registered(registry, tmp_path, "one")
    write = os.write
    with monkeypatch.context() as patched:
        patched.setattr("models.registry.os.write", lambda file, line: write(file, line[:20]))
        with pytest.raises(OSError, match="no room"):
            registry.promoted(KIND, one, 100, who="me")
    assert registry.serving(KIND) is None
    registry.promoted(KIND, one, 100, who="me")
    assert registry.serving(KIND) == one


def test_the_trial_is_the_candidate_however_late_what_serves_was_registered(
    registry: Registry, tmp_path: Path
) -> None:
    candidate, base = registered(registry, tmp_path, "candidate", "base")
    registry.promoted(KIND, candidate, 10, who="me", before=base)
    trial = registry.trial(KIND)
    assert trial is not None
    assert (trial.version, trial.share) == (candidate, 10)


def test_a_copy_is_on_the_disk_before_it_has_its_name(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[str, bool]] = []
    version = make(tmp_path / "one", "one")
    place = registry.folder(KIND, version)
    monkeypatch.setattr(
        "models.registry.sync", lambda path: synced.append((path.name, place.exists()))
    )
    with registry.changing(KIND):
        registry.register(KIND, tmp_path / "one", who="me")
    half = f".{version}.half"
    assert (half, False) in synced
    assert ("weights.safetensors", False) in synced
    assert synced.index((half, False)) < synced.index((KIND, True))


def test_the_latest_report_stands(registry: Registry, tmp_path: Path) -> None:
    (one,) = registered(registry, tmp_path, "one")
    assert registry.report(KIND, one) is None
    registry.save_report(KIND, one, {"verdict": "worse"})
    registry.save_report(KIND, one, {"verdict": "better"})
    assert registry.report(KIND, one) == {"verdict": "better"}
    registry.verified(KIND, one)  # it lies beside the folder, not in it
    registry.report_path(KIND, one).write_text("[1")
    assert registry.report(KIND, one) is None


_RACE = """
import sys
from pathlib import Path
from models.registry import Registry
registry = Registry(Path(sys.argv[1]))
for share in range(1, 21):
    with registry.changing("reranker"):
        registry.register("reranker", Path(sys.argv[2]), who=sys.argv[3])
        registry.promoted("reranker", sys.argv[4], share, who=sys.argv[3])
"""


def test_two_who_promote_at_once_do_so_one_after_the_other(
    registry: Registry, tmp_path: Path
) -> None:
    version = make(tmp_path / "one", "one")
    command = [sys.executable, "-c", _RACE, str(registry.root.parent), str(tmp_path / "one")]
    both = [
        subprocess.Popen([*command, who, version], cwd=Path(__file__).parents[2])
        for who in ("anna", "ben")
    ]
    assert [one.wait(timeout=120) for one in both] == [0, 0]
    lines = (registry.root / KIND / "history.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    assert [event["action"] for event in events].count("registered") == 1
    for who in ("anna", "ben"):
        mine = [e["share"] for e in events if e["who"] == who and e["action"] == "promoted"]
        assert mine == list(range(1, 21))
