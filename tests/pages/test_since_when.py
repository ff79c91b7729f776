"""Since when a machine is offline is said the same wherever somebody reads it; who is back, of those alone that are."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from lastseen.model import Disable, Pause, Resume
from tests.pages.test_forms import browser
from tests.public.conftest import Shop
from tests.web.site import a_site


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    async with a_site(tmp_path, offline_threshold="2m") as site:
        yield Shop(site)


def part(page: str, id_: str) -> str:
    """The words of the section whose heading is called so; "" where there is none."""
    found = re.search(rf'aria-labelledby="{id_}">(.*?)</section>', page, re.S)
    return "" if found is None else " ".join(html.unescape(re.sub(r"<[^>]*>", " ", found[1])).split())


async def test_a_machine_is_offline_since_its_outage_began_and_not_since_that_was_noticed(shop: Shop) -> None:
    await shop.machine("db")
    heard = shop.site.clock.now()
    await shop.pass_(timedelta(minutes=5))
    began, noticed = (f"{moment:%H:%M:%S}" for moment in (heard, shop.site.clock.now()))
    async with await browser(shop.site) as admin:
        assert f"since {began} ," in part((await admin.get("/")).text, "wrong-now")
        page = (await admin.get("/machines/db")).text
    assert f"Offline since {began} (noticed {noticed} )" in part(page, "how-it-is")
    assert f"OFFLINE since {began} (" in part(page, "what-happened")


async def test_who_is_resumed_is_not_called_online_before_it_is_heard(shop: Shop) -> None:
    await shop.machine("db")
    await shop.store.order("db", Pause(), shop.decide, shop.site.clock.now())
    await shop.pass_(timedelta(days=3))
    await shop.store.order("db", Resume(), shop.decide, shop.site.clock.now())
    async with await browser(shop.site) as admin:
        now = part((await admin.get("/machines/db")).text, "how-it-is")
        assert now.startswith("awaited")
        assert "It was resumed, and has not been heard since." in now
        assert "Awaited since" in now
        overview = await admin.get("/")
        assert ">awaited</span>" in overview.text
        assert ">online</span>" not in overview.text
        await shop.pass_(timedelta(seconds=10), alive=["db"])
        now = part((await admin.get("/machines/db")).text, "how-it-is")
    assert now.startswith("online")
    assert "Online since" in now


async def test_those_that_are_disabled_are_counted_together_though_one_was_resumed(shop: Shop) -> None:
    for slug in ("db", "web"):
        await shop.machine(slug)
        await shop.store.order(slug, Disable(), shop.decide, shop.site.clock.now())
    await shop.store.order("db", Resume(), shop.decide, shop.site.clock.now())
    async with await browser(shop.site) as admin:
        assert "All machines: 2<" in (await admin.get("/")).text


async def test_who_is_offline_again_is_not_listed_as_back(shop: Shop) -> None:
    for slug in ("again", "back"):
        await shop.machine(slug)
    await shop.pass_(timedelta(minutes=5))
    await shop.beat("again", "back")
    async with await browser(shop.site) as admin:
        page = (await admin.get("/")).text
        assert re.findall(r"(again|back) offline for", part(page, "lately")) == ["back", "again"]
        await shop.pass_(timedelta(minutes=5), alive=["back"])
        page = (await admin.get("/")).text
    assert part(page, "wrong-now").startswith("Wrong now: 1 again")
    assert re.findall(r"(again|back) offline for", part(page, "lately")) == ["back"]
