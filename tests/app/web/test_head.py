"""No more of a request's head is read than anybody needs."""

from __future__ import annotations

import pytest

from app.web.head import CHARS_MAX
from tests.app.web.helpers import Edge, Person, assert_problem

REFUSED = "request-header-fields-too-large"


@pytest.mark.parametrize("name", ["Accept", "Content-Type", "If-None-Match", "X-Other"])
@pytest.mark.parametrize("path", ["/", "/livez", "/v1/conversations", "/admin/v1/session"])
def test_a_long_head_is_refused_whoever_asks_for_what(edge: Edge, name: str, path: str) -> None:
    answer = edge.client.get(path, headers={name: "a," * (CHARS_MAX // 2)})
    assert_problem(answer, 431, REFUSED)


def test_what_is_long_in_all_is_long(edge: Edge) -> None:
    part = "x" * (CHARS_MAX // 8)
    few = {f"X-{number}": part for number in range(6)}
    assert edge.client.get("/livez", headers=few).status_code == 200
    many = few | {f"Y-{number}": part for number in range(3)}
    assert_problem(edge.client.get("/livez", headers=many), 431, REFUSED)


def test_nobody_has_events_who_asks_for_them_at_length(edge: Edge) -> None:
    """To find the best of thousands of types takes milliseconds, in which nobody is answered."""
    accept = "text/event-stream" + ", a/b;q=0.1" * 200
    answer = Person(edge)("POST", "/v1/chat", {"message": "hi"}, {"Accept": accept})
    assert answer.status_code == 200
    assert answer.content_type == "application/json"
