"""What is wrong now, where something is looked for: what fits, and how many others are wrong."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from tests.pages.test_forms import browser
from tests.pages.test_since_when import part
from tests.public.conftest import Shop
from tests.web.site import a_site

WRONG = ("oven-1", "oven-2", "freezer")


@pytest.fixture
async def admin(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Of a kitchen in which three are offline and one, "oven-3", is not."""
    async with a_site(tmp_path, offline_threshold="2m") as site:
        shop = Shop(site)
        for slug in (*WRONG, "oven-3"):
            await shop.machine(slug)
        await shop.pass_(timedelta(minutes=5), alive=["oven-3"])
        async with await browser(site) as client:
            yield client


def said(page: str) -> tuple[str, set[str]]:
    """How many are wrong now, and how many others are; who is named there."""
    words = part(page, "wrong-now")
    many = re.findall(r"Wrong now: \d+|\d+ others? (?:is|are) wrong", words)
    return " ".join(many), set(re.findall(r"[\w-]+", words)) & {*WRONG}


@pytest.mark.parametrize(
    ("query", "heading", "named"),
    [
        ("", "Wrong now: 3", set(WRONG)),
        ("?sort=name", "Wrong now: 3", set(WRONG)),
        ("?q=OVEN", "Wrong now: 2 1 other is wrong", {"oven-1", "oven-2"}),
        ("?q=oven-2&status=wrong", "Wrong now: 1 2 others are wrong", {"oven-2"}),
        ("?q=oven-3", "Wrong now: 0 3 others are wrong", set()),
        ("?status=error", "Wrong now: 0 3 others are wrong", set()),
        ("?status=online", "Wrong now: 0 3 others are wrong", set()),
        ("?status=offline", "Wrong now: 3", set(WRONG)),
        ("?status=disabled", "Wrong now: 0 3 others are wrong", set()),
        ("?tag=none", "Wrong now: 0 3 others are wrong", set()),
    ],
)
async def test_what_is_wrong_now_is_searched_too_and_says_how_many_others_are(
    admin: httpx.AsyncClient, query: str, heading: str, named: set[str]
) -> None:
    page = (await admin.get(f"/{query}")).text
    assert said(page) == (heading, named)
    if "other" in heading:
        assert re.search(r'<p><a href="/">\d others? (is|are) wrong</a>', page)
    (address,) = re.findall(r'id="board" hx-get="([^"]*)"', page)
    part_of_it = {"HX-Request": "true", "HX-Request-Type": "partial"}
    assert said((await admin.get(html.unescape(address), headers=part_of_it)).text) == (heading, named)


async def test_what_is_found_is_what_fits_and_not_all(admin: httpx.AsyncClient) -> None:
    for query, many in (("status=offline", 3), ("status=disabled", 0), ("status=paused", 0), ("q=oven", 3)):
        assert part((await admin.get(f"/?{query}")).text, "all-machines").startswith(f"Found: {many}")


async def test_beside_what_is_found_stands_how_that_is_and_not_how_all_are(admin: httpx.AsyncClient) -> None:
    for query, counts in (
        ("", ["3 offline", "1 online"]),
        ("?q=nothing-like-it", []),
        ("?status=offline&sort=name", ["3 offline"]),
        ("?q=oven", ["2 offline", "1 online"]),
        ("?q=oven&after=oven-1", ["2 offline", "1 online"]),
        ("?tag=none", []),
    ):
        page = (await admin.get(f"/{query}")).text
        (heading,) = re.findall(r'<h2 id="all-machines">.*?</ul>', page, re.DOTALL)
        assert re.findall(r">(\d+ [a-z ]+)</span>", heading) == counts, query
        assert "Found: " in heading or not query


async def test_the_others_are_led_to_in_the_order_that_was_chosen(admin: httpx.AsyncClient) -> None:
    page = html.unescape((await admin.get("/?q=oven-3&status=online&group=&sort=name&span=30d")).text)
    assert '<a href="/?sort=name&span=30d">3 others are wrong</a>' in page


async def test_those_that_are_too_many_to_be_named_are_led_to_as_they_are_looked_for(
    admin: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lastseen.manage.overview.WRONG_SHOWN", 1)
    page = html.unescape((await admin.get("/?q=oven")).text)
    assert 'href="/?q=oven&status=wrong">All that is offline or in error</a>' in page
    listed = (await admin.get("/?q=oven&status=wrong")).text
    assert "All that is offline or in error" not in listed, "it is below"
    assert part(listed, "all-machines").startswith("Found: 2")
