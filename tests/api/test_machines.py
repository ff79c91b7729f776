"""`/api/v1/machines`: what programs and pages do with what is watched."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import pytest

from tests.api.conftest import Api
from tests.cli.test_shapes import EVENT, MACHINE, ONE
from tests.support import eventually

STATUS = {
    *("id", "slug", "name", "status", "late", "awaited", "last_seen", "status_since", "since", "offline_after_seconds"),
    *("seconds_until_offline", "notified_at", "sources", "group", "flapping_since"),
}


async def several(api: Api) -> None:
    for number in range(7):
        await api.add(
            f"m{number}", name=f"Machine {6 - number}", group="even" if number % 2 == 0 else "odd", tags=["t"]
        )


async def go_offline(api: Api, slug: str) -> None:
    await api.app.monitor.heartbeat(slug)
    await eventually(lambda: status_is(api, slug, "online"))
    await api.clock.advance(130)
    await eventually(lambda: status_is(api, slug, "offline"))


async def status_is(api: Api, slug: str, status: str) -> bool:
    return bool((await api.get(f"/machines/{slug}/status"))["status"] == status)


async def test_an_outage_lasts_since_before_it_was_noticed(api: Api) -> None:
    await api.add("m")
    await go_offline(api, "m")
    status = await api.get("/machines/m/status")
    assert status["since"] == status["last_seen"] < status["status_since"]
    await api.app.monitor.heartbeat("m")
    await eventually(lambda: status_is(api, "m", "online"))
    status = await api.get("/machines/m/status")
    assert status["since"] == status["status_since"]


async def test_a_machine_is_added_shown_changed_and_removed(api: Api) -> None:
    more = {"name": "Größe ☃", "hostname": "prod-01", "kind": "server", "group": "berlin", "tags": ["b", "a"]}
    made = await api.add("db-01", every="1m", description="Main", **more)
    assert set(made) == {"id", "slug", "name", "key", "ping_url", "push_url"}
    assert re.fullmatch(r"lsm_[A-Za-z0-9_-]{43}", made["key"])
    assert made["ping_url"].startswith("https://status.example.org/ping/")
    shown = await api.get("/machines/db-01")
    assert set(shown) == ONE
    assert (shown["status"], shown["offline_after_seconds"], shown["owner"]) == ("provisioning", 180, None)
    assert {name: shown[name] for name in more} == {**more, "tags": ["a", "b"]}
    assert shown["ping_url"] == made["ping_url"]
    assert await api.get(f"/machines/{made['id']}") == shown
    assert shown["every_seconds"] == 60
    changed = await api.patch("/machines/db-01", json={"offline_after": "never", "every": None, "tags": []})
    assert (changed["offline_after_seconds"], changed["tags"], changed["name"]) == (None, [], "Größe ☃")
    assert changed["every_seconds"] is None
    await api.put("/kinds/server", json={"every": "45s"})
    assert (await api.get("/machines/db-01"))["every_seconds"] == 45, "that of its kind, as its threshold is"
    assert (await api.patch("/machines/db-01", json={"offline_after": 90}))["offline_after_seconds"] == 90
    assert (await api.patch("/machines/db-01", json={})) == await api.get("/machines/db-01")
    assert await api.delete("/machines/db-01") == {"id": 1, "slug": "db-01", "removed": True}
    await api.refused("GET", "/machines/db-01", 404)
    await api.refused("DELETE", "/machines/db-01", 404)


async def test_adding_says_where_it_is_and_that_it_was_there(api: Api) -> None:
    answer = await api.ask("POST", "/machines", json={"slug": "m"})
    assert (answer.status_code, answer.headers["location"]) == (201, "/api/v1/machines/1")
    assert "already" in (await api.refused("POST", "/machines", 409, json={"slug": "m"}))["detail"]
    again = await api.ask("POST", "/machines", json={"slug": "m", "if_missing": True})
    assert (again.status_code, again.json()["key"]) == (200, None)


@pytest.mark.parametrize("params", [{}, {"order": "desc"}, {"sort": "status"}, {"sort": "last_seen", "order": "desc"}])
async def test_a_list_is_read_by_pages(api: Api, params: dict[str, Any]) -> None:
    await several(api)
    (whole,) = await api.pages("/machines", **params)
    assert {frozenset(one) for one in whole} == {frozenset(MACHINE)}
    pages = await api.pages("/machines", limit=3, **params)
    assert [len(page) for page in pages] == [3, 3, 1]
    assert [one for page in pages for one in page] == whole
    if "sort" not in params:
        names = [one["name"] for one in whole]
        assert names == sorted(names, reverse="order" in params)


async def test_a_list_is_filtered(api: Api) -> None:
    await several(api)
    await api.post("/machines/m3/pause")

    async def slugs(**params: Any) -> set[str]:
        return {one["slug"] for one in (await api.get("/machines", params=params))["items"]}

    assert await slugs(group="odd") == {"m1", "m3", "m5"}
    assert await slugs(group=["odd", "even"], status=["paused"]) == {"m3"}
    assert await slugs(text="MACHINE 6") == {"m0"}
    assert await slugs(tag="t", kind="default", status="paused") == {"m3"}
    assert await slugs(tag="other") == set()


async def test_what_pages_call_no_group_is_none_here_too(api: Api) -> None:
    """Not another of that name, which nobody could find."""
    for slug, group in (("a", "No group"), ("b", "no group "), ("c", None), ("d", "berlin")):
        assert (await api.post("/machines", json={"slug": slug, "group": group}))["slug"] == slug
    await api.patch("/machines/d", json={"group": "NO GROUP"})
    await api.add("e", group="berlin")
    for words in ("no group", "No Group", "http"):
        assert [one["slug"] for one in (await api.get("/machines", params={"group": words}))["items"]] == [*"abcd"]
        assert (await api.get("/board", params={"group": words}))["counts"]["provisioning"] == 4
        of = {"groups": [words]}
        made = await api.post("/silences", json={"name": "s", "machines": of})
        assert (made["matcher"], made["machines_now"]) == ({"groups": ["http"]}, 4)
        key = await api.post("/keys", json={"scope": "fleet", "may_create": True, "group": words})
        (kept,) = [one for one in (await api.get("/keys"))["items"] if one["id"] == key["id"]]
        assert kept["defaults"]["group"] == "http"
        badge = await api.post("/badges", json={"shows": "status", "group": words})
        assert badge["group"] == "http"
    await api.post("/channels", json={"type": "console", "name": "c"})
    channel = await api.patch("/channels/c", json={"wishes": {"machines": of}})
    assert channel["wishes"]["machines"]["groups"] == ["http"]


async def test_addresses_are_listed_where_they_are_asked_for(api: Api) -> None:
    made = await api.add("m")
    assert (await api.get("/machines"))["items"][0]["ping_url"] is None
    assert (await api.get("/machines", params={"urls": True}))["items"][0]["ping_url"] == made["ping_url"]


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "1001"}, "limit"),
        ({"limit": "x"}, "limit"),
        ({"sort": "id"}, "sort"),
        ({"order": "up"}, "order"),
        ({"status": "down"}, "status.0"),
        ({"statuz": "offline"}, "statuz"),
        ({"text": "\0"}, "text"),
        ({"group": "a\0"}, "group.0"),
        ({"cursor": "x"}, "cursor"),
        ({"cursor": "W10"}, "cursor"),
        ({"cursor": "x" * 3000}, "cursor"),
        ({"cursor": "\udcff".encode("utf-8", "surrogateescape").decode("latin-1")}, "cursor"),
    ],
)
async def test_a_wrong_question_is_named(api: Api, params: dict[str, str], field: str) -> None:
    said = await api.refused("GET", "/machines", 422, params=params)
    assert [one["field"] for one in said["errors"]] == [field]


async def test_a_cursor_is_good_for_its_own_order_only(api: Api) -> None:
    await several(api)
    first = await api.get("/machines", params={"limit": 2})
    for wrong in ({"sort": "status"}, {"order": "desc"}, {"sort": "last_seen"}):
        said = await api.refused("GET", "/machines", 422, params={**wrong, "cursor": first["next"]})
        assert said["errors"][0]["field"] == "cursor"
    await api.delete("/machines/m5")  # the last of the first page is not needed to go on from it
    rest = await api.get("/machines", params={"cursor": first["next"]})
    assert [one["slug"] for one in rest["items"]] == ["m4", "m3", "m2", "m1", "m0"]


async def test_the_status_of_a_thousand_is_asked_for_at_once(api: Api) -> None:
    await several(api)
    one = await api.get("/machines/m1/status")
    assert set(one) == STATUS
    assert await api.get("/devices/2/status") == await api.get("/machines/2/status") == one
    found = await api.get("/machines/status", params={"ids": f"2,m1,m0,nobody,{2**64},☃,m1"})
    assert [each["slug"] for each in found["items"]] == ["m1", "m0"]
    assert found["unknown"] == ["nobody", str(2**64), "☃"]
    many = ",".join(str(number) for number in range(1, 1002))
    assert len((await api.get("/machines/status", params={"ids": many.rpartition(",")[0]}))["items"]) == 7
    said = await api.refused("GET", "/machines/status", 422, params={"ids": many})
    assert said["errors"][0]["field"] == "ids"
    await api.refused("GET", "/machines/status", 422)


@pytest.mark.parametrize(
    "ref", ["0", "-1", str(2**31), str(2**63), str(2**64), "9" * 200, "%00", "☃", "%ED%A0%80", "a b", "%FF"]
)
async def test_what_nobody_can_be_called_is_nobody(api: Api, ref: str) -> None:
    for path in (f"/machines/{ref}", f"/machines/{ref}/status", f"/machines/{ref}/why", f"/machines/{ref}/events"):
        await api.refused("GET", path, 404)
    await api.refused("GET", f"/machines/{ref}/outages", 404)


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({}, "slug"),
        ({"slug": ""}, "slug"),
        ({"slug": "a b"}, "slug"),
        ({"slug": "."}, "slug"),
        ({"slug": ".."}, "slug"),
        ({"slug": 7}, "slug"),
        ({"slug": "x" * 201}, "slug"),
        ({"slug": "m", "name": ""}, "name"),
        ({"slug": "m", "name": 1}, "name"),
        ({"slug": "m", "name": "a\0b"}, "name"),
        ({"slug": "m", "name": "\ud800"}, "name"),
        ({"slug": "m", "tags": "a"}, "tags"),
        ({"slug": "m", "tags": [""]}, "tags.0"),
        ({"slug": "m", "tags": ["\udfff"]}, "tags.0"),
        ({"slug": "m", "every": True}, "every"),
        ({"slug": "m", "every": 0}, "every"),
        ({"slug": "m", "every": "soon"}, "every"),
        ({"slug": "m", "every": float("nan")}, "every"),
        ({"slug": "m", "every": float("inf")}, "every"),
        ({"slug": "m", "every": 10**400}, "every"),
        ({"slug": "m", "offline_after": "400d"}, "offline_after"),
        ({"slug": "m", "kind": "nothing"}, "kind"),
        ({"slug": "m", "schedule": "every day"}, "schedule"),
        ({"slug": "m", "timezone": "Mars/Olympus"}, "timezone"),
        ({"slug": "m", "hostnam": "typo"}, "hostnam"),
        ({"slug": "m", "shared": False}, "shared"),
        ({"slug": "m", "shared": "yes"}, "shared"),
    ],
)
async def test_what_is_wrong_is_named_and_nothing_is_made(api: Api, said: dict[str, Any], field: str) -> None:
    content = json.dumps(said)
    problem = await api.refused("POST", "/machines", 422, content=content, headers={"Content-Type": "application/json"})
    assert {one["field"] for one in problem["errors"]} == {field}
    assert (await api.get("/machines"))["items"] == []


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[]", b'"x"', b"null", b"{}{}"])
async def test_a_body_that_is_no_object_is_refused(api: Api, content: bytes) -> None:
    answer = await api.ask("POST", "/machines", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"] == "application/problem+json"


async def test_orders_are_obeyed(api: Api) -> None:
    await api.add("m")
    assert (await api.post("/machines/m/pause"))["status"] == "paused"
    assert (await api.post("/machines/m/resume"))["status"] == "provisioning"
    assert (await api.post("/machines/m/disable"))["enabled"] is False
    await api.add("other")
    for wanted, slug in (("true", "other"), ("false", "m")):
        assert [one["slug"] for one in (await api.get(f"/machines?enabled={wanted}"))["items"]] == [slug]
    counts = (await api.get("/board"))["counts"]
    assert (counts["paused"], counts["disabled"], counts["provisioning"]) == (0, 1, 1)
    for verb in ("pause", "resume"):
        said = await api.refused("POST", f"/machines/m/{verb}", 409)
        assert said["detail"] == f"m: is disabled: enable it, then {verb} it"
    assert (await api.post("/machines/m/disable"))["enabled"] is False
    assert (await api.post("/machines/m/enable"))["enabled"] is True
    await api.post("/machines/m/pause", json={"until_ping": True})
    first, new = await api.get("/machines/m"), await api.post("/machines/m/new-addresses")
    assert new["ping_url"] != first["ping_url"]
    assert "neither" in (await api.refused("POST", "/machines/m/ack", 409))["detail"]


async def test_a_new_key_is_valid_beside_the_old_one(api: Api) -> None:
    old = (await api.add("m"))["key"]
    new = (await api.post("/machines/m/rotate-key"))["key"]
    for key in (old, new):
        assert (await api.ask("POST", "/heartbeat", key=key)).status_code == 204
    assert (await api.ask("POST", "/heartbeat", key=old)).status_code == 401


async def test_what_happened_is_told(api: Api) -> None:
    await api.add("m")
    await go_offline(api, "m")
    events = (await api.get("/machines/m/events"))["items"]
    assert {frozenset(one) for one in events} == {frozenset(EVENT)}
    assert [one["type"] for one in events] == ["machine.offline", "machine.online", "machine.registered"]
    assert [len(page) for page in await api.pages("/machines/m/events", limit=1)] == [1, 1, 1]
    (outage,) = (await api.get("/machines/m/outages"))["items"]
    assert (outage["reason"], outage["ended_at"], outage["acknowledged_by"]) == ("silent", None, None)
    seen = await api.post("/machines/m/ack", json={"by": "Ada"})
    assert seen == {"id": 1, "slug": "m", "acknowledged_by": "Ada"}
    assert (await api.get("/machines/m"))["acknowledged_by"] == "Ada"
    assert (await api.get("/machines/m/outages"))["items"][0]["acknowledged_by"] == "Ada"
    why = await api.get("/machines/m/why")
    assert why["machine"] == "m"
    assert why["timeline"]
    uptime = await api.get("/machines/m/uptime", params={"window": "1d"})
    assert (uptime["outages"], len(uptime["days"])) == (1, 2)
    assert 0 < uptime["down_seconds"] <= 130


async def test_what_happened_to_a_machine_is_told_when_it_is_removed_too(api: Api) -> None:
    await api.add("m")
    await go_offline(api, "m")
    await api.delete("/machines/m")
    for ref in ("m", "1"):
        events = (await api.get(f"/machines/{ref}/events"))["items"]
        assert [one["type"] for one in events][:2] == ["machine.removed", "machine.offline"]
        (outage,) = (await api.get(f"/machines/{ref}/outages"))["items"]
        assert (outage["machine"], outage["machine_id"]) == ("m", 1)
        assert (await api.get(f"/machines/{ref}/why"))["removed_at"]
    assert [len(page) for page in await api.pages("/machines/m/events", limit=2)] == [2, 2]
    again = await api.add("m")
    assert [one["machine_id"] for one in (await api.get("/machines/m/events"))["items"]] == [again["id"]]
    assert (await api.get("/machines/m/outages"))["items"] == []


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("uptime?window=soon", "window"),
        ("uptime?window=400d", "window"),
        ("why?at=never", "at"),
        ("events?limit=-1", "limit"),
        ("outages?cursor=x", "cursor"),
        ("uptime?windwo=1d", "windwo"),
    ],
)
async def test_a_wrong_question_about_the_past_is_named(api: Api, path: str, field: str) -> None:
    await api.add("m")
    said = await api.refused("GET", f"/machines/m/{path}", 422)
    assert [one["field"] for one in said["errors"]] == [field]


async def test_of_two_who_change_different_fields_both_are_heard(api: Api) -> None:
    await api.add("m")
    changes = [{"name": f"n{i}"} if i % 2 else {"hostname": f"h{i}"} for i in range(20)]
    await asyncio.gather(*(api.patch("/machines/m", json=change) for change in changes))
    shown = await api.get("/machines/m")
    assert (shown["name"][0], shown["hostname"][0]) == ("n", "h")


async def test_a_machines_key_shows_its_own_status_and_nothing_else(api: Api) -> None:
    mine, _ = (await api.add("m"))["key"], await api.add("other")
    assert (await api.get("/machines/m/status", key=mine))["slug"] == "m"
    for path in (
        "/machines/other/status",
        "/machines/nobody/status",
        "/machines/m",
        "/machines",
        "/machines/status?ids=m",
    ):
        await api.refused("GET", path, 403, key=mine)
    await api.refused("GET", "/machines", 401, key="lsa_wrong")


async def test_all_that_is_wrong_is_named_at_once(api: Api) -> None:
    wrong = {"every": "soon", "timezone": "Moon", "schedule": "often", "offline_after": "x", "grace": "-1"}
    said = await api.refused("POST", "/machines", 422, json={"slug": "a pump", **wrong})
    assert {one["field"] for one in said["errors"]} == {*wrong, "slug"}
    assert all(one["detail"] for one in said["errors"])
    await api.refused("GET", "/machines/pump", 404)


async def test_null_takes_back_what_was_said(api: Api) -> None:
    plain = await api.add("plain")
    said = {
        "name": "Main pump",
        "hostname": "pump.lan",
        "description": "d",
        "kind": "server",
        "group": "cellar",
        "tags": ["a"],
        "every": "1m",
    }
    unsaid = dict.fromkeys(said)
    await api.add("pump", **said)
    assert (await api.get("/machines/pump"))["group"] == "cellar"
    await api.patch("/machines/pump", json=unsaid)
    await api.add("other", **unsaid)
    as_it_is = await api.get(f"/machines/{plain['id']}")
    fields = (*(name for name in said if name not in ("name", "every")), "every_seconds")
    for slug in ("pump", "other"):
        now = await api.get(f"/machines/{slug}")
        assert (now["name"], now["group"]) == (slug, "http")
        assert {name: now[name] for name in fields} == {name: as_it_is[name] for name in fields}
    await api.refused("PATCH", "/machines/pump", 422, json={"shared": None})
