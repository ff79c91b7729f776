"""How the server fares, which processes watch, and brokers that are tried and paused, over HTTP."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from lastseen.model import Node, replace
from lastseen.model.insight import ChannelCheck, Checkup
from tests.api.conftest import Api

BROKER = {"url": "mqtt://127.0.0.1:9", "presets": ["devices"]}


async def test_an_admin_sees_how_the_server_fares_and_who_watches(api: Api) -> None:
    await api.add("fan")
    seen = await api.get("/system")
    assert (seen["dead_count"], seen["unheard_count"]) == (0, 1)
    assert {one["name"] for one in seen["tables"]} >= {"audit_log", "events"}
    now = api.clock.now()
    await api.app.store.alive(Node("n1", "host-1", "0.1", now - timedelta(days=1), now), now)
    found = {one["id"]: one for one in (await api.get("/nodes"))["items"]}
    assert (found["n1"]["name"], found["n1"]["there"]) == ("host-1", True)
    await api.post("/users", json={"name": "ada", "role": "member"})
    key = (await api.post("/keys", json={"scope": "api", "user": "ada"}))["key"]
    for path in ("/system", "/nodes"):
        await api.refused("GET", path, 403, key=key)


async def test_a_channel_that_somebody_switched_off_does_not_count_as_failing(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, now = api.app.store, api.clock.now()
    checks = [ChannelCheck(name, name, "webhook", name == "on", failing_since=now) for name in ("on", "off")]
    checks += [ChannelCheck("gone", "gone", "webhook", False, "far_end", "410 Gone")]
    checkup = replace(await store.checkup(now), channels=checks)

    async def checked(now: datetime) -> Checkup:
        return checkup

    monkeypatch.setattr(store, "checkup", checked)
    on, gone = (await api.get("/system"))["failing"]
    assert (on["name"], on["switched_off"]) == ("on", False)
    assert (gone["name"], gone["switched_off"], gone["since"], gone["detail"]) == ("gone", True, None, "410 Gone")


async def test_a_broker_is_tried_before_it_is_added_and_paused_later(api: Api) -> None:
    tried = await api.post("/sources/test", json={"name": "house", **BROKER})
    assert (tried["ok"], tried["topics"], tried["heard"]) == (False, 0, [])
    assert tried["detail"]
    assert [one["name"] for one in (await api.get("/sources"))["items"]] == ["http"]
    await api.post("/sources", json={"name": "house", **BROKER})
    assert (await api.post("/sources/house/test"))["ok"] is False
    assert (await api.post("/sources/house/pause"))["name"] == "house"
    assert (await api.get("/audit", params={"limit": 1}))["items"][0]["verb"] == "sources.pause"
    await api.post("/sources/house/resume")
    for verb in ("test", "pause", "resume"):
        await api.refused("POST", f"/sources/http/{verb}", 409)
        await api.refused("POST", f"/sources/nobody/{verb}", 404)
    problem = await api.refused("POST", "/sources/test", 422, json={"name": "x", "url": "ftp://x"})
    assert problem["errors"][0]["field"] == "url"
