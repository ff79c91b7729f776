"""`/api/v1/channels`: who is told, by the fields of each notifier's own Config."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from lastseen.clock import rfc3339
from lastseen.model import Trouble
from lastseen.model.outbox import LEFT_BEHIND
from tests.api.conftest import Api

HOOK = {"type": "webhook", "name": "ops", "config": {"url": "http://hooks.lan:9/"}}
ONE = {
    *("id", "type", "name", "enabled", "disabled_by", "disabled_reason", "failing_since", "last_error"),
    *("config", "wishes", "machines_now", "fallback", "owner"),
}


async def add(api: Api, **more: Any) -> Any:
    return await api.post("/channels", json={**HOOK, **more})


async def test_a_channel_is_added_shown_changed_and_removed(api: Api) -> None:
    made = await add(api)
    assert set(made) == {"id", "type", "name", "secret"}
    assert made["secret"].startswith("whsec_")
    shown = await api.get("/channels/ops")
    assert set(shown) == ONE
    assert shown["config"] == HOOK["config"]
    assert shown == await api.get("/channels/1") == (await api.get("/channels"))["items"][0]
    changed = await api.patch("/channels/ops", json={"config": {"url": "http://hooks.lan:9/new"}})
    assert changed["config"] == {"url": "http://hooks.lan:9/new"}
    assert (await api.post("/channels/ops/disable", json={"reason": "moving"}))["disabled_reason"] == "moving"
    assert (await api.post("/channels/ops/enable"))["enabled"] is True
    fresh = (await api.post("/channels/ops/rotate-secret", json={"keep": "1h"}))["secret"]
    assert fresh != made["secret"]
    assert await api.delete("/channels/ops") == {"id": 1, "name": "ops", "removed": True}
    await api.refused("GET", "/channels/ops", 404)


async def test_a_channel_that_fails_says_since_when_and_why(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    await add(api)
    assert (await api.get("/channels/ops"))["failing_since"] is None
    (ops,) = await api.app.store.channels()

    async def troubled(now: datetime, after: timedelta) -> list[Trouble]:
        return [Trouble(ops, now, 1, "no route")]

    monkeypatch.setattr(api.app.store, "troubled", troubled)
    for shown in (await api.get("/channels/ops"), *(await api.get("/channels"))["items"]):
        assert (shown["enabled"], shown["failing_since"], shown["last_error"]) == (
            True,
            rfc3339(api.clock.now()),
            "no route",
        )


async def test_no_reason_is_taken_for_that_its_owner_is_gone(api: Api) -> None:
    await add(api)
    refused = await api.refused("POST", "/channels/ops/disable", 422, json={"reason": f"ada{LEFT_BEHIND}"})
    assert refused["errors"][0]["field"] == "reason"
    assert (await api.get("/channels/ops"))["enabled"] is True


async def test_a_channel_is_called_otherwise_and_given_to_a_user(api: Api) -> None:
    await add(api)
    await api.post("/users", json={"name": "ada"})
    changed = await api.patch(
        "/channels/ops", json={"name": "Ops team", "owner": "ada", "wishes": {"severity": "info"}}
    )
    assert (changed["id"], changed["name"], changed["owner"]) == (1, "Ops team", "ada")
    assert (await api.patch("/channels/1", json={"owner": None}))["owner"] is None
    await add(api)
    before = await api.get("/channels")
    for said, status in (
        ({"name": "Ops team"}, 409),
        ({"name": "7"}, 422),
        ({"owner": "nobody"}, 422),
        ({"name": "new", "owner": "nobody", "config": {"url": "http://hooks.lan:9/other"}}, 422),
    ):
        await api.refused("PATCH", "/channels/ops", status, json=said)
    assert await api.get("/channels") == before, "nothing of what cannot be"


async def test_what_becomes_everybodys_may_lead_where_theirs_may_at_once(api: Api) -> None:
    await api.post("/users", json={"name": "ada"})
    await add(api)
    await api.patch("/channels/ops", json={"owner": "ada"})
    here = {"config": {"url": "http://127.0.0.1:9/hook"}}
    refused = await api.refused("PATCH", "/channels/ops", 422, json=here)
    assert refused["errors"][0]["field"] == "config.url"
    changed = await api.patch("/channels/ops", json={**here, "owner": None})
    assert (changed["owner"], changed["config"]["url"]) == (None, "http://127.0.0.1:9/hook")


async def test_all_that_is_wrong_with_a_config_is_named(api: Api) -> None:
    await add(api)
    wrong = {"config": {"url": "ftp://x", "nothing": 1}}
    refused = await api.refused("PATCH", "/channels/ops", 422, json=wrong)
    assert {one["field"] for one in refused["errors"]} == {"config.url", "config.nothing"}


async def test_a_channel_changes_hands_with_who_stands_in_for_it_or_not_at_all(api: Api) -> None:
    for user, channels in (("bob", ("b1", "b2")), ("ada", ("a1",))):
        await api.post("/users", json={"name": user, "role": "member"})
        for name in channels:
            await add(api, name=name)
            await api.patch(f"/channels/{name}", json={"owner": user})
    other = {"config": {"url": "http://hooks.lan:9/other"}}
    before = await api.get("/channels")
    await api.refused("PATCH", "/channels/b1", 422, json={**other, "fallback": "b2", "owner": "ada"})
    assert await api.get("/channels") == before
    await api.patch("/channels/b1", json={"fallback": "b2"})
    before = await api.get("/channels")
    await api.refused("PATCH", "/channels/b1", 409, json={**other, "owner": "ada"})
    assert await api.get("/channels") == before
    given = await api.patch("/channels/b1", json={**other, "fallback": None, "owner": "ada"})
    assert (given["owner"], given["fallback"], given["config"]) == ("ada", None, other["config"])
    given = await api.patch("/channels/b1", json={"fallback": "b2", "owner": "bob"})
    assert (given["owner"], given["fallback"]) == ("bob", "b2")
    given = await api.patch("/channels/b1", json={"fallback": "a1", "owner": "ada", "wishes": {"severity": "info"}})
    assert (given["owner"], given["fallback"], given["wishes"]) == ("ada", "a1", {"severity": "info"})


async def test_what_it_is_told_of_its_far_end_counts_where_it_is_given_to_somebody(api: Api) -> None:
    """Nobody guards where `api_url` leads: such a channel stays everybody's."""
    await api.post("/users", json={"name": "ada", "role": "member"})
    bot = {"token": "1:" + "x" * 35, "chat_id": 7}
    await api.post("/channels", json={"type": "telegram", "name": "chat", "config": bot})
    guarded, elsewhere = {"config": {"api_url": None}}, {"config": {"api_url": "http://127.0.0.1:9"}}
    before = await api.get("/channels/chat")
    await api.refused("PATCH", "/channels/chat", 422, json={**elsewhere, "owner": "ada"})
    assert await api.get("/channels/chat") == before
    await api.patch("/channels/chat", json=elsewhere)
    assert (await api.patch("/channels/chat", json={**guarded, "owner": "ada"}))["owner"] == "ada"


async def test_a_secret_that_was_given_is_not_shown(api: Api) -> None:
    secret = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    made = await add(api, config={**HOOK["config"], "secret": secret})
    assert "secret" not in made
    assert secret not in (await api.ask("GET", "/channels/ops")).text


async def test_wishes_are_changed_field_by_field(api: Api) -> None:
    await add(api)
    await add(api, name="pager")
    wishes = {"severity": "info", "notify_after": 300, "quiet": {"start": "22:00", "end": "07:00"}}
    changed = await api.patch("/channels/ops", json={"wishes": wishes, "fallback": "pager"})
    assert changed["fallback"] == "pager"
    assert {name: changed["wishes"][name] for name in wishes} == wishes
    changed = await api.patch("/channels/ops", json={"wishes": {"quiet": None}})
    assert "quiet" not in changed["wishes"]
    assert changed["wishes"]["notify_after"] == 300
    assert (await api.patch("/channels/ops", json={"fallback": None}))["fallback"] is None
    assert "itself" in (await api.refused("PATCH", "/channels/ops", 409, json={"fallback": "ops"}))["detail"]


async def test_a_change_that_takes_what_another_wish_wants_is_refused(api: Api) -> None:
    await add(api)
    wishes = {"events": ["machine.paused", "machine.error"], "severity": "info"}
    before = await api.patch("/channels/ops", json={"wishes": wishes})
    problem = await api.refused("PATCH", "/channels/ops", 422, json={"wishes": {"severity": "alert"}})
    assert {one["field"] for one in problem["errors"]} == {"wishes.severity"}
    assert "'machine.paused'" in problem["errors"][0]["detail"]
    assert await api.get("/channels/ops") == before
    changed = await api.patch("/channels/ops", json={"wishes": {"severity": None, "events": ["machine.error"]}})
    assert changed["wishes"]["events"] == ["machine.error"]


async def test_types_come_with_what_they_must_be_told(api: Api) -> None:
    types = {one["type"]: one for one in (await api.get("/channels/types"))["items"]}
    assert set(types) >= {"webhook", "telegram", "email", "ntfy", "console"}
    hook = types["webhook"]["schema"]
    assert "url" in hook["required"]
    assert "previous_secret" not in hook["properties"]
    assert types["email"]["admins_only"] is True
    assert types["webhook"]["admins_only"] is False


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"type": "webhok"}, "type"),
        ({"name": ""}, "name"),
        ({"name": "a\0"}, "name"),
        ({"config": {}}, "config.url"),
        ({"config": {"url": "ftp://x"}}, "config.url"),
        ({"config": {"url": 7}}, "config.url"),
        ({"config": {"url": "http://a/", "sekret": "x"}}, "config.sekret"),
        ({"config": {"url": "http://a/", "secret": "short"}}, "config.secret"),
        ({"config": {"url": "http://a/\ud800"}}, "config"),
        ({"config": {"url": "http://a/", "\0": 1}}, "config"),
        ({"config": {"url": float("nan")}}, "config"),
        ({"config": {"url": 2**64}}, "config"),
        ({"config": "url"}, "config"),
        ({"config": {"url": "http://a/", "previous_secret": "x"}}, "config.previous_secret"),
        ({"shared": False}, "shared"),
        ({"colour": "red"}, "colour"),
    ],
)
async def test_what_is_wrong_is_named_and_nothing_is_made(api: Api, said: dict[str, Any], field: str) -> None:
    content = json.dumps({**HOOK, **said})
    problem = await api.refused("POST", "/channels", 422, content=content, headers={"Content-Type": "application/json"})
    assert {one["field"] for one in problem["errors"]} == {field}
    assert (await api.get("/channels"))["items"] == []


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"config": {"url": ""}}, "config.url"),
        ({"wishes": {"severity": "loud"}}, "wishes.severity"),
        ({"wishes": {"severity": "loud"}, "config": {"url": "https://other.example"}}, "wishes.severity"),
        ({"fallback": "adas", "config": {"url": "https://other.example"}}, "fallback"),
        ({"wishes": {"quiet": {"start": "25:00", "end": "07:00"}}}, "wishes.quiet.start"),
        ({"wishes": {"notify_after": "5m"}}, "wishes.notify_after"),
        ({"wishes": {"repeat_every": 1}}, "wishes.repeat_every"),
        ({"wishes": {"machines": {"group": ["a"]}}}, "wishes.machines.group"),
        ({"wishes": {"machines": {"slugs": ["a"]}}}, "wishes.machines.slugs"),
        ({"wishes": {"events": ["nonsense"]}}, "wishes.events"),
        ({"wishes": {"events": ["machine.online"]}}, "wishes.events"),
        ({"wishes": {"events": ["machine.paused"]}}, "wishes.severity"),
        ({"wishes": 1}, "wishes"),
    ],
)
async def test_a_wrong_change_is_named_and_changes_nothing(api: Api, said: dict[str, Any], field: str) -> None:
    await add(api)
    await api.post("/users", json={"name": "ada", "role": "member"})
    await api.post("/channels", json={**HOOK, "name": "adas"})
    await api.patch("/channels/adas", json={"owner": "ada"})
    before = await api.get("/channels/ops")
    problem = await api.refused("PATCH", "/channels/ops", 422, json=said)
    assert {one["field"] for one in problem["errors"]} == {field}
    assert await api.get("/channels/ops") == before


async def test_a_test_says_what_the_far_end_answered(api: Api) -> None:
    await add(api)
    tried = await api.post("/channels/ops/test")
    assert tried["ok"] is False
    assert tried["detail"]
    await api.refused("POST", "/channels/nobody/test", 404)


async def test_a_chat_is_invited_where_there_is_a_bot(api: Api) -> None:
    said = await api.refused("POST", "/channels/invites", 409, json={"name": "phone"})
    assert "TELEGRAM_BOT_TOKEN" in said["detail"]
    for wrong, field in (({"lasting": "31d"}, "lasting"), ({"thread_id": 0}, "thread_id"), ({"name": ""}, "name")):
        said = await api.refused("POST", "/channels/invites", 422, json={"name": "phone", **wrong})
        assert [one["field"] for one in said["errors"]] == [field]
    await api.refused("GET", "/channels/invites/1", 404)


async def test_two_of_one_name_cannot_be(api: Api) -> None:
    await add(api)
    assert "already" in (await api.refused("POST", "/channels", 409, json=HOOK))["detail"]
    console = {"type": "console", "name": "out"}
    await api.post("/channels", json=console)
    assert "only webhooks" in (await api.refused("POST", "/channels/out/rotate-secret", 409))["detail"]
