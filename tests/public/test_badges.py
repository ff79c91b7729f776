"""Badges: the picture and what shields.io reads say the same, and how machines are."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastseen.manage import badges
from lastseen.manage.status_view import BadgeView
from lastseen.model import Forget, Pause, Status, replace
from lastseen.testing.script import move
from lastseen.web.public.picture import COLOURS, shields, svg
from tests.public.conftest import Shop

pytestmark = pytest.mark.anyio
MINUTE = timedelta(minutes=1)
SVG = "{http://www.w3.org/2000/svg}"


def texts(picture: str) -> list[str]:
    return [one.text or "" for one in ET.fromstring(picture).iter(f"{SVG}text")]


async def said(shop: Shop, badge: dict[str, Any]) -> tuple[str, str, str]:
    """What both say, when nothing that is old is shown any more."""
    shop.later()
    picture, data = await shop.get(f"/badge/{badge['key']}.svg"), await shop.get(f"/badge/{badge['key']}.json")
    assert (picture.status_code, data.status_code) == (200, 200)
    found = data.json()
    assert texts(picture.text) == [found["label"], found["message"]]
    assert found["schemaVersion"] == 1
    return found["label"], found["message"], found["color"]


async def test_it_says_how_machines_are(shop: Shop) -> None:
    for slug in ("a", "b", "c"):
        await shop.machine(slug, group="web", name=f"Machine {slug}", tags=("x",) if slug == "a" else ())
    one = await badges.add(shop.office, {"machine": "a"})
    group = await badges.add(shop.office, {"group": "web", "label": "Shop"})
    tag = await badges.add(shop.office, {"tag": "x"})
    everything = await badges.add(shop.office, {"all": True})
    assert await said(shop, one) == ("Machine a", "up", "brightgreen")
    await shop.pass_(3 * MINUTE, ["b", "c"])
    assert await said(shop, one) == ("Machine a", "down", "red")
    await shop.beat("b", "c")
    assert await said(shop, group) == ("Shop", "1 of 3 down", "red")
    assert await said(shop, tag) == ("x", "1 of 1 down", "red")
    await shop.beat("a", "b", "c")
    assert await said(shop, everything) == ("machines", "3 up", "brightgreen")
    await shop.order("a", Pause(), Status.PAUSED)
    assert await said(shop, one) == ("Machine a", "not watched", "lightgrey")
    nobody = await badges.add(shop.office, {"group": "empty"})
    assert await said(shop, nobody) == ("empty", "not watched", "lightgrey")


async def test_it_says_how_much_of_the_time(shop: Shop) -> None:
    await shop.machine("a")
    badge = await badges.add(shop.office, {"machine": "a", "shows": "uptime"})
    empty = await badges.add(shop.office, {"group": "empty", "shows": "uptime"})
    for _ in range(9):
        await shop.pass_(MINUTE, ["a"])
    shop.site.clock.seconds -= 60
    assert await said(shop, badge) == ("a", "100 %", "brightgreen")
    await shop.pass_(11 * MINUTE)
    label, message, colour = await said(shop, badge)
    assert (label, colour) == ("a", "red")
    assert 40 < float(message.removesuffix(" %")) < 60
    assert (await said(shop, empty))[1] == "unknown"


async def test_what_is_not_there_is_404_whatever_it_was(shop: Shop) -> None:
    await shop.machine("a")
    badge = await badges.add(shop.office, {"machine": "a"})
    key = badge["key"]
    for name in (f"{key}.png", key, f"{key[:-1]}.svg", ".svg", "x.json", f"{key}.svg.svg"):
        assert (await shop.get(f"/badge/{name}")).status_code == 404, name
    assert (await shop.get(f"/badge/{key}.svg")).status_code == 200

    def removed(case: Any) -> Any:
        return replace(move(case, Status.ONLINE), removed=True)

    await shop.store.order("a", Forget(), removed, shop.site.clock.now())
    shop.later()
    assert (await shop.get(f"/badge/{key}.svg")).status_code == 404
    await badges.remove(shop.office, badge["id"])
    shop.later()
    assert (await shop.get(f"/badge/{key}.json")).status_code == 404


async def test_other_sites_may_show_it(shop: Shop) -> None:
    badge = await badges.add(shop.office, {"all": True})
    picture = await shop.get(f"/badge/{badge['key']}.svg")
    assert picture.headers["content-type"] == "image/svg+xml; charset=utf-8"
    assert picture.headers["cross-origin-resource-policy"] == "cross-origin"
    assert picture.headers["access-control-allow-origin"] == "*"
    assert picture.headers["cache-control"] == "public, max-age=15"
    again = await shop.get(f"/badge/{badge['key']}.svg", **{"If-None-Match": picture.headers["etag"]})
    assert again.status_code == 304
    data = await shop.get(f"/badge/{badge['key']}.json")
    assert data.headers["content-type"] == "application/json"
    assert data.json()["cacheSeconds"] == 300
    assert len(badge["key"]) == 22


@given(st.text(max_size=80), st.text(max_size=80), st.sampled_from(sorted(COLOURS)))
def test_any_text_is_a_text_in_a_picture_that_can_be_read(label: str, message: str, colour: str) -> None:
    picture = svg(BadgeView(label, message, colour))
    root = ET.fromstring(picture)
    drawn = [one.text or "" for one in root.iter(f"{SVG}text")]
    assert [len(one) for one in drawn] == [len(label), len(message)]
    assert {one.tag.removeprefix(SVG) for one in root.iter()} == {"svg", "title", "clipPath", "rect", "g", "text"}
    assert '"schemaVersion": 1' in shields(BadgeView(label, message, colour))


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [one / 12.92 if one <= 0.03928 else ((one + 0.055) / 1.055) ** 2.4 for one in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("colour", sorted(COLOURS.values()))
def test_white_letters_can_be_read_on_every_colour(colour: str) -> None:
    assert 1.05 / (luminance(colour) + 0.05) >= 4.5
