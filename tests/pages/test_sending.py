"""A form changes the page that it stands on: no question at Back, the keyboard stays, and nothing goes twice."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.async_api import Page, expect

from lastseen.manage import machines
from lastseen.web.sessions import COOKIE
from tests.pages.looking import Held, Looking, looking_at
from tests.pages.test_news import NEWS
from tests.pages.test_pages import machine
from tests.support import eventually


async def back(page: Page) -> None:
    """To a page that is there. Raises Error where a form would have to be sent again. What was answered
    Playwright does not always know."""
    await page.evaluate("window.before = true")
    await page.go_back()
    await page.wait_for_function("!window.before")


async def is_online(looking: Looking, slug: str) -> bool:
    return (await machines.show(looking.served.app.office, slug))["status"] == "online"


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
        await back(page)
        await expect(page.get_by_role("heading", level=1)).to_have_text("How it reports: Corrected")
        await back(page)
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


async def test_where_a_proxy_leads_to_its_log_in_the_page_goes_there(tmp_path: Path) -> None:
    """Chromium's shell shows nothing of where an answer leads to that a test makes up."""
    async with looking_at(tmp_path, whole=True) as looking, looking.by() as seen:
        page = seen.page
        await seen.open("/kinds")
        away = {"Location": "https://auth.example.org/"}
        await page.route("**/kinds", lambda route: route.fulfill(status=302, headers=away))
        await page.route("https://auth.example.org/", lambda route: route.fulfill(body="Who are you?"))
        await page.locator("[name=name]").fill("away")
        await page.keyboard.press("Enter")
        await expect(page.locator("body")).to_have_text("Who are you?")
        seen.wrong.clear()  # it is meant to ask another server


async def test_nothing_is_done_for_somebody_else_than_the_page_was_made_for(looking: Looking) -> None:
    await machine(looking, "shared-out")
    async with looking.by() as seen:
        page = seen.page
        await seen.open("/machines/shared-out")
        token = await looking.token("member")
        await page.context.add_cookies([{"name": COOKIE, "value": token, "url": looking.url}])
        await page.get_by_role("button", name="Pause", exact=True).click()
        await expect(page.locator("main [role=alert]")).to_contain_text("you are logged in as member (member) now")
        await ready(page)
        assert (await machines.show(looking.served.app.office, "shared-out"))["status"] != "paused"
        await page.reload()
        await page.get_by_role("button", name="Pause", exact=True).click()
        await expect(page.get_by_role("button", name="Resume", exact=True)).to_be_visible()


async def test_who_gives_up_a_right_sees_it(looking: Looking) -> None:
    await looking.token("admin")
    now = looking.served.app.monitor.clock.now()
    looking.people["chief"] = (await looking.store.add_user("chief", "admin", None, now)).id
    async with looking.by("chief") as seen:
        page = seen.page
        await seen.open("/people")
        row = page.get_by_role("row").filter(has_text="chief")
        await row.get_by_role("combobox").select_option("member")
        await row.get_by_role("button", name="Set", exact=True).click()
        await expect(page.get_by_role("link", name="System")).to_have_count(0)


async def test_who_logs_out_everywhere_is_out_and_sends_nothing_more(looking: Looking) -> None:
    async with looking.by("member") as seen:
        page = seen.page
        await seen.open("/account")
        sent: list[str] = []
        page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
        async with Held(page, "/login") as held:
            await page.get_by_role("button", name="Log out everywhere").click()
            await held.waiting.wait()
            await page.keyboard.press("Enter")
        await expect(page).to_have_url(re.compile("/login$"))
        await expect(page.locator("[role=alert]")).to_have_count(0)
        assert sent == [f"{looking.url}/account/logout"]


async def test_a_machine_may_be_called_login(looking: Looking) -> None:
    await machine(looking, "login")
    async with looking.by() as seen:
        page = seen.page
        await seen.open("/machines/login")
        await page.get_by_role("button", name="Pause", exact=True).click()
        await expect(page.get_by_role("button", name="Resume", exact=True)).to_be_visible()
        await expect(page.locator("main [role=alert]")).to_have_count(0)


async def test_what_cannot_be_done_is_said_on_the_page_where_it_was_wanted(looking: Looking) -> None:
    key = await machine(looking, "came", b'{"status": "error"}')
    async with looking.by() as seen:
        page = seen.page
        await seen.open("/?q=came")
        async with Held(page, "q=came"):  # the page does not learn that it came back
            await looking.served.beat(key, b'{"status": "ok"}')
            await eventually(lambda: is_online(looking, "came"))
            await page.locator(".wrong-now li", has_text="came").get_by_role("button").click()
            await expect(page.locator("main [role=alert]")).to_contain_text("is neither offline nor in error")
            await expect(page.get_by_role("heading", level=1)).to_have_text("Machines")


async def test_an_answer_is_not_taken_back_by_what_was_asked_before(looking: Looking) -> None:
    await machine(looking, "planer", b'{"status": "error"}')
    async with looking.by() as seen:
        page = seen.page
        await seen.open("/?q=planer")
        await expect(page.locator("#live")).to_have_attribute("data-live", "yes")
        row = page.locator(".wrong-now li", has_text="planer")
        async with Held(page, "q=planer") as held:
            await page.evaluate(NEWS)
            await held.waiting.wait()
            async with page.expect_event("requestfailed"):
                await row.get_by_role("button").click()
            await expect(row).to_contain_text("admin")


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
            """const real = AbortSignal.timeout; window.limits = [];
            AbortSignal.timeout = (limit) => { limits.push(limit); return real.call(AbortSignal, 50); }"""
        )
        await seen.open("/kinds")
        await page.locator("[name=name]").fill("lost")
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.method))
        async with Held(page, "/kinds"):
            asked.clear()
            for _ in range(2):
                await page.keyboard.press("Enter")
                await ready(page)
                await expect(page.locator("main [role=alert]")).to_have_text(re.compile("No answer came"))
        await expect(page.locator("[name=name]")).to_have_value("lost")
        assert await page.evaluate("limits") == [25_000, 25_000]
        assert asked == ["POST", "POST"], "one that is dead is not asked whether it leads away"


async def test_a_channel_is_tried_for_as_long_as_its_own_limits_say(looking: Looking) -> None:
    async with looking.by() as seen:
        page = seen.page
        await page.add_init_script(
            """const real = AbortSignal.timeout; window.limits = [];
            AbortSignal.timeout = (limit) => { limits.push(limit); return real.call(AbortSignal, limit); }"""
        )
        await seen.open("/channels/new/console")
        await page.locator("[name=name]").fill("tried")
        await page.keyboard.press("Enter")
        await page.get_by_role("button", name="Send a test").click()
        await expect(page.locator("main")).to_contain_text("delivered")
        assert await page.evaluate("limits") == [400_000]


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
            await expect(page.locator("main [role=alert]")).to_contain_text("logged in as member (viewer) now")
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
