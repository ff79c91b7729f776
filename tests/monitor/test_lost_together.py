"""Two nodes that lose the database at the same time heard nobody, though each has a fresh mark of the other."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from lastseen.clock import rfc3339
from lastseen.model import BlindPeriod, BlindReason
from lastseen.monitor.uptime import uptime
from tests.monitor.cases import Scene, scene
from tests.monitor.test_company import in_company, types

OTHER = "serve:the-other-one"


class Two:
    """A monitor, and another node on its store, which is played."""

    def __init__(self, s: Scene, source: int) -> None:
        self._s, self._source = s, source

    @classmethod
    async def together(cls, s: Scene) -> Two:
        await in_company(s)
        source, _ = await s.sql.listen("http", OTHER, s.clock.now())
        two = cls(s, source)
        await two.passes(160)
        return two

    async def passes(self, seconds: int, *, other: bool = True) -> None:
        """We leave marks, and so does the other one."""
        for _ in range(seconds):
            await self._s.clock.advance("1s")
            if other:
                await self.other_hears()
            await self._s.monitor.sweep()

    async def fails(self, seconds: int, *, other: bool = False) -> None:
        """The store, for us; and for the `other` one, unless that hears on."""
        for _ in range(seconds):
            await self._s.clock.advance("1s")
            if other:
                await self.other_hears()
            self._s.monitor._loops.listener.store_failed()

    async def other_hears(self) -> None:
        await self._s.sql.mark(self._source, OTHER, self._s.clock.now())

    async def other_lost_it(self, since: datetime) -> None:
        now = self._s.clock.now()
        await self._s.sql.mark(self._source, OTHER, now, [BlindPeriod(self._source, since, now, BlindReason.STORE)])

    async def blind(self) -> timedelta:
        now = self._s.clock.now()
        found = await self._s.sql.liveness(["web"])
        pasts = await self._s.sql.pasts(list(found.values()), now - timedelta(hours=1), now)
        return uptime(pasts[found["web"].machine.id], now - timedelta(hours=1), now, now).unknown


@pytest.mark.parametrize("back", ["first", "last", "never"])
async def test_the_time_is_held_against_nobody(back: str, tmp_path: Path) -> None:
    """The other one is back before us, after us, or not at all."""
    async with scene("sqlite", tmp_path) as s:
        two = await Two.together(s)
        began = s.clock.now()
        await two.fails(10)
        if back == "first":
            await two.other_lost_it(began)
        await two.passes(4, other=back == "first")
        if back == "last":
            await two.other_lost_it(began)
        await two.passes(60, other=back != "never")
        assert types(s) == [], "it could not be heard when its threshold was over, and has a new one since"
        assert timedelta(seconds=9) <= await two.blind() <= timedelta(seconds=20)
        await two.passes(180, other=back != "never")
        assert types(s) == ["machine.offline"]


async def test_who_comes_back_and_goes_meanwhile_is_told_of_both(tmp_path: Path) -> None:
    async with scene("sqlite", tmp_path) as s:
        await s.monitor.watch("web", offline_after="5s")
        two = await Two.together(s)
        assert types(s) == ["machine.offline"]
        began = s.clock.now()
        await two.fails(3)
        await two.other_lost_it(began)
        await s.monitor.heartbeat("web")
        heard = s.clock.now()
        await two.passes(1)
        assert types(s)[1:] == ["machine.online"], "that it is back is known"
        await two.passes(8)
        assert types(s)[2:] == [], "whether it is silent is not: the other one may have heard it"
        await two.passes(20)
        assert types(s)[2:] == ["machine.offline"]
        assert s.told.messages[-1].event.snapshot["outage"]["started_at"] == rfc3339(heard)


async def test_what_the_other_one_heard_on_is_no_blind_time(tmp_path: Path) -> None:
    async with scene("sqlite", tmp_path) as s:
        two = await Two.together(s)
        await two.fails(10, other=True)
        await two.passes(10)
        assert types(s) == [], "it is not known yet"
        await two.passes(8)
        assert types(s) == ["machine.offline"]
        assert await two.blind() == timedelta()
