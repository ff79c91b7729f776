"""When many fall silent at once, it may be our own line."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from lastseen.model import Beat, Message, Outcome, Retry, Said
from lastseen.notifiers.outcome import from_exception
from lastseen.testing import RecordingNotifier
from tests.monitor.cases import Scene, scene

FLEET = [f"m{n}" for n in range(10)]


class World:
    """Whether an address outside answers, and how often that was asked."""

    def __init__(self, there: bool = True) -> None:
        self.there, self.asked = there, 0

    async def __call__(self) -> bool:
        self.asked += 1
        if not self.there:
            raise OSError("no route to host")
        return True


def offline(s: Scene) -> list[str]:
    return sorted(word.removeprefix("machine.offline ") for word in s.types if word.startswith("machine.offline"))


async def test_a_storm_while_our_line_is_cut_is_no_outage_of_anybody_but_an_alert_of_our_own(tmp_path: Path) -> None:
    world = World()
    async with scene("sqlite", tmp_path, uplink=world) as s:
        await s.beat(*FLEET)
        await s.clock.advance("2m")
        world.there = False
        await s.clock.advance("20m")
        assert s.types == ["source.blind None"]
        assert s.told.messages[0].text.splitlines()[1:] == [
            "My own line was down.",
            "10 machines are held: unknown until it is back.",
        ]
        assert world.asked > 1
        world.there = True
        await s.keep_beating(FLEET[1:], 3)
        assert s.types == ["source.blind None", "source.restored None"]
        restored = s.told.messages[1]
        assert "9 of 10 heard again. Waiting for: m0" in restored.text.splitlines()
        assert restored.event.incident == s.told.messages[0].event.uid


async def test_a_storm_while_the_world_is_there_is_told(tmp_path: Path) -> None:
    world = World()
    async with scene("sqlite", tmp_path, uplink=world) as s:
        await s.beat(*FLEET)
        await s.clock.advance("4m")
        assert offline(s) == FLEET
        assert world.asked == 1, "one answer is enough for all of them"


async def test_scattered_deadlines_are_one_storm(tmp_path: Path) -> None:
    world = World(there=False)
    async with scene("sqlite", tmp_path, uplink=world) as s:
        for name in FLEET:
            await s.beat(name)
            await s.clock.advance("1s")
        await s.clock.advance("10m")
        assert offline(s) == []


async def test_a_few_machines_are_no_storm(tmp_path: Path) -> None:
    world = World(there=False)
    async with scene("sqlite", tmp_path, uplink=world) as s:
        await s.beat(*FLEET[:4])
        await s.clock.advance("4m")
        assert offline(s) == FLEET[:4]
        assert world.asked == 0


async def test_a_small_part_of_a_big_fleet_is_no_storm(tmp_path: Path) -> None:
    world = World(there=False)
    steady = [f"s{n}" for n in range(40)]
    async with scene("sqlite", tmp_path, uplink=world) as s:
        await s.beat(*FLEET[:6])
        await s.keep_beating(steady, 5)
        assert offline(s) == FLEET[:6]
        assert world.asked == 0


async def test_a_source_of_a_few_machines_is_no_storm_beside_a_small_part_of_another(tmp_path: Path) -> None:
    world = World(there=False)
    async with scene("sqlite", tmp_path, uplink=world) as s, s.monitor.source("lora") as lora:
        await s.monitor.watch("far")
        await lora.submit(Beat("far", s.clock.now(), Said.ALIVE, lora.id))
        await s.beat(*FLEET[:6])
        await s.keep_beating([f"s{n}" for n in range(40)], 5)
        assert offline(s) == ["far", *FLEET[:6]]
        assert world.asked == 0


async def test_a_line_that_stays_cut_is_an_excuse_for_an_hour(tmp_path: Path) -> None:
    world = World(there=False)
    async with scene("sqlite", tmp_path, uplink=world) as s:
        await s.beat(*FLEET)
        await s.clock.advance("61m")
        assert offline(s) == []
        await s.clock.advance("8m")
        assert offline(s) == FLEET


async def test_whoever_stays_away_after_the_line_is_back_is_told(tmp_path: Path) -> None:
    world = World(there=False)
    async with scene("sqlite", tmp_path, uplink=world) as s:
        await s.beat(*FLEET)
        await s.clock.advance("10m")
        world.there = True
        await s.clock.advance("1m")
        await s.beat(*FLEET[1:])
        await s.keep_beating(FLEET[1:], 4)
        assert offline(s) == ["m0"]


async def test_a_probe_that_hangs_counts_as_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import anyio

    monkeypatch.setattr("lastseen.monitor.uplink.PATIENCE", 0.01)
    told = RecordingNotifier()
    async with scene("sqlite", tmp_path, uplink=anyio.sleep_forever, told=told) as s:
        await s.beat(*FLEET)
        await s.clock.advance("4m")
        assert s.types == []


# -- what we sent meanwhile


class FarEnd(RecordingNotifier):
    """Something at `host`, or no way to it."""

    def __init__(self, host: str | None) -> None:
        super().__init__()
        self.there = True
        if host is not None:
            self.host = host

    async def send(self, message: Message) -> Outcome | None:
        return await super().send(message) if self.there else Retry("no way", unreached=True)


@asynccontextmanager
async def cut_off(folder: Path, **channels: FarEnd) -> AsyncIterator[Scene]:
    """One machine was found silent, and its alert went, or not; then the fleet falls silent."""
    async with scene("sqlite", folder, told=channels["ops"], notify=channels) as s:
        await s.beat(*FLEET, "first")
        await s.clock.advance("1m")
        await s.beat(*FLEET)
        await s.clock.advance("1m")
        await s.beat(*FLEET)
        channels["ops"].there = False
        yield s


async def test_a_storm_while_nothing_that_is_sent_gets_anywhere_is_our_own_line(tmp_path: Path) -> None:
    ops = FarEnd("pager.example")
    async with cut_off(tmp_path, ops=ops) as s:
        await s.clock.advance("20m")
        ops.there = True
        await s.keep_beating(FLEET, 10)
        assert offline(s) == ["first"]
        assert "source.restored None" in s.types


async def test_such_a_line_is_an_excuse_for_an_hour(tmp_path: Path) -> None:
    ops = FarEnd("pager.example")
    async with cut_off(tmp_path, ops=ops) as s:
        await s.clock.advance("80m")
        ops.there = True
        await s.clock.advance("6m")
        assert offline(s) == ["first", *FLEET]


@pytest.mark.parametrize("host", ["192.168.1.4", "nas", "nas.local", "", None])
async def test_what_is_near_or_unknown_says_nothing_of_our_line_when_it_is_not_reached(
    tmp_path: Path, host: str | None
) -> None:
    ops = FarEnd(host)
    async with cut_off(tmp_path, ops=ops) as s:
        await s.clock.advance("10m")
        ops.there = True
        await s.clock.advance("6m")
        assert offline(s) == ["first", *FLEET]


@pytest.mark.parametrize(
    ("other", "held"), [("other.example", False), (None, False), ("192.168.1.4", True), ("", True)]
)
async def test_one_far_end_that_is_reached_is_enough_if_it_is_beyond_this_network(
    tmp_path: Path, other: str | None, held: bool
) -> None:
    ops, second = FarEnd("pager.example"), FarEnd(other)
    async with cut_off(tmp_path, ops=ops, second=second) as s:
        await s.clock.advance("10m")
        told = [f"{e.type} {e.machine}" for m in second.messages for e in m.events]
        assert ("machine.offline m0" in told) is not held


@pytest.mark.parametrize(
    ("error", "says_so"),
    [
        (httpx.ConnectTimeout("slow"), True),
        (socket.gaierror(-3, "Temporary failure in name resolution"), True),
        (OSError(errno.ENETUNREACH, "Network is unreachable"), True),
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), False),
        (httpx.ReadTimeout("slow"), False),
        (ssl.SSLError("bad certificate"), False),
        (ValueError("a bug"), False),
    ],
)
def test_a_far_end_that_refuses_is_there(error: Exception, says_so: bool) -> None:
    assert from_exception(error).unreached is says_so
    wrapped = httpx.ConnectError("wrapped")
    wrapped.__cause__ = error
    assert from_exception(wrapped).unreached is says_so
