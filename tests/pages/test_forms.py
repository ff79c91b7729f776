"""What pages answer: to whom, to which input, and with which files."""

from __future__ import annotations

import csv
import dataclasses
import html
import io
import re
import secrets
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from lastseen.ingest.auth import digest_of
from lastseen.manage import machines
from lastseen.manage.who import OPERATOR
from lastseen.model import Channel, Trouble
from lastseen.web.dashboard import overview as pages
from lastseen.web.dashboard.assets import contents, edition
from lastseen.web.sessions import COOKIE
from tests.secrecy import secret
from tests.support import eventually
from tests.web.site import Site, a_site


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with a_site(tmp_path, public_url="https://status.example") as made, made.app.monitor:
        yield made


async def browser(site: Site, role: str = "admin", name: str = "") -> httpx.AsyncClient:
    """Of somebody who is logged in."""
    user, now = await site.person(name or role, role, None), site.clock.now()
    token = secret(secrets.token_urlsafe(32))
    await site.store.begin_session(user.id, digest_of(token), now, now + timedelta(days=1), "", "")
    made = site.browser()
    made.cookies.set(COOKIE, token)
    return made


async def add(site: Site, slug: str, **said: Any) -> dict[str, Any]:
    return await machines.add(site.app.office.of(OPERATOR), slug, said)


async def machine(site: Site, slug: str) -> Any:
    return (await site.store.liveness([slug]))[slug].machine


def fault(page: httpx.Response, field: str) -> str:
    """What is said at this field of a form."""
    found = re.search(rf'id="e-{re.escape(field)}">([^<]*)<', page.text)
    assert found, page.text
    return html.unescape(found[1])


def value(page: httpx.Response, field: str) -> str:
    """What stands in it."""
    found = re.search(rf'id="f-{field}"[^>]* value="([^"]*)"', page.text)
    assert found, page.text
    return html.unescape(found[1])


PATHS = ("/", "/machines/new", "/machines/db", "/machines/db/edit", "/machines/db/connect", "/events", "/events.csv")


async def test_nobody_is_sent_to_the_log_in_and_back(site: Site) -> None:
    async with site.browser() as nobody:
        for path in PATHS:
            answer = await nobody.get(path, params={"at": "03:00"})
            assert answer.status_code == 303, path
            assert answer.headers["location"].startswith("/login?next=%2F"), path
            part = await nobody.get(path, headers={"HX-Request": "true", "HX-Request-Type": "partial"})
            assert (part.status_code, part.headers["hx-redirect"], part.text) == (401, "/login", ""), path


WRONG = [
    ("name", "n" * 201, "200 characters"),
    ("hostname", "h" * 254, "253 characters"),
    ("description", "d" * 2001, "2000 characters"),
    ("group", "g" * 201, "200 characters"),
    ("kind", "nonsense", "nonsense"),
    ("tags", "t" * 101, "100 characters"),
    ("every", "often", "must be a duration"),
    ("offline_after", "-3", "must be a duration"),
    ("schedule", "every morning", ""),
    ("grace", "late", "must be a duration"),
    ("max_runtime", "1 fortnight", "must be a duration"),
    ("slug", "no spaces here", "A-Z"),
    ("slug", "..", "another place"),
]


async def test_a_wrong_field_says_so_keeps_what_was_typed_and_changes_nothing(site: Site) -> None:
    await add(site, "there")
    before = await machine(site, "there")
    async with await browser(site) as admin:
        was = hidden(await admin.get("/machines/there/edit"))
        for field, typed, words in WRONG:
            form = {"name": "New one", "description": "kept <b>as it was</b>", field: typed}
            page = await admin.post("/machines/new", data=form)
            assert page.status_code == 422, field
            assert words in fault(page, field)
            if field not in ("kind", "description"):
                assert value(page, field) == typed
                assert value(page, "description") == "kept <b>as it was</b>"
            if field != "slug":
                changed = await admin.post("/machines/there/edit", data={**was, **_now(was), field: typed})
                assert changed.status_code == 422, field
                assert words in fault(changed, field)
        assert await site.store.liveness(["New-one", "no spaces here"]) == {}
        assert await machine(site, "there") == before


def hidden(page: httpx.Response) -> dict[str, str]:
    """What a form began with."""
    return {name: html.unescape(text) for name, text in re.findall(r'name="(was\.[^"]+)" value="([^"]*)"', page.text)}


def _now(was: dict[str, str]) -> dict[str, str]:
    """A form that is sent as it was shown."""
    return {name.removeprefix("was."): text for name, text in was.items()}


async def test_a_name_makes_the_slug_and_one_that_is_taken_is_said_at_it(site: Site) -> None:
    async with await browser(site) as admin:
        made = await admin.post("/machines/new", data={"name": "Pümpe 1", "shared": "yes"})
        assert made.status_code == 200
        key = re.search(r'<code id="key">(lsm_[^<]+)</code>', made.text)
        assert key
        secret(key[1])
        assert (await machine(site, "Pumpe-1")).name == "Pümpe 1"
        again = await admin.post("/machines/new", data={"name": "Pümpe 1"})
        assert again.status_code == 422
        assert "Pumpe-1" in fault(again, "slug")
        nameless = await admin.post("/machines/new", data={"name": " "})
        assert "empty" in fault(nameless, "name")
        unsluggable = await admin.post("/machines/new", data={"name": "☃"})
        assert "A-Z" in fault(unsluggable, "slug")


async def test_only_what_was_changed_in_the_form_is_changed(site: Site) -> None:
    await add(site, "db", name="db", description="old", every="90s", tags=["a", "b"])
    async with await browser(site) as admin:
        shown = await admin.get("/machines/db/edit")
        assert (value(shown, "every"), value(shown, "tags")) == ("1m30s", "a, b")
        assert "Which limit would fit it" in shown.text
        was = hidden(shown)
        await machines.change(site.app.office, "db", {"description": "by somebody else"})
        form = {**was, **_now(was), "every": "", "tags": "c", "name": "db two"}
        answer = await admin.post("/machines/db/edit", data=form)
        assert (answer.status_code, answer.headers["location"]) == (303, "/machines/db")
        now = await machine(site, "db")
        assert (now.name, now.every, now.tags, now.description) == ("db two", None, ("c",), "by somebody else")


async def test_addresses_are_those_that_the_machine_can_reach(site: Site) -> None:
    async with await browser(site) as admin:
        page = await admin.post("/machines/new", data={"name": "db"})
        text = html.unescape(page.text)
        assert "https://status.example/api/v1/heartbeat" in text
        for way in ("curl", "cron", "systemd", "agent", "mqtt", "healthchecks", "kuma"):
            assert f'id="way-{way}"' in text
        shown = await machines.show(site.app.office, "db")
        assert secret(shown["ping_url"]) in text
        assert f"{secret(shown['push_url'])}?status=up&msg=OK&ping=" in text
        again = html.unescape((await admin.get("/machines/db/connect")).text)
        assert "lsm_PUT-ITS-KEY-HERE" in again
        replaced = await admin.post("/machines/db/connect")
        key = re.search(r'<code id="key">(lsm_[^<]+)</code>', replaced.text)
        assert key
        assert secret(key[1]) not in page.text


async def test_a_viewer_looks_and_changes_nothing_and_sees_no_secret(site: Site) -> None:
    made = await add(site, "db")
    async with await browser(site, "viewer") as viewer:
        page = await viewer.get("/machines/db")
        assert page.status_code == 200
        for hidden in (made["ping_url"], made["push_url"], "/edit", "/remove", '<form method="post" action="/machines'):
            assert secret_free(hidden) not in page.text
        assert "Add a machine" not in (await viewer.get("/")).text
        for path in (
            "/machines/new",
            "/machines/db/edit",
            "/machines/db/connect",
            "/machines/db/keys",
            "/machines/db/remove",
        ):
            assert (await viewer.get(path)).status_code == 403, path
        for path in ("edit", "ack", "connect", "keys", "remove", "orders/pause", "orders/disable"):
            assert (await viewer.post(f"/machines/db/{path}", data={"was.name": "db", "name": "x"})).status_code == 403
        assert (await viewer.post("/machines/new", data={"name": "x"})).status_code == 403
        assert (await machine(site, "db")).enabled


def secret_free(text: str) -> str:
    """The secret part of an address is searched for in what was logged, too."""
    if "://" in text:
        secret(text)
    return text


async def test_what_belongs_to_somebody_else_is_nowhere(site: Site) -> None:
    async with await browser(site, "member", "ada") as ada, await browser(site, "member", "ben") as ben:
        await ada.post("/machines/new", data={"name": "hers", "group": "secret-lab"})
        await ada.post("/machines/new", data={"name": "ours", "shared": "yes"})
        hers = (await machine(site, "hers")).id
        seen = (await ben.get("/")).text
        assert "ours" in seen
        assert "hers" not in seen
        assert "secret-lab" not in seen
        assert "hers" not in (await ben.get("/events")).text
        assert "hers" not in (await ben.get("/events.csv")).text
        for path in ("/machines/hers", f"/machines/{hers}", "/machines/hers/edit", "/machines/hers/connect"):
            assert (await ben.get(path)).status_code == 404, path
        for path in ("edit", "ack", "connect", "keys", "remove", "orders/pause"):
            assert (await ben.post(f"/machines/hers/{path}", data={"x": "y"})).status_code == 404, path
        assert (await ada.get("/machines/hers")).status_code == 200
        assert (await machine(site, "ours")).owner is None


async def test_orders_and_removal_are_done_and_lead_back(site: Site) -> None:
    await add(site, "db")
    async with await browser(site) as admin:
        for verb, status in (
            ("pause", "paused"),
            ("resume", "provisioning"),
            ("disable", "paused"),
            ("enable", "provisioning"),
        ):
            answer = await admin.post(f"/machines/db/orders/{verb}")
            assert (answer.status_code, answer.headers["location"]) == (303, "/machines/db")
            assert (await site.store.liveness(["db"]))["db"].liveness.status == status
            if verb == "disable":  # from a page that was shown before
                assert "is disabled: enable it" in (await admin.post("/machines/db/orders/resume")).text
        assert (await admin.post("/machines/db/orders/explode")).status_code == 422
        asked = await admin.get("/machines/db/remove")
        assert "Remove db?" in asked.text
        assert (await admin.post("/machines/db/remove")).headers["location"] == "/"
        gone = await admin.get("/machines/db")
        assert gone.status_code == 200
        assert "It was removed; what happened is kept" in gone.text


async def in_error(site: Site, slug: str) -> bool:
    return bool((await site.store.liveness([slug]))[slug].liveness.status == "error")


async def test_a_form_leads_back_to_pages_of_ours_alone(site: Site) -> None:
    made = await add(site, "db")
    site.app.accepting = True
    async with await browser(site) as admin, site.browser() as device:
        headers = {"X-API-Key": secret(made["key"])}
        told = await device.post("/api/v1/heartbeat", json={"status": "error", "message": "m"}, headers=headers)
        assert told.status_code == 204
        await eventually(lambda: in_error(site, "db"))
        for there in ("//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "/\n/x", ""):
            acked = await admin.post("/machines/db/ack", data={"back": there})
            assert (acked.status_code, acked.headers["location"]) == (303, "/machines/db"), there
        acked = await admin.post("/machines/db/ack", data={"back": "/?q=a+b%26c&sort=name"})
        assert acked.headers["location"] == "/?q=a+b%26c&sort=name"


async def test_what_came_back_meanwhile_cannot_be_acknowledged_and_the_page_says_so(site: Site) -> None:
    await add(site, "db")
    async with await browser(site) as admin:
        answer = await admin.post("/machines/db/ack", data={"back": "/"})
        assert answer.status_code == 409
        assert "is neither offline nor in error" in answer.text


async def test_events_are_filtered_and_exported(site: Site) -> None:
    await add(site, "one")
    await add(site, "two")
    await machines.order(site.app.office, "one", "pause")
    async with await browser(site) as admin:
        assert "machine.paused" in (await admin.get("/events?machine=one&type=machine.paused")).text
        assert "Nothing like that" in (await admin.get("/events?machine=two&type=machine.paused")).text
        unknown = await admin.get("/events?machine=nobody")
        assert (unknown.status_code, fault(unknown, "machine")) == (422, "no machine 'nobody'")
        assert "must be a time" in fault(await admin.get("/events?since=soon"), "since")
        as_json = await admin.get("/events.json?machine=one")
        assert [one["type"] for one in as_json.json()] == ["machine.paused", "machine.registered"]
        as_csv = await admin.get("/events.csv?machine=one")
        assert as_csv.headers["content-disposition"] == 'attachment; filename="lastseen-events.csv"'
        rows = list(csv.DictReader(io.StringIO(as_csv.text)))
        assert [row["type"] for row in rows] == ["machine.paused", "machine.registered"]
        assert (await admin.get("/events.json?type=none")).json() == []
        assert (await admin.get("/events.csv?since=soon")).status_code == 422
        assert (await admin.get("/events?cursor=nonsense")).status_code == 422


async def test_a_machine_that_is_called_as_a_page_has_one(site: Site) -> None:
    await add(site, "new")
    number = (await machine(site, "new")).id
    async with await browser(site) as admin:
        assert f'href="/machines/{number}"' in (await admin.get("/")).text
        assert f'action="/machines/{number}/orders/pause"' in (await admin.get(f"/machines/{number}")).text


async def test_many_machines_are_shown_a_page_at_a_time(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "PAGE", 5)
    for number in range(12):
        await add(site, f"m{number:02}", group=f"g{number % 2}")
    async with await browser(site) as admin:
        found: list[str] = []
        path: str | None = "/"
        while path is not None:
            page = await admin.get(path)
            found += re.findall(r'<li id="m-\d+">\s*<span class="name"><a href="/machines/([^"]+)"', page.text)
            more = re.search(r'href="([^"]+)" rel="next"', page.text)
            path = html.unescape(more[1]) if more else None
        assert found == sorted((f"m{number:02}" for number in range(12)), key=lambda slug: (int(slug[1:]) % 2, slug))
        assert "All machines: 12" in page.text


async def test_files_may_be_kept_for_ever_under_an_address_that_changes_with_them(site: Site) -> None:
    async with site.browser() as nobody:
        for path, content in contents().items():
            answer = await nobody.get(f"/static/{edition()}/{path}")
            assert answer.content == content
            assert "immutable" in answer.headers["cache-control"]
        older = await nobody.get("/static/000000000000/page.js")
        assert (older.status_code, older.headers["cache-control"]) == (200, "no-cache")
        assert (await nobody.get(f"/static/{edition()}/../templates/base.html")).status_code == 404
        assert (await nobody.get(f"/static/{edition()}/%2e%2e/templates/base.html")).status_code == 404
        assert (await nobody.get("/favicon.ico")).headers["content-type"] == "image/svg+xml"


async def test_pages_hold_nothing_inline_and_are_kept_by_nobody(site: Site) -> None:
    await add(site, "db")
    async with await browser(site) as admin:
        for path in ("/", "/machines/db", "/machines/new", "/machines/db/edit", "/events"):
            page = await admin.get(path)
            assert not re.search(r"<style|<script(?![^>]* src=)|\sstyle=|\son\w+=|javascript:", page.text), path
            assert page.headers["cache-control"] == "no-store"
            assert "default-src 'self'" in page.headers["content-security-policy"]
            assert "unsafe" not in page.headers["content-security-policy"]


async def test_what_is_wrong_with_the_watching_stands_first(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    gauges = site.store.gauges

    async def troubled(now: Any) -> Any:
        return dataclasses.replace(
            await gauges(now), blind={"<i>home</i>": True, "http": False}, channels={"failing": 2}
        )

    async def failing(now: Any, after: Any) -> Any:
        return [Trouble(Channel(f"c{n}", f"c{n}", "console", n), now, 0, "") for n in (1, 2)]

    async with await browser(site) as admin, await browser(site, "viewer") as viewer:
        assert "Nobody can be heard" not in (await admin.get("/")).text
        monkeypatch.setattr(site.store, "gauges", troubled, raising=False)
        monkeypatch.setattr(site.store, "troubled", failing, raising=False)
        page = (await admin.get("/")).text
        assert "Nobody can be heard by: <b>&lt;i&gt;home&lt;/i&gt;</b>" in page
        assert "Channels that fail: <b>2</b>" in page
        seen = (await viewer.get("/")).text
        assert "Nobody can be heard by" in seen
        assert "Channels that fail" not in seen


async def test_the_page_of_a_machine_reads_what_happened_to_it_once_for_all_its_pictures(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add(site, "there")
    key = await machines.rotate_key(site.app.office.of(OPERATOR), "there")
    async with await browser(site) as admin:
        heard = {"Authorization": f"Bearer {secret(key['key'])}"}
        assert (await admin.post("/api/v1/heartbeat", headers=heard)).status_code == 204
        read, asked = site.store.pasts, []

        async def pasts(*given: Any) -> Any:
            asked.append(given)
            return await read(*given)

        monkeypatch.setattr(site.store, "pasts", pasts)
        page = await admin.get("/machines/there")
    assert page.text.count("<svg") >= 3
    assert len(asked) == 1


async def test_a_silence_without_a_reason_is_none(site: Site) -> None:
    async with await browser(site) as admin:
        page = await admin.post("/silences", data={"name": " ", "lasting": "2h"})
        assert page.status_code == 422
        assert fault(page, "name")
        assert 'value="2h"' in page.text
        assert "all machines" not in page.text
