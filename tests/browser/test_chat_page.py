"""The chat page against the real service, in a real browser."""

from __future__ import annotations

import json
from typing import Any

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = playwright.expect

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
MARKUP = "<script>window.broken = 1</script><img src=x onerror='window.broken = 1'>"


def test_says_that_it_is_an_ai_and_keeps_the_conversation_over_a_reload(visit: Any) -> None:
    visitor = visit().open()
    page = visitor.page
    expect(page.get_by_role("heading", name="Hello, I’m Kindred.")).to_be_visible()
    expect(page.get_by_text("I’m an AI: a program")).to_be_visible()
    expect(page.get_by_text("Kindred is an AI and can be wrong")).to_be_visible()

    reply = visitor.say("I had a long day at work").locator(".bubble").inner_text()
    assert reply
    visitor.say("and tomorrow will be the same")
    lines = page.locator(".bubble").all_inner_texts()
    page.get_by_label("Your message").fill("a draft")
    page.reload()
    expect(page.locator(".bubble")).to_have_text(lines)
    expect(page.get_by_label("Your message")).to_have_value("a draft")
    expect(page.locator("#conversations button[aria-current]")).to_have_count(1)


def test_what_it_is_stands_beside_the_first_reply_in_a_quiet_line(visit: Any) -> None:
    visitor = visit().open()
    page = visitor.page
    visitor.say("hello there")
    note = page.get_by_role("note")
    expect(note).to_have_count(1)
    expect(note).to_contain_text("Kindred is an AI")
    visitor.say("and what else")
    expect(note).to_have_count(1)
    visitor.say("i want to kill myself")
    visitor.say("okay")
    visitor.say("something else then")
    support = page.locator(".notice.support")
    expect(support).to_contain_text("findahelpline.com")


def test_markup_and_direction_in_a_message_stay_in_it(visit: Any) -> None:
    visitor = visit().open()
    visitor.say(MARKUP)
    visitor.page.reload()
    bubble = visitor.page.locator(".mine .bubble")
    expect(bubble).to_have_text(MARKUP)
    assert bubble.locator("*").count() == 0
    assert bubble.get_attribute("dir") == "auto"
    assert bubble.evaluate("node => getComputedStyle(node).unicodeBidi") == "isolate"
    assert visitor.page.evaluate("window.broken") is None


def test_an_answer_lost_on_the_way_is_fetched_again_and_nothing_doubles(visit: Any) -> None:
    visitor = visit().open()
    page = visitor.page
    sent: list[str] = []

    def lose_the_first(route: Any) -> None:
        sent.append(json.loads(route.request.post_data)["message_id"])
        if len(sent) == 1:
            route.fetch()  # the service answers, and the answer never arrives
            route.abort()
        else:
            route.continue_()

    page.route("**/v1/chat", lose_the_first)
    visitor.say("the train went into a tunnel")
    visitor.forget_complaints()
    assert len(sent) >= 2
    assert len(set(sent)) == 1
    [talk] = visitor.api("/v1/conversations")["items"]
    turns = visitor.api(f"/v1/conversations/{talk['conversation_id']}")["turns"]
    assert [turn["speaker"] for turn in turns] == ["person", "kindred"]
    expect(page.locator(".message")).to_have_count(2)


def test_offline_it_keeps_what_is_written_and_sends_it_later(visit: Any) -> None:
    visitor = visit().open()
    page = visitor.page
    visitor.say("hello there")
    visitor.context.set_offline(True)
    expect(page.get_by_text("You’re offline.")).to_be_visible()
    page.get_by_label("Your message").fill("are you still there?")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Try again")).to_be_visible()
    visitor.context.set_offline(False)
    visitor.forget_complaints()
    expect(page.locator(".theirs")).to_have_count(2)
    expect(page.get_by_role("button", name="Try again")).to_have_count(0)
    visitor.forget_complaints()


def test_reactions_are_kept_replaced_and_taken_back(visit: Any) -> None:
    visitor = visit().open()
    page = visitor.page
    visitor.say("tell me something about the sea")
    love = page.get_by_role("button", name="Love it")
    funny = page.get_by_role("button", name="Funny", exact=True)

    with page.expect_response("**/reaction"):
        love.click()
    with page.expect_response("**/reaction"):
        funny.click()
    expect(love).to_have_attribute("aria-pressed", "false")
    page.get_by_role("button", name="Add a note").click()
    page.get_by_label("Your note on this reply").fill("a good one")
    with page.expect_response("**/reaction"):
        page.keyboard.press("Enter")
    page.reload()
    expect(funny).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_role("button", name="Edit your note")).to_be_visible()
    with page.expect_response("**/reaction") as answer:
        funny.click()
    assert answer.value.status == 204
    expect(funny).to_have_attribute("aria-pressed", "false")


def test_another_answer_comes_once_and_stays_beside_the_first(visit: Any) -> None:
    visitor = visit().open()
    page = visitor.page
    first = visitor.say("I can't sleep")
    page.get_by_role("button", name="Another answer").click()
    expect(page.locator(".theirs")).to_have_count(2)
    other = page.locator(".theirs").nth(1)
    expect(other.get_by_text("Another answer").first).to_be_visible()
    lines = [first.locator(".bubble").inner_text(), other.locator(".bubble").inner_text()]
    assert lines[0] != lines[1]
    page.reload()
    expect(page.locator(".theirs .bubble")).to_have_text(lines)


def test_what_it_remembers_can_be_seen_and_forgotten(visit: Any) -> None:
    visitor = visit().open()
    page = visitor.page
    visitor.say("My name is Mira.")
    page.get_by_role("button", name="What it remembers").click()
    panel = page.get_by_role("dialog", name="What it remembers")
    expect(panel.get_by_text("Mira", exact=True)).to_be_visible()
    expect(panel.locator("blockquote")).to_have_text("My name is Mira.")
    panel.get_by_role("button", name="Forget: Your name Mira").click()
    expect(panel.get_by_text("Nothing yet.")).to_be_visible()
    assert visitor.api("/v1/me/memories")["items"] == []


def test_the_keyboard_is_enough(visit: Any) -> None:
    visitor = visit().open()
    page = visitor.page
    page.keyboard.press("Tab")
    page.evaluate("document.activeElement.blur()")
    page.locator(".skip").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Your message")).to_be_focused()
    page.keyboard.type("one line")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("and another")
    page.keyboard.press("Enter")
    expect(page.locator(".theirs")).to_have_count(1)
    expect(page.locator(".mine .bubble")).to_have_text("one line\nand another")
    expect(page.get_by_label("Your message")).to_be_focused()

    page.keyboard.press("Shift+Tab")  # the reply's tools stand before the composer
    page.keyboard.press("Shift+Tab")
    expect(page.get_by_role("button", name="Bad answer")).to_be_focused()
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Bad answer")).to_have_attribute("aria-pressed", "true")

    opener = page.get_by_role("button", name="What it remembers")
    opener.focus()
    page.keyboard.press("Enter")
    panel = page.get_by_role("dialog", name="What it remembers")
    expect(panel).to_be_visible()
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(opener).to_be_focused()


def test_a_crisis_is_answered_calmly(visit: Any) -> None:
    visitor = visit().open()
    reply = visitor.say("I want to kill myself")
    expect(reply).to_contain_text("findahelpline.com")  # with the lines of any country
    assert "calm" in str(reply.get_attribute("class"))
    assert reply.get_by_role("button", name="Another answer").count() == 0
    expect(visitor.page.locator("#feeling")).to_be_hidden()


def test_how_one_feels_is_asked_at_a_goodbye(visit: Any) -> None:
    visitor = visit().open()
    page = visitor.page
    for line in ("hello", "I went for a walk", "good night"):
        visitor.say(line)
    expect(page.get_by_role("heading", name="How do you feel now?")).to_be_visible()
    page.get_by_role("button", name="Better", exact=True).click()
    expect(page.get_by_text("I’m glad. Thank you for telling me.")).to_be_visible()
    assert visitor.api("/v1/conversations")["items"][0]["feeling"] == "better"


def test_everything_can_be_deleted(visit: Any) -> None:
    visitor = visit().open()
    page = visitor.page
    visitor.say("a secret")
    token = json.loads(page.evaluate("localStorage.getItem('kindred.session')"))["token"]
    page.get_by_role("button", name="Delete everything").click()
    sure = page.get_by_role("dialog", name="Delete everything?")
    sure.get_by_role("button", name="Delete everything").click()
    expect(page.get_by_text("Everything of yours is deleted.")).to_be_visible()
    expect(page.locator(".message")).to_have_count(0)
    headers = {"Authorization": f"Bearer {token}"}
    answer = visitor.context.request.get(f"{visitor.service.url}/v1/conversations", headers=headers)
    assert answer.status == 401
    assert page.evaluate("Object.keys(localStorage)") == []


def test_on_a_phone_nothing_is_wider_than_the_screen(visit: Any) -> None:
    visitor = visit(**PHONE).open()
    page = visitor.page
    visitor.say("averyverylongwordthatnobodywouldeversay" * 6)
    wide = "document.documentElement.scrollWidth"
    assert page.evaluate(wide) <= PHONE["viewport"]["width"]
    page.get_by_role("button", name="Open the menu").click()
    expect(page.get_by_role("button", name="New conversation")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Open the menu")).to_be_focused()
    page.get_by_role("main").get_by_role("button", name="What it remembers").click()
    expect(page.get_by_role("dialog", name="What it remembers")).to_be_visible()
    assert page.evaluate(wide) <= PHONE["viewport"]["width"]


def test_controls_have_names_and_the_log_is_live(visit: Any) -> None:
    visitor = visit(color_scheme="dark").open()
    page = visitor.page
    visitor.say("hello")
    log = page.get_by_role("log")
    expect(log).to_have_attribute("aria-live", "polite")
    for control in page.get_by_role("button").all():
        name = control.get_attribute("aria-label") or control.inner_text()
        assert name.strip(), control.evaluate("node => node.outerHTML")

    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.locator("#theme").click()  # from the system's to light
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert light != dark
    page.reload()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == light


def test_a_token_that_holds_no_longer_is_replaced_and_the_message_arrives(visit: Any) -> None:
    visitor = visit().open()
    page = visitor.page
    visitor.say("hello")
    kept = json.loads(page.evaluate("localStorage.getItem('kindred.session')"))
    page.evaluate(
        "kept => localStorage.setItem('kindred.session', JSON.stringify(kept))",
        {**kept, "token": "over.and.done"},
    )
    page.get_by_label("Your message").fill("are you there?")
    page.keyboard.press("Enter")
    expect(page.get_by_text("You are a new guest here.")).to_be_visible()
    expect(page.locator(".mine .bubble")).to_have_text(["are you there?"])  # in a new conversation
    expect(page.locator(".theirs")).to_have_count(1)
    assert json.loads(page.evaluate("localStorage.getItem('kindred.session')")) != kept
    visitor.forget_complaints()  # the browser logged the 401, and the 404 of the talk before


def test_two_tabs_show_one_conversation(visit: Any) -> None:
    visitor = visit().open()
    visitor.say("hello")
    other = visitor.another_tab()
    expect(other.locator(".message")).to_have_count(2)
    visitor.say("how are you?")
    expect(other.locator(".message")).to_have_count(4)
    other.get_by_label("Your message").fill("from the other tab")
    other.keyboard.press("Enter")
    expect(visitor.page.locator(".message")).to_have_count(6)
    assert len(visitor.api("/v1/conversations")["items"]) == 1


def test_a_link_to_no_conversation_opens_a_page_that_works(visit: Any) -> None:
    visitor = visit().open("/#%")
    visitor.say("hello")
    expect(visitor.page.locator(".message")).to_have_count(2)
    visitor.open("/#/explain/%").page.reload()
    visitor.say("how are you?")
    visitor.forget_complaints()  # the browser logged that there is no such conversation
