"""What was given up is told again over HTTP: of whom, how many at once, and by whom."""

from __future__ import annotations

from typing import Any

import pytest

from lastseen.testing.script import at, by_rule
from lastseen.testing.suite_base import online
from tests.api.conftest import Api
from tests.api.test_channels import HOOK

GIVEN_UP = 200 + 76 * 3600


async def give_up(api: Api, *slugs: str) -> None:
    """They went silent, and nobody could be told in time."""
    store = api.app.store
    known = [one.uid for one in await store.channels()]
    await online(store, *slugs)
    await store.settle(by_rule(known), at(200))
    await store.tidy(at(GIVEN_UP))


async def again(api: Api, key: str | None = None, **said: Any) -> Any:
    return await api.post("/notifications/replay", json={"state": "dead", **said}, key=key)


async def key_of(api: Api, name: str, role: str) -> str:
    await api.post("/users", json={"name": name, "role": role})
    return str((await api.post("/keys", json={"scope": "api", "may": "write", "user": name}))["key"])


async def test_it_is_said_how_many_are_told_again_and_how_many_are_left(api: Api) -> None:
    for name in ("ops", "boss"):
        await api.post("/channels", json={"type": "console", "name": name})
    await give_up(api, "a", "b", "c")
    looked = await again(api, channel="ops", dry_run=True, limit=2)
    assert (looked["found"], looked["replayed"], looked["left"]) == (3, 0, 3)
    assert [one["machine"] for one in looked["notifications"]] == ["a", "b"]
    done = await again(api, channel="ops", limit=2)
    assert (done["found"], done["replayed"], done["left"], done["again"], done["off"]) == (3, 2, 1, 0, 0)
    assert {(one["cause"], one["channel"]) for one in done["notifications"]} == {("replay", "ops")}
    assert (await again(api, channel="ops"))["replayed"] == 1
    done = await again(api, channel="ops")
    assert (done["found"], done["replayed"], done["left"], done["again"]) == (0, 0, 0, 3)
    await api.post("/channels/boss/disable")
    assert (await again(api))["off"] == 3
    assert (await again(api, since="2099-01-01T00:00:00Z"))["found"] == 0


async def test_members_tell_again_what_they_see_and_viewers_nothing(api: Api) -> None:
    member, other, viewer = [
        await key_of(api, name, role) for name, role in (("ada", "member"), ("bob", "member"), ("vic", "viewer"))
    ]
    await api.post("/channels", json={"type": "console", "name": "shared"})
    await api.post("/channels", json={**HOOK, "name": "bobs"}, key=other)
    await give_up(api, "a", "b")
    await api.patch("/machines/b", json={"owner": "bob"})
    done = await again(api, key=member)
    assert [(one["channel"], one["machine"]) for one in done["notifications"]] == [("shared", "a")]
    assert (done["found"], done["left"]) == (1, 0)
    await api.refused("POST", "/notifications/replay", 404, key=member, json={"state": "dead", "channel": "bobs"})
    await api.refused("POST", "/notifications/replay", 404, key=member, json={"state": "dead", "machine": "b"})
    await api.refused("POST", "/notifications/replay", 403, key=viewer, json={"state": "dead", "dry_run": True})
    assert (await again(api, key=other, dry_run=True))["found"] == 3


@pytest.mark.parametrize(
    ("said", "field"),
    [({}, "state"), ({"state": "skipped"}, "state"), ({"state": "dead", "limit": 501}, "limit")],
)
async def test_what_makes_no_sense_is_named(api: Api, said: Any, field: str) -> None:
    problem = await api.refused("POST", "/notifications/replay", 422, json=said)
    assert [one["field"] for one in problem["errors"]] == [field]
