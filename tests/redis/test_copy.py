"""What stands in Redis follows the store, and what is read from there is what the store says."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from lastseen import counters
from lastseen.clock import rfc3339
from lastseen.model import Forget, Status, Verdict
from tests.redis.copies import a_node, sqlite
from tests.servers.valkey import Valkey
from tests.support import eventually

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres_server").migrated())
    return sqlite(tmp_path) if request.param == "sqlite" else "memory:"


async def test_other_programs_read_whether_a_machine_is_online_and_when_it_was_heard(shared: Valkey, url: str) -> None:
    async with a_node(shared, url) as node:
        pump = await node.machine("pump")
        await node.written()
        assert shared.client.get(f"device:status:{pump}") == "offline"
        assert shared.client.get(f"device:lastseen:{pump}") is None
        await node.heard(pump)
        await node.becomes(pump, Status.ONLINE)
        await node.written()
        assert shared.client.get(f"device:status:{pump}") == "online"
        true = (await node.truth.liveness([pump]))[pump].liveness.last_seen
        assert shared.client.get(f"device:lastseen:{pump}") == rfc3339(true)
        assert datetime.fromisoformat(str(shared.client.get(f"device:lastseen:{pump}"))) == true
        for key in (f"device:status:{pump}", f"device:lastseen:{pump}", node.key(pump)):
            assert 86_000 < shared.client.ttl(key) <= 86_400, key


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.ONLINE])
async def test_every_status_but_online_is_offline_to_other_programs(shared: Valkey, url: str, status: Status) -> None:
    async with a_node(shared, url) as node:
        pump = await node.machine("pump")
        await node.becomes(pump, status)
        await node.written()
        assert shared.client.get(f"device:status:{pump}") == "offline"
        await node.same(pump)


async def test_what_the_copy_answers_is_what_the_store_says(shared: Valkey, url: str) -> None:
    async with a_node(shared, url) as node:
        pump = await node.machine("pump")
        for step in (Status.ONLINE, Status.OFFLINE, Status.ERROR, Status.ONLINE):
            await node.heard(pump)
            await node.becomes(pump, step)
            await node.written()
            await node.same(pump)


async def test_a_plain_heartbeat_moves_the_time_on_without_asking_the_store(shared: Valkey, url: str) -> None:
    async with a_node(shared, url) as node:
        pump = await node.machine("pump")
        await node.heard(pump)
        await node.becomes(pump, Status.ONLINE)
        await node.written()
        node.copy.writer.store = None  # whoever asked it now would fail
        await node.heard(pump)
        node.copy.writer.store = node.truth
        await node.written()
        await node.same(pump)
        true = (await node.truth.liveness([pump]))[pump].liveness.last_seen
        assert shared.client.get(f"device:lastseen:{pump}") == rfc3339(true)


async def test_what_this_node_committed_is_read_at_once_written_or_not(shared: Valkey, url: str) -> None:
    async with a_node(shared, url) as node:
        pump = await node.machine("pump")
        await node.written()
        for step in (Status.ONLINE, Status.OFFLINE, Status.ONLINE):
            await node.heard(pump)
            await node.becomes(pump, step)
            for ref in (pump, "pump"):
                found = (await node.glance(ref))[ref]
                assert found.liveness.status is step
                assert found.liveness.last_seen == (await node.truth.liveness([pump]))[pump].liveness.last_seen


async def test_many_are_read_in_one_round_trip_by_slug_and_by_id(shared: Valkey, url: str) -> None:
    async with a_node(shared, url) as node:
        ids = [await node.machine(f"pump-{n}") for n in range(5)]
        await node.written()
        before = shared.client.info("commandstats")["cmdstat_mget"]["calls"] if await node.glance(*ids) else 0
        found = await node.glance(*ids, *(f"pump-{n}" for n in range(5)), 4711, "nobody")
        assert shared.client.info("commandstats")["cmdstat_mget"]["calls"] == before + 1
        assert set(found) == {*ids, *(f"pump-{n}" for n in range(5))}


async def test_it_is_counted_what_answered(shared: Valkey, url: str) -> None:
    async with a_node(shared, url) as node:
        pump = await node.machine("pump")
        await node.written()
        before = {place: counters.STATUS_READS.values().get((place,), 0) for place in ("copy", "store")}
        await node.glance(pump)
        node.copy.writer.changed(pump)
        await node.glance(pump)
        after = {place: counters.STATUS_READS.values().get((place,), 0) for place in ("copy", "store")}
        assert {place: after[place] - before[place] for place in after} == {"copy": 1, "store": 1}


async def test_a_machine_that_was_removed_is_gone_everywhere(shared: Valkey, url: str) -> None:
    async with a_node(shared, url) as node:
        pump = await node.machine("pump")
        await node.written()
        await node.store.order(
            "pump", Forget(), lambda case: Verdict(case.standing.liveness, removed=True), node.clock.now()
        )
        assert await node.glance("pump", pump) == {}
        await node.written()
        assert shared.client.get(f"device:status:{pump}") is None
        assert await node.glance("pump", pump) == {}


async def test_a_slug_of_digits_means_that_machine_before_the_one_with_this_id(shared: Valkey, url: str) -> None:
    async with a_node(shared, url) as node:
        first = await node.machine("first")
        await node.written()
        assert set(await node.glance(str(first), first)) == {first}
        assert str(first) in await node.copied(str(first)), "it is known that nobody is called so"
        named = await node.machine(str(first))
        found = await node.glance(str(first), first)
        assert found[str(first)].machine.id == named
        await node.written()
        assert (await node.glance(str(first)))[str(first)].machine.id == named


async def test_two_databases_on_one_server_are_not_taken_for_each_other(shared: Valkey, tmp_path: Path) -> None:
    async with a_node(shared, sqlite(tmp_path)) as one, a_node(shared, "memory:") as other:
        pump, lamp = await one.machine("pump"), await other.machine("lamp")
        assert pump == lamp, "the same id"
        await one.written()
        await other.written()
        assert (await one.glance(pump))[pump].machine.slug == "pump"
        assert (await other.glance(lamp))[lamp].machine.slug == "lamp"
        prefix = one.copy.writer.prefix
    async with a_node(shared, sqlite(tmp_path)) as again:
        assert again.copy.writer.prefix == prefix, "a database keeps its name"


async def test_each_part_can_be_left_out(shared: Valkey, url: str) -> None:
    shared.client.flushall()
    async with a_node(shared, url, published=False) as node:
        pump = await node.machine("pump")
        await node.written()
        await node.same(pump)
        assert shared.client.keys("device:*") == []
    shared.client.flushall()
    async with a_node(shared, url, read=False) as node:
        pump = await node.machine("pump")
        await node.heard(pump)
        await node.written()
        assert len(shared.client.keys("device:*")) == 2
        assert await node.copied(pump) == {}
        assert shared.client.strlen(node.key(pump)) == 45, "no more than puts writings in order"


async def test_machines_that_nobody_hears_are_written_again_too(shared: Valkey, tmp_path: Path) -> None:
    async with a_node(shared, sqlite(tmp_path)) as node:
        pump = await node.machine("pump")
        await node.written()
        await eventually(lambda: shared.client.exists(node.key("round")))
        shared.client.delete(f"device:status:{pump}", node.key(pump), node.key("round"))
        await eventually(lambda: shared.client.get(f"device:status:{pump}") == "offline")
