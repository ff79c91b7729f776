"""What somebody meets who has read nothing: each page says what comes next, on a phone as well."""

from __future__ import annotations

from playwright.async_api import expect

from tests.pages.looking import Looking


async def test_on_a_phone_one_row_leads_everywhere(looking: Looking) -> None:
    async with looking.by(phone=True) as seen:
        page = seen.page
        await seen.open("/")
        await expect(page.get_by_role("link", name="Events")).to_be_hidden()
        box = await page.locator("header.top").bounding_box()
        assert box is not None
        assert box["height"] < 80, "the rest is for the machines"
        await page.get_by_role("button", name="Menu").click()
        assert await seen.faults() == []
        await page.get_by_role("link", name="Events").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Events")
        await page.get_by_role("button", name="Menu").click()
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("button", name="Log out")).to_be_hidden()
        await expect(page.get_by_role("button", name="Menu")).to_be_focused()


async def test_whether_a_page_is_live_is_said_in_words(looking: Looking) -> None:
    async with looking.by() as seen:
        await seen.open("/")
        await expect(seen.page.get_by_role("img", name="Live: this page changes by itself")).to_be_visible()
