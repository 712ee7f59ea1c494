"""The admin page against the real service, in a real browser."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = playwright.expect

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def enter(visitor: Any, place: str = "") -> Any:
    """Go to the admin page and give the key."""
    page = visitor.open(f"/admin/{place}").page
    page.get_by_label("Admin key").fill(visitor.service.admin_key)
    page.get_by_role("button", name="Enter").click()
    expect(page.get_by_role("navigation", name="Sections")).to_be_visible()
    return page


def test_a_wrong_key_is_refused_and_the_right_one_becomes_a_session(visit: Any) -> None:
    visitor = visit()
    page = visitor.open("/admin/").page
    page.get_by_label("Admin key").fill("not the key")
    page.keyboard.press("Enter")
    expect(page.get_by_text("That key is not the one.")).to_be_visible()
    visitor.forget_complaints()
    enter(visitor)
    page.reload()
    expect(page.get_by_role("heading", name="Reactions")).to_be_visible()
    assert page.evaluate("[...Object.keys(localStorage), ...Object.keys(sessionStorage)]") == []
    assert page.evaluate("document.cookie") == ""
    (cookie,) = visitor.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Strict", "/admin")
    assert visitor.service.admin_key not in cookie["value"]
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("Admin key")).to_be_visible()
    assert visitor.context.cookies() == []


def test_a_reaction_of_the_page_is_seen_with_its_words_inert(visit: Any) -> None:
    person = visit().open()
    message = "<script>window.broken = 1</script> what a day"
    reply = person.say(message)
    reply_id = reply.get_attribute("data-reply")
    with person.page.expect_response("**/reaction"):
        reply.get_by_role("button", name="Love it").click()

    administrator = visit()
    page = enter(administrator)
    row = page.locator(f"#events tr[data-reply='{reply_id}']")
    expect(row).to_contain_text("love")
    expect(row.locator(".context").last).to_have_text(message)
    expect(row.locator(".response")).to_have_text(reply.locator(".bubble").inner_text())
    assert page.evaluate("window.broken") is None

    page.get_by_role("combobox").select_option("offensive")
    page.get_by_role("button", name="Filter").click()
    expect(row).to_have_count(0)


def test_a_reply_is_explained_and_chosen_again(visit: Any) -> None:
    person = visit().open()
    reply = person.say("I can't sleep, it is too loud outside")
    page = enter(visit(), f"#/explain/{reply.get_attribute('data-reply')}")
    chosen = page.locator(".candidate.chosen")
    expect(chosen).to_have_count(1)
    expect(chosen.locator(".response")).to_have_text(reply.locator(".bubble").inner_text())
    assert page.locator(".candidate").count() > 3
    assert page.locator(".candidate .bar-row").count() > 0
    expect(page.get_by_label("Stage times").locator(".bar-row").first).to_be_visible()
    page.get_by_role("button", name="Replay the choice").click()
    expect(page.get_by_text("the same choice")).to_be_visible()


def test_a_toggled_flag_changes_the_next_reply(visit: Any) -> None:
    page = enter(visit(), "#/flags")
    switch = page.get_by_role("switch", name="Flag personal-taste")
    expect(switch).to_have_attribute("aria-checked", "true")
    with page.expect_response("**/toggle"):
        switch.click()
    expect(switch).to_have_attribute("aria-checked", "false")
    person = visit().open()
    wait_for(lambda: "personal-taste" not in variants_of(person))
    with page.expect_response("**/toggle"):
        switch.click()
    expect(switch).to_have_attribute("aria-checked", "true")
    wait_for(lambda: variants_of(person).get("personal-taste") == "on")


def wait_for(condition: Callable[[], bool]) -> None:
    """Ask until it holds; how soon a flag takes effect is measured elsewhere."""
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "the flag has no effect"


def variants_of(visitor: Any) -> dict[str, str]:
    """The variants of the next reply to a person."""
    reply = visitor.say("hello").get_attribute("data-reply")
    return dict(visitor.service.admin(f"replies/{reply}/explain")["reply"]["variants"])


def test_a_flag_is_made_corrected_and_deleted(visit: Any) -> None:
    visitor = visit(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = enter(visitor, "#/flags")
    page.get_by_role("button", name="New flag").click()
    page.get_by_label("Key of the new flag").fill("greeting")
    area = page.get_by_label("Definition of the new flag")
    area.fill('{"state": "ENABLED", "variants": {"a": "x"}, "defaultVariant": "b"}')
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("/defaultVariant")).to_be_visible()
    visitor.forget_complaints()
    definition = {
        "state": "ENABLED",
        "variants": {"warm": "hi", "plain": "hello"},
        "defaultVariant": "warm",
        "targeting": {"fractional": [["warm", 75], ["plain", 25]]},
    }
    area.fill(json.dumps(definition))
    page.get_by_role("button", name="Save").click()
    card = page.locator(".flag[data-flag='greeting']")
    expect(card).to_contain_text("75 %")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390

    card.get_by_role("button", name="Edit greeting").click()
    card.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(card).to_have_count(0)
    assert "greeting" not in visitor.service.admin("flags")["flags"]


def test_controls_of_the_admin_page_have_names(visit: Any) -> None:
    page = enter(visit(), "#/flags")
    expect(page.get_by_role("switch").first).to_be_visible()
    for place in ("Reactions", "Explain", "Flags"):
        page.get_by_role("navigation").get_by_role("link", name=place).click()
        expect(page.get_by_role("heading", name=place).first).to_be_visible()
        for control in page.get_by_role("button").all() + page.get_by_role("switch").all():
            name = control.get_attribute("aria-label") or control.inner_text()
            assert name.strip(), control.evaluate("node => node.outerHTML")
