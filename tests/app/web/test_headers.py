"""What browsers are told with every response, of every route."""

from __future__ import annotations

import re
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.app.web.helpers import ADMIN_KEY, Edge, Person, Script

ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def assert_secure(answer: TestResponse, https: bool) -> None:
    for name, value in ALWAYS.items():
        assert answer.headers.getlist(name) == [value], (answer.request.path, name)
    (policy,) = answer.headers.getlist("Content-Security-Policy")
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    (features,) = answer.headers.getlist("Permissions-Policy")
    assert "microphone=()" in features
    assert "geolocation=()" in features
    assert answer.headers["Cache-Control"]
    assert ("Strict-Transport-Security" in answer.headers) == https
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert "Server" not in answer.headers or "Werkzeug" not in answer.headers["Server"]


def calls(edge: Edge, headers: dict[str, str]) -> Any:
    for rule in edge.app.url_map.iter_rules():
        path = rule.rule
        for argument in rule.arguments:
            path = re.sub(rf"<(?:\w+:)?{argument}>", "x", path)
        for method in (*sorted(rule.methods - {"OPTIONS"}), "PATCH"):
            yield method, path, headers


def test_every_route_has_them_whatever_it_answers(make: Any, script: Script) -> None:
    edge = make(script, wrong_key_limit_per_minute=1_000)
    person = Person(edge)
    client: FlaskClient = edge.client
    statuses = set()
    for https in (False, True):
        base = "https://kindred.test" if https else "http://kindred.test"
        for headers in (
            {},
            {"X-API-Key": ADMIN_KEY},
            {"Authorization": f"Bearer {person.token}"},
        ):
            for method, path, sent in calls(edge, headers):
                if (method, path) == ("DELETE", "/v1/me"):
                    continue
                answer = client.open(path, method=method, headers=sent, base_url=base)
                statuses.add(answer.status_code)
                assert_secure(answer, https)
    assert statuses >= {200, 201, 401, 404, 405, 411}
    assert_secure(client.get("/nothing"), https=False)
    assert client.get("/admin").status_code == 308
    assert_secure(client.get("/admin"), https=False)


def test_the_pages_turn_no_text_into_markup(edge: Edge) -> None:
    for path in ("/", "/admin/"):
        policy = edge.client.get(path).headers["Content-Security-Policy"]
        assert "require-trusted-types-for 'script'" in policy
        assert "trusted-types 'none'" in policy
