"""What programs call something by a word of their own is said to people in theirs."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lastseen.manage import sources
from lastseen.manage.who import OPERATOR
from tests.pages.test_forms import add, browser, hidden, machine
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
        for group in ("cellar", ""):
            form = {name.removeprefix("was."): text for name, text in was.items()} | {"group": group}
            assert (await admin.post("/machines/pump/edit", data={**was, **form})).status_code == 303
            assert (await machine(site, "pump")).group == (group or "http")
            was = hidden(await admin.get("/machines/pump/edit"))


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
