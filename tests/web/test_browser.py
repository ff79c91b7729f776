"""Setting up, logging in and out with a real browser: at an address that it trusts, where it says from which site each
request comes, and at one that it does not, as in most homes, where it says the origin alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Page, Request, expect

from lastseen.manage import people
from tests.pages.looking import Looking, looking_at
from tests.secrecy import secret

NAME = "status.example"
PASSWORD = secret("a battery for browsers")
NEW = secret("another one for browsers")


async def link_of(looking: Looking, name: str = "") -> str:
    """The path of a one-time link."""
    office = looking.served.app.office
    made = await (people.reset_link(office, name) if name else people.setup_link(office))
    return "/" + str(made["url"]).rpartition("/")[2]


@pytest.mark.parametrize("trusted", [True, False])
async def test_a_browser_sets_up_logs_out_and_in_and_changes_the_password(tmp_path: Path, trusted: bool) -> None:
    async with looking_at(tmp_path, f"--host-resolver-rules=MAP {NAME} 127.0.0.1") as looking, looking.by("") as seen:
        if not trusted:
            seen.url = seen.url.replace("127.0.0.1", NAME)
        page, sent = seen.page, list[Request]()
        page.on("request", lambda request: sent.append(request) if request.method == "POST" else None)
        assert await seen.open(await link_of(looking)) == 200
        assert await seen.faults() == []
        assert await seen.too_wide() == []
        await page.get_by_label("Your name").fill("ada")
        await page.get_by_label("A password").fill("short")
        await page.get_by_role("button", name="Set up").click()
        await expect(page.get_by_label("A password")).to_have_attribute("aria-invalid", "true")
        await page.get_by_label("A password").fill(PASSWORD)
        await page.get_by_role("button", name="Set up").click()
        await page.wait_for_url(f"{seen.url}/")
        await page.get_by_role("button", name="Log out").click()
        await page.wait_for_url(f"{seen.url}/login")
        assert await seen.faults() == []
        await log_in(seen.page, "wrong")
        await expect(page.get_by_role("alert")).to_contain_text("do not belong together")
        await log_in(seen.page, PASSWORD)
        await page.wait_for_url(f"{seen.url}/")
        await seen.open("/account")
        assert await seen.faults() == []
        await page.get_by_label("The password you have").fill(PASSWORD)
        await page.get_by_label("The new password").fill(NEW)
        await page.get_by_role("button", name="Change it").click()
        await expect(page.locator("main [role=status]")).to_contain_text("The password is changed")
        said = [await one.all_headers() for one in sent]
        assert len(said) == 6
        if trusted:
            assert {one["sec-fetch-site"] for one in said} == {"same-origin"}
        else:
            assert not any("sec-fetch-site" in one for one in said)
            assert [one["origin"] for one in said] == ["null"] * 2 + [seen.url] * 4, "no referrer, no origin"


async def log_in(page: Page, password: str) -> None:
    await page.get_by_label("Name").fill("ada")
    await page.get_by_label("Password").fill(password)
    await page.get_by_role("button", name="Log in").click()


async def test_a_password_is_set_by_a_link_on_a_phone(tmp_path: Path) -> None:
    async with looking_at(tmp_path) as looking, looking.by("", phone=True, dark=True) as seen:
        await looking.token("member")
        link = await link_of(looking, "member")
        await seen.open(link)
        assert await seen.faults() == []
        assert await seen.too_wide() == []
        await seen.page.get_by_label("The new password").fill(NEW)
        await seen.page.get_by_role("button", name="Set it").click()
        await seen.page.wait_for_url(f"{seen.url}/")
        await seen.open("/account")
        assert await seen.faults() == []
        assert await seen.too_wide() == []
        await seen.open("/login")
        await seen.page.wait_for_url(f"{seen.url}/")
        assert await seen.open(link) == 404
        assert await seen.faults() == []
