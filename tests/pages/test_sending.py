"""A form changes the page that it stands on: no question at Back, the keyboard stays, and nothing goes twice."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Page, expect

from tests.pages.looking import Held, Looking
from tests.pages.test_pages import machine


async def back(page: Page) -> int:
    """Chromium shows a page of its own, as an error, where it would have to send a form again."""
    answer = await page.go_back()
    assert answer is not None
    return answer.status


async def test_back_from_a_corrected_form_is_the_page_before_it_and_later_pages_lead_back_to_the_lines(
    looking: Looking,
) -> None:
    async with looking.by() as seen:
        page = seen.page
        await seen.open("/")
        await page.get_by_role("link", name="Add a machine", exact=True).click()
        await page.get_by_label("Name", exact=False).first.fill("Corrected")
        await page.locator("summary").first.click()
        await page.locator("[name=every]").fill("soon")
        await page.locator("main form button:not([type=button])").last.click()
        await expect(page.locator("[name=every]")).to_be_focused()
        await expect(page.locator("[name=every]")).to_have_value("soon")
        await page.locator("[name=every]").fill("5m")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", level=1)).to_have_text("How it reports: Corrected")
        assert re.search(r"/machines/corrected/connect$", page.url, re.IGNORECASE)
        await expect(page.locator("code", has_text="lsm_").first).to_be_visible()
        await page.get_by_role("link", name="Change that").click()
        await expect(page.locator("[name=every]")).to_have_value("5m")
        assert await back(page) == 200
        await expect(page.get_by_role("heading", level=1)).to_have_text("How it reports: Corrected")
        assert await back(page) == 200
        await expect(page.get_by_role("heading", level=1)).to_have_text("Machines")


async def test_an_order_by_keyboard_leaves_the_keyboard_where_it_was(looking: Looking) -> None:
    await machine(looking, "drill")
    async with looking.by() as seen:
        page = seen.page
        await seen.open("/machines/drill")
        for order, then in (("Pause", "Resume"), ("Resume", "Pause")):
            await page.get_by_role("button", name=order, exact=True).focus()
            await page.keyboard.press("Enter")
            await expect(page.get_by_role("button", name=then, exact=True)).to_be_focused()
        assert await page.evaluate("history.length") == 2, "about:blank, and the machine"


async def test_what_was_acknowledged_by_keyboard_leaves_it_near(looking: Looking) -> None:
    await machine(looking, "saw", b'{"status": "error"}')
    async with looking.by() as seen:
        page = seen.page
        await seen.open("/")
        await page.locator(".wrong-now li", has_text="saw").get_by_role("button").focus()
        await page.keyboard.press("Enter")
        await expect(page.locator(".wrong-now li", has_text="saw")).to_contain_text("admin")
        await expect(page.locator("#wrong-now")).to_be_focused()


async def test_what_was_typed_is_gone_once_it_is_done(looking: Looking) -> None:
    async with looking.by() as seen:
        page = seen.page
        await seen.open("/kinds")
        await page.locator("[name=name]").fill("boiler")
        await page.keyboard.press("Enter")
        await expect(page.locator("table")).to_contain_text("boiler")
        await expect(page.locator("[name=name]")).to_have_value("")


async def test_a_form_goes_once_however_often_it_is_sent(looking: Looking) -> None:
    async with looking.by() as seen:
        page = seen.page
        await seen.open("/kinds")
        await page.locator("[name=name]").fill("kettle")
        async with Held(page, "/kinds") as held:
            await page.keyboard.press("Enter")
            await held.waiting.wait()
            await expect(page.locator("main")).to_have_attribute("aria-busy", "true")
            await page.keyboard.press("Enter")
            held.let_go()
            await expect(page.locator("table")).to_contain_text("kettle")
        await expect(page.locator("main [role=alert]")).to_have_count(0)
        await expect(page.locator("main")).not_to_have_attribute("aria-busy", "true")


@pytest.mark.parametrize("answer", [None, "<h1>502 Bad Gateway</h1>"], ids=["nothing", "a proxy's page"])
async def test_where_no_answer_comes_that_is_said_and_what_was_typed_is_still_there(
    looking: Looking, answer: str | None
) -> None:
    async with looking.by() as seen:
        page = seen.page
        await seen.open("/kinds")
        await page.locator("[name=name]").fill("lamp")
        await page.route(
            "**/kinds",
            lambda route: route.abort() if answer is None else route.fulfill(body=answer, content_type="text/html"),
        )
        for _ in range(2):
            await page.locator("[name=name]").focus()
            await page.keyboard.press("Enter")
            await expect(page.locator("main [role=alert]")).to_have_text(re.compile("No answer came"))
            await expect(page.locator("[name=name]")).to_have_value("lamp")
        if answer is None:  # Chromium says it in its console too
            assert len(seen.wrong) == 2
            seen.wrong.clear()


async def test_what_was_typed_stays_where_it_is_refused_for_another_reason(looking: Looking) -> None:
    async with looking.by("member") as seen:
        page = seen.page
        await seen.open("/machines/new")
        await page.get_by_label("Name", exact=False).first.fill("Typed in vain")
        await looking.store.change_user(looking.people["member"], role="viewer")
        try:
            await page.keyboard.press("Enter")
            await expect(page.locator("main [role=alert]")).to_have_text(re.compile("^Forbidden: .+"))
            await expect(page.get_by_label("Name", exact=False).first).to_have_value("Typed in vain")
        finally:
            await looking.store.change_user(looking.people["member"], role="member")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", level=1)).to_have_text("How it reports: Typed in vain")


async def test_without_scripts_forms_are_sent_as_ever(looking: Looking) -> None:
    async with looking.by(scripts=False) as seen:
        page = seen.page
        await seen.open("/kinds")
        await page.locator("[name=name]").fill("toaster")
        await page.locator("main form button").last.click()
        await expect(page.locator("table")).to_contain_text("toaster")
