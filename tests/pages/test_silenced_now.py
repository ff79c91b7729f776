"""The first page says of what nothing is told now."""

from __future__ import annotations

import re
from datetime import timedelta

import httpx

from lastseen.manage import silences
from lastseen.manage.who import OPERATOR
from lastseen.model import Matcher, Silence
from tests.pages.test_forms import add, browser, site
from tests.web.site import Site

__all__ = ["site"]

HOUR = timedelta(hours=1)


def told(page: httpx.Response) -> list[str]:
    """The lines of it, without their times."""
    card = re.search(r'<section class="card" aria-label="Silenced now">(.*?)</section>', page.text, re.S)
    lines = re.findall(r"<p>(.*?)</p>", card[1], re.S) if card else []
    return [re.sub(r"<[^>]+>", "", re.sub(r"<time.*?</time>", "TIME", line)).strip() for line in lines]


async def test_what_is_silenced_now_is_on_the_first_page_until_it_ends(site: Site) -> None:
    office = site.app.office.of(OPERATOR)
    for slug in ("nas", "cam-1", "cam-2"):
        await add(site, slug, group="rack" if slug == "nas" else "house")
    now = site.clock.now()
    async with await browser(site) as admin:
        assert told(await admin.get("/")) == []
        await silences.add(office, "later", HOUR, Matcher(), "eva", now + HOUR)
        await silences.add(office, "nobody", HOUR, Matcher(groups=("nowhere",)), "eva")
        chat = Silence("one chat", now, now + HOUR, Matcher(channels=("uid",)), "eva")
        await site.store.add_silence(chat, now)
        assert told(await admin.get("/")) == []
        await silences.add(office, "<b>cams</b>", HOUR, Matcher(names=("cam-*",)), "eva")
        every = await silences.add(office, "router", 2 * HOUR, Matcher(), "eva")
        await silences.add(office, "rack", HOUR / 2, Matcher(groups=("rack",)), "eva")
        page = await admin.get("/")
        assert "<b>cams" not in page.text
        assert told(page) == [
            "Nothing is told of all machines until TIME: router",
            "Nothing is told of 1 machine until TIME: rack",
            "Nothing is told of 2 machines until TIME: &lt;b&gt;cams&lt;/b&gt;",
            "Silences",
        ]
        assert '<a href="/silences">Silences</a>' in page.text
        await silences.add(office, "odd", HOUR, Matcher(names=("?*",)), "eva")
        await silences.add(office, "odder", HOUR, Matcher(names=("[cn]*",)), "eva")
        assert told(await admin.get("/"))[-1] == "and 2 more. Silences"
        await silences.end(office, every["id"])
        assert not [line for line in told(await admin.get("/")) if "router" in line]


async def test_of_machines_of_others_nothing_is_said(site: Site) -> None:
    office = site.app.office.of(OPERATOR)
    async with await browser(site, "viewer") as viewer, await browser(site, "member", "ben") as member:
        await add(site, "bens", owner="ben")
        await silences.add(office, "his", HOUR, Matcher(names=("bens",)), "eva")
        await silences.add(office, "odd", HOUR, Matcher(names=("?*",)), "eva")
        assert told(await viewer.get("/")) == [], "nor where it is not counted what a pattern names"
        assert told(await member.get("/"))[0] == "Nothing is told of 1 machine until TIME: his"
