"""Pages ask for news of themselves: while somebody searches, and over a line that is dead."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from playwright.async_api import expect

from tests.pages.looking import Held, Looking
from tests.pages.test_pages import machine
from tests.support import eventually

NEWS = "document.body.dispatchEvent(new CustomEvent('lastseen:news'))"


async def test_what_was_asked_before_a_search_does_not_take_its_result_away(looking: Looking) -> None:
    for slug in ("early-one", "early-two"):
        await machine(looking, slug, group="early")
    async with looking.by() as seen:
        page = seen.page
        await seen.open("/?group=early")
        names = page.locator(".machines:not(.wrong-now) .name a")
        await expect(names).to_have_count(2)
        async with Held(page, "/?group=early") as news:
            await page.evaluate(NEWS)
            await news.waiting.wait()
            await page.get_by_label("Search").fill("two")
            await expect(names).to_have_text(["early-two"])
        async with page.expect_response(lambda answer: "q=two" in answer.url):
            await page.evaluate(NEWS)
        await expect(names).to_have_text(["early-two"])


async def test_news_that_waited_for_a_search_keep_to_it(looking: Looking) -> None:
    for slug in ("later-one", "later-two"):
        await machine(looking, slug, group="later")
    async with looking.by() as seen:
        page = seen.page
        await seen.open("/?group=later")
        async with Held(page, "q=two") as search:
            await page.get_by_label("Search").fill("two")
            await search.waiting.wait()
            await page.evaluate(NEWS)
            asked: list[str] = []
            page.on("request", lambda request: asked.append(request.url))
            search.let_go()
            await eventually(lambda: len(asked) > 0)
        assert "q=two" in asked[0], "what waited asked for the list as it was"
        await expect(page.locator(".machines:not(.wrong-now) .name a")).to_have_text(["later-two"])


async def test_what_was_typed_before_the_page_could_search_is_searched_for(looking: Looking) -> None:
    for slug in ("slow-one", "slow-two"):
        await machine(looking, slug, group="slow")
    async with looking.by() as seen:
        page = seen.page
        async with Held(page, "/htmx"):
            await page.goto(seen.url + "/?group=slow", wait_until="commit")
            await page.get_by_label("Search").fill("two")
        await expect(page.locator(".machines:not(.wrong-now) .name a")).to_have_text(["slow-two"])


async def test_a_line_that_loses_everything_is_not_called_live(looking: Looking) -> None:
    await machine(looking, "beyond", group="beyond")
    async with looking.by(zone="UTC") as seen:
        page = seen.page
        await page.clock.install(time=datetime(2026, 11, 22, 10, tzinfo=UTC))
        await seen.open("/?group=beyond")
        lamp = page.locator("#live")
        await expect(lamp).to_have_attribute("data-live", "yes")
        await page.clock.set_system_time(datetime(2026, 11, 22, 10, 20, tzinfo=UTC))
        async with page.expect_request(lambda request: "stream" in request.url), Held(page, "group=beyond") as lost:
            await page.evaluate(NEWS)
            await lost.waiting.wait()
            await expect(lamp).to_have_attribute("data-live", "yes")
            await page.clock.fast_forward(16_000)
            await expect(lamp).to_have_attribute("data-live", "no")
            lost.waiting.clear()
            await page.clock.fast_forward(5_500)
            await expect(page.locator("#stale")).to_have_text(re.compile(r"^No news since 10:2\d: what is shown"))
            await lost.waiting.wait()
        assert {line.partition(" {")[0] for line in seen.wrong} == {"error: htmx: htmx:error: timeout"}
        seen.wrong.clear()
        await expect(lamp).to_have_attribute("data-live", "yes")
        await expect(page.locator("#stale")).to_be_empty()


async def test_a_page_that_nobody_looks_at_needs_no_news_and_misses_none(looking: Looking) -> None:
    turns = """(state) => {
        Object.defineProperty(document, "visibilityState", { value: state, configurable: true });
        document.dispatchEvent(new Event("visibilitychange"));
    }"""
    async with looking.by() as seen:
        page = seen.page
        await page.clock.install()
        await seen.open("/")
        lamp = page.locator("#live")
        await expect(lamp).to_have_attribute("data-live", "yes")
        await page.evaluate(turns, "hidden")
        await expect(lamp).to_have_attribute("data-live", "no")
        await page.clock.fast_forward(10_000)
        await expect(page.locator("#stale")).to_be_empty()
        await page.evaluate(turns, "visible")
        await expect(lamp).to_have_attribute("data-live", "yes")
