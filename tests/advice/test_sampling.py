"""Processes that listen closely, on one database: what is counted is what the machines sent, whoever heard it."""

from __future__ import annotations

import asyncio
import random
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lastseen.model import (
    Beat,
    BlindPeriod,
    BlindReason,
    Pause,
    Said,
    Status,
)
from lastseen.model.intervals import Turn
from lastseen.monitor.counting import EVERY, GIVEN_UP
from lastseen.monitor.heartbeat import HeartbeatMonitor
from lastseen.monitor.intervals import bucket_of
from lastseen.monitor.recorder import Recorder
from lastseen.monitor.sampling import MOST
from lastseen.storage import open_store
from lastseen.storage.postgres import PostgresDatabase
from lastseen.storage.secrets import SecretBox
from lastseen.storage.sql import SqlStore
from lastseen.testing.script import by_rule, move
from tests.advice.sampled import Fleet, on, started
from tests.fresh import new_database
from tests.servers.postgres import PostgresServer
from tests.storage.test_suite_postgres import KEY
from tests.support import eventually

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("nodes", [["a"], ["a", "b", "c"]])
async def test_what_machines_send_to_whichever_process_is_counted_once(fleet: Fleet, nodes: list[str]) -> None:
    slugs = ["pump", "lamp"]
    await started(fleet, *nodes, slugs=slugs)
    await fleet.pass_(3000, 20, random.Random(6), slugs)
    await fleet.settle()
    for slug in slugs:
        assert await fleet.counted(slug) == await fleet.expected(slug)
        assert (await fleet.counted(slug)).total() > 100
    assert (await fleet.store.handed_in())[1] == []


async def test_it_is_the_same_on_postgresql(postgres_server: PostgresServer) -> None:
    store = SqlStore(PostgresDatabase(postgres_server.migrated(), "check"), SecretBox(key_text=KEY))
    async with on(store) as fleet:
        await started(fleet, "a", "b", slugs=["pump", "lamp"])
        await fleet.pass_(1500, 20, random.Random(6), ["pump", "lamp"])
        await fleet.settle()
        for slug in ("pump", "lamp"):
            assert await fleet.counted(slug) == await fleet.expected(slug)
            assert (await fleet.counted(slug)).total() > 40


async def test_a_monitor_that_runs_hands_in_what_it_hears(tmp_path: Path) -> None:
    """From the first heartbeat on it listens, and it hands in the rest when it stops."""
    store: Any = open_store(new_database(tmp_path / "store.db"))

    async def listening() -> Any:
        return "n1" in (await store.handed_in())[0]

    async with HeartbeatMonitor(store, node="n1") as monitor:
        await monitor.heartbeat("pump")
        await eventually(listening)
        turn = Turn((await monitor.status("pump")).id, "pump", monitor.clock.now(), monitor.clock.now() + EVERY)
        await store.change_turns((), [turn])
        await monitor._loops.sampler.hand_in()
        heard = [await noted(monitor) for _ in range(3)]
        await monitor._loops.sampler.hand_in()
        (part,) = [one for one in (await store.handed_in())[1] if one.moments]
        assert list(part.moments.values()) == [heard]
        last = await noted(monitor)
    async with on(store):
        until, parts = await store.handed_in()
        assert until == {}
        assert [one.moments for one in parts if one.moments][1:] == [{turn.machine_id: [last]}]


async def noted(monitor: HeartbeatMonitor) -> datetime:
    """When the machine was heard, as the database has it."""
    await monitor.heartbeat("pump")
    found = await monitor.last_seen("pump")
    assert found is not None
    return found


async def test_a_process_that_is_killed_leaves_no_interval_that_nobody_sent(fleet: Fleet) -> None:
    await started(fleet, "a", "b")
    dice = random.Random(7)
    await fleet.pass_(1000, 20, dice, ["pump"])
    killed = fleet.samplers.pop()
    since = killed._since
    assert since is not None
    await fleet.pass_(GIVEN_UP.total_seconds() + 1000, 20, dice, ["pump"])
    (gone,) = [one for one in (await fleet.store.handed_in())[1] if one.lost is None] or [None]
    until = fleet.clock.now() if gone is None else gone.end
    await fleet.pass_(1000, 20, dice, ["pump"])
    await fleet.settle()
    counted, sent = await fleet.counted("pump"), await fleet.expected("pump")
    assert not counted - sent, "nothing longer than what was sent"
    assert counted.total() >= (await fleet.expected("pump", (since, until))).total() - 1 > 50
    assert killed._since is not None


async def test_who_was_given_up_and_goes_on_begins_anew(fleet: Fleet) -> None:
    await started(fleet, "a", "b")
    dice = random.Random(8)
    await fleet.pass_(1000, 20, dice, ["pump"])
    slow = fleet.samplers.pop()
    await fleet.pass_(GIVEN_UP.total_seconds() + 700, 20, dice, ["pump"])
    assert "b" not in (await fleet.store.handed_in())[0]
    fleet.samplers.append(slow)
    await slow.round()
    assert "b" in (await fleet.store.handed_in())[0]
    await fleet.pass_(1000, 20, dice, ["pump"])
    await fleet.settle()
    assert not await fleet.counted("pump") - await fleet.expected("pump")


async def test_a_process_that_stops_hands_in_what_it_heard(fleet: Fleet) -> None:
    await started(fleet, "a", "b")
    dice = random.Random(9)
    await fleet.pass_(1000, 20, dice, ["pump"])
    await fleet.samplers.pop().end()
    assert set((await fleet.store.handed_in())[0]) == {"a"}
    await fleet.pass_(1000, 20, dice, ["pump"])
    await fleet.settle()
    assert await fleet.counted("pump") == await fleet.expected("pump")


async def test_blind_time_pauses_and_outages_are_no_intervals(fleet: Fleet) -> None:
    await started(fleet, "a")
    (sampler,), clock, store = fleet.samplers, fleet.clock, fleet.store

    async def regular(times: int) -> None:
        for _ in range(times):
            clock.seconds += 20
            await fleet.beat(["pump"], sampler)

    await regular(10)
    source, _ = await store.listen("http", "a", clock.now())
    blind = BlindPeriod(
        source, clock.now() + timedelta(seconds=1), clock.now() + timedelta(seconds=50), BlindReason.STORE
    )
    clock.seconds += 60
    await store.mark(source, "a", clock.now(), [blind])
    await fleet.beat(["pump"], sampler)
    await regular(10)
    clock.seconds += 500
    await store.settle(by_rule(), clock.now())
    await fleet.beat(["pump"], sampler)
    await store.settle(by_rule(), clock.now())
    await regular(10)
    await store.order("pump", Pause(), lambda case: move(case, Status.PAUSED), clock.now())
    clock.seconds += 100
    await store.order("pump", Pause(), lambda case: move(case, Status.ONLINE), clock.now())
    await regular(10)
    clock.seconds += 1
    await store.mark(source, "a", clock.now(), [])
    await fleet.settle()
    assert await fleet.counted("pump") == {bucket_of(timedelta(seconds=20)): 9 + 10 + 10 + 9}


async def test_what_is_no_heartbeat_is_no_end_of_an_interval(fleet: Fleet) -> None:
    await started(fleet, "a")
    (sampler,) = fleet.samplers
    for said in (Said.ALIVE, Said.PRESENT, Said.NOTE, Said.START, Said.OK):
        fleet.clock.seconds += 10
        sampler.hear([(Beat("pump", fleet.clock.now(), said), None)])
    await fleet.settle()
    assert await fleet.counted("pump") == {bucket_of(timedelta(seconds=40)): 1}


async def test_a_machine_that_sends_too_much_is_not_counted_and_takes_no_room(fleet: Fleet) -> None:
    await started(fleet, "a")
    (sampler,) = fleet.samplers
    for _ in range(3 * MOST):
        fleet.clock.seconds += 0.1
        sampler.hear([(Beat("pump", fleet.clock.now()), None)])
    assert len(sampler._noted["pump"]) <= MOST + 1
    await fleet.settle()
    assert await fleet.counted("pump") == {}
    await fleet.pass_(1000, 20, random.Random(1), ["pump"])
    await fleet.settle()
    assert (await fleet.counted("pump")).total() > 20


async def test_a_heartbeat_that_waits_to_be_stored_is_waited_for(fleet: Fleet) -> None:
    """What is handed in ends before the oldest that is not stored: it would be missing there."""
    await started(fleet, "a")
    sampler, store = fleet.samplers[0], fleet.store
    let_go = asyncio.Event()

    class Slow:
        async def record(self, beats: list[Beat], now: datetime) -> Any:
            await let_go.wait()
            return await store.record(beats, now)

    slow: Any = Slow()
    recorder = Recorder(slow, fleet.clock, lambda: None, lambda: None, on_stored=sampler.hear)
    sampler._received = lambda: (recorder.oldest_waiting or fleet.clock.now()) - datetime.resolution
    recorder.open()
    running = asyncio.create_task(recorder.run())
    begun = fleet.clock.now()
    stored = recorder.record(Beat("pump", begun))
    fleet.clock.seconds += 30
    await sampler.hand_in()
    assert sampler._since is not None
    assert sampler._since < begun
    let_go.set()
    await stored
    second = recorder.record(Beat("pump", fleet.clock.now()))
    await second
    recorder.close()
    await running
    await fleet.settle()
    assert await fleet.counted("pump") == {bucket_of(timedelta(seconds=30)): 1}


async def test_what_was_stored_before_something_older_is_handed_in_later(fleet: Fleet) -> None:
    await started(fleet, "a")
    (sampler,) = fleet.samplers
    for _ in range(3):
        fleet.clock.seconds += 20
        sampler.hear([(Beat("pump", fleet.clock.now()), None)])
    older = fleet.clock.now() - timedelta(seconds=30)
    sampler._received = lambda: older
    await sampler.hand_in()
    sampler._received = fleet.clock.now
    await fleet.settle()
    assert await fleet.counted("pump") == {bucket_of(timedelta(seconds=20)): 2}


async def test_counts_go_after_six_weeks(fleet: Fleet) -> None:
    await started(fleet, "a")
    await fleet.pass_(1000, 20, random.Random(2), ["pump"])
    await fleet.settle()
    assert (await fleet.counted("pump")).total() > 20
    fleet.clock.seconds += 50 * 86_400
    await fleet.rounds()
    assert await fleet.counted("pump") == {}


async def test_one_process_counts_while_another_has_begun_to(fleet: Fleet) -> None:
    await started(fleet, "a", "b")
    lease = await fleet.store.lease("intervals", "elsewhere", EVERY, fleet.clock.now())
    await fleet.pass_(EVERY.total_seconds() - 60, 20, random.Random(3), ["pump"])
    await fleet.rounds()
    assert await fleet.counted("pump") == {}
    await fleet.store.release(lease, fleet.clock.now())
    await fleet.settle()
    assert (await fleet.counted("pump")).total() > 5
