"""What a story says to type on a command line is on a page a link, or a button that stands there already."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from lastseen.model.story import RefusedFor, RefusedKey
from lastseen.monitor.story_words import refused_advice
from tests.pages.test_forms import browser
from tests.public.conftest import Shop
from tests.web.site import a_site

MOMENT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    async with a_site(tmp_path, offline_threshold="2m") as site:
        yield Shop(site)


async def told(admin: httpx.AsyncClient, address: str) -> str:
    """What happened, as the page of that machine tells it."""
    answer = await admin.get(address)
    assert answer.status_code == 200
    story = html.unescape(re.split(r"It was removed; what|What happened, and", answer.text)[1].split("</section>")[0])
    assert not re.search("lastseen [a-z]", story), story
    assert "<code>" not in story
    return story


async def test_stories_on_pages_have_links_where_a_command_line_says_what_to_type(shop: Shop) -> None:
    await shop.machine("flap")
    await shop.pass_(timedelta(minutes=5))
    await shop.beat("flap")
    await shop.pass_(timedelta(minutes=1), alive=["flap"])
    moment = shop.site.clock.now()
    await shop.pass_(timedelta(minutes=1), alive=["flap"])
    await shop.pass_(timedelta(minutes=5))
    async with await browser(shop.site) as admin:
        story = await told(admin, f"/machines/flap?at={moment:%Y-%m-%dT%H:%M:%S}Z")
        links = dict(re.findall(r'<a href="([^"]*)">((?:Before|After): [^<`]*)</a>', story))
        assert [words.split()[0] for words in links.values()] == ["Before:", "After:"]
        for address in links:
            assert "OFFLINE" in await told(admin, address), "the link leads to what it names"
        await shop.site.app.monitor.pause("flap")
        shop.later()
        assert "it is not watched while it is paused.<" in await told(admin, "/machines/flap")
        await shop.site.app.monitor.disable("flap")
        shop.later()
        assert "its keys are refused.<" in await told(admin, "/machines/flap")
        await shop.site.app.monitor.forget("flap")
        shop.later()
        story = await told(admin, "/machines/flap")
        (address,) = re.findall(r'<a href="([^"]*)">Before: ', story)
        assert "removed" in await told(admin, address)


def test_what_to_do_about_a_refused_key_names_no_command_on_a_page() -> None:
    for reason in RefusedFor:
        for scope, machine in (("machine", "db-01"), ("ping", "db-01"), ("fleet", None)):
            for removed, replaced in ((False, False), (True, False), (False, True)):
                one = RefusedKey(
                    *(1, scope, "lsm_1", "", machine, reason, 1, MOMENT, MOMENT), removed=removed, replaced=replaced
                )
                said = refused_advice(one)
                assert "`lastseen " in said
                assert "lastseen" not in said.__html__()
                assert said.__html__()
