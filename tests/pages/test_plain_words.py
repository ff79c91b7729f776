"""What programs call something by a word of their own is said to people in theirs."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from lastseen.manage import (
    badges,
    channel_setup,
    channels,
    events,
    keys,
    machines,
    silences,
    sources,
    statuspages,
)
from lastseen.manage.who import OPERATOR
from lastseen.web.dashboard import happenings
from tests.pages.test_forms import add, browser, hidden, machine
from tests.secrecy import secret
from tests.web.site import Site, a_site


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with a_site(tmp_path) as made, made.app.monitor:
        yield made


async def test_a_machine_of_whom_nothing_was_said_is_in_no_group(site: Site) -> None:
    await add(site, "pump")
    async with await browser(site) as admin:
        for path in ("/", "/machines/pump"):
            page = (await admin.get(path)).text
            assert ">no group</a>" in page
            assert ">http<" not in page
        was = hidden(await admin.get("/machines/pump/edit"))
        assert was["was.group"] == ""
        for group in ("cellar", "", "cellar", "No group"):
            form = {name.removeprefix("was."): text for name, text in was.items()} | {"group": group}
            assert (await admin.post("/machines/pump/edit", data={**was, **form})).status_code == 303
            assert (await machine(site, "pump")).group == ("cellar" if group == "cellar" else "http")
            was = hidden(await admin.get("/machines/pump/edit"))


async def test_no_group_may_be_typed_where_groups_are(site: Site) -> None:
    made = await channel_setup.add(site.app.office.of(OPERATOR), "console", "here", {})
    async with await browser(site) as admin:
        of = {"groups": "no group, cellar"}
        assert (await admin.post("/silences", data={"name": "s", "lasting": "1h", **of})).status_code == 303
        wishes = {f"machines.{name}": words for name, words in of.items()}
        assert (await admin.post(f"/channels/{made['id']}/wishes", data=wishes)).status_code == 303
        shown = (await admin.get(f"/channels/{made['id']}/wishes")).text
        assert 'value="no group, cellar"' in shown
        line = {"slug": "p", "title": "p", "lines": "group no group"}
        assert (await admin.post("/status-pages", data=line)).status_code == 303
        badge = {"kind": "status", "of": "group no group"}
        assert (await admin.post("/status-pages/badges", data=badge)).status_code == 303
        await admin.post("/keys", data={"scope": "fleet", "label": "f", "group": "no group"})
    office = site.app.office.of(OPERATOR)
    assert [list(one["matcher"]["groups"]) for one in await silences.listed(office)] == [["http", "cellar"]]
    assert list((await channels.show(office, "here"))["wishes"]["machines"]["groups"]) == ["http", "cellar"]
    assert [one["lines"][0]["group"] for one in await statuspages.listed(office)] == ["http"]
    assert [one["group"] for one in await badges.listed(office)] == ["http"]
    assert [one["defaults"]["group"] for one in await keys.listed(office) if one["scope"] == "fleet"] == ["http"]


async def test_a_machine_is_named_in_a_field_as_people_call_it(site: Site) -> None:
    for slug, name in (("web-1", "Web server"), ("a", "Twin"), ("b", "Twin"), ("twin", "Third")):
        await site.app.monitor.watch(slug, name=name)
    async with await browser(site) as admin:
        page = (await admin.get("/events", params={"machine": "web SERVER"})).text
        assert "web-1" in page
        assert (await admin.get("/events.csv", params={"machine": "Web server"})).text.count(",web-1,") == 1
        assert (await admin.get("/events", params={"machine": "Web"})).status_code == 422
        lines = {"slug": "p", "title": "p", "lines": "machine Web server = Shop\nmachine twin"}
        assert (await admin.post("/status-pages", data=lines)).status_code == 303
        office = site.app.office.of(OPERATOR)
        assert [one["machine"] for one in (await statuspages.show(office, "p"))["lines"]] == ["web-1", "twin"]
        await site.app.monitor.forget("twin")
        two = await admin.post("/status-pages/p/edit", data={**lines, "lines": "machine Twin"})
        assert two.status_code == 422, "two machines are called so"


async def test_the_options_of_a_source_are_called_on_its_page_as_in_its_form(site: Site) -> None:
    said = {"url": "mqtt://127.0.0.1:1", "presets": ["devices", "shelly"], "auto_add": True, "kind": "device"}
    made = await sources.add(site.app.office.of(OPERATOR), "home", said)
    async with await browser(site) as admin:
        page = (await admin.get(f"/sources/{made['id']}")).text
    facts = dict(re.findall(r"<dt>([^<]*)</dt><dd>([^<]*)</dd>", page))
    assert facts["Add machines that are heard"] == "yes"
    assert facts["What is listened to"] == "devices, shelly"
    assert facts["Their kind"] == "device"
    assert "auto_add" not in page


async def test_a_delivery_says_why_it_was_made_only_where_it_is_another_than_the_first(site: Site) -> None:
    made = await channel_setup.add(site.app.office.of(OPERATOR), "console", "here", {})
    await add(site, "pump")
    async with await browser(site) as admin:
        page = (await admin.get(f"/channels/{made['id']}")).text
    assert "machine.registered" in page
    assert '<span class="tag">first</span>' not in page


async def test_no_more_files_are_written_at_once_than_may_be_also_where_all_are_asked_for_at_once(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, asked = events.page, asyncio.Event()
    waiting = 0

    async def page(*given: Any) -> Any:
        nonlocal waiting
        found = await read(*given)
        waiting += 1
        if waiting == 2:
            asked.set()
        await asked.wait()
        return found

    monkeypatch.setattr(happenings, "AT_ONCE", 1)
    monkeypatch.setattr(events, "page", page)
    async with await browser(site) as admin:
        answers = await asyncio.gather(*(admin.get("/events.csv") for _ in range(2)))
    assert sorted(one.status_code for one in answers) == [200, 503]


async def test_since_when_it_is_so_is_said_by_what_it_is(site: Site) -> None:
    await add(site, "pump")
    key = (await machines.rotate_key(site.app.office.of(OPERATOR), "pump"))["key"]
    async with await browser(site) as admin:
        assert (await admin.post("/api/v1/heartbeat", headers={"X-API-Key": secret(key)})).status_code == 204
        for order, words in (("pause", "Paused since"), ("resume", "Online since"), ("disable", "Not watched since")):
            await machines.order(site.app.office.of(OPERATOR), "pump", order)
            assert f"<dt>{words}</dt>" in (await admin.get("/machines/pump")).text
