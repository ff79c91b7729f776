"""Logging in and out, with a browser."""

from __future__ import annotations

import asyncio
import logging
import re

import pytest

from lastseen.errors import StoreUnavailable
from lastseen.manage import passwords
from lastseen.web.login_pages import within
from tests.web.site import PASSWORD, Site, hash_of, log_in, session_of


async def test_whoever_logs_in_is_who_asks_until_they_log_out(site: Site) -> None:
    user = await site.person("Ada")
    browser = site.browser()
    assert (await browser.get("/test/who")).status_code == 401
    answer = await log_in(browser, "ada")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    said = (await browser.get("/test/who")).json()
    assert said == {"name": "Ada", "role": "admin", "id": user.id, "writes": True, "through": "session"}
    token = session_of(browser)
    answer = await browser.post("/logout")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert not browser.cookies
    assert (await browser.get("/test/who", headers={"Cookie": f"lastseen={token}"})).status_code == 401


async def test_the_cookie_says_nothing_and_is_out_of_reach_of_scripts_and_other_sites(site: Site) -> None:
    await site.person()
    cookie = (await log_in(site.browser())).headers["set-cookie"]
    assert re.fullmatch(r"lastseen=[\w-]{43}; HttpOnly; Max-Age=7776000; Path=/; SameSite=lax", cookie)


async def test_a_wrong_password_and_a_wrong_name_get_the_same_answer(site: Site) -> None:
    await site.person()
    browser = site.browser()
    wrong, nobody = await log_in(browser, "ada", "something else"), await log_in(browser, "ida", "something else")
    assert wrong.status_code == nobody.status_code == 401
    assert wrong.text.replace('"ada"', "") == nobody.text.replace('"ida"', "")
    assert "do not belong together" in wrong.text
    assert not browser.cookies


@pytest.mark.parametrize("name", ["nobody", "header-only", "", "a\0b", "x" * 5000, "\udc80"])
async def test_a_hash_is_computed_whoever_is_named(site: Site, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    await site.person("header-only", password=None)
    computed: list[str | None] = []
    verify = passwords._matches

    def counted(password: str, stored: str | None) -> bool:
        computed.append(stored)
        return verify(password, stored)

    monkeypatch.setattr(passwords, "_matches", counted)
    typed = name.encode("utf-8", "surrogatepass")
    answer = await site.browser().post("/login", data={"name": typed, "password": PASSWORD})
    assert answer.status_code == 401
    assert computed == [None]


async def test_a_session_that_somebody_prepared_is_not_the_one_that_begins(site: Site) -> None:
    await site.person()
    await site.person("mallory", "viewer")
    attacker = site.browser()
    await log_in(attacker, "mallory")
    planted = session_of(attacker)
    for cookie in (planted, "A" * 43):
        victim = site.browser()
        victim.cookies.set("lastseen", cookie, domain="status.example")
        await log_in(victim)
        assert session_of(victim) != cookie
        assert (await victim.get("/test/who")).json()["name"] == "ada"
    assert (await attacker.get("/test/who")).status_code == 401, "the planted one is over"


async def test_a_changed_or_invented_cookie_is_nobodys(site: Site) -> None:
    await site.person()
    browser = site.browser()
    await log_in(browser)
    token = session_of(browser)
    changed = ("A" if token[0] != "A" else "B") + token[1:]
    for cookie in (changed, token[:-1], token + "A", token.swapcase(), "", "1", "x" * 10_000, "a%00b", '"', "ä" * 43):
        answer = await site.browser().get("/test/who", headers={"Cookie": f"lastseen={cookie}".encode()})
        assert answer.status_code == 401, cookie
    assert (await browser.get("/test/who")).status_code == 200


async def test_a_session_ends_when_it_is_not_used_for_a_month_and_after_a_quarter_of_a_year_anyway(site: Site) -> None:
    await site.person()
    idle, used = site.browser(), site.browser()
    day = 86_400
    await log_in(idle)
    await log_in(used)
    for _ in range(3):
        site.clock.seconds += 29 * day
        assert (await used.get("/test/who")).status_code == 200
    assert (await idle.get("/test/who")).status_code == 401
    site.clock.seconds += 2 * day
    assert (await used.get("/test/who")).status_code == 200
    site.clock.seconds += 2 * day
    assert (await used.get("/test/who")).status_code == 401


async def test_what_a_session_may_changes_with_its_user_at_once(site: Site) -> None:
    await site.person("root")
    user = await site.person()
    browser = site.browser()
    await log_in(browser)
    await site.store.change_user(user.id, role="viewer")
    assert (await browser.get("/test/who")).json()["role"] == "viewer"
    await site.store.remove_user(user.id, site.clock.now())
    assert (await browser.get("/test/who")).status_code == 401


async def test_behind_tls_the_cookie_is_bound_to_the_host_and_the_other_name_is_not_looked_at(site: Site) -> None:
    await site.person()
    browser = site.browser(tls=True)
    cookie = (await log_in(browser)).headers["set-cookie"]
    assert cookie.startswith("__Host-lastseen=")
    assert cookie.endswith("; Secure")
    assert (await browser.get("/test/who")).status_code == 200
    token = session_of(browser)
    crossed = site.browser(tls=True)
    assert (await crossed.get("/test/who", headers={"Cookie": f"lastseen={token}"})).status_code == 401
    assert (await site.browser().get("/test/who", headers={"Cookie": f"__Host-lastseen={token}"})).status_code == 401


async def test_a_password_that_changes_while_it_is_looked_at_lets_nobody_in(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = await site.person()
    verify = passwords.matches

    async def overtaken(password: str, stored: str | None) -> bool:
        right = await verify(password, stored)
        await site.store.change_user(user.id, password=await hash_of("the new one, by a link"))
        return right

    monkeypatch.setattr(passwords, "matches", overtaken)
    browser = site.browser()
    assert (await log_in(browser)).status_code == 401
    assert await site.sessions() == 0
    assert (await browser.get("/test/who")).status_code == 401


async def test_somebody_who_is_removed_while_they_log_in_is_not_let_in(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    await site.person("root")
    user = await site.person()
    verify = passwords.matches

    async def overtaken(password: str, stored: str | None) -> bool:
        right = await verify(password, stored)
        await site.store.remove_user(user.id, site.clock.now())
        return right

    monkeypatch.setattr(passwords, "matches", overtaken)
    assert (await log_in(site.browser())).status_code == 401


async def test_that_a_session_is_used_is_written_down_once_a_minute(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    await site.person()
    browser = site.browser()
    await log_in(browser)
    written: list[object] = []
    write = type(site.store).session_used

    async def counted(store: object, *args: object) -> None:
        written.append(args)
        await write(store, *args)

    monkeypatch.setattr(type(site.store), "session_used", counted)
    for _ in range(3):
        site.clock.seconds += 59
        await browser.get("/test/who")
    assert len(written) == 1
    site.clock.seconds += 61
    await asyncio.gather(*(browser.get("/test/who") for _ in range(10)))
    assert len(written) == 2
    ((session, _),) = await site.store.sessions(None, site.clock.now())
    assert session.used_at == site.clock.now()
    site.clock.put -= 3600
    await browser.get("/test/who")
    assert len(written) == 3, "the clock was put back"


async def test_a_session_may_be_looked_with_where_nothing_can_be_written(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*args: object) -> None:
        raise StoreUnavailable("the disk is full")

    await site.person()
    browser = site.browser()
    await log_in(browser)
    monkeypatch.setattr(type(site.store), "session_used", full)
    site.clock.seconds += 3600
    assert (await browser.get("/test/who")).status_code == 200


async def test_a_cookie_changes_nothing_for_a_page_of_another_site(site: Site) -> None:
    await site.person()
    browser = site.browser()
    await log_in(browser)
    for headers in ({"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
        for method, path in (("POST", "/test/who"), ("DELETE", "/test/who"), ("POST", "/logout")):
            assert (await browser.request(method, path, headers=headers)).status_code == 403, (headers, path)
    del browser.headers["Origin"]
    assert (await browser.post("/test/who")).status_code == 403, "no browser of today sends it"
    assert (await browser.post("/test/who", headers={"Sec-Fetch-Site": "same-origin"})).status_code == 200
    key = await site.key()
    answer = await browser.post("/test/who", headers={"X-API-Key": key, "Sec-Fetch-Site": "cross-site"})
    assert answer.json()["through"] == "key", "a key is sent on purpose"


async def test_another_site_cannot_log_a_browser_in(site: Site) -> None:
    await site.person()
    for origin in ("http://evil.example", "null"):  # without TLS any page can say that it comes from nowhere
        browser = site.browser(Origin=origin)
        assert (await log_in(browser)).status_code == 403
        answer = await browser.post("/api/v1/session", json={"name": "ada", "password": PASSWORD})
        assert answer.status_code == 403
    said = f'{{"name": "ada", "password": "{PASSWORD}"}}'.encode()
    del browser.headers["Origin"]
    for form in ({"Content-Type": "text/plain"}, {"Content-Type": "application/x-www-form-urlencoded"}, {}):
        answer = await browser.post("/api/v1/session", content=said, headers=form)
        assert answer.status_code in (415, 422), "what a form can send from anywhere"
    assert await site.sessions() == 0


async def test_a_key_that_is_not_valid_is_refused_although_a_session_comes_along(site: Site) -> None:
    await site.person()
    browser = site.browser()
    await log_in(browser)
    assert (await browser.get("/test/who", headers={"X-API-Key": "lsa_" + "x" * 43})).status_code == 401


async def test_after_logging_in_one_is_where_one_wanted_to_be(site: Site) -> None:
    await site.person()
    browser = site.browser()
    page = await browser.get("/account", headers={"Accept": "text/html"})
    assert page.headers["location"] == "/login?next=%2Faccount"
    assert 'name="next" value="/account"' in (await browser.get(page.headers["location"])).text
    answer = await log_in(browser, next="/machines/db-01?tab=events&x=1")
    assert answer.headers["location"] == "/machines/db-01?tab=events&x=1"
    assert (await browser.get("/login?next=/events")).headers["location"] == "/events", "logged in already"


@pytest.mark.parametrize(
    "there",
    [
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\/evil.example",
        "/\t/evil.example",
        "/\n//evil.example",
        "https://evil.example",
        "javascript:alert(1)",
        "evil.example",
        " //evil.example",
        "/a\r\nSet-Cookie: lastseen=x",
        "/\u2028",
        "",
    ],
)
async def test_nobody_is_sent_to_another_site(site: Site, there: str) -> None:
    assert within(there) == "/"
    await site.person()
    browser = site.browser()
    assert (await log_in(browser, next=there)).headers["location"] == "/"
    answer = await browser.get("/login", params={"next": there})
    assert answer.headers["location"] == "/"


async def test_a_program_logs_in_and_out_as_well(site: Site) -> None:
    user = await site.person()
    browser = site.browser()
    answer = await browser.post("/api/v1/session", json={"name": "ada", "password": PASSWORD})
    assert answer.status_code == 201
    assert answer.json()["user_id"] == user.id
    assert (await browser.get("/api/v1/session")).json() == {
        "name": "ada",
        "role": "admin",
        "user_id": user.id,
        "writes": True,
        "through": "session",
    }
    token = session_of(browser)
    assert (await browser.delete("/api/v1/session")).status_code == 204
    answer = await site.browser().get("/api/v1/session", headers={"Cookie": f"lastseen={token}"})
    assert answer.status_code == 401
    assert (await browser.post("/api/v1/session", json={"name": "ada", "password": "no"})).status_code == 401
    assert (await browser.delete("/api/v1/session")).status_code == 204, "who is logged out may log out"


async def test_one_logs_out_everywhere_at_once(site: Site) -> None:
    await site.person()
    await site.person("eve")
    laptop, phone, eve = site.browser(), site.browser(), site.browser()
    for browser, name in ((laptop, "ada"), (phone, "ada"), (eve, "eve")):
        await log_in(browser, name)
    answer = await laptop.delete("/api/v1/session?everywhere=true", headers={"Origin": "http://evil.example"})
    assert answer.status_code == 403
    assert (await laptop.delete("/api/v1/session?everywhere=true")).status_code == 204
    assert [(await one.get("/test/who")).status_code for one in (laptop, phone, eve)] == [401, 401, 200]


async def test_what_is_no_log_in_is_told_so_without_the_password(site: Site) -> None:
    browser = site.browser()
    for said in ({}, {"name": "ada"}, {"name": 1, "password": PASSWORD}, {"name": "a", "password": [PASSWORD]}, []):
        answer = await browser.post("/api/v1/session", json=said)
        assert answer.status_code == 422
        assert PASSWORD not in answer.text
    assert (await browser.post("/login", content=b"{}")).status_code == 415
    assert (await browser.post("/login", content=b"x" * 2_000_000)).status_code == 415
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert (await browser.post("/login", content=b"name=" + b"x" * 2_000_000, headers=form)).status_code == 413
    assert (await browser.post("/login", content=b"a=1&" * 1000, headers=form)).status_code == 422


async def test_nothing_of_a_log_in_is_logged(
    site: Site, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    await site.person()
    browser = site.browser()
    await log_in(browser, PASSWORD, "oops")  # typed into the wrong field
    await log_in(browser)
    token = session_of(browser)
    await browser.get("/test/who")
    await browser.post("/logout")
    logged = "\n".join([*capsys.readouterr(), *(record.getMessage() for record in caplog.records)])
    assert "login_failed" in logged
    assert PASSWORD not in logged
    assert token not in logged
    assert token not in site.kept()
