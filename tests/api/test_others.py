"""Kinds, silences, events, notifications, sources, keys and users over HTTP."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.api.conftest import Api
from tests.api.test_channels import HOOK
from tests.api.test_machines import go_offline
from tests.cli.test_shapes import EVENT, NOTIFICATION
from tests.support import eventually


async def test_kinds_are_made_and_changed(api: Api) -> None:
    names = {one["name"] for one in (await api.get("/kinds"))["items"]}
    assert names >= {"default", "server", "device", "job"}
    made = await api.put("/kinds/cam", json={"offline_after": "5m"})
    assert made == {"name": "cam", "offline_after_seconds": 300, "every_seconds": None}
    assert (await api.put("/kinds/cam", json={"every": 60}))["offline_after_seconds"] == 300
    assert (await api.put("/kinds/cam", json={"offline_after": "never"}))["offline_after_seconds"] == 0
    assert (await api.put("/kinds/cam", json={"offline_after": None}))["offline_after_seconds"] is None
    said = await api.refused("PUT", "/kinds/cam", 422, json={"every": "soon"})
    assert said["errors"][0]["field"] == "every"


async def test_all_that_is_wrong_with_a_kind_is_named_at_once(api: Api) -> None:
    said = await api.refused("PUT", "/kinds/foo", 422, json={"every": "soon", "offline_after": "later"})
    assert [one["field"] for one in said["errors"]] == ["offline_after", "every"]
    assert "foo" not in {one["name"] for one in (await api.get("/kinds"))["items"]}


async def test_silences_are_added_listed_and_ended(api: Api) -> None:
    made = await api.post("/silences", json={"name": "switch", "lasting": "2h", "machines": {"groups": ["berlin"]}})
    assert (made["machines"], made["matcher"], made["id"]) == ("group berlin", {"groups": ["berlin"]}, 1)
    later = (api.clock.now() + timedelta(days=1)).isoformat()
    planned = await api.post("/silences", json={"name": "later", "starts_at": later, "machines": {"all": True}})
    assert planned["machines"] == "all machines"
    assert [one["id"] for one in (await api.get("/silences"))["items"]] == [1, 2]
    assert (await api.delete("/silences/1"))["id"] == 1
    await api.refused("DELETE", "/silences/99", 404)
    await api.refused("DELETE", f"/silences/{2**63}", 422)


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"name": ""}, "name"),
        ({"lasting": "400d"}, "lasting"),
        ({"starts_at": "tomorrow"}, "starts_at"),
        ({"starts_at": "2026-06-01T22:00"}, "starts_at"),
        ({"starts_at": "0001-01-01T00:00:00+14:00"}, "starts_at"),
        ({"starts_at": "9999-12-31T23:59:59-14:00"}, "starts_at"),
        ({"machines": {"group": ["a"]}}, "machines.group"),
        ({"machines": {"tags": "a"}}, "machines.tags"),
        ({"starts_at": "2001-06-01T22:00:00Z"}, "starts_at"),
        ({"machines": {}}, "machines"),
        ({"machines": {"names": []}}, "machines"),
        ({"machines": {"all": False}}, "machines"),
        ({"machines": {"all": True, "names": ["a"]}}, "machines.all"),
    ],
)
async def test_a_wrong_silence_is_named(api: Api, said: dict[str, Any], field: str) -> None:
    problem = await api.refused("POST", "/silences", 422, json={"name": "s", "machines": {"all": True}, **said})
    assert [one["field"] for one in problem["errors"]] == [field]
    assert (await api.get("/silences"))["items"] == []


async def test_no_silence_is_of_all_machines_by_a_slip(api: Api) -> None:
    problem = await api.refused("POST", "/silences", 422, json={"name": "s"})
    assert [one["field"] for one in problem["errors"]] == ["machines"]
    assert '"all": true' in problem["errors"][0]["detail"]
    problem = await api.refused("POST", "/silences", 422, json={"name": " ", "lasting": "soon"})
    assert [one["field"] for one in problem["errors"]] == ["lasting", "machines"], "all that is wrong at once"
    assert (await api.get("/silences"))["items"] == []


async def test_what_happened_and_who_was_told_is_read_by_pages(api: Api) -> None:
    await api.post("/channels", json={"type": "console", "name": "out"})
    await api.post("/channels", json={**HOOK, "name": "ops"})
    await api.add("fan")
    await api.add("pump")
    await go_offline(api, "pump")
    (events,) = await api.pages("/events")
    assert {frozenset(one) for one in events} == {frozenset(EVENT)}
    assert [one for page in await api.pages("/events", limit=2) for one in page] == events
    mine = await api.get("/events", params={"machine": "pump", "type": "machine.offline"})
    assert [(one["machine"], one["type"]) for one in mine["items"]] == [("pump", "machine.offline")]
    assert (await api.get("/events", params={"until": "2000-01-01T00:00:00Z"}))["items"] == []
    await api.refused("GET", "/events", 404, params={"machine": "nobody"})
    (told,) = await api.pages("/notifications")
    assert {frozenset(one) for one in told} == {frozenset({*NOTIFICATION, "channel", "machine", "type"})}
    assert [one for page in await api.pages("/notifications", limit=1) for one in page] == told
    out = (await api.get("/notifications", params={"channel": "out", "machine": "pump"}))["items"]
    assert {(one["channel"], one["machine"]) for one in out} == {("out", "pump")}
    offline = next(one for one in out if one["type"] == "machine.offline")
    again = await api.post(f"/notifications/{offline['id']}/replay")
    assert (again["cause"], again["event_id"]) == ("replay", offline["event_id"])
    assert (await api.post(f"/notifications/{offline['uid']}/replay"))["event_id"] == offline["event_id"]
    for nobody in ("999", str(2**63), "no-such-uid"):
        await api.refused("POST", f"/notifications/{nobody}/replay", 404)


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/events?since=yesterday", "since"),
        ("/events?since=2026-06-01T22:00", "since"),
        ("/events?until=0001-01-01T00:00:00%2B14:00", "until"),
        ("/notifications?state=lost", "state"),
        ("/notifications?limit=0", "limit"),
        ("/notifications?cursor=x", "cursor"),
    ],
)
async def test_a_wrong_question_is_named(api: Api, path: str, field: str) -> None:
    assert [one["field"] for one in (await api.refused("GET", path, 422))["errors"]] == [field]


async def test_sources_are_added_shown_changed_and_removed(api: Api) -> None:
    more = {"presets": ["zigbee2mqtt"], "machine_kind": "device", "username": "ada", "password": "hidden-word"}
    made = await api.post("/sources", json={"name": "house", "url": "mqtt://127.0.0.1:9", **more})
    assert (made["name"], made["kind"], made["url"]) == ("house", "mqtt", "mqtt://127.0.0.1:9")
    assert made["machine_kind"] == "device"
    shown = await api.get("/sources/house")
    assert (shown["hears"], shown["strangers"]) == (False, [])
    assert "hidden-word" not in str((shown, await api.get("/sources")))
    changed = await api.patch("/sources/house", json={"auto_add": True, "base": "z2m"})
    assert (changed["auto_add"], changed["base"], changed["presets"]) == (True, "z2m", ["zigbee2mqtt"])
    assert "base" not in await api.patch("/sources/house", json={"base": ""})
    assert (await api.get("/sources/house/blind"))["next"] is None
    assert (await api.delete("/sources/house"))["removed"] is True
    await api.refused("GET", "/sources/house", 404)
    await api.refused("DELETE", "/sources/http", 409)
    for wrong, field in (
        ({"url": "x"}, "url"),
        ({"presets": ["none"]}, "presets"),
        ({"machine_kind": "?"}, "machine_kind"),
    ):
        right = {"name": "b", "url": "mqtt://127.0.0.1:9", "presets": ["devices"]}
        said = await api.refused("POST", "/sources", 422, json={**right, **wrong})
        assert [one["field"] for one in said["errors"]] == [field]


async def test_keys_are_made_listed_and_revoked(api: Api) -> None:
    made = await api.post("/keys", json={"scope": "api", "label": "grafana", "may": "read", "expires": "90d"})
    assert set(made) == {"id", "scope", "label", "key", "expires_at"}
    assert (await api.get("/machines", key=made["key"]))["items"] == []
    await api.refused("POST", "/machines", 403, key=made["key"], json={"slug": "m"})
    listed = {one["id"]: one for one in (await api.get("/keys"))["items"]}
    assert listed[made["id"]]["label"] == "grafana"
    assert made["key"] not in str(listed)
    assert made["expires_at"] == listed[made["id"]]["expires_at"]
    revoked = await api.delete(f"/keys/{made['id']}")
    assert revoked["revoked_at"]
    assert set(revoked) == set(listed[made["id"]])
    await eventually(lambda: is_refused(api, made["key"]))
    said = await api.refused("POST", "/keys", 422, json={"scope": "root"})
    assert said["errors"][0]["field"] == "scope"


async def test_keys_are_read_by_pages_however_many_machines_have_some(api: Api) -> None:
    for slug in ("a", "b", "c"):
        await api.add(slug)
    await api.post("/keys", json={"scope": "fleet", "label": "bus"})
    whole = (await api.get("/keys", params={"limit": 1000}))["items"]
    assert [one["id"] for one in whole] == sorted(one["id"] for one in whole)
    assert {one["machine"] for one in whole} == {"a", "b", "c", None}
    first = await api.get("/keys", params={"limit": 2})
    await api.add("d")
    await api.delete(f"/keys/{whole[1]['id']}")
    rest = await api.pages("/keys", limit=2, cursor=first["next"])
    assert [one["id"] for page in [first["items"], *rest] for one in page][: len(whole)] == [one["id"] for one in whole]
    (few,) = await api.pages("/keys", machines="false")
    assert [one["label"] for one in few if one["scope"] == "fleet"] == ["bus"]
    assert {one["machine"] for one in few} == {None}
    said = await api.refused("GET", "/keys", 422, params={"cursor": "x"})
    assert said["errors"][0]["field"] == "cursor"


async def test_somebody_elses_key_is_not_there_to_be_revoked(api: Api) -> None:
    for name in ("ada", "bob"):
        await api.post("/users", json={"name": name, "role": "member"})
    adas, bobs = [
        await api.post("/keys", json={"scope": "api", "may": "write", "user": name}) for name in ("ada", "bob")
    ]
    assert [one["id"] for one in (await api.get("/keys", key=bobs["key"]))["items"]] == [bobs["id"]]
    await api.refused("DELETE", f"/keys/{adas['id']}", 404, key=bobs["key"])
    assert (await api.delete(f"/keys/{bobs['id']}", key=bobs["key"]))["revoked_at"]


async def is_refused(api: Api, key: str) -> bool:
    await api.clock.advance(1)  # keys that are known are looked at again now and then
    return (await api.ask("GET", "/machines", key=key)).status_code == 401


async def test_users_are_added_shown_changed_and_removed(api: Api) -> None:
    made = await api.post("/users", json={"name": "ada", "role": "admin"})
    assert (made["name"], made["role"], made["has_password"]) == ("ada", "admin", False)
    assert [one["name"] for one in (await api.get("/users"))["items"]] == ["ada"]
    await api.post("/users", json={"name": "ben"})
    assert (await api.patch("/users/ben", json={"role": "member"}))["role"] == "member"
    assert "token=" in (await api.post("/users/ben/reset-password"))["url"]
    assert (await api.delete("/users/ben"))["removed"] is True
    await api.refused("GET", "/users/ben", 404)
    await api.refused("DELETE", "/users/ada", 409)
    said = await api.refused("PATCH", "/users/ada", 422, json={"role": "root"})
    assert said["errors"][0]["field"] == "role"
    audit = (await api.get("/audit"))["items"]
    assert {one["verb"] for one in audit} >= {"users.add", "users.set", "users.remove"}
    assert [one for page in await api.pages("/audit", limit=2) for one in page] == (await api.get("/audit"))["items"]


async def test_the_audit_log_is_read_from_any_line_on_by_whom_and_about_what(api: Api) -> None:
    for name in ("ada", "ben"):
        await api.post("/users", json={"name": name, "role": "admin"})
    key = (await api.post("/keys", json={"scope": "api", "may": "write", "user": "ada"}))["key"]
    for role in ("viewer", "member", "admin"):
        await api.patch("/users/ben", json={"role": role}, key=key)
    whole = (await api.get("/audit", params={"limit": 1000}))["items"]
    mine = {"by": "ada", "subject": "user ben"}
    assert [one["changed"]["role"]["to"] for one in (await api.get("/audit", params=mine))["items"]] == [
        "admin", "member", "viewer",
    ]  # fmt: skip
    assert (await api.get("/audit", params={**mine, "before": whole[0]["id"]}))["items"] == whole[1:3]
    pages = await api.pages("/audit", limit=2, before=whole[0]["id"])
    assert [one for page in pages for one in page] == whole[1:]
    assert (await api.get("/audit", params={"by": "nobody"}))["items"] == []
    for wrong in ("before=0", "before=x", "who=ada"):
        await api.refused("GET", f"/audit?{wrong}", 422)


async def test_a_body_of_another_type_is_refused(api: Api) -> None:
    said = await api.refused("POST", "/machines", 415, data={"slug": "m"})
    assert "application/json" in said["detail"]
    assert (await api.get("/machines"))["items"] == []


async def test_a_long_body_is_refused(api: Api) -> None:
    said = await api.refused("POST", "/machines", 413, json={"slug": "m", "description": "x" * 70_000})
    assert "64 KiB" in said["detail"]


@pytest.mark.parametrize("scope", ["api", "fleet", "ping"])
async def test_what_a_key_makes_ends_with_it_at_the_latest(api: Api, scope: str) -> None:
    maker = await api.post("/keys", json={"scope": "api", "may": "write", "expires": "1h"})
    made = [
        (await api.post("/keys", key=maker["key"], json={"scope": scope, **said}))["id"]
        for said in ({}, {"expires": "90d"}, {"expires": "5m"})
    ]
    ends = {one["id"]: one["expires_at"] for one in (await api.get("/keys"))["items"]}
    assert [ends[one] for one in made[:2]] == [ends[maker["id"]]] * 2
    assert ends[made[2]] < ends[maker["id"]]
