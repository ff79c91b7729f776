"""One-time links: to make the first admin, and to set a password."""

from __future__ import annotations

import asyncio

import pytest

from lastseen.manage import passwords
from tests.secrecy import secret
from tests.web.site import PASSWORD, Site, log_in

NEW = secret("another battery staple")


def form(token: str, name: str = "grace", password: str = NEW) -> dict[str, str]:
    return {"token": token, "name": name, "password": password}


async def test_the_first_admin_is_made_by_a_link_and_is_logged_in(site: Site) -> None:
    token = await site.link("setup")
    browser = site.browser()
    assert "Nobody is an admin here yet" in (await browser.get("/login")).text
    page = await browser.get("/setup", params={"token": token})
    assert page.status_code == 200
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["cache-control"] == "no-store"
    assert f'value="{token}"' in page.text
    del browser.headers["Origin"]
    answer = await browser.post("/setup", data=form(token), headers={"Origin": "null"})  # as without a referrer
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert (await browser.get("/test/who")).json()["role"] == "admin"
    assert (await log_in(site.browser(), "grace", NEW)).status_code == 303
    assert "Nobody is an admin" not in (await site.browser().get("/login")).text


async def test_a_link_is_good_once(site: Site) -> None:
    await site.person()
    user = await site.person("grace", "member")
    token = await site.link("password", user.id)
    browser = site.browser()
    assert "<b>grace</b>" in (await browser.get("/reset", params={"token": token})).text
    assert (await browser.post("/reset", data=form(token))).status_code == 303
    assert (await browser.get("/test/who")).json()["name"] == "grace"
    for again in (await browser.get("/reset", params={"token": token}), await browser.post("/reset", data=form(token))):
        assert again.status_code == 404
        assert again.headers["referrer-policy"] == "no-referrer"
        assert token not in again.text
    assert (await log_in(site.browser(), "grace")).status_code == 401, "the old password"


async def test_a_new_password_ends_what_was_begun_with_the_old_one(site: Site) -> None:
    user = await site.person()
    thief = site.browser()
    await log_in(thief)
    token = await site.link("password", user.id)
    browser = site.browser()
    await browser.post("/reset", data=form(token))
    assert (await thief.get("/test/who")).status_code == 401
    assert (await browser.get("/test/who")).status_code == 200
    assert await site.sessions() == 1


async def test_of_two_browsers_that_set_up_at_once_one_does(site: Site) -> None:
    one, other = await site.link("setup"), await site.link("setup", token="u" * 43)
    answers = await asyncio.gather(
        site.browser().post("/setup", data=form(one, "grace")),
        site.browser().post("/setup", data=form(one, "mallory")),
        site.browser().post("/setup", data=form(other, "eve")),
    )
    assert sorted(answer.status_code for answer in answers)[0] == 303
    assert all(answer.status_code in (404, 409) for answer in answers if answer.status_code != 303)
    assert [user.role for user in await site.store.users()] == ["admin"]
    assert await site.sessions() == 1
    late = await site.browser().post("/setup", data=form(other, "eve"))
    assert late.status_code in (404, 409)


async def test_a_link_for_one_thing_is_not_good_for_another(site: Site) -> None:
    setup = await site.link("setup")
    user = await site.person()
    password = await site.link("password", user.id, token="u" * 43)
    browser = site.browser()
    assert (await browser.post("/reset", data=form(setup))).status_code == 404
    assert (await browser.post("/setup", data=form(password))).status_code == 404
    assert (await log_in(browser)).status_code == 303, "nothing was changed"


async def test_a_link_is_over_in_time(site: Site) -> None:
    token = await site.link("setup")
    site.clock.seconds += 400 * 86_400
    assert (await site.browser().get("/setup", params={"token": token})).status_code == 404
    assert (await site.browser().post("/setup", data=form(token))).status_code == 404


@pytest.mark.parametrize(
    ("name", "password", "field"),
    [
        ("", NEW, "name"),
        ("a\0b", NEW, "name"),
        (" a", NEW, "name"),
        ("x" * 300, NEW, "name"),
        ("ada", "short", "password"),
    ],
)
async def test_what_cannot_be_is_said_at_its_field_and_the_link_stays_good(
    site: Site, name: str, password: str, field: str
) -> None:
    token = await site.link("setup")
    browser = site.browser()
    answer = await browser.post("/setup", data=form(token, name, password))
    assert answer.status_code == 422
    assert f'id="e-{field}"' in answer.text
    assert password not in answer.text
    assert (await browser.post("/setup", data=form(token))).status_code == 303


async def test_all_that_is_wrong_with_the_first_admin_is_said_at_once_and_costs_no_hash(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await site.link("setup")
    monkeypatch.setattr(passwords, "_hasher", None)
    answer = await site.browser().post("/setup", data=form(token, " a", "short"))
    assert answer.status_code == 422
    assert 'id="e-name"' in answer.text
    assert 'id="e-password"' in answer.text
    answer = await site.browser().post("/setup", data=form(token, " a"))
    assert 'id="e-name"' in answer.text
    assert 'id="e-password"' not in answer.text


@pytest.mark.parametrize("token", ["", "x", "t" * 44, "T" * 43, "\0", "x" * 100_000])
async def test_a_made_up_link_opens_nothing_and_costs_no_hash(
    site: Site, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await site.link("setup")
    monkeypatch.setattr(passwords, "hashed", None)
    browser = site.browser()
    assert (await browser.get("/setup", params={"token": token[:1000]})).status_code in (404, 422)
    assert (await browser.post("/setup", data=form(token))).status_code in (404, 413)
    assert (await browser.get("/reset")).status_code == 404


async def test_another_site_cannot_use_a_link(site: Site) -> None:
    token = await site.link("setup")
    for headers in ({"Origin": "http://evil.example"}, {"Origin": "null", "Sec-Fetch-Site": "cross-site"}):
        assert (await site.browser().post("/setup", data=form(token), headers=headers)).status_code == 403
    assert await site.store.users() == []


async def test_one_changes_ones_own_password_and_stays_logged_in_here_alone(site: Site) -> None:
    await site.person()
    browser, other = site.browser(), site.browser()
    await log_in(browser)
    await log_in(other)
    before = dict(browser.cookies)
    for said, status, field in (
        ({"current": "wrong", "password": NEW}, 422, "current"),
        ({"current": PASSWORD, "password": "short"}, 422, "password"),
    ):
        answer = await browser.post("/account/password", data=said)
        assert answer.status_code == status
        assert f'id="e-{field}"' in answer.text
    answer = await browser.post("/account/password", data={"current": PASSWORD, "password": NEW})
    assert answer.headers["location"] == "/account?done=password"
    assert dict(browser.cookies) != before
    assert (await browser.get("/test/who")).status_code == 200
    assert (await other.get("/test/who")).status_code == 401
    assert (await log_in(site.browser(), password=NEW)).status_code == 303


async def test_one_sees_where_one_is_logged_in_and_ends_it(site: Site) -> None:
    await site.person()
    await site.person("eve", "member")
    laptop, phone = site.browser(), site.browser("203.0.113.7", **{"User-Agent": "Phone <script>\x1b[2J"})
    eve = site.browser()
    for browser, name in ((laptop, "ada"), (phone, "ada"), (eve, "eve")):
        await log_in(browser, name)
    page = (await laptop.get("/account")).text
    assert "Phone &lt;script&gt; [2J" in page
    assert "203.0.113.7" in page
    number = page.partition("/account/sessions/")[2].partition("/")[0]
    assert (await eve.post(f"/account/sessions/{number}/end")).status_code == 404, "somebody else's"
    assert (await phone.get("/test/who")).status_code == 200
    assert (await laptop.post(f"/account/sessions/{number}/end")).status_code == 303
    assert (await phone.get("/test/who")).status_code == 401
    for number in ("0", "-1", "9" * 30, "x"):
        assert (await laptop.post(f"/account/sessions/{number}/end")).status_code in (404, 422)
    await log_in(phone)
    assert (await laptop.post("/account/logout")).headers["location"] == "/login"
    assert [(await one.get("/test/who")).status_code for one in (laptop, phone, eve)] == [401, 401, 200]


async def test_an_account_is_a_persons_and_no_programs(site: Site) -> None:
    key = await site.key()
    answer = await site.browser().get("/account", headers={"X-API-Key": key})
    assert answer.status_code == 403
