"""All that is wrong with a form is said at once, each at its field."""

from __future__ import annotations

import re
from datetime import timedelta

import httpx
import pytest

from lastseen.manage import kinds
from lastseen.manage.who import OPERATOR
from lastseen.model import Kind
from tests.pages.test_forms import browser, site
from tests.pages.test_kind_pages import kind
from tests.secrecy import secret
from tests.web.site import Site

__all__ = ["site"]

PASSWORD = secret("a-secret-of-the-broker")

WRONG = [
    {"url": "nothing", "presets": "nonsense", "base": "a/#", "publish": "b/#", "discovery": "c/#", "share": "d/#"},
    {"ca": "/no/such/file", "cert": "/no/such/file", "key": "/no/such/file", "bind": "no-machine-in-it=heartbeat"},
    {"kind": "nonsense", "offline_after": "soon", "goodbye_grace": "-1", "bind": "a/{machine}=sometimes"},
    {"url": f"mqtts://reader:{PASSWORD}@host", "ca": "/no/such/file", "cert": "/no/such/file", "kind": "nonsense"},
    {"username": "", "password": PASSWORD, "ca": "/no/such/file", "offline_after": "soon"},
]


def faults(page: httpx.Response) -> set[str]:
    """The fields at which something is said."""
    assert PASSWORD not in page.text
    return set(re.findall(r'id="e-([^"]*)"', page.text))


def broker(**more: str) -> dict[str, str]:
    """A form that is good but for `more`."""
    return {"name": "house", "url": "mqtt://127.0.0.1", "username": "reader", "presets": "devices", **more}


async def test_all_that_is_wrong_with_a_new_machine_is_said_at_once(site: Site) -> None:
    async with await browser(site) as admin:
        for name, slug, wrong in (("Pump", "BAD slug!", "slug"), ("", "", "name"), ("泵", "", "slug")):
            page = await admin.post("/machines/new", data={"name": name, "slug": slug, "every": "soon", "grace": "x"})
            assert page.status_code == 422
            assert faults(page) == {wrong, "every", "grace"}


async def test_all_that_is_wrong_with_a_kind_is_said_at_once(site: Site) -> None:
    await kinds.put(site.app.office.of(OPERATOR), "cam", every="1m")
    wrong = {"offline_after": "soon", "every": "0"}
    async with await browser(site) as admin:
        for name in ("", "cam", "n" * 101):
            assert faults(await admin.post("/kinds", data={"name": name, **wrong})) == {"name", *wrong}
        assert faults(await admin.post("/kinds/edit", data={"name": "cam", **wrong})) == {*wrong}
    assert await kind(site, "cam") == Kind("cam", None, timedelta(minutes=1))


@pytest.mark.parametrize("wrong", WRONG)
async def test_all_that_is_wrong_with_a_broker_is_said_at_once(site: Site, wrong: dict[str, str]) -> None:
    fields = wrong.keys() - {"password"}
    async with await browser(site) as admin:
        page = await admin.post("/sources/new", data=broker(**wrong, name="a/b"))
        assert (page.status_code, faults(page)) == (422, {*fields, "name"})
        path = (await admin.post("/sources/new", data=broker())).headers["location"]
        assert faults(await admin.post(f"{path}/edit", data=broker(**wrong))) == fields
        tried = await admin.post("/sources/new", data=broker(**wrong, **{"try": "yes"}))
        assert faults(tried) == fields - {"kind"}, "which no broker is asked about"
