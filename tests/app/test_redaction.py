"""No text that a person wrote gets into a log line, however it came there."""

from __future__ import annotations

import ast
import io
import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app.redaction import FIELDS, SENTENCES, Foreign, Redact, frames

ROOT = Path(__file__).resolve().parents[2]
CANARY = "xylographic quokka 7351"


def line(**fields: Any) -> dict[str, Any]:
    return dict(Redact(b"k" * 32)(None, "info", dict(fields)))


def test_ids_words_and_numbers_pass() -> None:
    said = {
        "event": "request",
        "route": "/v1/conversations/<conversation_id>",
        "reply_id": "r1a01jcm2k8e4t5v6w7x8y9z0a1b2c",
        "ms": 1.5,
        "status": 200,
        "versions": {"generator": "abc123", "n": [1, None, True]},
        "detail": "the file is altered (expected 12, found 13)",
    }
    assert line(**said) == said


def test_a_text_becomes_its_length_and_a_hash_that_equal_texts_share() -> None:
    found = line(event="x", reply_id=CANARY, user_agent="word", source=["fine", CANARY])
    assert CANARY not in json.dumps(found)
    assert found["reply_id"] == found["source"][1] == Redact(b"k" * 32).hidden(CANARY)
    assert found["reply_id"].startswith("<23 characters, ")
    assert found["user_agent"].startswith("<4 characters, ")  # a field that nobody named
    assert found["source"][0] == "fine"
    assert Redact().hidden(CANARY) != Redact().hidden(CANARY)  # of two processes


@pytest.mark.parametrize(
    "value", [CANARY, "naïve café", "😢", "a\nb", "x" * 500, b"raw bytes", {CANARY}]
)
def test_what_no_id_looks_like_is_hidden(value: Any) -> None:
    for field in FIELDS - SENTENCES:
        assert str(value) not in json.dumps(line(**{field: value}), ensure_ascii=False)


def test_keys_of_mappings_are_looked_at_too() -> None:
    assert CANARY not in json.dumps(line(versions={CANARY: 1}))


def test_an_error_is_told_by_its_place() -> None:
    try:
        raise ValueError(CANARY)
    except ValueError as error:
        by_value, by_flag = line(event="x", exc_info=error), line(event="x", exc_info=True)
        place = frames(error)[-1]
    assert by_value == by_flag
    assert place.startswith("test_redaction.py:")
    assert by_value["error"] == "ValueError"
    assert CANARY not in json.dumps(by_value)


def test_other_libraries_say_where_and_not_what() -> None:
    stream = io.StringIO()
    logger = logging.Logger("some.library")
    logger.addHandler(Foreign(Redact(), stream))
    logger.warning("could not read %s", CANARY)
    logger.warning(f"could not read {CANARY}")
    logger.info("below what is shown")
    try:
        raise KeyError(CANARY)
    except KeyError:
        logger.exception("failed")
    lines = [json.loads(text) for text in stream.getvalue().splitlines()]
    assert lines[0]["detail"] == "could not read %s"
    assert lines[1]["detail"].startswith("<")
    assert lines[2]["error"] == "KeyError"
    assert CANARY not in stream.getvalue()


UNCAUGHT = f"""
import gc, json, logging, threading, warnings
from app.redaction import Redact, hush_interpreter
hush_interpreter(Redact())
hush_interpreter(Redact())

def fail():
    raise RuntimeError("{CANARY}")

thread = threading.Thread(target=fail); thread.start(); thread.join()

class Odd:
    def __del__(self):
        raise RuntimeError("{CANARY}")

odd = Odd(); del odd; gc.collect()
warnings.warn("{CANARY}")
logging.getLogger("x").error("quoting {CANARY}")
"""


def test_errors_that_nobody_catches_are_told_by_their_places() -> None:
    done = subprocess.run(
        [sys.executable, "-c", UNCAUGHT], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert CANARY not in done.stderr + done.stdout
    lines = [json.loads(text) for text in done.stderr.splitlines()]
    assert [each.get("kind", each["event"]) for each in lines] == [
        "thread",
        "unraisable",
        "library",
        "library",
    ]


def test_every_field_that_is_logged_is_known() -> None:
    """A new field is a decision: is what stands in it ever a person's text?"""
    calls = {"debug", "info", "warning", "error", "exception", "critical"}
    logged: set[str] = set()
    for path in (ROOT / "app").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            called = node.func if isinstance(node, ast.Call) else None
            if isinstance(called, ast.Attribute) and called.attr in calls:
                logged |= {keyword.arg for keyword in node.keywords if keyword.arg}
    assert logged - {"exc_info"} <= FIELDS
