"""Requirements and locks say the same; torch alone has no hash; nothing names a registry."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts.supply import locking
from scripts.supply.locking import LockError
from scripts.supply.pins import FILES, LOCKS, ROOT, UNHASHED, Pin, PinError, all_pins, normal, read

_TEXTS = [ROOT / file for file in FILES] + [ROOT / LOCKS / file for file in FILES]
_HASH = "0" * 64


def test_torch_alone_has_no_hash_and_its_exact_version() -> None:
    assert {"torch"} == UNHASHED
    assert read(ROOT / "requirements.txt").pins["torch"].version == "2.13.0"
    head = (ROOT / "requirements.txt").read_text("utf-8").partition("\n\n")[0]
    assert "torch alone has no hash" in head


@pytest.mark.parametrize("file", FILES)
def test_a_lock_has_the_pins_of_its_requirements_and_a_hash_for_each(file: str) -> None:
    wanted, locked = read(ROOT / file), read(ROOT / LOCKS / file)
    assert locked.includes == wanted.includes
    expected = {name: pin.requirement for name, pin in wanted.pins.items() if name not in UNHASHED}
    assert {name: pin.requirement for name, pin in locked.pins.items()} == expected
    assert all(pin.hashes for pin in locked.pins.values())
    assert not any(pin.hashes for pin in wanted.pins.values())


def test_every_requirements_file_has_a_lock_but_that_of_the_benches() -> None:
    files = {path.name for path in ROOT.glob("requirements*.txt")}
    assert files == {*FILES, "requirements-bench.txt"}
    assert {path.name for path in (ROOT / LOCKS).glob("*.txt")} == set(FILES)


@pytest.mark.parametrize("path", _TEXTS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_nothing_names_a_registry(path: Path) -> None:
    text = path.read_text("utf-8")
    assert "://" not in text
    assert not re.search(
        r"^\s*(-i|-f|--(extra-)?index-url|--find-links|--trusted-host)\b", text, re.M
    )


def test_what_is_pinned_is_pinned_once() -> None:
    assert (
        all_pins(ROOT, "requirements-dev.txt").keys() >= all_pins(ROOT, "requirements.txt").keys()
    )


@pytest.mark.parametrize(
    "line", ["flask", "flask>=3", "flask~=3.1", "-e .", "git+ssh://x/y", "flask==3.1 --hash=md5:00"]
)
def test_what_is_no_exact_pin_is_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / "requirements.txt").write_text(f"click==8.5.1\n{line}\n", "utf-8")
    with pytest.raises(PinError, match=r"requirements\.txt:2"):
        read(tmp_path / "requirements.txt")


def test_a_package_that_comes_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("Zope.Event==6.2\nzope-event==6.2\n", "utf-8")
    with pytest.raises(PinError, match="zope-event comes twice"):
        read(tmp_path / "requirements.txt")
    assert normal("Zope.Event") == "zope-event"


def test_two_files_may_not_pin_one_package_differently(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("click==8.5.1\n", "utf-8")
    (tmp_path / "b.txt").write_text("-r a.txt\nclick==8.5.0\n", "utf-8")
    with pytest.raises(PinError, match=r"click is 8\.5\.0 and 8\.5\.1"):
        all_pins(tmp_path, "b.txt")


def test_a_lock_is_read_with_extras_markers_and_hashes(tmp_path: Path) -> None:
    text = f'gunicorn[gevent]==27.0.1 ; sys_platform == "linux" \\\n    --hash=sha256:{_HASH}\n'
    (tmp_path / "lock.txt").write_text(text, "utf-8")
    pin = read(tmp_path / "lock.txt").pins["gunicorn"]
    assert (pin.extras, pin.marker, pin.hashes) == ("[gevent]", 'sys_platform == "linux"', (_HASH,))
    assert pin.requirement == 'gunicorn[gevent]==27.0.1 ; sys_platform == "linux"'


def _pins(*names: str, hashes: tuple[str, ...] = (_HASH,)) -> dict[str, Pin]:
    return {name: Pin(name, name, "1", hashes=hashes) for name in names}


def test_what_a_package_needs_must_be_pinned_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locking, "_resolved", lambda wanted: {**_as(wanted), **_pins("new")})
    with pytest.raises(LockError, match=r"(?s)What those need.*new==1"):
        locking.make(ROOT)


def test_what_no_platform_needs_is_not_pinned(monkeypatch: pytest.MonkeyPatch) -> None:
    found = _as(locking._wanted(ROOT))
    del found["click"]
    monkeypatch.setattr(locking, "_resolved", lambda wanted: found)
    with pytest.raises(LockError, match="needs: click"):
        locking.make(ROOT)


def test_a_package_without_hashes_is_no_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locking, "_resolved", lambda wanted: _pins(*wanted, hashes=()))
    with pytest.raises(LockError, match="no hashes of: absl-py"):
        locking.make(ROOT)


def test_what_was_locked_is_what_would_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """The files in the tree are the maker's own words, and not edited by hand."""
    locked = {name: pin for file in FILES for name, pin in read(ROOT / LOCKS / file).pins.items()}
    monkeypatch.setattr(locking, "_resolved", lambda wanted: locked)
    for name, text in locking.make(ROOT).items():
        assert (ROOT / name).read_text("utf-8") == text, name


def _as(wanted: dict[str, Pin]) -> dict[str, Pin]:
    return {n: Pin(p.name, p.spelled, p.version, hashes=(_HASH,)) for n, p in wanted.items()}
