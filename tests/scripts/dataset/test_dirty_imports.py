"""Imports of what nobody would write on purpose: no row is mislabelled, none ends the import."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from models.training.examples import read_examples
from scripts.dataset import dialogs, judged
from scripts.dataset.dialogs import dialogs_of
from scripts.dataset.judged import Judged
from scripts.dataset.labels import is_among
from scripts.dataset.lines import BadRecord
from tests.scripts.dataset.test_imports import jsonl, lines, run

JUNK = (
    None, True, "", " ", "x", 3, -1, 1.5, float("nan"), float("inf"), 10**400, "1" + "0" * 400,
    [], [[]], [None], ["x"], [10**400], [{}], {}, {"a": 1}, {"text": []}, [{"text": 3}],
    [{"speaker": "bot", "text": "x", "rating": ["Good"]}] * 2, [{"role": [], "content": {}}],
)  # fmt: skip
TURNS = [{"speaker": "a", "text": "hi"}, {"speaker": "bot", "text": "ho", "rating": "Good"}]
SCORES = dict.fromkeys(
    ("robotic", "repetitive", "interesting", "fun", "consistent", "fluent", "topic"), 1.0
)
JUDGED = {
    "example": {"source": "s", "head": "h", "context": ["a"], "response": "b", "label": 1.0,
                "weight": 1.0, "rater": "r", "group": "g", "conversation": "c", "facts": ["f"]},
    "reaction": {"context": ["a"], "response": "b", "reaction": "love", "rater": "r"},
    "labelled": {"prompt": "a", "completion": "b", "label": 1, "id": 1, "group": "g:1"},
    "preference": {"prompt": "a", "chosen": "b", "rejected": "c", "conversation": "c"},
    "ratings": {"dialog_id": 1, "turns": TURNS},
    "opinion": {"id": 1, "turns": TURNS, "scores": {"z scores": SCORES}, "worker": "w"},
}  # fmt: skip
DIALOGS = {
    "turns": {"turns": TURNS, "topic": "t", "personas": {"a": ["b"]}, "dialog_id": 1},
    "messages": {"messages": [{"role": "user", "content": "a"}, {"role": "bot", "content": "b"}]},
    "answers": {"questions": ["a"], "answer": "b", "style": "c"},
    "exchange": {"context": ["a"], "response": "b"},
}


def broken(record: dict[str, Any]) -> list[dict[str, Any]]:
    """The record with each field missing, and each field, also of its turns, of every make."""
    found = [{n: v for n, v in record.items() if n != name} for name in record]
    found += [{**record, name: junk} for name, junk in itertools.product(record, JUNK)]
    for name in ("turns", "messages"):
        if name in record:
            first, last = record[name]
            for field, junk in itertools.product(last, JUNK):
                found.append({**record, name: [first, {**last, field: junk}]})
    if "scores" in record:
        scores = [{**SCORES, "fun": junk} for junk in JUNK]
        found += [{**record, "scores": {"z scores": score}} for score in scores]
        rest = {name: value for name, value in record.items() if name != "scores"}
        found += [{**rest, "rating": junk} for junk in JUNK]
    return found


def test_every_form_is_tried() -> None:
    assert set(JUDGED) == set(judged.FORMATS)
    assert set(DIALOGS) == set(dialogs.FORMATS)


@pytest.mark.parametrize("form", JUDGED)
@pytest.mark.parametrize("named", [True, False])
def test_no_judgement_ends_the_import(form: str, named: bool) -> None:
    reader = Judged("s", "s", form=form if named else "auto")
    assert reader.add(JUDGED[form]) or list(reader.finish())
    reasons: list[str] = []
    for record in broken(JUDGED[form]):
        try:
            examples = [*reader.add(record), *reader.finish()]
        except BadRecord as error:
            reasons.append(str(error))
        else:
            assert all(0.0 <= example.label <= 1.0 for example in examples)
    assert len(reasons) > len(JUNK)
    assert all(0 < len(reason) < 300 and "\n" not in reason for reason in reasons)


@pytest.mark.parametrize("form", DIALOGS)
@pytest.mark.parametrize("named", [True, False])
def test_no_dialog_ends_the_import(form: str, named: bool) -> None:
    shape = form if named else "auto"
    assert dialogs_of(DIALOGS[form], "s", shape)
    reasons: list[str] = []
    for record in broken(DIALOGS[form]):
        try:
            found = dialogs_of(record, "s", shape)
        except BadRecord as error:
            reasons.append(str(error))
        else:
            assert all(len(dialog["turns"]) >= 2 for dialog in found)
    assert len(reasons) > len(JUNK)
    assert all(0 < len(reason) < 300 and "\n" not in reason for reason in reasons)


@pytest.mark.parametrize("label", [None, "", "  ", [], {}, float("nan"), "nan", ["4"]])
def test_a_label_that_is_none_is_no_dislike(label: Any) -> None:
    with pytest.raises(BadRecord, match="nothing was said"):
        is_among(label, ["4", "5"])


def test_labels_are_compared_as_numbers_and_as_words() -> None:
    for label in (4, 4.0, "4", "4.0", " 5 ", "+4"):
        assert is_among(label, ["4", "5.0"])
    for label in (3, "45", "good", 4.5, False, 10**400):
        assert not is_among(label, ["4", "5.0"])
    assert is_among("Good", ["good"])
    assert is_among(True, ["true"])


def test_positive_labels_from_the_command_line(tmp_path: Path) -> None:
    stars = jsonl(
        tmp_path / "stars.jsonl",
        *(
            {"context": ["hi"], "response": f"r{i}", "label": label}
            for i, label in enumerate([5, "4.0", 3, None, ""])
        ),
    )
    out = tmp_path / "stars.jsonl.gz"
    done = run("import_reactions", stars, "--out", out, "--positive", "4", "5")
    assert "3 examples, 0 repeated, 2 rejected" in done.stdout
    assert [example.label for example in read_examples(out)] == [1.0, 1.0, 0.0]
    table = tmp_path / "stars.csv"
    table.write_text("context;response;label\nhi;a;4.0\nhi;b;\nhi;c;1\n")
    words = ["--positive", "4", "--delimiter", ";"]
    done = run("import_reactions", table, "--out", out, *words)
    assert "2 examples, 0 repeated, 1 rejected" in done.stdout
    assert [example.label for example in read_examples(out)] == [1.0, 0.0]


def test_a_tab_may_be_typed(tmp_path: Path) -> None:
    table = tmp_path / "rated.csv"
    table.write_text("context\tresponse\tlabel\nhi\tho\t1\n")
    out = tmp_path / "rated.jsonl"
    run("import_reactions", table, "--out", out, "--delimiter", "\\t")
    assert len(lines(out)) == 1
    for wrong in ("::", "", '"', "\n"):
        done = run("import_reactions", table, "--delimiter", wrong, status=2)
        assert "must be one character" in done.stderr
    assert "\\t" in run("import_reactions", "--help").stdout


def test_a_dialog_ends_before_a_row_that_cannot_be_read(tmp_path: Path) -> None:
    """What stands on the two sides of a hole is not one answering the other."""
    table = tmp_path / "talk.csv"
    table.write_text(
        "dialog,speaker,text\n"
        "1,A,one\n1,B,two\n1,A,a,hole\n1,B,four\n1,A,five\n"
        "2,A,hi\n2,B,ho\n"
        "3,A,a,hole\n3,B,second\n3,A,third\n"
    )
    out = tmp_path / "talk.jsonl"
    run("import_dialogs", table, "--out", out)
    assert [[turn["text"] for turn in row["turns"]] for row in lines(out)] == [
        ["one", "two"],
        ["hi", "ho"],
        ["second", "third"],
    ]
    reasons = {row["line"]: row["reason"] for row in lines(tmp_path / "talk.rejects.jsonl")}
    assert list(reasons) == [4, 5, 6, 9]
    assert "behind a row that cannot be read" in reasons[5]
    assert "behind a row that cannot be read" in reasons[6]


STOPPED = """
import sys, time
from pathlib import Path
from models.training.examples import Example
from scripts.dataset import opening

class Dataset:
    def __init__(self, folder, keys):
        pass

    def reactions(self):
        return [Example("s", "upvote", ("hi",), "ho", 1.0, rater="r")]

def slowly(examples, by_rater):
    yield from examples
    print("writing", flush=True)
    time.sleep(60)

opening.Dataset, opening.open_keys, opening.weighed = Dataset, lambda: None, slowly
opening.run(Path("x"), Path(sys.argv[1]), weigh=True)
"""


def test_texts_that_were_being_opened_do_not_stay_when_it_is_ended(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", STOPPED, str(tmp_path / "out" / "exported.jsonl")],
        cwd=Path(__file__).parents[3],
        env={"PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert child.stdout is not None
        while "writing" not in child.stdout.readline():
            assert child.poll() is None
        assert len(list((tmp_path / "out").iterdir())) == 1
        child.terminate()
        child.communicate(timeout=60)
    finally:
        child.kill()
    assert child.returncode == 128 + signal.SIGTERM
    assert not list((tmp_path / "out").iterdir())
