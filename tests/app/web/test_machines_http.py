"""Health, metrics and pages."""

from __future__ import annotations

import os
import re
import signal
from typing import Any

import pytest
import redis

from app.telemetry import Metrics
from app.web.health import Exposition
from tests.app.web.helpers import Edge, FixedHealth, Person, Script, assert_problem


def test_it_lives_and_is_ready(kindred: Edge) -> None:
    assert kindred.client.get("/livez").json == {"status": "ok", "checks": {}}
    for path in ("/readyz", "/health"):
        ready = kindred.client.get(path)
        assert ready.status_code == 200
        assert ready.json["status"] == "ready"
        models = ready.json["checks"]["models"]
        assert all(model["ok"] for model in models.values())
        assert len(models) >= 2


def test_not_ready_while_the_models_are_not(make: Any, script: Script) -> None:
    edge = make(script, health=lambda: FixedHealth(ready=False))
    for path in ("/readyz", "/health"):
        answer = edge.client.get(path)
        assert_problem(answer, 503, "not-ready")
        assert int(answer.headers["Retry-After"]) >= 1
    assert edge.client.get("/livez").status_code == 200


@pytest.mark.parametrize(
    ("detail", "said"),
    [
        ({"state": "draining"}, "ending"),
        ({"state": "hung", "hung": "reranker"}, "reranker hangs"),
        ({"state": "serving", "models": {"encoder": {"ok": True}, "reranker": {"ok": False}}},
         "Not well: reranker."),
    ],
)  # fmt: skip
def test_it_says_why_it_is_not_ready(
    make: Any, script: Script, detail: dict[str, Any], said: str
) -> None:
    edge = make(script, health=lambda: FixedHealth(ready=False, detail=detail))
    assert said in assert_problem(edge.client.get("/readyz"), 503, "not-ready")["detail"]


def test_ready_while_redis_is_frozen_and_says_so(
    make: Any, script: Script, empty_redis: redis.Redis
) -> None:
    edge = make(script)
    person = Person(edge)
    pid = empty_redis.info("server")["process_id"]
    os.kill(pid, signal.SIGSTOP)
    try:
        ready = edge.client.get("/readyz")  # no other worker would have a Redis that answers
        assert (ready.status_code, ready.json["checks"]["store"]) == (200, "away")
        assert edge.client.get("/livez").status_code == 200
        answer = person("GET", "/v1/conversations")
        assert_problem(answer, 503, "store-unavailable")
        assert int(answer.headers["Retry-After"]) >= 1
    finally:
        os.kill(pid, signal.SIGCONT)
    assert edge.client.get("/readyz").json["checks"]["store"] == "ok"


def test_metrics(edge: Edge) -> None:
    edge.client.get("/livez")
    answer = edge.client.get("/metrics")
    assert answer.content_type.startswith("text/plain")
    labels = 'route="/livez",status="200"'
    assert re.search(rf'kindred_requests_total{{method="GET",{labels}}} \d', answer.text)
    assert "kindred_request_seconds_bucket" in answer.text


def test_pages_have_a_strict_policy_and_a_fresh_nonce(edge: Edge) -> None:
    nonces = set()
    for path in ("/", "/admin/", "/"):
        page = edge.client.get(path)
        assert page.status_code == 200
        assert page.mimetype == "text/html"
        policy = page.headers["Content-Security-Policy"]
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy
        (nonce,) = set(re.findall(r"'nonce-([\w-]{20,})'", policy))
        nonces.add(nonce)
        tags = re.findall(r"<(?:script|style|link rel=\"stylesheet\")[^>]*>", page.text)
        assert tags
        assert all(f'nonce="{nonce}"' in tag for tag in tags), tags
        assert not re.search(r"\son\w+\s*=\s*[\"']", page.text)
        assert not re.search(r"\sstyle\s*=\s*[\"']", page.text)
    assert len(nonces) == 3


def test_everything_a_page_names_is_served(edge: Edge) -> None:
    for path in ("/", "/admin/"):
        files = re.findall(r"(?:src|href)=\"(/static/[^\"]+)\"", edge.client.get(path).text)
        assert files
        for name in files:
            file = edge.client.get(name)
            assert file.status_code == 200, name
            assert file.headers["Cache-Control"] == "no-cache"
            assert file.headers["X-Content-Type-Options"] == "nosniff"
            kind = {"js": "javascript", "css": "text/css", "svg": "image/svg"}
            assert kind[name.rsplit(".", 1)[1]] in file.content_type
            kept = {"If-None-Match": file.headers["ETag"]}
            assert edge.client.get(name, headers=kept).status_code == 304


def test_static_files_end_at_their_folder(edge: Edge) -> None:
    for name in (
        "../routes.py",
        "..%2froutes.py",
        "%2e%2e/routes.py",
        "/etc/passwd",
        "",
        "chat",
        "%00",
    ):
        assert edge.client.get(f"/static/{name}").status_code in (404, 308)


def test_admin_without_its_slash_leads_there(edge: Edge) -> None:
    answer = edge.client.get("/admin")
    assert answer.status_code == 308
    assert answer.headers["Location"].endswith("/admin/")


def test_metrics_are_made_anew_as_far_as_a_share_of_the_time_allows(metrics: Metrics) -> None:
    """Anybody may ask for them, and each time they are made nobody else is answered."""
    now, made = [100.0], []

    class Slow:
        def describe(self) -> list[Any]:
            return []

        def collect(self) -> list[Any]:
            now[0] += 0.1
            made.append(now[0])
            return []

    metrics.registry.register(Slow())  # type: ignore[arg-type]
    exposition = Exposition(metrics, lambda: now[0])
    first = exposition.text()
    assert b"kindred_requests" in first
    for _ in range(50):
        exposition.text()
    assert 2 <= len(made) <= 3
    now[0] += 60
    metrics.failures.labels("somewhere").inc()
    assert b"somewhere" in exposition.text()
    assert len(made) <= 4
