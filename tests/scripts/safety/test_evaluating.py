"""The sets are in their form, the figures are counted right, and no text leaves unasked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from models.training.text_reader.texts import BadText, LabelledText, write_texts
from scripts.safety import evaluating
from scripts.safety.figures import Rate, cost_of_long, measure
from scripts.safety.sets import SETS, Side, load

ROOT = Path(__file__).parents[3]
SAID = "a line that only this test knows"
TEXTS = [
    LabelledText("crisis-0001", "I want to die", "crisis", "direct"),
    LabelledText("crisis-0002", SAID, "crisis", "indirect"),
    LabelledText("crisis-0003", "what a lovely day", "harmless", "talk"),
    LabelledText("crisis-0004", "the tea is ready", "harmless", "talk"),
]


@pytest.fixture
def sets(tmp_path: Path) -> Path:
    write_texts(tmp_path / "crisis.jsonl", TEXTS)
    return tmp_path


@pytest.mark.parametrize("name", SETS)
def test_a_set_is_in_its_form(name: str) -> None:
    texts = load(ROOT / "data" / "safety", name)
    if texts is None:
        pytest.skip(f"data/safety/{name}.jsonl is not there")
    assert {text.label for text in texts} > {"harmless"}
    if name in ("crisis", "minors"):
        wanted = sum(text.label != "harmless" for text in texts)
        assert min(wanted, len(texts) - wanted) >= 150
        assert len(texts) >= 300


def test_no_development_text_stands_in_a_set() -> None:
    """Compared by a spelling, never shown; what two authors wrote alike is taken out of here."""
    folders = (ROOT / "data" / "safety" / "development", ROOT / "data" / "screen")
    if not all(folder.is_dir() for folder in folders):
        pytest.skip("there are no development texts")

    def plain(line: str) -> str:
        return "".join(c for c in json.loads(line)["text"].casefold() if c.isalnum())

    def lines(path: Path) -> list[str]:
        return path.read_text(encoding="utf-8").splitlines()

    paths = [path for folder in folders for path in folder.glob("*.jsonl")]
    learned = {plain(line) for path in paths for line in lines(path)}
    for name in SETS:
        path = ROOT / "data" / "safety" / f"{name}.jsonl"
        if path.is_file():
            shared = sum(plain(line) in learned and len(plain(line)) > 12 for line in lines(path))
            assert not shared, f"{name}: {shared} texts are in both"


@pytest.mark.parametrize(
    ("found", "of", "low", "high"),
    [(0, 100, 0.0, 0.0370), (5, 100, 0.0215, 0.1118), (100, 100, 0.9630, 1.0), (0, 0, 0.0, 1.0)],
)
def test_an_interval_is_wilsons(found: int, of: int, low: float, high: float) -> None:
    assert Rate(found, of).interval == pytest.approx((low, high), abs=1e-4)


def test_what_a_side_does_is_counted() -> None:
    figures = measure(
        Side("rules", lambda text: text in ("I want to die", "the tea is ready")), TEXTS
    )
    assert (figures.recall.found, figures.recall.of) == (1, 2)
    assert (figures.precision.found, figures.precision.of) == (1, 2)
    assert (figures.alarms.found, figures.alarms.of) == (1, 2)
    assert figures.kinds["crisis", "indirect"].share == 0
    assert figures.kinds["harmless", "talk"].share == 0.5
    assert [text.id for text in figures.wrong] == ["crisis-0002", "crisis-0004"]
    assert figures.cost_ms["p99"] >= figures.cost_ms["p50"] >= 0


def test_figures_hold_no_text_unless_it_is_asked_for(sets: Path, tmp_path: Path) -> None:
    told, absent = evaluating.run(sets, tmp_path / "none")
    assert absent == ["minors", "abuse", "tricks", "outputs"]
    shown = evaluating.table(told, absent)
    saved = evaluating.save(tmp_path, told, absent).read_text(encoding="utf-8")
    for text in TEXTS:
        assert text.text not in shown + saved
    assert "| crisis | rules | 0.500" in shown
    assert "| minors | not measured" in shown
    assert SAID in evaluating.misses(told)
    figures = json.loads(saved)["sets"]["crisis"]["rules"]
    assert figures["recall"]["found"] == 1
    assert figures["kinds"]["harmless/talk"]["found"] == 0


def test_a_set_that_is_not_in_its_form_ends_the_run(sets: Path, tmp_path: Path) -> None:
    with (sets / "crisis.jsonl").open("a", encoding="utf-8") as lines:
        lines.write('{"id": "crisis-0001", "text": "x", "label": "crisis", "kind": "k"}\n')
    with pytest.raises(BadText, match=r"crisis\.jsonl:5"):
        evaluating.run(sets, tmp_path)


def test_the_page_keeps_what_is_around_the_figures(tmp_path: Path) -> None:
    page = tmp_path / "safety.md"
    page.write_text(f"# A\n\n{evaluating.BEGIN}\nold\n{evaluating.END}\n\nrest\n", encoding="utf-8")
    evaluating.write_page(page, "| new |")
    text = page.read_text(encoding="utf-8")
    assert text.startswith("# A\n")
    assert text.endswith("\n\nrest\n")
    assert "| new |" in text
    assert "old" not in text


def test_long_texts_are_timed() -> None:
    assert cost_of_long(lambda text: bool(text), ["a" * 2_000]) >= 0
