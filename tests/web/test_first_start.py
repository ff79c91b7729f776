"""`lastseen serve` on a new computer: the way in for the first admin."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest
from structlog.testing import capture_logs

from lastseen.errors import StoreUnavailable
from lastseen.web import setup
from tests.secrecy import secret
from tests.server.process import serving
from tests.support import eventually
from tests.web.site import Site

PASSWORD = secret("first of all batteries")


async def test_the_first_start_logs_a_link_that_makes_an_admin_once(tmp_path: Path) -> None:
    with serving(tmp_path) as process:
        await process.url()
        line = await eventually(lambda: process.said("setup_link"))
        link = str(line["url"])
        assert re.fullmatch(rf"{re.escape(await process.url())}/setup\?token=[\w-]{{43}}", link)
        async with httpx.AsyncClient(headers={"Sec-Fetch-Site": "same-origin"}) as browser:
            assert (await browser.get(link)).status_code == 200
            base, _, token = link.partition("/setup?token=")
            form = {"token": token, "name": "ada", "password": PASSWORD}
            assert (await browser.post(f"{base}/setup", data=form)).status_code == 303
            assert (await browser.get(f"{base}/api/v1/session")).json()["role"] == "admin"
            assert (await browser.get(link)).status_code == 404
            cookie = secret(next(iter(browser.cookies.values())))
        process.popen.terminate()
        await process.ended()
        log = "".join(process.lines)
        assert log.count(token) == 1, "in its one line"
        assert PASSWORD not in log
        assert cookie not in log
    with serving(tmp_path) as again:
        await again.url()
        async with httpx.AsyncClient() as browser:
            said = await browser.get(f"{await again.url()}/api/v1/session", headers={"Cookie": f"lastseen={cookie}"})
        assert said.json()["name"] == "ada", "a session outlives the server"
        again.popen.terminate()
        await again.ended()
        assert again.said("setup_link") is None


@pytest.mark.parametrize("form", ["console"])
async def test_the_link_can_be_read_on_the_console(tmp_path: Path, form: str) -> None:
    public = "https://status.example"
    with serving(tmp_path, LASTSEEN_LOG_FORMAT=form, LASTSEEN_PUBLIC_URL=public) as process:
        said = await eventually(lambda: re.search(rf"{public}/setup\?token=[\w-]{{43}}", "".join(process.lines)))
        assert said


async def test_whoever_sits_there_is_told_in_words(
    site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    with capture_logs() as logged:
        await setup.offer(site.app.office)
    assert re.search(r"Open this in a browser.*\n\n +\S*/setup\?token=[\w-]{43}\n", capsys.readouterr().out)
    assert [line for line in logged if line["event"] == "setup_link"] == [], "it is said once"


async def test_an_admin_who_is_made_meanwhile_is_no_trouble(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    async def not_yet(office: object) -> bool:
        return True

    async def away(office: object) -> bool:
        raise StoreUnavailable("the disk is full")

    await site.person()
    with capture_logs() as said:
        await setup.offer(site.app.office)
        monkeypatch.setattr(setup.people, "needs_setup", not_yet)
        await setup.offer(site.app.office)
        assert not any(line["event"].startswith("setup_link") for line in said)
        monkeypatch.setattr(setup.people, "needs_setup", away)
        await setup.offer(site.app.office)
    assert [line["event"] for line in said] == ["setup_link_not_made"]
