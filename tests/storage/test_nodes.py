"""Several processes on one PostgreSQL: they know of each other, wake each other, and share a clock."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import anyio
import pytest

from lastseen import HeartbeatMonitor, RecordingNotifier
from lastseen.clock import SystemClock
from lastseen.model import Node
from lastseen.storage import open_store
from tests.cli.conftest import Cli, Done
from tests.fresh import new_database
from tests.servers.postgres import PostgresServer
from tests.support import eventually

NEAR = timedelta(minutes=30)
"""Of clocks that are hours apart; a busy computer may take its time between two of them."""

CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}' AND query LIKE 'LISTEN%'"


@pytest.fixture
def url(postgres_server: PostgresServer) -> str:
    return postgres_server.migrated()


def node(
    url: str, name: str, *, ahead: float = 0.0, told: RecordingNotifier | None = None, **settings: Any
) -> HeartbeatMonitor:
    """On a computer whose clock is so many seconds ahead."""
    clock = SystemClock(wall=lambda: time.time() + ahead)
    notify = {} if told is None else {"ops": told}
    settings = {"offline_after": "1h", "goodbye_grace": "10s", **settings}
    return HeartbeatMonitor(open_store(url, migrate="check"), node=name, clock=clock, notify=notify, **settings)


async def test_nodes_are_listed_with_what_they_do_and_one_that_ends_well_is_not(url: str) -> None:
    async with node(url, "a", told=RecordingNotifier()) as first:

        async def listed() -> list[str]:
            return [one.id for one in await first.store.nodes(first.clock.now())]  # type: ignore[attr-defined]

        async with node(url, "b"):
            await eventually(lambda: _are(listed, ["a", "b"]))
            found = await first.store.nodes(first.clock.now())  # type: ignore[attr-defined]
            assert [one.sources for one in found] == [("http",), ("http",)]
        await eventually(lambda: _are(listed, ["a"]))


async def _are(listed: object, wanted: list[str]) -> bool:
    return sorted(await listed()) == wanted  # type: ignore[operator]


async def test_a_node_whose_computer_is_hours_ahead_lives_in_the_time_of_the_database(url: str) -> None:
    async with AsyncExitStack() as stack:
        right = await stack.enter_async_context(node(url, "right"))
        ahead = await stack.enter_async_context(node(url, "ahead", ahead=7200))
        behind = await stack.enter_async_context(node(url, "behind", ahead=-7200))
        await ahead.heartbeat("web")
        now = right.clock.now()
        for one in (ahead, behind):
            assert abs(one.clock.now() - now) < NEAR
        status = await behind.status("web")
        assert status.last_seen is not None
        assert abs(status.last_seen - now) < NEAR


async def test_settings_that_nodes_have_not_alike_are_named_with_who_has_what(url: str, tmp_path: Path) -> None:
    cli, computer = Cli(tmp_path, {"LASTSEEN_DATABASE_URL": url}), socket.gethostname()

    async def run(*words: str) -> Done:
        """As a process: what is logged here meanwhile is none of its words."""
        return await asyncio.to_thread(cli.beside, *words)

    async with node(url, "a") as first:
        store: Any = first.store

        async def listed() -> list[str]:
            return [one.settings["LASTSEEN_KEEP_EVENTS"] for one in await store.nodes(first.clock.now())]

        async with node(url, "b"):
            await eventually(lambda: _are(listed, ["400 d"] * 2))
            assert (await run("nodes")).err == ""
            async with node(url, "c", offline_after="2m", goodbye_grace="0s"):
                await eventually(lambda: _are(listed, ["400 d"] * 3))
                said, checks = (await run("nodes")).err, (await run("doctor", "--json")).value["checks"]
        assert said.splitlines() == [
            f"{setting} is {values}: each node goes by its own, give all the same"
            for setting, values in (
                ("MACHINE_OFFLINE_THRESHOLD", f"1 h on {computer}, {computer}, 2 min on {computer}"),
                ("LASTSEEN_GOODBYE_GRACE", f"10 s on {computer}, {computer}, 0 s on {computer}"),
            )
        ]
        (found,) = [one for one in checks if one["name"] == "nodes"]
        assert [line["code"] for line in found["findings"]] == ["nodes.differ"] * 2
        assert found["summary"] == "3 nodes, which differ"


@pytest.mark.parametrize("server", [False, True])
async def test_what_a_node_goes_by_is_forgotten_with_it(server: bool, tmp_path: Path, url: str) -> None:
    store: Any = open_store(url if server else new_database(tmp_path / "some.db"))
    await store.open()
    now = datetime(2026, 11, 21, 12, tzinfo=UTC)

    async def settings() -> dict[str, Any]:
        return {one.id: one.settings for one in await store.nodes(now)}

    for name in ("ends", "dies", "of-old"):
        await store.alive(Node(name, "web", "1", now, now, settings={} if name == "of-old" else {"X": name}), now)
    assert await settings() == {"ends": {"X": "ends"}, "dies": {"X": "dies"}, "of-old": {}}
    await store.gone("ends", now)
    later = now + timedelta(days=8)
    await store.alive(Node("new", "web", "1", later, later, settings={"X": "new"}), later)
    assert await settings() == {"new": {"X": "new"}}
    kept = await store.database.read(lambda c: c.exec_driver_sql("SELECT key FROM meta WHERE key LIKE 'node:%%'").all())
    assert [row[0] for row in kept] == ["node:new"]
    await store.close()


async def test_what_one_node_writes_wakes_the_others_at_once(url: str) -> None:
    """The hint is heard, not found by looking: of the order's own commit."""
    async with hearing(url) as (heard, writing):
        listening = heard.store
        await writing.default_threshold(timedelta(minutes=7), SystemClock().now())
        await eventually(lambda: len(heard) == 2)
        await listening.default_threshold(timedelta(minutes=8), SystemClock().now())
        await writing.default_threshold(timedelta(minutes=9), SystemClock().now())
        await eventually(lambda: len(heard) == 3)  # its own is no news


class Heard(list[None]):
    """A hint each, the first of which says that it listens."""

    def __init__(self, store: Any) -> None:
        self.store = store


@asynccontextmanager
async def hearing(url: str) -> AsyncIterator[tuple[Heard, Any]]:
    """What one store hears, and another that writes."""
    listening, writing = (cast(Any, open_store(url, migrate="check")) for _ in range(2))
    heard = Heard(listening)
    async with AsyncExitStack() as stack:
        for store in (listening, writing):
            await store.open()
            stack.push_async_callback(store.close)
        group = await stack.enter_async_context(anyio.create_task_group())
        group.start_soon(listening.hints, lambda: heard.append(None))
        await eventually(lambda: len(heard) == 1)
        yield heard, writing
        group.cancel_scope.cancel()


async def test_a_lease_that_is_given_back_wakes_who_may_wait_for_it(url: str) -> None:
    async with hearing(url) as (heard, writing):
        now = SystemClock().now()
        lease = await writing.lease("channel:ops", "a", timedelta(hours=1), now)
        await writing.release(lease, now)
        await eventually(lambda: len(heard) == 2)


async def test_who_listens_goes_on_when_its_connection_was_cut(url: str, postgres_server: PostgresServer) -> None:

    heard: list[None] = []
    store = open_store(url, migrate="check")
    await store.open()  # type: ignore[attr-defined]
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(store.hints, lambda: heard.append(None))  # type: ignore[attr-defined]
            await eventually(lambda: len(heard) == 1)
            postgres_server.execute(CUT.format(url.rpartition("/")[2]))
            await eventually(lambda: len(heard) == 2)  # what it missed meanwhile is looked for
            group.cancel_scope.cancel()
    finally:
        await store.close()  # type: ignore[attr-defined]
