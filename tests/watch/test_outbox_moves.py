"""When the outbox stands still, and when only a far end is to blame."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from lastseen.errors import StoreUnavailable
from lastseen.model import Message, Outcome, Retry, Scope
from lastseen.monitor.health import Part
from lastseen.monitor.heartbeat import HeartbeatMonitor
from lastseen.testing import FakeClock
from tests.support import eventually


class Failing:
    """A far end that answers, and never takes anything."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome, self.asked = outcome, 0

    async def send(self, message: Message) -> Outcome:
        self.asked += 1
        return self.outcome


class Deaf:
    """A plugin that does not come back when its time is over, until it is let."""

    timeout = 0.01

    def __init__(self) -> None:
        self.let, self.sending = anyio.Event(), False

    async def send(self, message: Message) -> None:
        self.sending = True
        while not self.let.is_set():
            try:
                await self.let.wait()
            except BaseException:  # noqa: BLE001  (this is what is wrong with it)
                continue


async def parts(monitor: HeartbeatMonitor) -> list[Part]:
    return [trouble.part for trouble in await monitor.health()]


async def silent(monitor: HeartbeatMonitor, clock: FakeClock) -> None:
    await monitor.heartbeat("db-01")
    await clock.advance("3m")


@pytest.mark.parametrize("scope", list(Scope))
@pytest.mark.parametrize("store", ["memory:", "sqlite"])
async def test_a_far_end_that_fails_is_not_our_fault(store: str, scope: Scope, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/x.db" if store == "sqlite" else store
    clock, far = FakeClock(), Failing(Retry("503", scope))
    async with HeartbeatMonitor(url, notify={"ops": far}, clock=clock) as monitor:
        await silent(monitor, clock)
        await monitor.heartbeat("db-01")  # its recovery waits behind the alert
        for _ in range(10):
            await clock.advance("3m")
            assert await parts(monitor) == []
        assert far.asked > 3


async def test_a_plugin_that_outstays_its_time_stands_in_the_way(tmp_path: Path) -> None:
    clock, plugin = FakeClock(), Deaf()
    async with HeartbeatMonitor("memory:", notify={"ops": plugin}, clock=clock, offline_after="1s") as monitor:
        await monitor.heartbeat("db-01")
        with anyio.move_on_after(0.5):  # time cannot pass while something is under way
            await clock.advance("2s")
        try:
            await eventually(lambda: plugin.sending)
            assert await parts(monitor) == []
            clock._elapsed += 20  # time that passes all the same
            (trouble,) = await monitor.health()
        finally:
            plugin.let.set()  # or nothing here ever ends
        assert trouble.part is Part.OUTBOX
        assert 19 < (clock.now() - trouble.since).total_seconds() <= 20
        await clock.settled()
        assert await parts(monitor) == []


async def test_an_outbox_that_cannot_be_taken_from_stands_still(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, far = FakeClock(), Failing(Retry("503"))
    async with HeartbeatMonitor("memory:", notify={"ops": far}, clock=clock) as monitor:

        async def broken(*args: object) -> None:
            raise RuntimeError("this store has a fault")

        monkeypatch.setattr(monitor.store, "take", broken)
        await monitor.heartbeat("db-01")
        await clock.advance("2m10s")
        assert await parts(monitor) == []
        await clock.advance("10s")
        (trouble,) = await monitor.health()
        assert trouble.part is Part.OUTBOX
        assert (clock.now() - trouble.since).total_seconds() == pytest.approx(20, abs=2)
        monkeypatch.undo()
        await clock.advance("3s")
        assert await parts(monitor) == []


async def test_a_store_that_does_not_answer_is_told_and_no_exception(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock()
    async with HeartbeatMonitor("memory:", clock=clock) as monitor:
        for error in (StoreUnavailable("gone"), RuntimeError("a plugin's own")):

            async def gone(error: Exception = error) -> None:
                raise error

            monkeypatch.setattr(monitor.store, "next_check", gone)
            (trouble,) = await monitor.health()
            assert (trouble.part, trouble.reason) == (Part.STORE, "it cannot be read")
        monkeypatch.undo()
        assert await parts(monitor) == []
    assert await parts(monitor) == [Part.MONITOR]


async def test_a_write_that_failed_is_trouble_until_one_gets_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock()
    async with HeartbeatMonitor(f"sqlite:///{tmp_path}/x.db", clock=clock) as monitor:
        await monitor.heartbeat("db-01")

        async def full(*args: object) -> None:
            raise StoreUnavailable("disk full")

        monkeypatch.setattr(monitor.store, "record", full)
        with pytest.raises(StoreUnavailable):
            await monitor.heartbeat("db-01")
        (trouble,) = await monitor.health()
        assert (trouble.part, trouble.reason) == (Part.STORE, "it cannot be written")
        monkeypatch.undo()
        await monitor.sweep()  # which writes down what was missed
        assert await parts(monitor) == []
