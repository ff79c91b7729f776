"""A channel that fails for long: the others learn of it, and what waits for it goes another way."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from lastseen.model import Preferences
from lastseen.testing import RecordingNotifier
from tests.monitor.cases import Scene, scene
from tests.monitor.people import Broken, prefer


@asynccontextmanager
async def two(
    folder: Path, wishes: Preferences | None = None
) -> AsyncIterator[tuple[Scene, Broken, RecordingNotifier]]:
    ops, spare = Broken(), RecordingNotifier()
    ops.there = False
    async with scene("sqlite", folder, told=ops, notify={"ops": ops, "spare": spare}) as s:
        if wishes is not None:
            await prefer(s, wishes, "ops", fallback="spare")
        await prefer(s, Preferences(events=("channel.*",)), "spare")  # machines only as a fallback
        yield s, ops, spare


def said(notifier: RecordingNotifier) -> list[str]:
    return [message.text.splitlines()[0] for message in notifier.messages]


async def test_the_others_are_told_once_that_a_channel_fails(tmp_path: Path) -> None:
    async with two(tmp_path) as (s, ops, spare):
        await s.beat("pump")
        await s.clock.advance("17m")
        assert said(spare) == []
        await s.clock.advance("10m")
        [message] = spare.messages
        assert message.event.type == "channel.failing"
        assert message.event.snapshot["waiting"] >= 1
        assert "503 from pager.example" in message.text
        await s.clock.advance("5h")
        assert len(spare.messages) == 1
        ops.there = True
        await s.clock.advance("10m")
        assert [event.type for m in ops.messages for event in m.events] == ["machine.offline"], "not of its own trouble"
        ops.there = False
        await s.beat("pump")
        await s.clock.advance("40m")
        assert len(spare.messages) == 2, "a trouble of its own"


async def test_what_waits_for_a_failing_channel_goes_to_its_fallback_and_its_end_too(tmp_path: Path) -> None:
    async with two(tmp_path, Preferences(fallback_after=600)) as (s, ops, spare):
        await s.beat("pump")
        await s.clock.advance("12m")
        assert said(spare) == []
        await s.clock.advance("13m")
        alert = next(message for message in spare.messages if message.event.machine == "pump")
        assert alert.text.splitlines()[0].startswith("🔴 pump offline since ")
        assert alert.text.splitlines()[-1] == 'Told here because "ops" fails.'
        await s.beat("pump")
        await s.clock.advance("1m")
        assert [e.type for m in spare.messages for e in m.events if e.machine] == ["machine.offline", "machine.online"]
        ops.there = True
        await s.keep_beating(["pump"], 20)
        assert [e.type for m in ops.messages for e in m.events] == ["machine.offline", "machine.online"], "and here"


async def test_a_fallback_that_was_told_itself_is_not_told_twice(tmp_path: Path) -> None:
    async with two(tmp_path, Preferences(fallback_after=600)) as (s, _, spare):
        await prefer(s, Preferences(), "spare")
        await s.beat("pump")
        await s.clock.advance("40m")
        assert [e.type for m in spare.messages for e in m.events].count("machine.offline") == 1
        assert not [row for row in await s.sql.notifications() if row["cause"] == "fallback"]


async def test_what_is_over_goes_to_no_fallback(tmp_path: Path) -> None:
    async with two(tmp_path, Preferences(fallback_after=600)) as (s, _, spare):
        await s.beat("pump")
        await s.clock.advance("5m")
        await s.beat("pump")
        await s.keep_beating(["pump"], 30)
        assert [e.type for m in spare.messages for e in m.events] == ["channel.failing"]


async def test_somebodys_channel_as_a_fallback_hears_of_nothing_that_is_anothers(tmp_path: Path) -> None:
    async with two(tmp_path, Preferences(fallback_after=600)) as (s, _, spare):
        ada, ben = [(await s.sql.add_user(name, "member", None, s.clock.now())).id for name in ("ada", "ben")]
        whose = "UPDATE channels SET owner_id = ? WHERE name = 'spare'"
        await s.sql.database.write(lambda c: c.exec_driver_sql(whose, (ada,)))
        for slug, owner in (("adas", ada), ("bens", ben), ("everybodys", None)):
            await s.monitor.watch(slug, owner=owner)
        await s.beat("adas", "bens", "everybodys")
        await s.clock.advance("25m")
        assert {e.machine for m in spare.messages for e in m.events if e.machine} == {"adas", "everybodys"}
