"""Every error is problem+json and carries the request's id, whatever went wrong."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from app import errors
from app.errors import FieldError
from app.web.problems import retry_after
from tests.app.web.helpers import Edge, Person, Script, assert_problem

STATUSES = [
    (errors.NotFound(), 404),
    (errors.InFlight(), 409),
    (errors.Conflict("Not now."), 409),
    (errors.IdempotencyMismatch(), 422),
    (errors.InputError("Bad.", [FieldError("bad", "/message")]), 422),
    (errors.Overloaded(retry_after=0.5), 503),
    (errors.StoreUnavailable(), 503),
    (errors.ModelFailure(), 500),
]


@pytest.mark.parametrize(("error", "status"), STATUSES, ids=lambda v: getattr(v, "code", None))
def test_our_errors(edge: Edge, script: Script, error: Any, status: int) -> None:
    script.error = error
    answer = Person(edge)("POST", "/v1/chat", {"message": "hi"})
    problem = assert_problem(answer, status, error.code)
    assert problem["detail"] == error.detail
    assert ("Retry-After" in answer.headers) == (status == 503)


def test_retry_after_is_spread(edge: Edge, script: Script) -> None:
    script.error = errors.Overloaded(retry_after=10)
    person = Person(edge)
    seen = {
        int(person("POST", "/v1/chat", {"message": "hi"}).headers["Retry-After"]) for _ in range(40)
    }
    assert len(seen) > 1
    assert min(seen) >= 10
    assert max(seen) <= 15


@pytest.mark.parametrize("base", [None, 0.0, 1.0, 2.0, 4.0])
def test_whole_seconds_are_spread_evenly_however_soon(base: float | None) -> None:
    error = errors.Overloaded(retry_after=base)
    seen = Counter(retry_after(error) for _ in range(2_000))
    earliest = int(1.0 if base is None else base) + 1
    assert set(seen) == {earliest, earliest + 1}
    assert min(seen.values()) > 800  # of 1000 expected: nine standard deviations


@pytest.mark.faults(31)
def test_row_31_what_nobody_foresaw_is_told_to_nobody(
    edge: Edge, script: Script, capsys: pytest.CaptureFixture[str]
) -> None:
    canary = "canary-9f1c violets under the stairs"
    person = Person(edge)
    script.error = ValueError(f"while reading {canary}")
    for accept in ("application/json", "text/event-stream"):
        answer = person("POST", "/v1/chat", {"message": canary}, {"Accept": accept})
        assert canary not in answer.text
    assert_problem(person("POST", "/v1/chat", {"message": canary}), 500, "internal")
    script.error = None
    assert person("POST", "/v1/chat", {"message": canary}).status_code == 200
    assert_problem(person("POST", "/v1/chat", {"message": canary, "x": canary}), 422)
    assert canary not in edge.client.get("/metrics").text
    logged = capsys.readouterr()
    assert "canary" not in logged.out + logged.err
    assert "unforeseen" in logged.out + logged.err  # but it is noted that something went wrong
    metrics = edge.services.metrics.registry
    assert metrics.get_sample_value("kindred_failures_total", {"where": "web"}) == 3


@pytest.mark.parametrize("path", ["/nothing", "/v1/nothing", "/v1/replies/x", "/static/../x.py"])
def test_no_such_route(edge: Edge, path: str) -> None:
    assert_problem(edge.client.get(path), 404, "not-found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/chat", "POST"),
        ("DELETE", "/v1/chat", "POST"),
        ("OPTIONS", "/v1/chat", "POST"),
        ("PATCH", "/v1/me", "DELETE"),
        ("TRACE", "/livez", "GET, HEAD"),
        ("WEIRD", "/livez", "GET, HEAD"),
    ],
)
def test_no_such_method(edge: Edge, method: str, path: str, allowed: str) -> None:
    answer = edge.client.open(path, method=method)
    assert_problem(answer, 405, "method-not-allowed")
    assert ", ".join(sorted(answer.headers["Allow"].split(", "))) == allowed


def test_head_is_get_without_a_body(edge: Edge) -> None:
    answer = edge.client.head("/livez")
    assert answer.status_code == 200
    assert answer.data == b""


def test_a_request_id_that_is_sane_is_kept(edge: Edge) -> None:
    answer = edge.client.get("/livez", headers={"X-Request-Id": "trace-7.a_B"})
    assert answer.headers["X-Request-Id"] == "trace-7.a_B"
    for strange in ("", "a b", "x" * 65, "<script>", "-", "é"):
        answer = edge.client.get("/livez", headers={"X-Request-Id": strange})
        made = answer.headers["X-Request-Id"]
        assert made != strange
        assert len(made) == 32
    ids = {edge.client.get("/livez").headers["X-Request-Id"] for _ in range(5)}
    assert len(ids) == 5


def test_safe_headers_are_on_everything(edge: Edge) -> None:
    for path in ("/", "/livez", "/nothing", "/v1/conversations", "/openapi.json"):
        headers = edge.client.get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["Cache-Control"] == "no-store"


def test_requests_are_counted_by_route_and_not_by_id(edge: Edge) -> None:
    person = Person(edge)
    for i in range(3):
        person("GET", f"/v1/conversations/c{i}")
    edge.client.get("/nothing/at/all")
    edge.client.open("/livez", method="WEIRD")
    read = edge.services.metrics.registry.get_sample_value
    route = "/v1/conversations/<conversation_id>"
    labels = {"route": route, "method": "GET", "status": "404"}
    assert read("kindred_requests_total", labels) == 3
    assert read("kindred_request_seconds_count", {"route": route}) == 3
    unmatched = {"route": "unmatched", "method": "GET", "status": "404"}
    assert read("kindred_requests_total", unmatched) == 1
    text = edge.client.get("/metrics").text
    assert "kindred_requests_total" in text
    assert person.user_id not in text


def test_the_problem_object_is_one_line_of_json(edge: Edge) -> None:
    answer = edge.client.get("/nothing")
    assert "\n" not in answer.text
    assert json.loads(answer.text)["title"] == "Not Found"


@pytest.mark.parametrize(
    ("sent", "there"),
    [
        ("/admin", "/admin/"),
        ("/admin?next=//evil.example", "/admin/?next=//evil.example"),
        ("/static//chat/main.js", "/static/chat/main.js"),
        ("/static///evil.example", "/static/evil.example"),
    ],
)
@pytest.mark.parametrize("host", ["evil.example", "a b", "[::1"])
def test_a_redirect_stays_here_whatever_host_was_sent(
    edge: Edge, sent: str, there: str, host: str
) -> None:
    answer = edge.client.get(sent, headers={"Host": host})
    assert answer.status_code == 308
    assert answer.headers["Location"] == there
    assert answer.data == b""
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
