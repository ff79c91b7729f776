"""Everything under a path of another's address: behind a real HAProxy that takes the path away or leaves it, in a real
browser and for programs."""

from __future__ import annotations

import re
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from playwright.async_api import expect
from starlette.routing import Route

from lastseen.app import App
from lastseen.errors import ConfigurationError
from lastseen.manage import machines, people, statuspages
from lastseen.settings import Settings
from lastseen.web.prefix import OURS, placed, prefix_of
from tests.pages.looking import Looking, looking_at
from tests.secrecy import secret
from tests.support import find, free_port, need, until
from tests.web.site import PASSWORD, a_site

PREFIX = "/tools/lastseen"


@contextmanager
def haproxy(folder: Path, port: int, behind: int, *, strips: bool) -> Iterator[None]:
    """On this port, with nothing but the prefix on it."""
    program = find("haproxy")
    need(program, "not installed: haproxy")
    assert program is not None
    taken = rf"http-request replace-path {PREFIX}/?(.*) /\1" if strips else ""
    config = folder / "haproxy.cfg"
    config.write_text(f"""
defaults
    mode http
    timeout connect 10s
    timeout client 300s
    timeout server 300s
frontend outside
    bind 127.0.0.1:{port}
    http-request deny deny_status 404 unless {{ path_beg {PREFIX}/ }}
    {taken}
    default_backend lastseen
backend lastseen
    server one 127.0.0.1:{behind}
""")
    process = subprocess.Popen([program, "-db", "-q", "-f", config])
    try:
        until(lambda: _answers(port), "haproxy answers")
        yield
    finally:
        process.terminate()
        process.wait(60)


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/").status_code == 404
    except httpx.TransportError:
        return False


@pytest.fixture(scope="module", params=[True, False], ids=["stripped", "passed on"])
async def looking(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Looking]:
    folder, port = tmp_path_factory.mktemp("prefix"), free_port()
    outside = f"http://127.0.0.1:{port}{PREFIX}"
    async with looking_at(folder, public_url=f"{outside}/") as made:
        with haproxy(folder, port, made.served.port, strips=request.param):
            made.outside = outside  # type: ignore[attr-defined]
            yield made


def outside(looking: Looking) -> str:
    found: str = looking.outside  # type: ignore[attr-defined]
    return found


async def test_somebody_comes_in_adds_a_machine_and_sees_it_come_alive_under_a_path(looking: Looking) -> None:
    office, url = looking.served.app.office, outside(looking)
    link = (await people.setup_link(office))["url"]
    secret(link)
    assert link.startswith(f"{url}/setup?token=")
    async with looking.by("", url=url) as seen:
        page = seen.page
        await page.goto(link)
        await page.get_by_label("Name").fill("ada")
        for field in await page.locator("input[type=password]").all():
            await field.fill(PASSWORD)
        await page.locator("main form button").click()
        await expect(page.get_by_role("link", name="Add a machine", exact=True)).to_be_visible()
        assert page.url == f"{url}/"
        paths = {one["name"]: one["path"] for one in await page.context.cookies()}
        assert paths == {"lastseen": PREFIX, "lastseen-zone": f"{PREFIX}/"}
        await expect(page.locator("#live")).to_have_attribute("data-live", "yes")
        await page.get_by_role("link", name="Add a machine", exact=True).click()
        await page.get_by_label("Name").first.fill("pump")
        await page.get_by_role("button", name="Add it").click()
        line = await page.locator("#way-curl code").inner_text()
        ping = await page.locator("#way-cron code").first.inner_text()
        assert f"{url}/api/v1/heartbeat" in line
        await expect(page).to_have_url(f"{url}/machines/pump/connect")
        found = re.search(rf"{re.escape(url)}/ping/[\w-]+", ping)
        assert found
        async with httpx.AsyncClient() as program:
            assert (await program.get(found[0])).status_code == 200
        await expect(page.locator("#alive.fine")).to_contain_text("It reports")
        assert await seen.open("/api/docs") == 200
        await expect(page.locator("pre code").first).to_contain_text(f" {url}/api/v1/machines")
        for path in ("/channels/new/webhook", "/kinds", "/sources/0", "/account", "/machines/pump/edit"):
            assert await seen.open(path) == 200, path
        for one in await page.locator("a[href^='/'], form[action^='/']").all():
            there = await one.get_attribute("href") or await one.get_attribute("action") or ""
            assert there.startswith(f"{PREFIX}/"), there
        await page.get_by_role("button", name="Log out").click()
        await expect(page.get_by_label("Password")).to_be_visible()
        await page.goto(f"{url}/machines/pump")
        await page.get_by_label("Name").fill("ada")
        await page.get_by_label("Password").fill("mistyped")
        await page.locator("main form button").click()
        await expect(page).to_have_url(f"{url}/login?next=%2Fmachines%2Fpump")
        await expect(page.get_by_role("alert")).to_be_visible()
        await page.get_by_label("Password").fill(PASSWORD)
        await page.locator("main form button").click()
        await expect(page).to_have_url(f"{url}/machines/pump")


async def test_programs_and_strangers_reach_it_under_a_path(looking: Looking) -> None:
    office, url = looking.served.app.office, outside(looking)
    made = await statuspages.add(office, "shop", {"title": "Shop", "lines": [{"all": True}]})
    assert made["url"] == f"{url}/status/shop"
    key = secret(await looking.served.key("api", may="write"))
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {key}"}) as program:
        page = await program.get(made["url"])
        assert page.status_code == 200
        (style,) = re.findall(r'rel="stylesheet" href="([^"]+)"', page.text)
        assert (await program.get(url.removesuffix(PREFIX) + style)).status_code == 200
        added = await program.post(f"{url}/api/v1/machines", json={"slug": "valve"})
        assert added.headers["location"] == f"{PREFIX}/api/v1/machines/{added.json()['id']}"
        assert added.json()["push_url"].startswith(f"{url}/api/push/")
        described = (await program.get(f"{url}/api/v1/openapi.json")).json()
        assert described["servers"] == [{"url": PREFIX}]
        assert (await program.get(url.removesuffix(PREFIX) + "/api/v1/machines")).status_code == 404
    assert "valve" in {one["slug"] for one in await machines.listed(office, urls=False)}


async def test_over_tls_the_cookie_is_of_this_path_alone(tmp_path: Path) -> None:
    async with (
        a_site(tmp_path, public_url="https://status.example/lastseen") as site,
        site.browser(tls=True) as browser,
    ):
        await site.person()
        answer = await browser.post("/lastseen/login", data={"name": "ada", "password": PASSWORD})
        assert (answer.status_code, answer.headers["location"]) == (303, "/lastseen/")
        cookie = next(one for one in answer.headers.get_list("set-cookie") if "lastseen=" in one)
        assert cookie.startswith("__Secure-lastseen=")
        assert re.search(r"Path=/lastseen(;|$)", cookie)
        assert (await browser.get("/lastseen/account")).status_code == 200
        browser.cookies.clear()
        assert (
            (await browser.get("/lastseen/account")).headers["location"].startswith("/lastseen/login?next=%2Faccount")
        )
        part = await browser.get("/lastseen/account", headers={"HX-Request": "true", "HX-Request-Type": "partial"})
        assert part.headers["hx-redirect"] == "/lastseen/login"


def test_an_address_without_a_path_needs_nothing() -> None:
    assert prefix_of("https://example.test") == prefix_of("https://example.test/") == prefix_of(None) == ""
    assert prefix_of("https://example.test/lastseen/") == "/lastseen"


def test_only_addresses_of_a_page_get_the_prefix() -> None:
    page = '<a href="/x">href=&#34;/y</a> <a href="//other/z"></a> <a href="https://o/z"></a><form action="/"></form>'
    assert placed(page, "/p") == page.replace('href="/x', 'href="/p/x').replace('action="/"', 'action="/p/"')


@pytest.mark.parametrize("path", ["/status", "/api/v2", "/machines", "/a%20b", "/a//b", "/a/../b", "/ä", '/a"b'])
def test_a_path_that_cannot_be_told_from_ours_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(ConfigurationError, match="LASTSEEN_PUBLIC_URL"):
        App(Settings.load(data_dir=tmp_path, public_url=f"https://example.test{path}"))


async def test_every_path_of_ours_is_known_to_be_one(looking: Looking) -> None:
    firsts = {route.path.split("/")[1] for route in looking.served.app.api.routes if isinstance(route, Route)} - {""}
    assert {"api", "account", "machines", "badge"} <= firsts
    assert firsts - {"events.{file}"} <= OURS
    assert {"events.csv", "events.json"} <= OURS
