"""Who is not logged in yet sends forms without a script, so that the browser keeps the password: Back asks nothing."""

from __future__ import annotations

import secrets
from datetime import timedelta

import pytest
from playwright.async_api import Page, expect

from lastseen.ingest.auth import digest_of
from lastseen.manage.passwords import hashed
from tests.pages.looking import Looking
from tests.pages.test_sending import back
from tests.secrecy import secret

RIGHT = "the right one"


async def types(page: Page, password: str, name: str = "") -> None:
    """And sends it. Before there is an admin, who only logs in opens the form first."""
    await page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    if name:
        await page.locator("[name=name]").fill(name)
    await page.locator("[name=password]").fill(password)
    async with page.expect_navigation():
        await page.keyboard.press("Enter")


async def test_back_from_a_log_in_with_a_mistyped_password(looking: Looking) -> None:
    await looking.token("member")
    await looking.store.change_user(looking.people["member"], password=await hashed(RIGHT))
    async with looking.by("") as seen:
        page = seen.page
        await seen.open("/login?next=/kinds%3Fa%3Db%26c")
        await types(page, "a wrong one", "member")
        await expect(page.get_by_role("alert")).to_be_visible()
        await page.reload()
        await types(page, "a wrong one", "member")
        await types(page, RIGHT, "member")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Kinds")
        await back(page)
        await expect(page.get_by_role("heading", level=1)).to_have_text("Kinds")


@pytest.mark.parametrize("purpose", ["setup", "password"])
async def test_back_from_a_link_with_a_password_that_was_too_short(looking: Looking, purpose: str) -> None:
    await looking.token("member")
    user, name, path = (None, "first", "setup") if purpose == "setup" else (looking.people["member"], "", "reset")
    token, now = secret(secrets.token_urlsafe(32)), looking.served.app.monitor.clock.now()
    await looking.store.add_link(purpose, digest_of(token), user, now, now + timedelta(days=1))
    async with looking.by("") as seen:
        page = seen.page
        await seen.open(f"/{path}?token={token}")
        await types(page, "short", name)
        await expect(page.locator("[name=password]")).to_have_attribute("aria-invalid", "true")
        await page.reload()
        await types(page, "short", name)
        await types(page, RIGHT, name)
        await expect(page.get_by_role("heading", level=1)).to_have_text("Machines")
        await back(page)
        await expect(page.get_by_role("heading", level=1)).to_have_text("This link is not valid")


async def test_back_from_a_form_that_was_refused(looking: Looking) -> None:
    """What a page that says why, and no form, was the answer to is not sent again either."""
    async with looking.by("") as seen:
        page = seen.page
        await seen.open("/login")
        await page.evaluate("document.querySelector('main form').enctype = 'text/plain'")
        await types(page, "a wrong one", "member")
        await expect(page.locator("#problem")).to_be_visible()
        await page.get_by_role("link", name="To all machines").click()
        await back(page)
        await expect(page).to_have_url(looking.url + "/login")
