"""Everybody is sent what they may see, as long as they may."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from lastseen.ingest.auth import digest_of
from lastseen.model import Event, Severity
from lastseen.web.api import stream as route
from tests.secrecy import secret
from tests.server.conftest import Served
from tests.stream.following import STREAM, stream

TOKEN = "s" * 43


async def people(served: Served) -> dict[str, int]:
    """Somebody of each role, each with a machine of their own; and one that is shared."""
    now, found = served.app.monitor.clock.now(), {}
    for name, role in (("ada", "admin"), ("ann", "member"), ("bob", "member"), ("eve", "viewer")):
        found[name] = (await served.other.add_user(name, role, None, now)).id
        await served.app.monitor.watch(f"of-{name}", owner=found[name])
    await served.app.monitor.watch("shared")
    return found


async def told(served: Served, count: int, **key: Any) -> set[str]:
    async with stream(served.http, await served.key("api", **key), "0", type="machine.registered") as read:
        await read.until(count)
        await served.app.monitor.watch("last")
        await read.until(count + 1)
    await served.app.monitor.forget("last")
    assert read.events[-1]["event"]["machine"] == "last"
    return {one["event"]["machine"] for one in read.events[:-1]}


async def test_nobody_is_sent_what_they_may_not_see(served: Served) -> None:
    ids = await people(served)
    every = {"shared", "of-ada", "of-ann", "of-bob", "of-eve"}
    assert await told(served, 5) == every
    assert await told(served, 6, user_id=ids["ada"]) == {*every, "last"}, "removed ones have a past"
    for number, name in enumerate(("ann", "bob", "eve")):
        seen = await told(served, 4 + number, user_id=ids[name])
        assert seen == {"shared", f"of-{name}", "last"}


async def test_what_is_of_somebodys_channel_is_for_them(served: Served) -> None:
    ids, now = await people(served), served.app.monitor.clock.now()
    channel = await served.other.code_channel("mine", "channel:mine", now)
    await served.other.database.write(
        lambda c: c.exec_driver_sql("UPDATE channels SET owner_id = ? WHERE id = ?", (ids["ann"], channel.id))
    )
    for uid, of in (("theirs", channel.uid), ("everybodys", None)):
        event = Event(uid, "channel.test", Severity.INFO, now, uid, {}, channel=of)
        await served.other.announce(event, lambda *_: ())
    for name, expected in (("ann", ["theirs", "everybodys"]), ("bob", ["everybodys"])):
        async with stream(served.http, await served.key("api", user_id=ids[name]), "0", type="channel.*") as read:
            await read.until(len(expected))
        assert [one["event"]["reason"] for one in read.events] == expected
        assert {one["machine"] for one in read.events} == {None}


async def test_a_session_that_ends_ends_its_streams(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(route, "BEAT", 0.05)
    ids, now = await people(served), served.app.monitor.clock.now()
    digest, until = digest_of(secret(TOKEN)), now + timedelta(days=1)
    session = await served.other.begin_session(ids["ann"], digest, now, until, "192.0.2.1", "a browser")
    async with stream(served.http, "", cookie=TOKEN) as read:
        await read.placed()
        await served.other.end_sessions(session=session.id)
        assert await read.one() is None
    answer = await served.http.get(STREAM, headers={"Cookie": f"lastseen={TOKEN}"})
    assert answer.status_code == 401


async def test_who_becomes_something_else_is_sent_what_they_may_see_then(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(route, "BEAT", 0.05)
    ids = await people(served)
    async with stream(served.http, await served.key("api", user_id=ids["ada"])) as read:
        await read.placed()
        await served.other.change_user(ids["bob"], role="admin")
        await served.other.change_user(ids["ada"], role="viewer")
        beats = read.beats
        while read.beats < beats + 2:  # the first may have been on its way
            assert await read.block()
        await served.app.monitor.pause("of-bob")
        await served.app.monitor.pause("shared")
        await read.until(1)
    assert [one["event"]["machine"] for one in read.events] == ["shared"]
