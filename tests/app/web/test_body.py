"""What a body may be (faults, rows 25 to 28): refused with 4xx and named, never 5xx."""

from __future__ import annotations

import io
import json
import time
from typing import Any

import gevent
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InputError
from app.web import body
from tests.app.web.helpers import Edge, Person, Script, assert_problem

JSON = {"Content-Type": "application/json"}


@pytest.fixture
def guest(edge: Edge) -> Person:
    return Person(edge)


def post(guest: Person, raw: bytes, **more: Any) -> Any:
    headers = {"Authorization": f"Bearer {guest.token}", **JSON}
    return guest.client.post("/v1/chat", data=raw, headers=headers, **more)


@pytest.mark.faults(25)
def test_row_25_a_message_of_100_000_characters(guest: Person, script: Script) -> None:
    answer = post(guest, json.dumps({"message": "a" * 100_000}).encode())
    assert_problem(answer, 422, "invalid-input", "/message")
    answer = post(guest, json.dumps({"message": "a" * 1_000_000}).encode())
    assert_problem(answer, 413, "body-too-large")
    assert not script.asked


@pytest.mark.faults(26)
def test_row_26_chunked_bodies_are_refused(guest: Person, script: Script) -> None:
    valid_prefix = b'{"message":"hi"}' + b" " * 400_000
    environ = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}
    headers = {"Authorization": f"Bearer {guest.token}", **JSON}
    answer = guest.client.post(
        "/v1/chat",
        input_stream=io.BytesIO(valid_prefix),
        headers=headers,
        environ_overrides=environ,
    )
    assert_problem(answer, 411, "length-required")
    environ["CONTENT_LENGTH"] = "16"
    answer = guest.client.post(
        "/v1/chat",
        input_stream=io.BytesIO(valid_prefix),
        headers=headers,
        environ_overrides=environ,
    )
    assert_problem(answer, 411, "length-required")
    assert not script.asked


def test_no_length_and_a_short_body(guest: Person) -> None:
    headers = {"Authorization": f"Bearer {guest.token}", **JSON}
    answer = guest.client.post(
        "/v1/chat",
        input_stream=io.BytesIO(b'{"message":"hi"}'),
        headers=headers,
        environ_overrides={"CONTENT_LENGTH": ""},
    )
    assert_problem(answer, 411, "length-required")
    answer = guest.client.post(
        "/v1/chat",
        input_stream=io.BytesIO(b'{"message":"hi"}'),
        headers=headers,
        environ_overrides={"CONTENT_LENGTH": "500"},
    )
    assert_problem(answer, 400, "malformed-body")


STRANGE: dict[str, tuple[bytes, str]] = {
    "empty object": (b"{}", "/message"),
    "array": (b"[]", ""),
    "text": (b'"hi"', ""),
    "null": (b"null", ""),
    "not JSON": (b"message=hi", ""),
    "half": (b'{"message": "hi"', ""),
    "two": (b'{"message":"hi"}{}', ""),
    "comment": (b'{"message":"hi"/*x*/}', ""),
    "trailing comma": (b'{"message":"hi",}', ""),
    "deep arrays": (b'{"message":' + b"[" * 5_000 + b"]" * 5_000 + b"}", ""),
    "deep objects": (b'{"message":' + b'{"a":' * 5_000 + b"1" + b"}" * 5_000 + b"}", ""),
    "deep, no end": (b"[" * 100_000, ""),
    "a quote without end": (b'{"message":"' + b'\\"' * 50_000 + b"[" * 200, ""),
    "NaN": (b'{"message":NaN}', ""),
    "Infinity": (b'{"message":-Infinity}', ""),
    "huge integer": (b'{"message":' + b"9" * 50_000 + b"}", ""),
    "huge exponent": (b'{"message":1e999999}', ""),
    "duplicate keys": (b'{"message":"a","message":"b"}', ""),
    "duplicate keys inside": (b'{"message":"a","x":{"a":1,"a":2}}', ""),
    "lone surrogate": (b'{"message":"\\ud800"}', "/message"),
    "lone low surrogate": (b'{"message":"a\\udc00b"}', "/message"),
    "NUL": (b'{"message":"a\\u0000b"}', "/message"),
    "raw control": (b'{"message":"a\x01b"}', ""),
    "not UTF-8": (b'{"message":"\xff\xfe"}', ""),
    "UTF-16": ('{"message":"hi"}'.encode("utf-16"), ""),
    "overlong UTF-8": (b'{"message":"\xc0\xaf"}', ""),
    "surrogate as UTF-8": (b'{"message":"\xed\xa0\x80"}', ""),
    "BOM": (b'\xef\xbb\xbf{"message":"hi"}', ""),
    "number": (b'{"message":1}', "/message"),
    "boolean": (b'{"message":true}', "/message"),
    "list": (b'{"message":["hi"]}', "/message"),
    "object": (b'{"message":{"$ne":1}}', "/message"),
    "null message": (b'{"message":null}', "/message"),
    "empty message": (b'{"message":""}', "/message"),
    "white message": (b'{"message":" \\n\\t "}', "/message"),
    "invisible message": ('{"message":"\u200b\u2060\ufeff\U000e0041"}'.encode(), "/message"),
    "unknown field": (b'{"message":"hi","admin":true}', "/admin"),
    "conversation number": (b'{"message":"hi","conversation_id":7}', "/conversation_id"),
    "message id with space": (b'{"message":"hi","message_id":"a b"}', "/message_id"),
    "message id too long": (
        b'{"message":"hi","message_id":"' + b"a" * 129 + b'"}',
        "/message_id",
    ),
}


@pytest.mark.faults(27)
@pytest.mark.parametrize("name", STRANGE)
def test_row_27_strange_json_is_4xx(guest: Person, script: Script, name: str) -> None:
    raw, pointer = STRANGE[name]
    answer = post(guest, raw)
    assert answer.status_code in (400, 422), answer.text
    assert_problem(answer, answer.status_code, pointer=pointer)
    assert not script.asked


def filled(begin: bytes, item: bytes, end: bytes) -> bytes:
    """A body of almost the largest size that is read."""
    return begin + item * ((256 * 1024 - len(begin + end)) // len(item)) + end


COSTLY: dict[str, bytes] = {
    "lists": filled(b'{"message":"a","context":[', b"[],", b"1]}"),
    "objects": filled(b'{"message":"a","context":[', b"{},", b"1]}"),
    "numbers": filled(b'{"message":"\\u0041","context":[', b"1,", b"1]}"),
    "fields": b'{"message":"a"' + b"".join(b',"%x":1' % i for i in range(27_000)) + b"}",
    "wrong lines": filled(b'{"message":"a","context":[', b'{"a":1},', b"{}]}"),
    "NULs": filled(b'{"message":"a","context":[', b'"\\u0000",', b"1]}"),
    "as many lists as may be": b'{"message":"a","context":[' + b"[]," * 9_990 + b"1]}",
    "brackets in a text": filled(b'{"message":"', b"[{", b'"}'),
}


@pytest.mark.faults(27)
@pytest.mark.parametrize("name", COSTLY)
def test_row_27_the_costliest_bodies_are_cheap_to_refuse(
    guest: Person, script: Script, name: str
) -> None:
    times = []
    for _ in range(2):  # the first one may meet the collection of garbage
        begun = time.process_time()
        answer = post(guest, COSTLY[name])
        times.append(time.process_time() - begun)
        assert answer.status_code in (400, 422)
        problem = assert_problem(answer, answer.status_code)
        assert len(problem.get("errors", [])) <= 20
    assert min(times) < 0.4
    assert not script.asked


@pytest.mark.faults(27)
def test_nesting_is_allowed_up_to_a_depth() -> None:
    for opened, closed in ((b"[", b"]"), (b'{"a":', b"}")):
        inner = b"[1]" if opened == b"[" else b'{"a":1}'
        fine = opened * (body.DEPTH_MAX - 1) + inner + closed * (body.DEPTH_MAX - 1)
        body.check(fine)
        for core in (inner, b"[]", b"{}"):
            with pytest.raises(InputError, match="nested"):
                body.check(opened * body.DEPTH_MAX + core + closed * body.DEPTH_MAX)
    body.check(b"[" + b"[]," * 1_000 + b"[]]")  # many, and none of them deep
    body.check(b'["' + b"[" * 1_000 + b'"]')


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""]
)
def test_other_media_types_are_415(guest: Person, kind: str) -> None:
    headers = {"Authorization": f"Bearer {guest.token}"}
    answer = guest.client.post(
        "/v1/chat", data=b'{"message":"hi"}', headers=headers, content_type=kind
    )
    assert_problem(answer, 415, "wrong-media-type")


def test_json_in_other_words_is_accepted(guest: Person) -> None:
    headers = {"Authorization": f"Bearer {guest.token}"}
    for kind in ("application/json; charset=utf-8", "application/merge-patch+json"):
        answer = guest.client.post(
            "/v1/chat", data=b'{"message":"hi"}', headers=headers, content_type=kind
        )
        assert answer.status_code == 200, answer.text


class Slow:
    """A body that never comes, and yields to others while it does not."""

    def read(self, size: int) -> bytes:
        gevent.sleep(30)
        return b"x" * size


@pytest.mark.faults(28)
def test_row_28_a_slow_body_is_cut(make: Any, script: Script) -> None:
    edge = make(script, body_seconds_max=0.05, body_timeout=gevent.Timeout)
    guest = Person(edge)
    others = gevent.spawn(lambda: [gevent.sleep(0.001) for _ in range(10)])
    headers = {"Authorization": f"Bearer {guest.token}", **JSON}
    environ = {"CONTENT_LENGTH": "16", "wsgi.input": Slow()}
    answer = guest.client.post("/v1/chat", headers=headers, environ_overrides=environ)
    assert_problem(answer, 408, "body-timeout")
    assert others.ready()  # the hub went on while the body did not come


def test_a_body_where_none_belongs(guest: Person) -> None:
    headers = {"Authorization": f"Bearer {guest.token}"}
    fine = guest.client.post("/v1/auth/refresh", data=b"{}", headers={**headers, **JSON})
    assert fine.status_code == 200
    answer = guest.client.post("/v1/auth/refresh", data=b'{"a":1}', headers={**headers, **JSON})
    assert_problem(answer, 422)


@pytest.mark.faults(38)
@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_no_bytes_break_the_check(raw: bytes) -> None:
    try:
        body.check(raw)
    except InputError:  # 400 or 422, as its class says
        return
    read = json.loads(raw)  # what passes is JSON to everyone,
    assert json.loads(json.dumps(read)) == read  # and holds no NaN, which equals nothing


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
        max_leaves=10,
    )
)
def test_sound_json_passes(value: Any) -> None:
    raw = json.dumps(value).encode()
    if "\\u0000" in raw.decode() or "\\ud" in raw.decode():
        return
    try:
        body.check(raw)
    except InputError as error:
        refusal = error.detail
    else:
        refusal = ""
    assert refusal == ""
