"""What the audit log has of logging in."""

from __future__ import annotations

from pathlib import Path

from tests.secrecy import secret
from tests.web.site import PASSWORD, Site, a_site, log_in

NEW = secret("a third battery staple")


async def noted(site: Site) -> list[tuple[str, str, str, str, str]]:
    """Since the last time, the oldest first."""
    lines = [(d.by, d.verb, d.subject, d.through, d.address) for d in reversed(await site.store.deeds())]
    new = lines[site.noted :]
    site.noted = len(lines)
    return new


async def test_who_logs_in_and_out_and_who_tries_is_written_down_with_the_address(site: Site) -> None:
    await site.person()
    browser = site.browser("203.0.113.7")
    await log_in(browser)
    await browser.post("/logout")
    here = ("session", "203.0.113.7")
    assert await noted(site) == [
        ("ada", "users.log-in", "user ada", *here),
        ("ada", "users.log-out", "user ada", *here),
    ]
    await log_in(browser, "ADA", "wrong")
    await log_in(browser, PASSWORD, "in the wrong field")
    assert await noted(site) == [
        ("somebody", "users.log-in-failed", "user ada", *here),
        ("somebody", "users.log-in-failed", "", *here),
    ]
    await browser.post("/logout")
    assert await noted(site) == [], "nobody was logged in"


async def test_one_who_is_kept_waiting_is_not_written_down_each_time(site: Site) -> None:
    browser = site.browser()
    for _ in range(30):
        await log_in(browser, "ada", "wrong")
    assert len(await noted(site)) == 10


async def test_set_up_and_new_passwords_are_written_down_without_them(site: Site) -> None:
    browser = site.browser()
    token = await site.link("setup")
    await browser.post("/setup", data={"token": token, "name": "ada", "password": PASSWORD})
    await browser.post("/account/password", data={"current": PASSWORD, "password": NEW})
    (user,) = await site.store.users()
    link = await site.link("password", user.id, token="u" * 43)
    await browser.post("/reset", data={"token": link, "password": PASSWORD})
    await browser.post("/account/logout")
    verbs = [(by, verb) for by, verb, *_ in await noted(site)]
    assert verbs == [
        ("ada", "setup"),
        ("ada", "users.set-password"),
        ("ada", "users.set-password"),
        ("ada", "users.log-out"),
    ]
    kept = site.kept()
    assert "users.set-password" in kept
    for secret_text in (PASSWORD, NEW, token, link):
        assert secret_text not in kept


async def test_somebody_whom_a_proxy_brings_is_written_down_once(tmp_path: Path) -> None:
    given = {"login_header": "Remote-User", "login_header_role": "member"}
    async with a_site(tmp_path, trusted_proxies="10.0.0.0/8", **given) as site:
        browser = site.browser("10.1.1.1", **{"Remote-User": "zoe", "X-Forwarded-For": "203.0.113.7"})
        for _ in range(3):
            await browser.get("/test/who")
        assert await noted(site) == [("zoe", "users.add", "user zoe", "header", "203.0.113.7")]
