"""Whose turn it is to be listened to closely, and for how long."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lastseen.model import (
    Kind,
    Liveness,
    Machine,
    Pause,
    Standing,
    Status,
    replace,
)
from lastseen.monitor.counting import Counting
from lastseen.monitor.deadline import Rules
from lastseen.monitor.intervals import bucket_of
from lastseen.testing.script import move
from tests.advice.sampled import ROUND, Fleet, started
from tests.server.fakes import HandClock

pytestmark = pytest.mark.anyio


async def test_every_machine_has_its_turn(fleet: Fleet) -> None:
    slugs = [f"m{number}" for number in range(30)]
    await fleet.add(*slugs)
    sampler = fleet.listen("a", places=4)
    seen: Counter[str] = Counter()
    before: set[int] = set()
    for _ in range(400):
        fleet.clock.seconds += ROUND
        await sampler.round()
        turns = await fleet.store.turns()
        assert len(turns) <= 4
        seen.update(turn.slug for turn in turns if turn.id not in before)
        before |= {turn.id for turn in turns}
        if len(seen) == 30 and min(seen.values()) >= 2:
            break
    assert set(seen) == set(slugs)
    assert max(seen.values()) - min(seen.values()) <= 1, "in turn"


async def test_where_all_have_room_a_turn_goes_on_and_the_longest_intervals_are_seen(fleet: Fleet) -> None:
    await started(fleet, "a")
    (sampler,) = fleet.samplers
    (turn,) = await fleet.store.turns()
    for number in range(30):
        fleet.clock.seconds += ROUND
        if number in (3, 29):
            await fleet.beat(["pump"], sampler)
        await sampler.round()
    (same,) = await fleet.store.turns()
    assert (same.id, same.starts_at) == (turn.id, turn.starts_at)
    assert same.ends_at > fleet.clock.now()
    await fleet.settle()
    assert await fleet.counted("pump") == {bucket_of(timedelta(minutes=26 * 5)): 1}


async def test_who_is_not_watched_has_no_turn_and_who_is_removed_loses_it(fleet: Fleet) -> None:
    await fleet.add("pump", "lamp", "gone")
    await fleet.store.order("lamp", Pause(), lambda case: move(case, Status.PAUSED), fleet.clock.now())
    fleet.listen("a")
    await fleet.rounds()
    assert {turn.slug for turn in await fleet.store.turns()} == {"pump", "gone"}
    await fleet.store.order(
        "gone", Pause(), lambda case: replace(move(case, Status.ONLINE), removed=True), fleet.clock.now()
    )
    fleet.clock.seconds += ROUND
    await fleet.rounds()
    assert {turn.slug for turn in await fleet.store.turns()} == {"pump"}


def test_a_turn_lasts_as_long_as_the_limit_asks_for() -> None:
    """By the machine's own limit; the default here is two minutes."""
    for own, hours in ((None, 1), (timedelta(minutes=10), 5), (timedelta(days=9), 24), (timedelta(0), 6)):
        assert Counting(object(), HandClock(), "a", Rules()).span_of(standing(own)) == timedelta(hours=hours)  # type: ignore[arg-type]


def standing(own: timedelta | None) -> Any:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    machine = Machine(1, "u", "pump", "pump", offline_after=own)
    return Standing(machine, Kind("default"), Liveness(Status.ONLINE, now, now))
