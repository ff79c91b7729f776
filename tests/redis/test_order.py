"""Whoever writes last is not always right: what stands in Redis is the newest that anybody knew, and what may be too
old is not believed."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from lastseen.model import Forget, Kind, Status, Verdict, Watch, replace
from lastseen.storage import redis_writer
from lastseen.storage.redis_values import Known
from lastseen.testing.script import keep
from tests.redis.copies import Node, a_node, sqlite
from tests.servers.valkey import Valkey
from tests.support import eventually

pytestmark = pytest.mark.anyio


async def known(node: Node, machine: int, **ago: float) -> Known:
    """What the store says now, as if it had been asked so long ago."""
    return Known((await node.truth.liveness([machine]))[machine], node.clock.now() - timedelta(**ago))


async def test_a_node_that_is_held_up_does_not_undo_what_a_faster_one_wrote(shared: Valkey, tmp_path: Path) -> None:
    async with a_node(shared, sqlite(tmp_path)) as fast, a_node(shared, sqlite(tmp_path), lasting=False) as slow:
        pump = await fast.machine("pump")
        await fast.becomes(pump, Status.ONLINE)
        late = await known(slow, pump)
        await fast.becomes(pump, Status.OFFLINE)
        await fast.written()
        await slow.copy.writer.put([late._replace(asked_at=slow.clock.now())])
        assert shared.client.get(f"device:status:{pump}") == "offline"
        await slow.same(pump)


async def test_of_two_with_the_same_events_the_later_one_stays(shared: Valkey, tmp_path: Path) -> None:
    async with a_node(shared, sqlite(tmp_path)) as node, a_node(shared, sqlite(tmp_path), lasting=False) as slow:
        pump = await node.machine("pump")
        await node.written()
        late = await known(slow, pump)
        await node.store.order("pump", Watch({"name": "Pump no. 2"}), keep, node.clock.now())
        await node.written()
        await slow.copy.writer.put([late])
        found = (await slow.copied(pump))[pump]
        assert found is not None
        assert found.machine.name == "Pump no. 2"


async def test_what_was_asked_a_minute_later_is_believed_whatever_was_counted(shared: Valkey) -> None:
    """A database that was restored counts from yesterday on."""
    async with a_node(shared, "memory:", lasting=False) as node:
        pump = await node.machine("pump")
        await node.copy.writer.flush()
        shared.client.delete(node.key(pump))
        now = await known(node, pump)
        then = now.asked_at - timedelta(hours=1)
        liveness = replace(now.standing.liveness, seq=900, status=Status.ONLINE, last_seen=then)
        before = Known(replace(now.standing, liveness=liveness), node.clock.now() - timedelta(seconds=61))
        await node.copy.writer.put([before])
        assert shared.client.get(f"device:status:{pump}") == "online"
        await node.copy.writer.put([now])
        assert shared.client.get(f"device:status:{pump}") == "offline"
        assert shared.client.get(f"device:lastseen:{pump}") is None
        await node.same(pump)


async def test_what_comes_from_the_future_is_not_believed_and_is_replaced(shared: Valkey) -> None:
    async with a_node(shared, "memory:", lasting=False) as node:
        pump = await node.machine("pump")
        now = await known(node, pump)
        liveness = replace(now.standing.liveness, seq=900, status=Status.ONLINE)
        await node.copy.writer.put([Known(replace(now.standing, liveness=liveness), now.asked_at + timedelta(hours=1))])
        assert await node.copied(pump) == {}
        await node.copy.writer.flush()
        assert shared.client.get(f"device:status:{pump}") == "offline"
        await node.same(pump)


async def test_who_was_removed_is_not_brought_back_by_a_late_answer(shared: Valkey, tmp_path: Path) -> None:
    async with a_node(shared, sqlite(tmp_path)) as node, a_node(shared, sqlite(tmp_path), lasting=False) as slow:
        pump = await node.machine("pump")
        await node.written()  # so that its name is known, which here no event of the removal says
        late = await known(slow, pump)
        gone = Verdict(late.standing.liveness, removed=True)
        await node.store.order("pump", Forget(), lambda case: gone, node.clock.now())
        await node.written()
        await slow.copy.writer.put([late])
        slow.copy.writer.heard(pump, slow.clock.now())
        await slow.copy.writer.flush()
        assert shared.client.get(f"device:status:{pump}") is None
        assert shared.client.get(f"device:lastseen:{pump}") is None
        assert await slow.glance(pump) == {}


async def test_a_heartbeat_that_is_written_late_moves_no_time_back(shared: Valkey, tmp_path: Path) -> None:
    async with a_node(shared, sqlite(tmp_path)) as node, a_node(shared, sqlite(tmp_path), lasting=False) as slow:
        pump = await node.machine("pump")
        await node.heard(pump)
        await node.becomes(pump, Status.ONLINE)
        early = node.clock.now()
        await node.heard(pump)
        await node.written()
        slow.copy.writer.heard(pump, early)
        await slow.copy.writer.flush()
        await slow.same(pump)


async def test_a_read_that_a_heartbeat_overtook_does_not_move_its_time_back(shared: Valkey, tmp_path: Path) -> None:
    async with a_node(shared, sqlite(tmp_path)) as node, a_node(shared, sqlite(tmp_path), lasting=False) as slow:
        pump = await node.machine("pump")
        await node.heard(pump)
        await node.becomes(pump, Status.ONLINE)
        await node.written()
        late = await known(slow, pump)
        await node.heard(pump)
        await node.written()
        before = shared.client.get(f"device:lastseen:{pump}")
        await slow.copy.writer.put([late._replace(asked_at=slow.clock.now())])
        assert shared.client.get(f"device:lastseen:{pump}") == before
        await slow.same(pump)


@pytest.mark.parametrize(("seconds", "believed"), [(1, True), (30, True), (61, False)])
async def test_what_a_dead_node_left_is_believed_for_a_minute(shared: Valkey, seconds: float, believed: bool) -> None:
    async with a_node(shared, "memory:", lasting=False) as node:
        pump = await node.machine("pump")
        await node.copy.writer.flush()
        shared.client.delete(node.key(pump))
        await node.copy.writer.put([await known(node, pump, seconds=seconds)])
        assert (pump in await node.copied(pump)) is believed
        assert set(await node.glance(pump)) == {pump}


async def test_nothing_is_believed_beyond_the_moment_at_which_it_is_to_be_decided(shared: Valkey) -> None:
    async with a_node(shared, "memory:", lasting=False) as node:
        pump = await node.machine("pump")
        await node.copy.writer.flush()
        now = await known(node, pump)
        for seconds, believed in ((30, True), (-1, False)):
            liveness = replace(now.standing.liveness, seq=2, check_at=now.asked_at + timedelta(seconds=seconds))
            shared.client.delete(node.key(pump))
            await node.copy.writer.put([Known(replace(now.standing, liveness=liveness), now.asked_at)])
            assert (pump in await node.copied(pump)) is believed


async def test_what_is_often_asked_for_is_read_again_before_it_is_too_old(shared: Valkey) -> None:
    async with a_node(shared, "memory:", lasting=False) as node:
        pump = await node.machine("pump")
        await node.copy.writer.flush()
        shared.client.delete(node.key(pump))
        await node.copy.writer.put([await known(node, pump, seconds=30)])
        await node.copied(pump)
        assert not node.copy.writer.idle, "it is wanted"
        await node.copy.writer.flush()
        value: Any = shared.raw.get(node.key(pump))
        assert int(value[11:28]) / 1e6 > node.clock.now().timestamp() - 20


async def test_a_new_machine_with_a_slug_of_digits_is_found_on_every_node(shared: Valkey, tmp_path: Path) -> None:
    async with a_node(shared, sqlite(tmp_path)) as node, a_node(shared, sqlite(tmp_path), lasting=False) as other:
        first = await node.machine("first")
        await node.written()
        assert set(await other.glance(str(first), first)) == {first}
        await other.copy.writer.flush()
        assert (await other.copied(str(first), first)).keys() == {str(first), first}, "both are known"
        named = await node.machine(str(first))
        await node.written()
        found = await other.glance(str(first), first)
        assert found[str(first)].machine.id == named
        assert first in await other.copied(first), "all else is believed as before"


async def test_that_nobody_is_called_so_is_asked_again_before_it_is_too_old(shared: Valkey) -> None:
    async with a_node(shared, "memory:", lasting=False) as node:
        now = node.clock.now()
        for seconds, believed in ((0, True), (30, True), (61, False)):
            node.copy.learn(["12"], {}, now - timedelta(seconds=seconds))
            assert (await node.copy.read(["12"], now) == {"12": None}) is believed
            assert node.copy.writer.idle is (seconds != 30)
            await node.copy.writer.flush()


@pytest.mark.parametrize("lost", ["lastseen:*", "device:status:*", "*"])
async def test_who_is_heard_and_stands_nowhere_is_read_from_the_store(valkey: Valkey, lost: str) -> None:
    async with a_node(valkey, "memory:", lasting=False) as node:
        pump = await node.machine("pump")
        await node.heard(pump)
        await node.becomes(pump, Status.ONLINE)
        await node.copy.writer.flush()
        valkey.client.delete(*valkey.client.keys(lost))
        await node.heard(pump)
        await node.copy.writer.flush()
        assert valkey.client.get(f"device:status:{pump}") == "online"
        await node.same(pump)


async def test_when_too_much_was_missed_nobody_believes_anything_that_is_older(
    valkey: Valkey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_writer, "CAPACITY", 3)
    async with a_node(valkey, sqlite(tmp_path)) as node, a_node(valkey, sqlite(tmp_path), lasting=False) as other:
        ids = [await node.machine(f"pump-{n}") for n in range(8)]
        await node.written()
        await eventually(lambda: valkey.client.exists(node.key("round")))
        for machine in ids:
            await node.becomes(machine, Status.ONLINE)
            await node.written()
        before = {machine: valkey.raw.get(node.key(machine)) for machine in ids}
        valkey.freeze()
        for machine in ids:
            await node.becomes(machine, Status.ERROR)
        valkey.thaw()
        await node.written()
        for machine in ids:  # as they were when it hung
            valkey.raw.set(node.key(machine), before[machine])
        for machine in ids:
            found = await other.glance(machine)
            assert found[machine].liveness.status is Status.ERROR


async def test_what_is_noted_of_heartbeats_has_a_bound_and_the_next_one_says_the_same(
    shared: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_writer, "CAPACITY", 3)
    async with a_node(shared, "memory:", lasting=False) as node:
        ids = [await node.machine(f"pump-{n}") for n in range(5)]
        await node.copy.writer.flush()
        for machine in ids:
            await node.becomes(machine, Status.ONLINE)
            await node.copy.writer.flush()
        for _ in range(2):
            await node.heard(*ids)
            await node.heard(*ids[3:])
            noted = [machine for machine in ids if node.copy.writer.heard_at(machine) is not None]
            assert noted == ids[:3]
            await node.copy.writer.flush()
        await node.heard(*ids[3:])
        await node.copy.writer.flush()
        for machine in ids:
            await node.same(machine)


async def test_when_a_kind_changes_no_node_believes_what_it_knew_of_its_machines(
    shared: Valkey, tmp_path: Path
) -> None:
    async with a_node(shared, sqlite(tmp_path)) as node, a_node(shared, sqlite(tmp_path), lasting=False) as other:
        pump = await node.machine("pump")
        await node.written()
        await node.store.set_kind(Kind("default", timedelta(minutes=7)), node.clock.now())
        assert (await node.glance(pump))[pump].kind.offline_after == timedelta(minutes=7)
        await eventually(lambda: shared.client.exists(node.key("floor")))
        assert (await other.glance(pump))[pump].kind.offline_after == timedelta(minutes=7)


async def test_when_a_user_goes_no_node_believes_that_something_is_still_theirs(shared: Valkey, tmp_path: Path) -> None:
    async with a_node(shared, sqlite(tmp_path)) as node, a_node(shared, sqlite(tmp_path), lasting=False) as other:
        now = node.clock.now()
        await node.store.add_user("ada", "admin", None, now)
        bob = await node.store.add_user("bob", "member", None, now)
        pump = await node.machine("pump")
        await node.store.order(pump, Watch({"owner": bob.id}), keep, now)
        await node.written()
        assert (await node.glance(pump))[pump].machine.owner == bob.id
        await node.store.remove_user(bob.id, now)
        assert (await node.glance(pump))[pump].machine.owner is None
        await eventually(lambda: shared.client.exists(node.key("floor")))
        assert (await other.glance(pump))[pump].machine.owner is None
