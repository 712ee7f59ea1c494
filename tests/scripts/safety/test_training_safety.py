"""The learned reader is trained from texts alone, ships whole, and says what the folds saw."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.training.text_reader.texts import BadText, LabelledText, write_texts
from scripts.safety.material import HEADS, SETS, Material, development
from scripts.safety.training import Options, train

WORDS = (
    "amber",
    "birch",
    "cedar",
    "dune",
    "elm",
    "fern",
    "gorse",
    "hazel",
    "iris",
    "juniper",
    "kelp",
    "lilac",
    "moss",
    "nettle",
    "oak",
)


def write_sets(folder: Path) -> None:
    """Each set's own word tells its label."""
    for name, label in SETS.items():
        kinds = ("other-risk", "loss", "self") if name == "crisis" else ("plain",)
        texts = [
            LabelledText(f"{name}-{i}", f"the {label}word {word}", label, kinds[i % len(kinds)])
            for i, word in enumerate(WORDS)
        ]
        texts += [
            LabelledText(f"{name}-h{i}", f"a {name} {word} in the sun", "harmless", "plain")
            for i, word in enumerate(WORDS)
        ]
        write_texts(folder / f"{name}.jsonl", texts)


@pytest.fixture
def material(tmp_path: Path) -> list[Material]:
    write_sets(tmp_path)
    return development(tmp_path)


def test_every_text_says_what_is_known_of_it(material: list[Material]) -> None:
    crisis = [m for m in material if m.home == "crisis" and m.labels["crisis"]]
    assert {m.labels["other"] for m in crisis} == {0.0, 1.0}
    assert all(m.labels["other"] == m.kind.startswith("other") for m in crisis)
    assert all("minor" not in m.labels for m in crisis), "who is in danger may be a child"
    abuse = [m for m in material if m.home == "abuse" and m.labels["abuse"]]
    assert all("crisis" not in m.labels for m in abuse)


def test_a_reader_is_trained_and_written_whole(material: list[Material], tmp_path: Path) -> None:
    from models.text_reader import TextReader

    out = tmp_path / "artifacts" / "safety"
    _, told = train(material, Options(out, strength=0.05, alarms=0.0, bits=12), "a command")
    reader = TextReader.load(out)
    assert [head.name for head in reader.heads] == list(HEADS)
    for label in SETS.values():
        assert label in reader.found(f"the {label}word willow", f"the {label}word willow")
    assert reader.found("a garden willow in the sun") == {}
    by_head = {judged.head: judged.figures for judged in told}
    assert set(by_head) == set(SETS.values())
    assert all(figures["alarms"] == 0 for figures in by_head.values())
    assert all(figures["recall"] > 0.8 for figures in by_head.values())


def test_an_unknown_label_ends_the_run(tmp_path: Path) -> None:
    write_sets(tmp_path)
    write_texts(tmp_path / "abuse.jsonl", [LabelledText("a", "b", "odd", "plain")])
    with pytest.raises(BadText, match="odd"):
        development(tmp_path)
