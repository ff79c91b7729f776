"""The page that everybody may look at, in a real browser: for everybody, and with nobody's words as a program."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from lastseen.manage import badges, statuspages
from tests.pages.looking import Looking
from tests.pages.test_pages import NASTY, machine

LINES = (
    {"machine": "up", "alias": NASTY[:100]},
    {"machine": "down"},
    {"machine": "new"},
    {"group": NASTY},
    {"all": True},
)


@pytest.fixture(scope="module", autouse=True)
async def shown(looking: Looking) -> None:
    """Machines of each status, with names that would like to be programs."""
    await machine(looking, "up", name=NASTY[:100], group=NASTY)
    await machine(looking, "down", b'{"status":"error","message":"no water"}', name="a-long-name-" * 12)
    await looking.served.machine("new")
    office = looking.served.app.office
    about = {"title": NASTY[:100], "text": f"{NASTY}\n{'without-a-place-to-break-' * 10}", "lines": list(LINES)}
    await statuspages.add(office, "shop", about)
    await badges.add(office, {"group": NASTY, "label": NASTY[:50]})


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
async def test_a_status_page_is_for_everybody_in_light_and_dark(looking: Looking, dark: bool) -> None:
    async with looking.by("", dark=dark) as seen:
        assert await seen.open("/status/shop") == 200
        assert await seen.faults() == []


async def test_a_status_page_fits_a_phone(looking: Looking) -> None:
    async with looking.by("", phone=True) as seen:
        await seen.open("/status/shop")
        assert await seen.too_wide() == []
        assert await seen.faults() == []


async def test_nothing_that_somebody_wrote_becomes_part_of_a_status_page_or_a_badge(looking: Looking) -> None:
    (badge,) = await badges.listed(looking.served.app.office)
    async with looking.by("") as seen:
        for path in ("/status/shop", f"/badge/{badge['key']}.svg"):
            assert await seen.open(path) == 200
            assert await seen.page.evaluate("window.pwned") is None, path
            assert await seen.page.locator("img[src=x], script:not([src])").count() == 0, path
        await seen.open("/status/shop")
        await expect(seen.page.get_by_role("heading", level=1)).to_have_text(NASTY[:100])
        assert "7*7" in await seen.page.content()
    async with looking.by() as seen:
        for path in ("/status-pages", "/status-pages/shop/edit"):
            assert await seen.open(path) == 200
            assert await seen.page.evaluate("window.pwned") is None, path
            assert await seen.faults() == [], path


async def test_a_status_page_needs_no_script(looking: Looking) -> None:
    async with looking.by("", scripts=False) as seen:
        assert await seen.open("/status/shop") == 200
        await expect(seen.page.locator(".lines > li")).not_to_have_count(0)
