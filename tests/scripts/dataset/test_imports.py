"""The imports as a person runs them, and the forms that they know."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from models.training.corpora import load_own
from models.training.examples import Example, read_examples
from scripts.dataset.dialogs import dialogs_of
from scripts.dataset.judged import Judged
from scripts.dataset.lines import BadRecord

SCRIPTS = Path(__file__).parents[3] / "scripts"


def run(name: str, *arguments: object, status: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, str(SCRIPTS / name), *map(str, arguments)],
        env={"PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == status, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


def jsonl(path: Path, *rows: Any) -> Path:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


TURNS = {
    "dialog_id": "7",
    "topic": "tea",
    "turns": [
        {"speaker": "A", "text": "tea\u0000?\u200b "},
        {"speaker": "B", "text": "\u202e"},
        {"speaker": "B", "text": "yes \ud800please"},
    ],
}
CHAT = {
    "messages": [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": [{"type": "text", "text": "hi"}, {"type": "image_url"}]},
        {"role": "assistant", "content": None, "tool_calls": []},
        {"role": "tool", "content": "42"},
        {"role": "assistant", "content": "hello"},
    ]
}


def test_dialogs_come_in_and_can_be_trained_on(tmp_path: Path) -> None:
    source = jsonl(
        tmp_path / "chats_train.jsonl",
        TURNS,
        CHAT,
        {"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]},
        {"questions": ["who?", "what?"], "answer": "me", "style": "calm"},
        {"context": ["one", "two"], "response": "three"},
        {"turns": [{"speaker": "A", "text": "alone"}]},
        CHAT,
    )
    out = tmp_path / "own" / "dialogs" / "chats.jsonl"
    done = run("import_dialogs", source, "--out", out)
    assert "7 records: 6 dialogs, 1 repeated, 1 rejected" in done.stdout
    assert "chats_train.jsonl:6: 1 turns with text" in done.stderr
    first, second, *_, last = lines(out)
    assert (first["id"], first["source"], first["topic"]) == ("chats:7", "chats", "tea")
    assert [turn["text"] for turn in first["turns"]] == ["tea?", "yes please"]
    assert [(turn["speaker"], turn["text"]) for turn in second["turns"]] == [
        ("person", "hi"),
        ("kindred", "hello"),
    ]
    assert [turn["speaker"] for turn in last["turns"]] == ["kindred", "person", "kindred"]
    (rejected,) = lines(tmp_path / "own" / "dialogs" / "chats.rejects.jsonl")
    assert (rejected["file"], rejected["line"]) == ("chats_train.jsonl", 6)
    (tmp_path / "own" / "dialogs" / "chats.rejects.jsonl").unlink()
    loaded = load_own(tmp_path / "own")
    assert len(loaded) == 6
    assert loaded[1].target == 1


def test_dialogs_from_csv(tmp_path: Path) -> None:
    source = tmp_path / "talk.csv"
    source.write_text('chat,who,said\n1,A,hi\n1,B,"so, so"\n2,A,yes\n2,B,no\n1,A,again\n')
    out = tmp_path / "talk.jsonl"
    columns = ["--columns", "chat", "who", "said"]
    run("import_dialogs", source, "--out", out, *columns)
    assert [[turn["text"] for turn in row["turns"]] for row in lines(out)] == [
        ["hi", "so, so"],
        ["yes", "no"],
    ]
    (rejected,) = lines(tmp_path / "talk.rejects.jsonl")
    assert "came before" in rejected["reason"]
    done = run("import_dialogs", source, "--out", out, "--columns", "chat", "x", "said", status=1)
    assert "no column 'x'; there are 'chat', 'who', 'said'" in done.stderr


def test_nothing_in_and_strict_leave_no_file(tmp_path: Path) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.touch()
    out = tmp_path / "out.jsonl"
    for name in ("import_dialogs", "import_reactions"):
        done = run(name, empty, "--out", out, status=1)
        assert "no record came in" in done.stderr
    assert "No such file" in run("import_dialogs", tmp_path / "x", status=1).stderr
    mixed = jsonl(tmp_path / "mixed.jsonl", TURNS, {"no": "dialog"})
    done = run("import_dialogs", mixed, "--out", out, "--strict", status=1)
    assert "--strict" in done.stderr
    assert not out.exists()
    assert len(lines(tmp_path / "out.rejects.jsonl")) == 1
    assert not list(tmp_path.glob(".*"))
    run("import_dialogs", mixed, "--out", out)
    assert len(lines(out)) == 1


@pytest.mark.parametrize("name", ["import_dialogs", "import_reactions"])
def test_help_and_wrong_values(name: str) -> None:
    assert "--format" in run(name, "--help").stdout
    assert "invalid choice" in run(name, "x", "--format", "xml", status=2).stderr
    assert "FILE" in run(name, status=2).stderr


def test_reactions_come_in_as_examples(tmp_path: Path) -> None:
    source = jsonl(
        tmp_path / "lab_test.jsonl",
        {"context": ["hi"], "response": "ho", "label": "good", "group": "1:3:end"},
        {"context": ["hi"], "response": "go away", "label": "Unsafe"},
        {"context": "hi", "response": "so", "reaction": "Love", "worker": "w"},
        {"context": ["hi"], "response": " \u200b", "label": 1},
    )
    out = tmp_path / "lab.jsonl.gz"
    done = run("import_reactions", source, "--out", out)
    assert "4 records: 8 examples, 0 repeated, 1 rejected" in done.stdout
    first, second, *tap = read_examples(out)
    assert first == Example(
        "lab", "lab", ("hi",), "ho", 1.0, group="lab_test:1:3:end", conversation="lab_test:1"
    )
    assert (second.head, second.label) == ("offensive", 1.0)
    assert {e.head: e.label for e in tap} == {
        "upvote": 1.0,
        "love": 1.0,
        "funny": 0.0,
        "meaningless": 0.0,
        "offensive": 0.0,
        "downvote": 0.0,
    }
    assert {e.rater for e in tap} == {"lab:w"}
    again = tmp_path / "again.jsonl.gz"
    run("import_reactions", source, "--out", again)
    assert gzip.decompress(again.read_bytes()) == gzip.decompress(out.read_bytes())
    assert again.read_bytes() == out.read_bytes()
    back = tmp_path / "back.jsonl.gz"
    run("import_reactions", out, "--out", back)
    assert list(read_examples(back)) == list(read_examples(out))


def test_reactions_from_csv(tmp_path: Path) -> None:
    source = tmp_path / "rated.tsv"
    source.write_text("q\ta\tstars\tby\nhi | you?\tfine\t5\tme\nhi\tno\t1\tyou\n")
    out = tmp_path / "rated.jsonl"
    columns = ["--columns", "q", "a", "stars", "--rater-column", "by", "--separator", "|"]
    run("import_reactions", source, "--out", out, *columns, "--positive", "4", "5")
    first, second = read_examples(out)
    assert (first.context, first.label, first.rater) == (("hi", "you?"), 1.0, "rated:me")
    assert (second.response, second.label) == ("no", 0.0)
    done = run("import_reactions", source, "--out", out, *columns, status=0)
    assert "label must lie in [0, 1], not 5 (see --scale)" in done.stderr
    run("import_reactions", source, "--out", out, *columns, "--scale", 1, 5)
    assert [example.label for example in read_examples(out)] == [1.0, 0.0]
    done = run("import_reactions", source, "--scale", 5, 1, status=2)
    assert "a lower end" in done.stderr
    source.write_text("context,response,label\nhi,ho,funny\n".replace(",", "\t"))
    run("import_reactions", source, "--out", out)
    assert {e.head: e.label for e in read_examples(out)}["funny"] == 1.0


def test_preferences_make_a_group() -> None:
    judged = Judged("lab", "file")
    good, bad = judged.add(
        {
            "input": {"messages": [{"role": "user", "content": "hi"}]},
            "preferred_output": [{"role": "assistant", "content": "hello"}],
            "non_preferred_output": [{"role": "assistant", "content": "what"}],
        }
    )
    assert (good.head, good.context, good.response, good.label) == (
        "preference",
        ("hi",),
        "hello",
        1.0,
    )
    assert (bad.response, bad.label, bad.group) == ("what", 0.0, good.group)
    other, _ = judged.add({"prompt": "so?", "chosen": "a", "rejected": "b"})
    assert other.group != good.group
    with pytest.raises(BadRecord, match="the same"):
        judged.add({"prompt": "so?", "chosen": "a", "rejected": "a "})


def test_ratings_of_turns_are_the_partners() -> None:
    turns = [
        {"speaker": "a", "text": "hi", "rating": "Good"},
        {"speaker": "b", "text": "ho", "rating": "Poor"},
        {"speaker": "a", "text": "he", "rating": "Excellent"},
        {"speaker": "b", "text": "hu"},
    ]
    found = Judged("talk", "talk_train").add({"dialog_id": "d", "turns": turns})
    assert [(e.context, e.response, e.label) for e in found] == [
        (("hi",), "ho", 0.0),
        (("hi", "ho"), "he", 1.0),
    ]
    assert [e.rater for e in found] == ["talk_train:d:a", "talk_train:d:b"]
    assert {e.conversation for e in found} == {"talk_train:d"}


def test_opinions_of_dialogs_become_ranks() -> None:
    judged = Judged("bots", "bots")
    for name, rating in (("x", 1), ("y", 3), ("z", 2)):
        turns = [{"speaker": "user", "text": "hi"}, {"speaker": "bot", "text": f"I am {name}"}]
        record = {"dialog_id": name, "rating": rating, "worker": "w", "turns": turns}
        assert judged.add(record) == []
    found = {e.response: e for e in judged.finish()}
    assert [found[f"I am {name}"].label for name in "xyz"] == [0.0, 1.0, 0.5]
    assert found["I am x"].rater == "bots:w"
    assert list(judged.finish()) == []
    scores = dict.fromkeys(("robotic", "repetitive"), 1.0) | dict.fromkeys(
        ("interesting", "fun", "consistent", "fluent", "topic"), 2.0
    )
    assert judged.add({"turns": turns, "scores": {"z scores": scores}}) == []
    for bad in ({"rating": "?"}, {"scores": {"fun": 1}}, {"scores": 3}, {"rating": float("nan")}):
        with pytest.raises(BadRecord, match="rating or scores"):
            judged.add({"turns": turns, **bad})


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({}, "no judgement"),
        ({"context": [], "response": "a", "label": 1}, "context is empty"),
        ({"context": ["a"], "response": 3, "label": 1}, "must be a text"),
        ({"context": [3], "response": "a", "label": 1}, r"context\[0\] must be a text"),
        ({"context": ["a"], "response": "a", "label": 2}, r"\[0, 1\]"),
        ({"context": ["a"], "response": "a", "label": float("nan")}, r"\[0, 1\]"),
        ({"context": ["a"], "response": "a", "label": None}, "no judgement that is known"),
        ({"context": ["a"], "response": "a", "reaction": "meh"}, "none of love"),
        ({"context": ["a"], "response": "x" * 20_001, "label": 1}, "20001 characters"),
        ({"context": ["a"] * 2_001, "response": "a", "label": 1}, "2001 texts"),
        ({"turns": "a", "rating": 1}, "list of objects"),
        ({"turns": [{"text": "a"}]}, "no turn has a rating"),
        ({"turns": [{"text": "a"}], "rating": 1}, "speaker 'bot'"),
        ({"input": 3, "preferred_output": [], "non_preferred_output": []}, "input must"),
        ({"source": "s", "head": "h", "context": ["a"], "response": "", "label": 1}, "empty"),
    ],
)
def test_records_that_are_no_judgement(record: dict[str, Any], reason: str) -> None:
    with pytest.raises(BadRecord, match=reason):
        Judged("s", "s").add(record)


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"text": "a"}, "no dialog"),
        ({"turns": [{"speaker": "A", "text": "a"}] * 2}, "1 speakers"),
        ({"turns": [{"speaker": s, "text": "a"} for s in "ABC"]}, "3 speakers"),
        ({"turns": [{"text": "a"}]}, "speaker must be a text, not missing"),
        ({"turns": {}}, "list of objects"),
        ({"messages": [{"role": "robot", "content": "a"}]}, "role is 'robot'"),
        ({"messages": [{"role": "user", "content": {"a": 1}}]}, "must be a text, not an object"),
        ({"questions": [], "answer": "a"}, "questions is empty"),
        ({"turns": [{"speaker": "A", "text": "a"}] * 2_001}, "2001 entries"),
    ],
)
def test_records_that_are_no_dialog(record: dict[str, Any], reason: str) -> None:
    with pytest.raises(BadRecord, match=reason):
        dialogs_of(record, "s")
