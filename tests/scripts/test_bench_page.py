"""docs/benchmarks.md and its pictures: written from whatever figures there are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from scripts.benches import charts, docs, names, peers, plots
from scripts.benches.borrowed import borrow
from scripts.benches.charts import Chart, Panel, Series

BARS = Panel("people", "a second", [Series("ours", ["1", "8"], [2.0, 4.0])], kind="bars")
LINES = Panel(
    "load",
    "ms",
    [Series("a", [0.5, 1, 10], [1.0, float("nan"), 3.0]), Series("b", [0.5, 1, 10], [2.0, 2, 2])],
    log_x=True,
    limit=("limit", 2.5),
    from_zero=True,
)


def bench(title: str, **more: Any) -> Any:
    return SimpleNamespace(
        __doc__=f"About {title}.",
        TITLE=title,
        show=lambda result: f"{title} has {result['x']}",
        **more,
    )


@pytest.fixture
def three(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {
        "fast": bench("Fast", charts=lambda result: [Chart("one", "A picture", [BARS])]),
        "slow": bench("Slow"),
        "gpu": bench("On a GPU"),
        "lost": ImportError("No module named 'peer'"),
    }

    def benches() -> Iterator[tuple[str, Any]]:
        yield from found.items()

    monkeypatch.setattr(names, "benches", benches)


def save(folder: Path, name: str, result: dict[str, Any]) -> None:
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(result))


@pytest.mark.usefixtures("three")
def test_the_page_says_what_was_measured_and_why_the_rest_was_not(tmp_path: Path) -> None:
    save(tmp_path, "fast", {"x": 7})
    save(tmp_path, "gpu", {"absent": "no CUDA device here"})
    text = docs.page(tmp_path, tmp_path)
    assert "## Fast (`./scripts/bench fast`)\n\nAbout Fast.\n\nFast has 7" in text
    measured, _, missing = text.partition("## Not measured")
    assert "Slow" not in measured
    assert "- Slow (`./scripts/bench slow`): no figures" in missing
    assert "- On a GPU (`./scripts/bench gpu`): no CUDA device here" in missing
    assert "- `./scripts/bench lost`: No module named 'peer'" in missing


@pytest.mark.usefixtures("three")
def test_a_picture_is_embedded_once_it_is_drawn(tmp_path: Path) -> None:
    save(tmp_path, "fast", {"x": 7})
    assert "![" not in docs.page(tmp_path, tmp_path)
    picture = tmp_path / charts.image("fast", "one")
    picture.parent.mkdir(parents=True)
    picture.touch()
    assert "![A picture](images/bench-fast-one.svg)" in docs.page(tmp_path, tmp_path)


@pytest.mark.usefixtures("three")
def test_pictures_are_drawn_of_what_has_figures_and_come_out_the_same_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        borrow(plots.PEER)
    except peers.PeerAbsent as reason:
        pytest.skip(f"matplotlib {reason}")
    pytest.importorskip("matplotlib")
    save(tmp_path, "fast", {"x": 7})
    (path,) = plots.draw_all(tmp_path, tmp_path)
    assert path == tmp_path / "docs" / "images" / "bench-fast-one.svg"
    assert "people" in path.read_text()
    chart = Chart("two", "Two panels", [LINES, BARS, LINES])
    first, second = tmp_path / "1.svg", tmp_path / "2.svg"
    plots.draw(chart, first)
    plots.draw(chart, second)
    assert first.read_bytes() == second.read_bytes()
    assert all(word in first.read_text() for word in ("limit", "Two panels", "0.5"))


@pytest.mark.parametrize("name", names.NAMES)
def test_every_name_is_a_bench_that_can_be_run_and_shown(name: str) -> None:
    module: ModuleType = names.module(name)
    assert callable(module.main)
    assert module.__doc__
    assert not hasattr(module, "TITLE") or callable(module.show)
