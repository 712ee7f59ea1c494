"""The sentence reader of messages is everybody's: who sends too much is read without it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import Flask

from app.dialog.safety import Reading
from app.web.register import register
from app.web.services import Read
from tests.app.web.helpers import Edge, Person, Script


def reading_by(made: Edge, read: Read) -> Edge:
    """The same, with another input screen."""
    app = Flask("kindred-under-test", static_folder=None)
    register(app, replace(made.services, read=read))
    return Edge(app, made.services)


def test_the_sentence_reader_is_nobodys_alone(make: Any, script: Script) -> None:
    """It reads a few messages of one person at once, and none that will be refused."""
    made = make(script, message_limit_per_minute=6)
    read: list[str] = []

    def slow(message: str, source: str | None) -> Reading:
        if source is None:
            return Reading.of(message)
        assert source == "127.0.0.1"
        read.append(message)
        if message.isdecimal():  # while it is read, another comes
            mine("POST", "/v1/chat", {"message": str(int(message) + 1)})
        return Reading.of(message)

    edge = reading_by(made, slow)
    mine, other = Person(edge), Person(edge)
    assert mine("POST", "/v1/chat", {"message": "1"}).status_code == 200
    assert read == ["1", "2", "3", "4"]
    assert sorted(asked.message for asked in script.asked) == ["1", "2", "3", "4", "5"]
    for text in ("sixth", "seventh"):
        mine("POST", "/v1/chat", {"message": text})
    assert mine("POST", "/v1/chat", {"message": "i want to die"}).status_code == 200
    other("POST", "/v1/chat", {"message": "hello"})
    assert read[4:] == ["sixth", "hello"]


def test_an_address_beyond_its_quota_is_read_without_it(make: Any, script: Script) -> None:
    """Rules and the linear reader, which have no queue, read everything of everybody."""
    made = make(script, address_limit_per_minute=2)
    read: list[tuple[str, str | None]] = []

    def learned(message: str, source: str | None) -> Reading:
        read.append((message, source))
        return Reading.of(message)

    edge = reading_by(made, learned)
    for number in range(4):
        Person(edge)("POST", "/v1/chat", {"message": f"message {number}"})
    answer = Person(edge)("POST", "/v1/chat", {"message": "I want to kill myself"})
    assert answer.status_code == 200
    assert [message for message, source in read if source] == ["message 0", "message 1"]
    assert len(read) == 5
