"""The list of machines is searched while it also refreshes itself: whoever asks last for it must not bring the old one
back."""

from __future__ import annotations

import asyncio
import contextlib

from playwright.async_api import Error, Page, Route, expect

from tests.pages.looking import Looking
from tests.pages.test_pages import machine
from tests.support import eventually


class Held:
    """Requests of a page whose address has a certain text in it, kept from the server until they are let go."""

    def __init__(self, page: Page, text: str) -> None:
        self._page, self._text = page, text
        self._free = asyncio.Event()
        self.waiting = asyncio.Event()

    async def __aenter__(self) -> Held:
        await self._page.route(lambda url: self._text in url, self._hold)
        return self

    def let_go(self) -> None:
        self._free.set()

    async def __aexit__(self, *_: object) -> None:
        self.let_go()
        await self._page.unroute_all(behavior="wait")

    async def _hold(self, route: Route) -> None:
        self.waiting.set()
        await self._free.wait()
        with contextlib.suppress(Error):  # given up meanwhile
            await route.continue_()


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
