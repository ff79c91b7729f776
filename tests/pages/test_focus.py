"""A page changes by itself: the keyboard stays on what it was on, or near it, and never falls back to the top."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from playwright.async_api import Error, Route, expect

from tests.pages.looking import Looking
from tests.pages.test_pages import machine


async def test_the_keyboard_stays_where_the_machine_that_it_was_on_goes_from_the_list(looking: Looking) -> None:
    keys = [await machine(looking, slug) for slug in ("kiln", "oven")]
    for key in keys:
        await looking.served.beat(key, b'{"status": "error"}')
    async with looking.by() as seen:
        page = seen.page
        await seen.open("/")
        await expect(page.locator("#live")).to_have_attribute("data-live", "yes")
        await expect(page.locator("#how-many")).to_have_text("2 machines are offline or in error")
        told = await page.locator("#how-many").element_handle()
        assert told is not None
        for slug, key, place in zip(("kiln", "oven"), keys, ("wrong-now", "main"), strict=True):
            row = page.locator(".wrong-now li", has_text=slug)
            await row.get_by_role("button").focus()
            await looking.served.beat(key, b'{"status": "ok"}')
            await expect(row).to_have_count(0)
            assert await page.evaluate("document.activeElement.id || document.activeElement.tagName") == place
            assert await told.evaluate("(one) => one.isConnected"), "what is read aloud is the same line, changed"
        await expect(page.locator("#how-many")).to_have_text("0 machines are offline or in error")


async def test_the_keyboard_that_was_taken_away_itself_does_not_come_back(looking: Looking) -> None:
    key = await machine(looking, "forge", b'{"status": "error"}')
    swapped = """new Promise((done) => {
        document.addEventListener("htmx:after:swap", () => done(), { once: true });
        document.body.dispatchEvent(new CustomEvent("lastseen:news"));
    })"""
    a_second_ago = """() => {
        const now = performance.now.bind(performance);
        document.activeElement.blur();
        performance.now = () => now() + 1000;
    }"""
    async with looking.by() as seen:
        page = seen.page
        await seen.open("/")
        await expect(page.locator("#live")).to_have_attribute("data-live", "yes")
        row = page.locator(".wrong-now li", has_text="forge")
        await row.get_by_role("button").focus()
        await page.evaluate(swapped)
        await page.evaluate(a_second_ago)
        await looking.served.beat(key, b'{"status": "ok"}')
        await expect(row).to_have_count(0)
        assert await page.evaluate("document.activeElement.tagName") == "BODY"


async def test_the_keyboard_stays_on_its_event_when_a_newer_one_comes(looking: Looking) -> None:
    first, second = [await machine(looking, slug) for slug in ("lathe", "mill")]
    await looking.served.beat(first, b'{"status": "error"}')
    async with looking.by() as seen:
        page = seen.page
        await seen.open("/events")
        await expect(page.locator("#live")).to_have_attribute("data-live", "yes")
        await expect(page.locator("#events td").first).to_be_visible()
        link = page.locator("#events tr", has_text="machine.error").first.get_by_role("link")
        await expect(link).to_have_text("lathe")
        await link.focus()
        where = await page.evaluate("document.activeElement.href")
        await looking.served.beat(second, b'{"status": "error"}')
        newest = page.locator("#events tbody tr").first
        await expect(newest).to_contain_text("mill")
        await expect(newest).to_contain_text("machine.error")
        assert await page.evaluate("document.activeElement.href") == where


@pytest.mark.parametrize("path", ["/", "/events", "/machines/{slug}"])
async def test_news_that_comes_while_a_part_is_asked_for_does_not_keep_it_from_coming(
    looking: Looking, path: str
) -> None:
    slug = f"press-{len(path)}"
    await machine(looking, slug)
    async with looking.by() as seen:
        page, asked, answered = seen.page, asyncio.Event(), asyncio.Event()
        lost: list[str] = []
        await seen.open(path.format(slug=slug))
        await expect(page.locator("#live")).to_have_attribute("data-live", "yes")

        async def slowly(route: Route) -> None:
            if route.request.headers.get("hx-request"):
                asked.set()
                await answered.wait()
            with suppress(Error):  # it was given up
                await route.continue_()

        page.on("requestfailed", lambda request: lost.append(request.url))
        await page.route("**/*", slowly)
        await page.evaluate("document.body.dispatchEvent(new CustomEvent('lastseen:news'))")
        await asked.wait()
        for _ in range(3):
            await page.evaluate("document.body.dispatchEvent(new CustomEvent('lastseen:news'))")
        answered.set()
        await page.unroute_all(behavior="wait")
        assert lost == []
