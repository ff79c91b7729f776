"""What one node misses is blind time only where no other node heard meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from lastseen import FakeClock, counters
from lastseen.model import BlindPeriod, BlindReason
from lastseen.monitor.blindness import Listener
from lastseen.storage import open_store
from tests.servers.postgres import PostgresServer

START = datetime(2026, 11, 1, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


class Two:
    """Nodes a and b, which hear one source, and leave their marks."""

    def __init__(self, store: Any, server: PostgresServer, database: str) -> None:
        self._store, self._server, self._database = store, server, database
        self.source = 0

    async def begin(self) -> None:
        for node in "ab":
            self.source, _ = await self._store.listen("broker", node, at(-60))
            await self.gap(node, -60, -59)

    async def begin_again(self, node: str, second: float) -> None:
        await self._store.listen("broker", node, at(second))

    async def mark(self, node: str, second: float) -> None:
        await self._store.mark(self.source, node, at(second))

    async def gap(
        self, node: str, start: float, end: float, why: BlindReason = BlindReason.LINK
    ) -> list[tuple[float, float]]:
        """What is said to have been written of it."""
        period = BlindPeriod(self.source, at(start), at(end), why)
        written = await self._store.mark(self.source, node, at(end), [period])
        await self.mark(node, end + 0.1)
        assert {(one.source, one.reason) for one in written} <= {(self.source, why)}
        return [((one.started_at - START).total_seconds(), (one.ended_at - START).total_seconds()) for one in written]

    async def lost(self, node: str, start: float, now: float) -> None:
        """Its link is, since `start`: said of another source's mark, as it hears nothing on this."""
        own, _ = await self._store.listen("http", node, at(now))
        await self._store.mark(own, node, at(now), [BlindPeriod(self.source, at(start), None, BlindReason.LINK)])

    def blind(self) -> list[tuple[float, float | None]]:
        """In seconds; overlapping ones as one, as the arithmetic takes them."""
        rows = self._server.execute(
            "SELECT extract(epoch FROM lower(span))::float, extract(epoch FROM upper(span))::float FROM (SELECT unnest("
            "range_agg(tstzrange(started_at, ended_at))) FROM blind_periods "
            f"WHERE source_id = {self.source} AND started_at >= '{at(1)}') AS spans (span)",
            self._database,
        )
        began = START.timestamp()
        return [(start - began, None if end is None else end - began) for start, end in rows]


@pytest.fixture
async def two(url: str, postgres_server: PostgresServer) -> AsyncIterator[Two]:
    store: Any = open_store(url, migrate="check")
    await store.open()
    two = Two(store, postgres_server, url.rpartition("/")[2])
    await two.begin()
    yield two
    await store.close()


async def test_a_gap_of_one_node_is_none_while_another_hears(two: Two) -> None:
    await two.mark("b", 28)
    assert await two.gap("a", 10, 30, BlindReason.STALLED) == []
    assert two.blind() == []


async def test_a_link_that_is_lost_on_one_node_is_blind_time_only_when_the_other_ceases_to_hear(two: Two) -> None:
    await two.mark("b", 10)
    await two.lost("a", 8, 11)
    assert two.blind() == []
    await two.mark("b", 15)  # the last word of b, which dies
    await two.lost("a", 8, 20)
    assert two.blind() == []
    await two.lost("a", 8, 30)
    assert two.blind() == [(15, None)]
    assert await two.gap("a", 8, 40) == [(15, 40)]
    assert two.blind() == [(15, 40)]


async def test_a_link_that_both_lose_at_once_is_blind_time_at_once(two: Two) -> None:
    for node in "ab":
        await two.mark(node, 10)
    await two.lost("a", 11, 12)
    await two.lost("b", 11.5, 12.5)
    assert two.blind() == [(11.5, None)]
    assert await two.gap("b", 11.5, 60) == [(11.5, 60)]
    assert await two.gap("a", 11, 70) == [(11, 60)]
    assert two.blind() == [(11, 60)]


async def test_who_heard_only_again_after_a_while_leaves_the_rest_of_the_gap(two: Two) -> None:
    """Both are stopped, as where they share a computer, and the first one that wakes has missed it too."""
    for node in "ab":
        await two.mark(node, 10)
    await two.gap("a", 10.5, 60, BlindReason.STALLED)
    assert two.blind() == [(10.5, 60)]
    await two.gap("b", 10.25, 61, BlindReason.STALLED)
    assert two.blind() == [(10.25, 60)]


async def test_a_node_that_has_left_hears_no_longer(two: Two) -> None:
    await two._store.leave(two.source, "b", at(10))
    await two.gap("a", 9, 20)
    assert two.blind() == [(10, 20)]


async def test_who_has_just_begun_believes_no_mark_to_mean_now(two: Two) -> None:
    """Both were killed right after their marks; one is there again in no time."""
    for node in "ab":
        await two.mark(node, 10)
    await two.begin_again("c", 14)
    await two.lost("c", 10, 14)
    assert two.blind() == [(10, None)]
    await two.gap("c", 10, 15)
    assert two.blind() == [(10, 15)]


async def test_what_one_that_had_just_begun_held_open_ends_when_it_can_tell_who_hears(two: Two) -> None:
    await two.mark("b", 10)
    await two.begin_again("c", 12)
    await two.lost("c", 10, 12)
    assert two.blind() == [(10, None)]
    await two.mark("b", 24)
    await two.lost("c", 10, 25)
    assert two.blind() == [(10, 25)]


async def test_only_blind_time_that_was_written_is_in_the_log_and_counted(two: Two) -> None:
    """The link of c is gone twice for ten seconds: once while b hears, and once while nobody does."""
    clock, second = FakeClock(at(0)), 0.0
    listener = Listener(two._store, clock, "c", "own")
    await listener.start()
    await two.mark("b", 0)
    ear = await listener.add("broker")
    listener.regained(ear)
    await listener.look()
    before = _counted()
    with capture_logs() as logged:
        for b_hears in (True, False):
            for step, pause in ((listener.regained, 30), (listener.lost, 10)):
                step(ear)
                await listener.look()
                await clock.advance(pause)
                second += pause
                if b_hears:
                    await two.mark("b", second)
        listener.regained(ear)
        await listener.look()
    said = [line["seconds"] for line in logged if line["event"] == "blind_time_recorded" and line["source"] == "broker"]
    assert [line["event"] for line in logged].count("source_lost") == 2
    assert said == [10.0]
    assert _counted() - before == 10.0


def _counted() -> float:
    return counters.BLIND.values().get(("broker", "link"), 0.0)
