"""Public pages are in the zone and language of who reads them; few are made however many zones are asked for."""

from __future__ import annotations

import asyncio
import re
import zoneinfo
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from playwright.async_api import expect

from lastseen.manage import statuspages
from lastseen.web.public.routes import PAGE
from lastseen.web.public.zones import IDLE, MOST, Zones
from tests.pages.looking import looking_at
from tests.public.conftest import Shop
from tests.public.test_pages import Counting
from tests.server.fakes import HandClock
from tests.web.site import a_site
from tests.web.test_languages import catalogue

pytestmark = pytest.mark.anyio


async def test_times_are_in_the_zone_that_the_address_says(shop: Shop) -> None:
    """It is 16:16:40 UTC; what is no zone is as if it was not said."""
    await statuspages.add(shop.office, "s", {"title": "S", "lines": [{"all": True}]})
    shown = {}
    for zone in ("UTC", "Asia/Kolkata", "America/New_York", "Nowhere/There", "../../etc/passwd"):
        page = (await shop.get(f"/status/s?timezone={zone}")).text
        shown[zone] = re.findall(r"As of <time [^>]*>([^<]+)</time>, (UTC.\d\d:\d\d)", page)
    assert shown["Asia/Kolkata"] == [("21:46:40", "UTC+05:30")]
    assert shown["America/New_York"] == [("12:16:40", "UTC-04:00")]
    assert shown["Nowhere/There"] == shown["../../etc/passwd"]


async def test_an_outage_is_on_the_day_on_which_its_reader_had_it(shop: Shop) -> None:
    """From 16:16 to 20:00 UTC it is Friday evening in London, and the next morning in Tokyo by half."""
    await shop.machine("pump")
    await statuspages.add(shop.office, "s", {"title": "S", "lines": [{"machine": "pump"}]})
    await shop.pass_(timedelta(hours=4))
    shop.site.clock.seconds += 60
    for zone, days in (("Europe/London", 1), ("Asia/Kolkata", 2)):
        page = (await shop.get(f"/status/s?timezone={zone}")).text
        assert f"90 days: an outage on {days} of them" in page, zone


async def test_all_zones_that_there_are_make_few_pages(shop: Shop) -> None:
    await statuspages.add(shop.office, "s", {"title": "S", "lines": [{"all": True}]})
    store = Counting(shop.store)
    shop.site.app.monitor.store = store
    async with shop.browser() as browser:
        await browser.get("/status/s")
        once = store.asked
        names = sorted(zoneinfo.available_timezones())
        answers = await asyncio.gather(*(browser.get("/status/s", params={"timezone": name}) for name in names))
    assert {answer.status_code for answer in answers} == {200}
    assert store.asked <= (MOST + 1) * once
    assert len({answer.headers["etag"] for answer in answers}) <= MOST + 1


def test_zones_whose_clocks_went_alike_are_one() -> None:
    zones = Zones(ZoneInfo("Europe/London"), HandClock())
    assert zones.of(ZoneInfo("Europe/Vienna")) is zones.of(ZoneInfo("Europe/Oslo")) is not None
    assert zones.of(ZoneInfo("Europe/Jersey")) is None, "as the server's own"
    assert zones.of(ZoneInfo("Africa/Lagos")) is None, "as far back as a page shows"
    assert zones.of(None) is None


def test_a_zone_that_nobody_asks_for_makes_room() -> None:
    clock = HandClock()
    zones = Zones(None, clock, most=2)
    tokyo, kolkata, kathmandu = (ZoneInfo(f"Asia/{name}") for name in ("Tokyo", "Kolkata", "Kathmandu"))
    assert (zones.of(tokyo), zones.of(kolkata), zones.of(kathmandu)) == (tokyo, kolkata, None)
    clock.seconds += IDLE - 1
    assert zones.of(tokyo) == tokyo
    clock.seconds += 1
    assert zones.of(kathmandu) == kathmandu, "Kolkata was asked for longest ago"
    assert zones.of(kolkata) is None
    assert zones.of(tokyo) == tokyo
    assert PAGE < IDLE


async def test_a_browser_asks_for_the_page_in_its_zone_by_itself(tmp_path_factory: pytest.TempPathFactory) -> None:
    async with looking_at(tmp_path_factory.mktemp("zone"), timezone="Europe/London") as looking:
        await statuspages.add(looking.served.app.office, "s", {"title": "S", "public": True})
        async with looking.by("", zone="Asia/Kolkata") as seen:
            await seen.open("/status/s")
            await expect(seen.page).to_have_url(re.compile(r"/status/s\?timezone=Asia%2F(Kolkata|Calcutta)$"))
            await expect(seen.page.locator("main")).to_contain_text("UTC+05:30")
        async with looking.by("", zone="Europe/London") as seen:
            await seen.open("/status/s")
            await expect(seen.page.locator("main")).to_contain_text("Nothing is shown here yet")
            assert seen.page.url == f"{looking.url}/status/s", "it is in that zone already"


async def test_a_page_is_kept_once_for_each_language(tmp_path: Path) -> None:
    catalogue(tmp_path / "locale", "de", {"Everything is up": "Alles läuft", "None.": "Keine."})
    async with a_site(tmp_path, locale_dir=str(tmp_path / "locale")) as site:
        shop = Shop(site)
        await statuspages.add(shop.office, "s", {"title": "S", "lines": [{"all": True}]})
        pages = [(await shop.get("/status/s", **{"Accept-Language": liked})) for liked in ("de", "en", "de-AT", "fr")]
    assert ["Keine." in page.text for page in pages] == [True, False, True, False]
    assert ['lang="de"' in page.text for page in pages] == [True, False, True, False]
    assert (pages[0].headers["etag"], pages[1].headers["etag"]) == (pages[2].headers["etag"], pages[3].headers["etag"])
    assert "Accept-Language" in pages[0].headers["vary"]
