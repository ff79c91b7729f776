"""The promises, one machine's life at a time."""

from __future__ import annotations

from pathlib import Path

import pytest

from lastseen.errors import InvalidInput, UnknownMachine
from lastseen.model import Retry, Said, Status
from lastseen.testing import RecordingNotifier
from tests.monitor.cases import EVERY_STORE, scene
from tests.monitor.comings import say

pytestmark = pytest.mark.parametrize("store", EVERY_STORE)

ERROR = {"status": "error", "message": "tank level sensor stuck"}


async def test_an_error_is_told_once_and_its_end_too(store: str, tmp_path: Path) -> None:
    async with scene(store, tmp_path) as s:
        await s.beat("pump")
        await s.beat("pump", report=ERROR)
        await s.beat("pump", report=ERROR)
        await s.clock.advance("1m")
        await s.beat("pump")
        await s.clock.advance("1m")
        assert s.types == ["machine.error pump"]
        await s.beat("pump", report={"status": "ok"})
        await s.clock.advance("1s")
        assert s.types == ["machine.error pump", "machine.online pump"]
        error, end = (m.event for m in s.told.messages)
        assert end.previous_status is Status.ERROR
        assert end.incident == error.incident == error.uid


async def test_error_then_silence_is_offline_in_the_same_incident(store: str, tmp_path: Path) -> None:
    async with scene(store, tmp_path) as s:
        await s.beat("pump", report=ERROR)
        await s.clock.advance("10m")
        assert s.types == ["machine.error pump", "machine.offline pump"]
        await s.beat("pump")
        await s.clock.advance("1s")
        assert s.types[-1] == "machine.online pump"
        assert len({m.event.incident for m in s.told.messages}) == 1


async def test_offline_then_error_ends_the_outage_and_stays_one_incident(store: str, tmp_path: Path) -> None:
    async with scene(store, tmp_path) as s:
        await s.beat("pump")
        await s.clock.advance("10m")
        await s.beat("pump", report=ERROR)
        await s.clock.advance("1s")
        assert s.types == ["machine.offline pump", "machine.error pump"]
        status = await s.monitor.status("pump")
        assert (status.status, status.notified_at) == (Status.ERROR, None)
        await s.beat("pump", report={"status": "ok"})
        await s.clock.advance("1s")
        assert len({m.event.incident for m in s.told.messages}) == 1


async def test_a_goodbye_is_offline_after_the_grace(store: str, tmp_path: Path) -> None:
    async with scene(store, tmp_path) as s:
        await s.beat("plug")
        await s.monitor.goodbye("plug")
        assert await s.first_told("9s") == ["machine.offline plug"]
        assert s.told.messages[0].event.reason == "goodbye"


async def test_a_heartbeat_within_the_grace_takes_the_goodbye_back(store: str, tmp_path: Path) -> None:
    async with scene(store, tmp_path) as s:
        await s.beat("plug")
        await s.monitor.goodbye("plug")
        await s.beat("plug")  # within the same tick of the clock
        await s.clock.advance("2m")
        assert s.types == []
        await s.clock.advance("2m")
        assert s.told.messages[0].event.reason == "silent"


async def test_pausing_keeps_quiet_and_resuming_gives_the_full_threshold(store: str, tmp_path: Path) -> None:
    async with scene(store, tmp_path) as s:
        await s.beat("pump")
        await s.monitor.pause("pump")
        await s.clock.advance("1h")
        assert s.types == []
        await s.monitor.resume("pump")
        assert await s.first_told("2m", "2m") == ["machine.offline pump"]


async def test_pausing_mid_outage_ends_it_without_a_recovery(store: str, tmp_path: Path) -> None:
    async with scene(store, tmp_path) as s:
        await s.beat("pump")
        await s.clock.advance("10m")
        await s.monitor.pause("pump")
        assert (await s.monitor.status("pump")).notified_at is None
        await s.beat("pump")
        await s.monitor.resume("pump")
        await s.clock.advance("1m")
        assert s.types == ["machine.offline pump"]
        await s.clock.advance("10m")
        assert s.types == ["machine.offline pump"] * 2
        assert len({m.event.incident for m in s.told.messages}) == 2


async def test_removal_mid_outage_ends_it_and_the_alert_is_still_delivered(store: str, tmp_path: Path) -> None:
    told = RecordingNotifier([Retry("down")])
    async with scene(store, tmp_path, told=told) as s:
        await s.beat("pump")
        await s.clock.advance("3m")
        await s.monitor.forget("pump")
        await s.clock.advance("1h")
        assert {m.id for m in s.told.messages} == {s.told.messages[0].id}
        assert len(s.told.messages) == 2
        with pytest.raises(UnknownMachine):
            await s.monitor.status("pump")


async def test_a_shorter_threshold_mid_silence_is_obeyed_at_once(store: str, tmp_path: Path) -> None:
    async with scene(store, tmp_path, offline_after="1h") as s:
        await s.beat("pump", "lamp")
        await s.clock.advance("10m")
        await s.monitor.watch("pump", offline_after="5m")
        await s.monitor.watch("lamp", offline_after="never")
        await s.clock.advance("1s")
        assert s.types == ["machine.offline pump"]
        await s.clock.advance("2d")
        assert s.types == ["machine.offline pump"]


async def test_a_longer_threshold_mid_silence_is_obeyed_too(store: str, tmp_path: Path) -> None:
    async with scene(store, tmp_path) as s:
        await s.beat("pump")
        await s.clock.advance("2m")
        await s.monitor.watch("pump", every="10m")
        assert await s.first_told("25m", "5m") == ["machine.offline pump"]


async def test_a_failing_notifier_loses_nothing_and_keeps_the_order(store: str, tmp_path: Path) -> None:
    told = RecordingNotifier([RuntimeError("boom"), Retry("503"), ValueError("x")])
    async with scene(store, tmp_path, told=told) as s:
        await s.beat("pump")
        await s.clock.advance("3m")
        await s.beat("pump")
        await s.clock.advance("2m")
        assert s.types == ["machine.offline pump"] * 4 + ["machine.online pump"]
        assert len({m.id for m in s.told.messages[:4]}) == 1


async def test_one_channel_that_fails_does_not_hold_up_another(store: str, tmp_path: Path) -> None:
    bad, good = RecordingNotifier([Retry("down")] * 1000), RecordingNotifier()
    async with scene(store, tmp_path, notify={"bad": bad, "good": good}) as s:
        await s.beat("pump")
        await s.clock.advance("3m")
        assert len(good.messages) == 1
        assert bad.messages


async def test_a_recovery_goes_only_where_the_alert_went(store: str, tmp_path: Path) -> None:
    async with scene(store, tmp_path) as s:
        await s.beat("pump")
        await s.beat("pump", report={"status": "ok"})
        await s.clock.advance("1m")
        assert s.types == []  # the first heartbeat ever is told to nobody


async def test_wrong_values_name_the_field_and_change_nothing(store: str, tmp_path: Path) -> None:
    async with scene(store, tmp_path) as s:
        await s.beat("pump")
        await s.clock.settled()
        before = await s.monitor.status("pump")
        for field, value in (("offline_after", "soon"), ("name", ""), ("tags", "home"), ("every", -1), ("colour", "x")):
            with pytest.raises(InvalidInput) as caught:
                await s.monitor.watch("pump", **{field: value})
            assert caught.value.field == field
        with pytest.raises(InvalidInput):
            await s.monitor.heartbeat("pump", {"uptime_seconds": "long"})
        with pytest.raises(InvalidInput):
            await s.monitor.heartbeat("no such name", None)
        assert await s.monitor.status("pump") == before
        with pytest.raises(UnknownMachine):
            await s.monitor.status("no-such-name")


async def test_unknown_machines_are_refused_where_they_must_be_declared(store: str, tmp_path: Path) -> None:
    async with scene(store, tmp_path, register_unknown=False) as s:
        with pytest.raises(UnknownMachine):
            await s.beat("pump")
        await s.monitor.watch("pump")
        await s.beat("pump")
        await s.clock.settled()
        assert await s.monitor.is_online("pump")


async def test_the_wall_clock_that_jumps_ahead_blames_nobody(store: str, tmp_path: Path) -> None:
    async with scene(store, tmp_path) as s:
        await s.beat("pump")
        await s.clock.advance("2m")
        s.clock.jump("4h")
        await s.monitor.sweep()
        await s.clock.advance("2m")
        assert [word for word in s.types if "machine" in word] == []
        await s.clock.advance("2m")
        assert [word for word in s.types if "machine" in word] == ["machine.offline pump"]


async def test_late_is_past_the_interval_and_not_past_the_threshold(store: str, tmp_path: Path) -> None:
    async with scene(store, tmp_path) as s:
        await s.monitor.watch("pump", every="1m", offline_after="5m")
        await s.beat("pump")
        await s.clock.advance("59s")
        assert not (await s.monitor.status("pump")).late
        await s.clock.advance("2s")
        status = await s.monitor.status("pump")
        assert status.late
        assert status.until_offline is not None
        assert status.until_offline.total_seconds() == pytest.approx(239, abs=0.01)


async def test_who_is_resumed_is_awaited_until_it_is_heard(store: str, tmp_path: Path) -> None:
    async with scene(store, tmp_path) as s:
        await s.monitor.watch("pump", offline_after="5m")
        await s.beat("pump")
        assert not (await s.monitor.status("pump")).awaited
        await s.monitor.pause("pump")
        await s.clock.advance("3d")
        assert not (await s.monitor.status("pump")).awaited, "it is not watched"
        await s.monitor.resume("pump")
        status = await s.monitor.status("pump")
        assert (status.status, status.awaited) == (Status.ONLINE, True)
        await s.clock.advance("1m")
        assert (await s.monitor.status("pump")).awaited
        await s.beat("pump")
        await s.clock.advance("1s")
        assert not (await s.monitor.status("pump")).awaited
        await s.monitor.disable("pump")
        await s.clock.advance("1m")
        await s.monitor.enable("pump")
        assert (await s.monitor.status("pump")).awaited
        await s.clock.advance("6m")
        status = await s.monitor.status("pump")
        assert (status.status, status.awaited) == (Status.OFFLINE, False)


async def test_whose_run_began_since_it_was_resumed_is_not_awaited(store: str, tmp_path: Path) -> None:
    async with scene(store, tmp_path) as s, s.monitor.source("ping") as port:
        await say(port, "pump", add={"offline_after": "5m", "max_runtime": "3m"})
        await say(port, "pump", Said.START)
        await s.clock.advance("1m")
        await s.monitor.pause("pump")
        await s.monitor.resume("pump")
        assert (await s.monitor.status("pump")).awaited, "that run is from before"
        await s.clock.advance("1m")
        await say(port, "pump", Said.NOTE)
        await s.clock.advance("1s")
        assert (await s.monitor.status("pump")).awaited, "a note is only kept"
        await say(port, "pump", Said.START)
        await s.clock.advance("1s")
        assert not (await s.monitor.status("pump")).awaited
        await s.monitor.watch("pump", max_runtime="4m")
        assert not (await s.monitor.status("pump")).awaited
        await say(port, "pump", Said.OK)
        await s.clock.advance("1s")
        assert not (await s.monitor.status("pump")).awaited


async def test_who_is_there_by_the_word_of_its_broker_is_not_awaited(store: str, tmp_path: Path) -> None:
    async with scene(store, tmp_path) as s, s.monitor.source("broker") as port:
        await say(port, "pump", add={"offline_after": "5m"})
        await s.clock.advance("10m")
        await say(port, "pump", Said.PRESENT)
        await s.clock.advance("1s")
        status = await s.monitor.status("pump")
        assert (status.status, status.awaited) == (Status.ONLINE, False)
        await say(port, "pump", Said.ABSENT)
        await s.clock.advance("1s")
        status = await s.monitor.status("pump")
        assert (status.status, status.awaited) == (Status.ONLINE, False), "the grace of a goodbye: nobody resumed it"
