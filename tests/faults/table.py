"""A pytest plugin: the table of the faults and how their tests ended (`--faults-table`).

A row is *passed* where all its tests passed; *passed in part* where some did not run, and says
why; *not run* where none did; *FAILED* where one failed, or where no test proves it. A test that
was left out by `-k`, or with a whole file that skips itself, did not run: it is no missing one.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.faults.rows import MARKER, ROWS, rows_of

PASSED, PART, NOT_RUN, FAILED = "passed", "passed in part", "not run", "FAILED"
_WHY_MAX = 3  # reasons that are shown
_WHY_CHARS = 120


@dataclass
class Row:
    """What is known of one row."""

    number: int
    tests: int = 0
    passed: int = 0
    seconds: float = 0.0
    failures: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)  # why tests were not run

    @property
    def verdict(self) -> str:
        """One of the four words."""
        if self.failures or not self.tests:
            return FAILED
        if self.passed == self.tests:
            return PASSED
        return PART if self.passed else NOT_RUN

    @property
    def why(self) -> str:
        """What a reader asks where it is not simply passed."""
        said = list(dict.fromkeys(self.failures or self.reasons))
        if not self.tests:
            return "no test"
        missing = self.tests - self.passed
        if not self.failures and missing > len(self.reasons):
            said.append("the run ended before")
        more = f"; and {len(said) - _WHY_MAX} more" if len(said) > _WHY_MAX else ""
        shown = "; ".join(reason[:_WHY_CHARS] for reason in said[:_WHY_MAX]) + more
        if self.verdict == PART:
            return f"{missing} of {self.tests} tests not run: {shown}"
        return shown

    def leave_out(self, why: str, tests: int = 1) -> None:
        """Tests that prove it are there, and do not run."""
        self.tests += tests
        self.reasons += [why] * tests


class FaultsTable:
    """Collects what became of every test that is marked with a row."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.rows = {number: Row(number) for number in ROWS}
        self._of: dict[str, tuple[int, ...]] = {}

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        """Count what `-k` and the like leave out."""
        for item in items:
            for number in _rows_of(item):
                self.rows[number].leave_out("left out of this run")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Count the tests of a file that skips itself, by the marks in its text."""
        path = self._root / report.fspath
        if not report.skipped or not path.is_file():
            return
        for number in marks_of(path.read_text(encoding="utf-8")):
            self.rows[number].leave_out(_reason(report))

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note which tests prove which rows; a mark that is none stops the run."""
        for item in session.items:
            numbers = _rows_of(item)
            if numbers:
                self._of[item.nodeid] = numbers
            for number in numbers:
                self.rows[number].tests += 1

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count the end of a test, and the time of all its phases."""
        for number in self._of.get(report.nodeid, ()):
            row = self.rows[number]
            row.seconds += report.duration
            name = report.nodeid.rpartition("::")[2]
            if report.failed or hasattr(report, "wasxfail"):
                row.failures.append(name if report.when == "call" else f"{name} ({report.when})")
            elif report.skipped:
                row.reasons.append(_reason(report))
            elif report.when == "call":
                row.passed += 1

    @property
    def failed(self) -> bool:
        """Whether a row is not proven."""
        return any(row.verdict == FAILED for row in self.rows.values())

    def cells(self) -> list[list[str]]:
        """The table's rows: number, what happens, verdict (and why), tests, seconds."""
        found = []
        for number, row in self.rows.items():
            verdict = f"{row.verdict} ({row.why})" if row.verdict != PASSED else row.verdict
            found.append([str(number), ROWS[number], verdict, str(row.tests), f"{row.seconds:.1f}"])
        return found

    def totals(self) -> str:
        """How many rows ended in which way."""
        verdicts = [row.verdict for row in self.rows.values()]
        counts = {word: verdicts.count(word) for word in (PASSED, PART, NOT_RUN, FAILED)}
        return ", ".join(f"{count} {word}" for word, count in counts.items() if count)


HEADER = ("row", "what happens", "verdict", "tests", "seconds")


def markdown(table: FaultsTable) -> str:
    """The table as a page's part."""
    lines = ["| " + " | ".join(HEADER) + " |", "|---:|---|---|---:|---:|"]
    rows = ((cell.replace("|", "\\|") for cell in cells) for cells in table.cells())
    lines += [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([*lines, "", f"Of {len(ROWS)} rows: {table.totals()}.", ""])


def plain(cells: Sequence[Sequence[str]]) -> list[str]:
    """The same in columns, for a terminal; the verdict goes last, where it may be long."""
    return [
        f"{number:>3}  {what:<92}  {tests:>5}  {seconds:>7}  {verdict}"
        for number, what, verdict, tests, seconds in cells
    ]


def marks_of(source: str) -> list[int]:
    """The rows that a file's marks name, each once for each mark."""
    found = [
        argument.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == MARKER
        for argument in node.args
        if isinstance(argument, ast.Constant)
    ]
    return [number for number in found if number in ROWS]


def _rows_of(item: pytest.Item) -> tuple[int, ...]:
    try:
        return rows_of(item)
    except ValueError as error:
        raise pytest.UsageError(str(error)) from None


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    said = report.longrepr
    text = str(said[2]) if isinstance(said, tuple) else str(said)
    return text.removeprefix("Skipped: ")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--faults-table` prints it; `--table FILE` also writes it as Markdown."""
    group = parser.getgroup("faults")
    group.addoption("--faults-table", action="store_true", help="print the table of the faults")
    group.addoption("--table", type=Path, metavar="FILE", help="write it there, in Markdown")


def pytest_configure(config: pytest.Config) -> None:
    """The table is kept where it is asked for."""
    if config.getoption("--faults-table") or config.getoption("--table"):
        config.pluginmanager.register(FaultsTable(config.rootpath), "faults-table")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print and write it, at the end."""
    config = terminalreporter.config
    table = config.pluginmanager.get_plugin("faults-table")
    if table is None:
        return
    terminalreporter.section("faults")
    for line in plain([HEADER, *table.cells()]):
        terminalreporter.write_line(line)
    terminalreporter.write_line(f"Of {len(ROWS)} rows: {table.totals()}.")
    path = config.getoption("--table")
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(markdown(table), encoding="utf-8")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A row without a proof fails the run, even where every test passed."""
    table = session.config.pluginmanager.get_plugin("faults-table")
    if table is not None and table.failed and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
