"""A form changes the page that it stands on: no question at Back, the keyboard stays, and nothing goes twice."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest
from playwright.async_api import Page, expect

from lastseen.web.sessions import COOKIE
from tests.pages.looking import Held, Looking
from tests.pages.test_pages import machine


async def back(page: Page) -> int:
    """Chromium shows a page of its own, as an error, where it would have to send a form again."""
    answer = await page.go_back()
    assert answer is not None
    return answer.status


async def ready(page: Page) -> None:
    """It takes another form."""
    await expect(page.locator("body")).not_to_have_attribute("data-sending", "")


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
        await ready(page)
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", level=1)).to_have_text("How it reports: Corrected")
        assert re.search(r"/machines/corrected/connect$", page.url, re.IGNORECASE)
        await expect(page.locator("code", has_text="lsm_").first).to_be_visible()
        await page.get_by_role("link", name="Change that").click()
        await expect(page.locator("[name=every]")).to_have_value("5m")
        await page.locator("[name=every]").fill("10m")
        await page.keyboard.press("Enter")
        await expect(page).to_have_url(re.compile("/machines/corrected$", re.IGNORECASE))
        assert await back(page) == 200
        await expect(page.get_by_role("heading", level=1)).to_have_text("How it reports: Corrected")
        assert await back(page) == 200
        await expect(page.get_by_role("heading", level=1)).to_have_text("Machines")


@pytest.mark.parametrize("slug", ["drill", "aa:bb:cc"])
async def test_an_order_by_keyboard_leaves_the_keyboard_where_it_was(looking: Looking, slug: str) -> None:
    await machine(looking, slug)
    async with looking.by() as seen:
        page = seen.page
        await seen.open(f"/machines/{quote(slug, safe='')}")
        for order, then in (("Pause", "Resume"), ("Resume", "Pause")):
            await page.get_by_role("button", name=order, exact=True).focus()
            await page.keyboard.press("Enter")
            await expect(page.get_by_role("button", name=then, exact=True)).to_be_focused()
            await ready(page)
        assert await page.evaluate("history.length") == 2, "about:blank, and the machine"


async def test_what_was_acknowledged_by_keyboard_leaves_it_near(looking: Looking) -> None:
    for slug in ("saw", "sander"):
        await machine(looking, slug, b'{"status": "error"}')
    async with looking.by() as seen:
        page = seen.page
        await seen.open("/")
        for slug, search in (("saw", ""), ("sander", "sand")):
            if search:
                await page.get_by_label("Search").press_sequentially(search)
                await expect(page).to_have_url(re.compile("q=sand&"))
            await ready(page)
            await page.locator(".wrong-now li", has_text=slug).get_by_role("button").focus()
            await page.keyboard.press("Enter")
            await expect(page.locator(".wrong-now li", has_text=slug)).to_contain_text("admin")
            await expect(page.locator("#wrong-now")).to_be_focused()
        assert await page.evaluate("history.length") == 2


async def test_a_double_click_acts_on_one_alone(looking: Looking) -> None:
    for slug in ("m-one", "m-two"):
        await machine(looking, slug, b'{"status": "error"}')
    async with looking.by() as seen:
        page = seen.page
        await page.add_init_script("performance.now = () => 1000")  # everything is at once, however slow the machine
        await seen.open("/")
        sent: list[str] = []
        page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
        button = page.locator(".wrong-now li", has_text="m-").get_by_role("button").first
        box = await button.bounding_box()
        assert box is not None
        await page.mouse.dblclick(box["x"] + 5, box["y"] + 5)
        await expect(page.locator(".wrong-now li", has_text="m-").get_by_role("button")).to_have_count(1)
        await page.mouse.click(box["x"] + 5, box["y"] + 5)  # at once, on what is there now
        await ready(page)
        assert len(sent) == 1
        await page.locator(".wrong-now li", has_text="m-").get_by_role("button").first.focus()
        for _ in range(20):  # the key is held
            await page.keyboard.down("Enter")
        await page.keyboard.up("Enter")
        await expect(page.locator(".wrong-now li", has_text="m-").get_by_role("button")).to_have_count(0)
        assert len(sent) == 2


async def test_a_form_goes_once_however_often_it_is_sent_and_whatever_is_typed_meanwhile(looking: Looking) -> None:
    async with looking.by() as seen:
        page = seen.page
        await seen.open("/kinds")
        await page.locator("[name=name]").fill("first")
        async with Held(page, "/kinds") as held:
            await page.keyboard.press("Enter")
            await held.waiting.wait()
            await expect(page.locator("body")).to_have_attribute("data-sending", "")
            await page.keyboard.press("Enter")
            await page.locator("[name=name]").fill("second")
            await page.keyboard.press("Enter")
            await expect(page.locator("#sending")).to_have_text("It is being sent …")
            held.let_go()
            await expect(page.locator("table")).to_contain_text("first")
        await ready(page)
        await expect(page.locator("#sending")).to_be_empty()
        await expect(page.locator("main [role=alert]")).to_have_count(0)
        assert "second" not in {kind.name for kind in await looking.store.kinds()}


async def test_who_has_gone_to_another_page_is_not_taken_back(looking: Looking) -> None:
    async with looking.by() as seen:
        page = seen.page
        await seen.open("/channels/new/console")
        await page.locator("[name=name]").fill("held")
        async with Held(page, "/channels/new") as form, Held(page, "/events") as other:
            await page.keyboard.press("Enter")
            await form.waiting.wait()
            async with page.expect_response("**/channels/*"):
                await page.get_by_role("link", name="Events").click(no_wait_after=True)
                await other.waiting.wait()
                form.let_go()
            other.let_go()
            await expect(page).to_have_url(re.compile("/events$"))


async def test_who_is_not_logged_in_any_more_logs_in_elsewhere_and_sends_it_again(looking: Looking) -> None:
    async with looking.by() as seen:
        page = seen.page
        await seen.open("/kinds")
        await page.locator("[name=name]").fill("kept")
        await page.context.clear_cookies()
        await page.keyboard.press("Enter")
        await expect(page.locator("main [role=alert]")).to_have_text(re.compile("^You are not logged in any more"))
        await expect(page.locator("main [role=alert] a")).to_have_attribute("href", re.compile("/login"))
        await expect(page.locator("[name=name]")).to_have_value("kept")
        token = await looking.token("admin")
        await page.context.add_cookies([{"name": COOKIE, "value": token, "url": looking.url}])
        await ready(page)
        await page.locator("[name=name]").focus()
        await page.keyboard.press("Enter")
        await expect(page.locator("table")).to_contain_text("kept")


async def test_where_a_proxy_leads_to_its_log_in_the_page_goes_there(looking: Looking) -> None:
    async with looking.by() as seen:
        page = seen.page
        await seen.open("/kinds")
        away = {"Location": "https://auth.example.org/"}
        await page.route("**/kinds", lambda route: route.fulfill(status=302, headers=away))
        await page.route("https://auth.example.org/", lambda route: route.fulfill(body="Who are you?"))
        await page.locator("[name=name]").fill("away")
        await page.keyboard.press("Enter")
        await expect(page.locator("body")).to_have_text("Who are you?")
        seen.wrong.clear()  # it is meant to ask another server


async def test_the_page_says_who_it_is_that_acts(looking: Looking) -> None:
    await machine(looking, "shared-out")
    async with looking.by() as seen:
        page = seen.page
        await seen.open("/machines/shared-out")
        token = await looking.token("member")
        await page.context.add_cookies([{"name": COOKIE, "value": token, "url": looking.url}])
        await page.get_by_role("button", name="Pause", exact=True).click()
        await expect(page.locator(".mine a")).to_have_text("member")


async def test_what_was_typed_is_gone_once_it_is_done(looking: Looking) -> None:
    async with looking.by() as seen:
        page = seen.page
        await seen.open("/kinds")
        await page.locator("[name=name]").fill("boiler")
        await page.keyboard.press("Enter")
        await expect(page.locator("table")).to_contain_text("boiler")
        await expect(page.locator("[name=name]")).to_have_value("")


async def test_a_line_that_is_dead_is_not_waited_for_for_ever(looking: Looking) -> None:
    async with looking.by() as seen:
        page = seen.page
        await page.add_init_script(
            "const real = AbortSignal.timeout; AbortSignal.timeout = () => real.call(AbortSignal, 50)"
        )
        await seen.open("/kinds")
        await page.locator("[name=name]").fill("lost")
        async with Held(page, "/kinds"):
            await page.keyboard.press("Enter")
            await expect(page.locator("main [role=alert]")).to_have_text(re.compile("No answer came"))
        await expect(page.locator("[name=name]")).to_have_value("lost")


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
            await ready(page)
            await page.locator("[name=name]").focus()
            await page.keyboard.press("Enter")
            await expect(page.locator("main [role=alert]")).to_have_text(re.compile("No answer came"))
            await expect(page.locator("[name=name]")).to_have_value("lamp")
        if answer is None:  # Chromium says it in its console too
            assert seen.wrong
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
            await ready(page)
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
