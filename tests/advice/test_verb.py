"""Advice as programs and people ask for it."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from lastseen.clock import rfc3339
from lastseen.errors import Forbidden, InvalidInput, UnknownMachine
from lastseen.manage import advice
from lastseen.manage.office import Office
from lastseen.manage.who import Who
from lastseen.model import Watch
from lastseen.monitor.counting import EVERY
from lastseen.monitor.heartbeat import HeartbeatMonitor
from lastseen.testing.script import keep
from tests.advice.sampled import Fleet, a_fleet, started

pytestmark = pytest.mark.anyio


@pytest.fixture
async def fleet(tmp_path: Path) -> AsyncIterator[Fleet]:
    async with a_fleet(tmp_path) as made:
        yield made


def office_of(fleet: Fleet) -> Office:
    clock: Any = fleet.clock
    return Office(HeartbeatMonitor(fleet.store, clock=clock), None, lambda: None, print)


def when(found: dict[str, Any]) -> tuple[str | None, str | None]:
    return found["listening_since"], found["listening_from"]


async def test_what_was_counted_and_what_was_an_outage_become_advice(fleet: Fleet) -> None:
    await started(fleet, "a")
    (sampler,), clock = fleet.samplers, fleet.clock
    await fleet.pass_(3000, 20, random.Random(1), ["pump"])
    found = await advice.of_one(office_of(fleet), "pump")
    assert (found["known"], found["false_alarms"], found["proposed_seconds"]) == ("enough", 0, 45)
    assert found["intervals"] > 100
    assert found["within"][0]["percent"] == "99"
    assert 20 < found["within"][0]["seconds"] < 26
    clock.seconds += 150
    office = office_of(fleet)
    await office.monitor.store.settle(office.monitor._decide, clock.now())
    found = await advice.of_one(office, "pump")
    assert (found["false_alarms"], found["other_silences"]) == (0, 1), (
        "the outage that lasts counts, and is no false alarm"
    )
    assert "It was found silent once in 30 d. It is silent now, for " in " ".join(found["text"])
    await fleet.beat(["pump"], sampler)
    await office.monitor.store.settle(office.monitor._decide, clock.now())
    found = await advice.of_one(office, "pump", limit=timedelta(minutes=10))
    assert found["offline_after_seconds"] == 120
    assert found["false_alarms"] == 1
    (alarm,) = found["newest_false_alarms"]
    assert 120 < alarm["seconds"] < 240
    assert found["proposed_seconds"] >= alarm["seconds"]
    assert found["would"] == {"offline_after_seconds": 600, "outages": 0, "intervals": 0}
    assert "found silent once" in " ".join(found["text"])
    assert (await advice.of_one(office, "pump", brief_under=timedelta(seconds=90)))["false_alarms"] == 0


async def test_a_machine_with_a_schedule_has_no_limit_to_propose(fleet: Fleet) -> None:
    await started(fleet, "a")
    await fleet.pass_(3000, 20, random.Random(1), ["pump"])
    changes = {"schedule": "*/5 * * * *", "timezone": "UTC", "grace": timedelta(minutes=1)}
    await fleet.store.order("pump", Watch(changes), keep, fleet.clock.now())
    found = await advice.of_one(office_of(fleet), "pump")
    assert found["proposed_seconds"] is None
    assert found["text"][-1].startswith("It reports by a schedule")


async def test_what_cannot_be_is_refused_by_its_name(fleet: Fleet) -> None:
    await fleet.add("pump")
    office = office_of(fleet)
    with pytest.raises(UnknownMachine):
        await advice.of_one(office, "nobody")
    with pytest.raises(InvalidInput) as caught:
        await advice.of_one(office, "pump", window=timedelta(days=43))
    assert caught.value.field == "window"
    for span in (timedelta(minutes=9), timedelta(days=31)):
        with pytest.raises(InvalidInput) as caught:
            await advice.listen(office, "pump", span)
        assert caught.value.field == "lasting"
    with pytest.raises(Forbidden):
        await advice.listen(office.of(Who("v", "viewer", 7)), "pump", timedelta(hours=1))
    assert await fleet.store.turns() == []


async def test_who_asks_for_it_is_listened_to_before_those_whose_turn_it_is(fleet: Fleet) -> None:
    slugs = [f"m{number}" for number in range(5)]
    await fleet.add(*slugs)
    sampler = fleet.listen("a", places=1)
    await fleet.rounds()
    assert {turn.slug for turn in await fleet.store.turns()} == {"m0"}
    assert (await advice.of_one(office_of(fleet), "m0"))["listening_since"] is None, "it begins in some minutes"
    assert when(await advice.of_one(office_of(fleet), "m4")) == (None, None)
    asked = await advice.listen(office_of(fleet), "m4", timedelta(days=2))
    assert asked["machine"] == "m4"
    turns = {turn.slug: turn for turn in await fleet.store.turns()}
    begins = (None, rfc3339(turns["m4"].starts_at))
    assert when(asked) == when(await advice.of_one(office_of(fleet), "m4")) == begins, (
        "who asked sees that it is to come"
    )
    assert turns.keys() == {"m0", "m4"}
    known_at = fleet.clock.now() + EVERY
    assert turns["m4"].starts_at > known_at, "no process has lost what it heard before it knew"
    assert turns["m4"].ends_at - turns["m4"].starts_at == timedelta(days=2)
    fleet.clock.seconds += 300
    await fleet.rounds()
    fleet.clock.seconds += 300
    await fleet.rounds()
    for _ in range(10):
        fleet.clock.seconds += 20
        await fleet.beat(["m4"], sampler)
    assert (await advice.of_one(office_of(fleet), "m0"))["listening_since"] is not None
    await fleet.settle()
    assert (await fleet.counted("m4")).total() == 9
    has_begun = (rfc3339(turns["m4"].starts_at), None)
    assert when(await advice.of_one(office_of(fleet), "m4")) == has_begun
    assert when(await advice.listen(office_of(fleet), "m4", timedelta(days=3))) == has_begun
