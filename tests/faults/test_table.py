"""The table of the faults tells what failed, what could not run, and what nobody proves."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.rows import ROWS
from tests.faults.table import FAILED, NOT_RUN, PART, PASSED

ROOT = Path(__file__).parents[2]

_TESTS = """
import pytest


@pytest.mark.faults(1)
def test_fine():
    pass


@pytest.mark.faults(2, 3)
def test_wrong():
    assert False


@pytest.mark.faults(4)
def test_away():
    pytest.skip("there is no such disk here")


@pytest.mark.faults(5)
@pytest.mark.parametrize("there", [True, False])
def test_half(there):
    if not there:
        pytest.skip("an older Redis | 6.2")


@pytest.fixture
def breaks():
    raise OSError("no")


@pytest.mark.faults(6)
def test_before(breaks):
    pass


@pytest.mark.faults(7)
@pytest.mark.xfail
def test_given_up():
    assert False


@pytest.fixture
def breaks_later():
    yield
    raise OSError("no")


@pytest.mark.faults(8)
def test_after(breaks_later):
    pass


@pytest.mark.faults(9)
def test_unwanted():
    pass


@pytest.mark.faults(10)
@pytest.mark.parametrize("wanted", ["yes", "unwanted"])
def test_in_part(wanted):
    pass
"""
_SKIPS_ITSELF = """
import pytest

nothing = pytest.importorskip("a_package_that_nobody_has", reason="it is not installed")
pytestmark = pytest.mark.faults(11, 1)


@pytest.mark.faults(12)
def test_it():
    nothing.happens()
"""


def run(folder: Path, text: str, *more: str) -> tuple[subprocess.CompletedProcess[str], Path]:
    (folder / "test_them.py").write_text(text)
    page = folder / "out" / "faults.md"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "tests.faults.table", "-p", "no:cacheprovider"),
            *("-o", "markers=faults(*rows): rows", "-o", "testpaths=", "--rootdir", str(folder)),
            *("--table", str(page), "-c", "/dev/null", *more, str(folder)),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done, page


def test_the_verdicts(tmp_path: Path) -> None:
    (tmp_path / "test_another.py").write_text(_SKIPS_ITSELF)
    done, page = run(tmp_path, _TESTS, "-k", "not unwanted")
    assert done.returncode == 1
    lines = [line for line in page.read_text().splitlines() if line.startswith("| ")][1:]
    verdicts = [line.replace("\\|", "/").split(" | ")[2] for line in lines]
    assert len(verdicts) == len(ROWS) == 38
    assert verdicts[0] == f"{PART} (1 of 2 tests not run: it is not installed)"
    assert verdicts[1] == verdicts[2] == f"{FAILED} (test_wrong)"
    assert verdicts[3] == f"{NOT_RUN} (there is no such disk here)"
    assert verdicts[4] == f"{PART} (1 of 2 tests not run: an older Redis / 6.2)"
    assert verdicts[5] == f"{FAILED} (test_before (setup))"
    assert verdicts[6].startswith(FAILED)
    assert verdicts[7] == f"{FAILED} (test_after (teardown))"
    assert verdicts[8] == f"{NOT_RUN} (left out of this run)"
    assert verdicts[9] == f"{PART} (1 of 2 tests not run: left out of this run)"
    assert verdicts[10] == verdicts[11] == f"{NOT_RUN} (it is not installed)"
    assert set(verdicts[12:]) == {f"{FAILED} (no test)"}
    assert "Of 38 rows: 3 passed in part, 4 not run, 31 FAILED." in done.stdout


def test_a_run_that_stops_early_says_so(tmp_path: Path) -> None:
    text = _TESTS.replace(
        "def test_fine():\n    pass", "def test_fine():\n    pytest.exit('enough')"
    )
    done, page = run(tmp_path, text)
    assert done.returncode != 0
    assert f"{NOT_RUN} (the run ended before)" in page.read_text()


def test_a_row_whose_tests_all_pass_is_passed(tmp_path: Path) -> None:
    _, page = run(tmp_path, "import pytest\n\n\n@pytest.mark.faults(3)\ndef test_it():\n    pass\n")
    assert f"| {PASSED} | 1 |" in page.read_text()


def test_a_row_without_a_test_fails_a_run_in_which_all_passed(tmp_path: Path) -> None:
    done, _ = run(tmp_path, "def test_fine():\n    pass\n")
    assert "1 passed" in done.stdout
    assert done.returncode == 1


@pytest.mark.parametrize("mark", ["faults", "faults(39)", "faults('1')"])
def test_a_mark_that_names_no_row_stops_the_run(tmp_path: Path, mark: str) -> None:
    text = f"import pytest\n\n\n@pytest.mark.{mark}\ndef test_fine():\n    pass\n"
    done, _ = run(tmp_path, text)
    assert done.returncode == 4
    assert "is no row" in done.stderr + done.stdout
