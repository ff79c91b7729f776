"""A public page shows what was chosen to be shown, and nothing else."""

from __future__ import annotations

import asyncio
import re
import xml.etree.ElementTree as ET
from datetime import timedelta
from typing import Any

import pytest

from lastseen.errors import StoreUnavailable
from lastseen.manage import statuspages
from lastseen.model import Pause, Status
from tests.public.conftest import Shop

pytestmark = pytest.mark.anyio
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def lines_of(text: str) -> dict[str, str]:
    """The state by name, as they are shown."""
    return dict(re.findall(r'<h2>([^<]*)</h2>\s*<p class="state [a-z]+">([^<]*)</p>', text))


def verdict(text: str) -> str:
    found = re.search(r'role="status">([^<]*)<', text)
    assert found is not None
    return found[1]


async def test_it_shows_how_each_line_is(shop: Shop) -> None:
    for slug in ("up-1", "down-1", "quiet"):
        await shop.machine(slug, name=f"The {slug}", group="web")
    await shop.machine("new-1", heard=False, name="Never heard", group="web")
    await shop.order("quiet", Pause(), Status.PAUSED)
    await statuspages.add(shop.office, "web", {"title": "Web & more", "lines": [{"group": "web"}]})
    assert verdict((await shop.get("/status/web")).text) == "Everything is up"
    await shop.pass_(3 * MINUTE, ["up-1"])
    answer = await shop.get("/status/web")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "<h1>Web &amp; more</h1>" in answer.text
    assert lines_of(answer.text) == {
        "The up-1": "up",
        "The down-1": "down",
        "The quiet": "not watched",
        "Never heard": "not watched",
    }
    assert verdict(answer.text) == "Some of this is down"
    assert "down since" in answer.text
    await shop.pass_(HOUR, ["up-1", "down-1"])
    text = (await shop.get("/status/web")).text
    assert lines_of(text)["The down-1"] == "up"
    assert "(1 h 3 min)" in text
    pictures = re.findall(r"<svg.*?</svg>", text)
    assert len(pictures) == 4
    labels = [ET.fromstring(picture).attrib["aria-label"] for picture in pictures]
    assert sorted({label.partition(": ")[2] for label in labels}) == ["an outage on 1 of them", "no outage"]


async def test_an_alias_stands_for_what_it_is_given_to(shop: Shop) -> None:
    for slug in ("secret-a", "secret-b", "secret-c"):
        await shop.machine(slug, name=f"Internal {slug}", hostname="10.0.0.7", group="intern-g", tags=("intern-t",))
    chosen = [
        {"group": "intern-g", "alias": "Shop"},
        {"machine": "secret-a", "alias": "Till"},
        {"tag": "intern-t", "alias": "<b>Tags</b>"},
    ]
    await statuspages.add(shop.office, "s", {"title": "Our shop", "lines": chosen})
    await shop.pass_(3 * MINUTE, ["secret-a", "secret-b"])
    text = (await shop.get("/status/s")).text
    assert lines_of(text) == {"Shop": "partly down", "Till": "up", "&lt;b&gt;Tags&lt;/b&gt;": "partly down"}
    assert not re.search(r"secret|intern|10\.0\.0\.7|lastseen", text, re.I)
    await shop.pass_(3 * MINUTE)
    text = (await shop.get("/status/s")).text
    assert set(lines_of(text).values()) == {"down"}
    assert verdict(text) == "Down"
    assert text.count("down since") == 3, "outages at the same time are one of their line"


async def test_a_blind_source_is_not_known_and_no_outage(shop: Shop) -> None:
    await shop.machine("pump")
    await statuspages.add(shop.office, "s", {"title": "S", "lines": [{"all": True}]})
    clock, store = shop.site.clock, shop.store
    source, _ = await store.listen("http", "n", clock.now())
    clock.seconds += 600
    answer = await shop.get("/status/s")
    assert lines_of(answer.text) == {"pump": "not known"}
    assert verdict(answer.text) == "Some of this is not known at the moment"
    assert source == 0


async def test_what_is_off_is_answered_as_what_is_not_there(shop: Shop) -> None:
    await shop.machine("pump")
    await statuspages.add(shop.office, "off", {"title": "T", "lines": [{"all": True}], "public": False})
    answers = [
        await shop.get(f"/status/{slug}") for slug in ("off", "zzz", "OFF", "x" * 300, "page.css", "%00", "a%2Fb")
    ]
    assert {answer.status_code for answer in answers} == {404}
    off, unknown = (answers[place].text.replace(name, "NAME") for place, name in enumerate(("off", "zzz")))
    assert off == unknown
    assert {**answers[0].headers} == {**answers[1].headers}
    await statuspages.change(shop.office, "off", {"public": True})
    shop.later()
    assert (await shop.get("/status/off")).status_code == 200
    await statuspages.change(shop.office, "off", {"public": False})
    shop.later()
    assert (await shop.get("/status/off")).status_code == 404


async def test_its_headers_let_it_be_kept_for_a_moment_and_run_nothing(shop: Shop) -> None:
    await statuspages.add(shop.office, "s", {"title": "S"})
    first = await shop.get("/status/s")
    assert first.headers["cache-control"] == "no-cache"
    assert first.headers["x-robots-tag"] == "noindex"
    assert '<meta name="robots" content="noindex">' in first.text
    assert re.findall(r"<script[^>]*>[^<]*", first.text) == re.findall(
        r'<script src="/static/[^"]+" type="module">', first.text
    )
    assert "style=" not in first.text
    assert "default-src 'none'" in first.headers["content-security-policy"]
    assert "set-cookie" not in first.headers
    again = await shop.get("/status/s", **{"If-None-Match": f'"x", {first.headers["etag"]}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    (style,) = re.findall(r'href="(/static/[^"]+\.css)"', first.text)
    assert (await shop.get(style)).status_code == 200
    packed = await shop.get("/status/s", **{"Accept-Encoding": "gzip"})
    plain = await shop.get("/status/s", **{"Accept-Encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.text == plain.text
    await statuspages.change(shop.office, "s", {"listed": True})
    shop.later()
    listed = await shop.get("/status/s")
    assert "x-robots-tag" not in listed.headers
    assert "noindex" not in listed.text


class Counting:
    """A store that counts what it is asked."""

    def __init__(self, store: Any) -> None:
        self._store, self.asked, self.down = store, 0, False

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if not callable(found):
            return found

        async def counted(*args: Any, **more: Any) -> Any:
            self.asked += 1
            if self.down:
                raise StoreUnavailable("away")
            return await found(*args, **more)

        return counted


async def test_a_flood_of_requests_reads_the_database_once_in_some_seconds(shop: Shop) -> None:
    await shop.machine("pump")
    await statuspages.add(shop.office, "s", {"title": "S", "lines": [{"all": True}]})
    store = Counting(shop.store)
    shop.site.app.monitor.store = store
    async with shop.browser() as browser:
        answers = await asyncio.gather(*(browser.get("/status/s") for _ in range(200)))
        assert {answer.status_code for answer in answers} == {200}
        first = store.asked
        assert first <= 5, "the pages, the badges, the machines, their past"
        unknown = await asyncio.gather(*(browser.get(f"/status/{number}") for number in range(200)))
        assert {answer.status_code for answer in unknown} == {404}
        assert store.asked == first
        shop.later()
        await asyncio.gather(*(browser.get("/status/s") for _ in range(200)))
        assert store.asked <= 2 * first
        store.down = True
        shop.later()
        assert (await browser.get("/status/s")).status_code == 200, "what was known is shown"
        shop.site.clock.seconds += 600
        assert (await browser.get("/status/s")).status_code == 503


async def test_a_page_of_a_member_shows_what_is_theirs_and_what_is_shared(shop: Shop) -> None:
    ada, bob = [(await shop.site.person(name, "member", None)).id for name in ("ada", "bob")]
    for slug, owner in (("shared", None), ("of-ada", ada), ("of-bob", bob)):
        await shop.machine(slug, owner=owner)
    everything = {"title": "T", "lines": [{"all": True}]}
    await statuspages.add(shop.of("member", ada), "ada", everything)
    await statuspages.add(shop.office, "all", everything)
    assert set(lines_of((await shop.get("/status/ada")).text)) == {"shared", "of-ada"}
    assert set(lines_of((await shop.get("/status/all")).text)) == {"shared"}


async def test_a_machine_that_becomes_somebodys_is_not_on_what_is_shared_any_more(shop: Shop) -> None:
    ada = (await shop.site.person("ada", "member", None)).id
    await shop.machine("pump")
    lines = [{"machine": "pump"}, {"machine": "pump", "alias": "Water"}]
    await statuspages.add(shop.office, "s", {"title": "S", "lines": lines})
    assert lines_of((await shop.get("/status/s")).text) == {"pump": "up", "Water": "up"}
    await shop.machine("pump", heard=False, owner=ada)
    shop.later()
    assert lines_of((await shop.get("/status/s")).text) == {"Water": "not watched"}
