"""What uptime is counted from is what happened: machines in virtual time, beside what the test knows of them."""

from __future__ import annotations

import os
import random
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from lastseen import HeartbeatMonitor, RecordingNotifier
from lastseen.model import Matcher, Silence
from lastseen.model.past import Change, watched
from lastseen.model.words import Status
from lastseen.monitor.uptime import Uptime, uptime
from lastseen.storage import sql_past
from tests.monitor.cases import Scene, scene, url_of
from tests.storage.test_account_sql import plans, scans

MINUTE = timedelta(minutes=1)
ON_POSTGRES = 3 if int(os.environ.get("LASTSEEN_TEST_LIVES", "0")) else 1
"""Lives, as for those of the outbox: one is short."""

LIMIT = 3
"""Minutes that a machine may be silent."""


async def counted(s: Scene, since: datetime, now: datetime, **given: bool) -> Uptime:
    standing = (await s.sql.liveness(["pump"]))["pump"]
    past = (await s.sql.pasts([standing], since, now))[standing.machine.id]
    return uptime(past, since, now, now, **given)


async def marked(s: Scene) -> datetime:
    """Now; and then a look, which writes that somebody listened: in virtual time nobody looks but where something is
    due."""
    now = s.clock.now()
    await s.clock.advance("10s")
    await s.monitor.sweep()
    newest = await s.sql.newest_mark()
    assert newest is not None
    assert newest >= now
    return now


class Life:
    """What happens to a machine, minute by minute, and what of it was down or watched."""

    def __init__(self, s: Scene, seed: int) -> None:
        self._s, self._rng = s, random.Random(seed)
        self._down: list[bool] = []
        self._watched: list[bool] = []
        self._heard = self._paused = False

    async def goes_on(self) -> None:
        what = self._rng.choice(("beats", "beats", "silent", "paused", "disabled"))
        minutes = self._rng.choice((1, 2, 4, 6, 8))
        if what in ("paused", "disabled"):
            await (self._s.monitor.pause if what == "paused" else self._s.monitor.disable)("pump")
            await self._passes(minutes, beats=self._rng.random() < 0.5, watched=False)
            await (self._s.monitor.resume if what == "paused" else self._s.monitor.enable)("pump")
            what = "beats"
        await self._passes(minutes, beats=what == "beats", watched=True)
        if what == "silent":
            await self._s.beat("pump")
            self._down[-minutes:] = [minutes > LIMIT] * minutes

    async def _passes(self, minutes: int, *, beats: bool, watched: bool) -> None:
        for _ in range(minutes):
            await self._s.clock.advance("1m")
            if beats:
                await self._s.beat("pump")
            self._down.append(False)
            self._watched.append(watched)

    def totals(self, last: int) -> tuple[timedelta, timedelta]:
        """Known, and down, in so many minutes that end now."""
        known = [down for down, there in zip(self._down[-last:], self._watched[-last:], strict=True) if there]
        return len(known) * MINUTE, sum(known) * MINUTE

    @property
    def age(self) -> int:
        return len(self._down)


@pytest.mark.parametrize(
    ("store", "seed"), [*(("sqlite", seed) for seed in range(3)), *(("postgres", seed) for seed in range(ON_POSTGRES))]
)
async def test_what_is_counted_is_what_happened(store: str, seed: int, tmp_path: Path) -> None:
    async with scene(store, tmp_path, offline_after=f"{LIMIT}m", flapping="off") as s:
        await s.monitor.watch("pump")
        await s.clock.advance("10m")  # declared, and never heard: nothing is known of that
        await s.beat("pump")
        life = Life(s, seed)
        for _ in range(25):
            await life.goes_on()
        now = await marked(s)
        for last in (life.age, life.age // 2, 7):
            found = await counted(s, now - last * MINUTE, now)
            assert (found.known, found.down) == life.totals(last)
        whole = await counted(s, now - timedelta(days=1), now)
        assert (whole.known, whole.down) == life.totals(life.age), "before its first heartbeat nothing is known"
        assert whole.down
        assert not whole.unknown


async def test_while_nobody_listened_nothing_is_known(tmp_path: Path) -> None:
    async with scene("sqlite", tmp_path) as s:
        await s.beat("pump")
        await s.clock.advance("2m")
        await s.beat("pump")
        start, clock = s.clock.now(), s.clock
    await clock.advance("1h")
    beside = HeartbeatMonitor(url_of("sqlite", tmp_path), clock=clock)
    async with beside.opened():  # as a command is, while nobody watches
        found = await counted(Scene(beside, clock, RecordingNotifier()), start, clock.now())
    assert abs(found.unknown - timedelta(hours=1)) < timedelta(seconds=10)
    async with scene("sqlite", tmp_path, clock=clock) as s:
        await s.clock.advance("1m")
        await s.beat("pump")
        now = await marked(s)
        found = await counted(s, start, now)
    assert abs(found.unknown - timedelta(hours=1)) < timedelta(seconds=10)
    assert (found.down, found.known) == (timedelta(), timedelta(hours=1, minutes=1) - found.unknown)


async def test_a_silence_of_its_group_can_be_left_out_and_a_chats_own_mute_cannot(tmp_path: Path) -> None:
    async with scene("sqlite", tmp_path) as s:
        await s.monitor.watch("pump", group="cellar")
        await s.beat("pump")
        start = s.clock.now()
        for matcher in (Matcher(groups=("cellar",)), Matcher(groups=("roof",)), Matcher(channels=("ops",))):
            span = start + 5 * MINUTE, start + (10 if matcher.groups == ("cellar",) else 60) * MINUTE
            await s.sql.add_silence(Silence("work", *span, matcher), start)
        await s.clock.advance("20m")
        now = await marked(s)
        told, kept = await counted(s, start, now), await counted(s, start, now, without_silenced=True)
    assert (told.down, told.known, told.silenced) == (20 * MINUTE, 20 * MINUTE, 5 * MINUTE)
    assert (kept.down, kept.known, kept.silenced) == (15 * MINUTE, 15 * MINUTE, 5 * MINUTE)


async def test_it_scans_no_table_that_grows(tmp_path: Path) -> None:
    async with scene("sqlite", tmp_path) as s:
        await s.beat("pump", "fan")
        await s.clock.advance("10m")
        standings, now = list((await s.sql.liveness(["pump", "fan"])).values()), s.clock.now()
        found = await plans(s.sql, lambda c: sql_past.pasts(c, standings, now - timedelta(days=30), now))
    assert found
    assert scans(found) == []


@pytest.mark.parametrize("status", [Status.ONLINE, Status.PAUSED, None])
def test_without_a_change_it_was_all_the_time_what_it_is_now(status: Status | None) -> None:
    since = datetime.fromisoformat("2026-01-01T12:00Z")
    assert watched([], status, since) == (((since, None),) if status is Status.ONLINE else ())


def test_a_machine_that_was_removed_is_watched_no_more() -> None:
    since = datetime.fromisoformat("2026-01-01T12:00Z")
    gone = Change(since + MINUTE, Status.OFFLINE, None)
    assert watched([gone], None, since) == ((since, since + MINUTE),)
