"""`GET /api/v1/stream` on a real server."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from lastseen.web.api import stream as route
from tests.server.conftest import Served
from tests.stream.following import STREAM, stream
from tests.support import eventually


async def test_who_follows_is_sent_what_happens_with_the_machine_as_it_is(served: Served) -> None:
    key = await served.key("api")
    pump = await served.machine("pump")
    async with stream(served.http, key) as read:
        first = await read.placed()
        await served.beat(pump)
        await read.until(1)
    (told,) = read.events
    (listed,) = [event for event in await served.other.events() if event["type"] == "machine.online"]
    assert told["event"] == listed
    status = (await served.get("/api/v1/machines/pump/status", key)).json()
    same = status.keys() - {"seconds_until_offline"}
    assert {name: told["machine"][name] for name in same} == {name: status[name] for name in same}
    assert read.position != first
    assert 1000 <= (read.retry or 0) <= 4000


async def test_who_was_cut_off_goes_on_with_the_last_id(served: Served) -> None:
    key = await served.key("api")
    async with stream(served.http, key) as read:
        await read.placed()
        pump = await served.machine("pump")
        await read.until(1)
    await served.beat(pump)
    await served.app.monitor.pause("pump")
    for how in ({"position": read.position}, {"after": read.position}):
        async with stream(served.http, key, **how) as again:
            await again.until(2)
        assert again.types == ["machine.online", "machine.paused"]
        assert [one["event"]["seq"] for one in again.events] == [2, 3]
    async with stream(served.http, key, "0", after=read.position) as whole:
        await whole.until(3)
    assert whole.types[0] == "machine.registered", "the header is what a browser goes on with"


async def test_a_stream_can_be_of_some_machines_and_types(served: Served) -> None:
    key = await served.key("api")
    for slug in ("a", "b", "c"):
        await served.machine(slug)
        await served.app.monitor.pause(slug)
    ids = {slug: (await served.standing(slug)).machine.id for slug in ("a", "b", "c")}
    async with stream(served.http, key, "0", machine=["a", str(ids["b"])], type="*.paused") as read:
        await read.until(2)
    assert [one["event"]["machine"] for one in read.events] == ["a", "b"]
    assert set(read.types) == {"machine.paused"}


async def test_a_removed_machine_is_told_of_without_a_status(served: Served) -> None:
    key = await served.key("api")
    await served.machine("pump")
    await served.app.monitor.forget("pump")
    async with stream(served.http, key, "0", type="machine.removed") as read:
        await read.until(1)
    assert read.events[0]["machine"] is None
    assert read.events[0]["event"]["machine"] == "pump"


@pytest.mark.parametrize(
    ("headers", "query", "status", "field"),
    [
        ({}, {}, 401, None),
        ({"Authorization": "Bearer lsa_wrong"}, {}, 401, None),
        (None, {"after": "x"}, 422, "after"),
        (None, {"machine": "x" * 300}, 422, "machine.0"),
        (None, {"limit": "1"}, 422, "limit"),
        ({"Last-Event-ID": "9.5-3"}, {}, 422, "Last-Event-ID"),
    ],
)
async def test_what_cannot_be_followed_is_refused_before_it_begins(
    served: Served, headers: dict[str, str] | None, query: dict[str, str], status: int, field: str | None
) -> None:
    key = await served.key("api")
    said = {"Authorization": f"Bearer {key}"} if headers is None or "Last-Event-ID" in headers else {}
    answer = await served.http.get(STREAM, params=query, headers={**said, **(headers or {})})
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    if field is not None:
        assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert not served.app.live.followers


async def test_a_machines_key_follows_nothing(served: Served) -> None:
    answer = await served.get(STREAM, await served.machine("pump"))
    assert answer.status_code == 403


async def test_a_question_for_the_headers_alone_is_answered(served: Served) -> None:
    answer = await served.http.head(STREAM, headers={"X-API-Key": await served.key("api")})
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert not served.app.live.followers


async def test_a_beat_is_sent_while_nothing_happens(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(route, "BEAT", 0.05)
    key = await served.key("api")
    async with stream(served.http, key) as read:
        await read.placed()
        while read.beats < 4:
            assert await read.block()
    assert read.events == []


async def test_a_key_that_is_revoked_ends_its_streams(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(route, "BEAT", 0.05)
    key = await served.key("api")
    async with stream(served.http, key) as read:
        await read.placed()
        (row,) = [each for each in await served.other.keys() if each.scope == "api"]
        await served.other.revoke_key(row.id, served.app.monitor.clock.now())
        assert await read.one() is None
    assert (await served.get(STREAM, key)).status_code == 401


async def test_when_the_server_stops_streams_end_in_good_order(served: Served) -> None:
    key = await served.key("api")
    async with stream(served.http, key) as read:
        await read.placed()
        served.stop.set()
        assert await read.one() is None, "without an error: the answer is complete"


async def test_nobody_can_follow_a_server_that_does_not_run(tmp_path: Path, served: Served) -> None:
    served.app.live.close()
    answer = await served.get(STREAM, await served.key("api"))
    assert answer.status_code == 503
    assert "Retry-After" in answer.headers


async def test_a_position_of_another_past_is_told_so(served: Served) -> None:
    """As after a restore: ids that were never given."""
    key = await served.key("api")
    pump = await served.machine("pump")
    async with stream(served.http, key, "1000000") as read:
        await read.placed()
        await served.beat(pump)
        await read.until(1)
    assert read.named == ["reset"]
    assert read.types == ["machine.online"]


async def test_who_hangs_up_is_forgotten(served: Served) -> None:
    key = await served.key("api")
    async with httpx.AsyncClient(base_url=served.url) as http, stream(http, key) as read:
        await read.placed()
        assert len(served.app.live.followers) == 1
    await eventually(lambda: not served.app.live.followers)
