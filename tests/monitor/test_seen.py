"""Somebody has seen it: where that is shown, and for how long."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from lastseen.model import Preferences, Quiet
from lastseen.monitor.story import Asked, story
from lastseen.monitor.story_layout import as_dict, printed
from lastseen.notifiers.wording import When
from tests.monitor.cases import STORES, Scene, scene
from tests.monitor.people import Chat, Editable, prefer, reasons

ERROR = {"status": "error"}


@pytest.mark.parametrize("store", STORES)
async def test_the_status_says_who_has_seen_an_outage_or_an_error_until_there_is_a_new_one(
    store: str, tmp_path: Path
) -> None:
    async with scene(store, tmp_path) as s:
        await s.monitor.watch("backup", kind="job")
        for machine, report in (("pump", ERROR), ("pump", ERROR), ("backup", ERROR)):
            await s.beat(machine, report=report)
            await s.clock.advance("1s")
        for machine in ("pump", "backup"):
            assert await seen(s, machine) == (None, None)
            await s.monitor.acknowledge(machine, "ada")
            assert await seen(s, machine) == ("ada", s.clock.now())
        await s.beat("pump", "backup", report=ERROR)
        await s.clock.advance("1s")
        assert (await seen(s, "pump"))[0] == "ada", "it says the same as before"
        assert await seen(s, "backup") == (None, None), "another run has failed since"
        await s.clock.advance("5m")
        assert (await s.monitor.status("pump")).status == "offline"
        assert await seen(s, "pump") == (None, None), "nobody has seen that it is silent"
        await s.monitor.acknowledge("pump", "eva")
        assert (await seen(s, "pump"))[0] == "eva"
        await s.beat("pump", report={"status": "ok"})
        await s.clock.advance("1s")
        assert await seen(s, "pump") == (None, None)


async def seen(s: Scene, machine: str) -> tuple[str | None, datetime | None]:
    status = await s.monitor.status(machine)
    return status.acknowledged_by, status.acknowledged_at


# -- in the messages that told of it


async def rack(s: Scene, count: int) -> list[str]:
    names = [f"m{n}" for n in range(count)]
    for name in names:
        await s.monitor.watch(name, group="berlin")
    return names


async def test_it_stays_in_the_message_about_a_group_that_is_edited_later(tmp_path: Path) -> None:
    chat = Editable()
    async with scene("sqlite", tmp_path, told=chat) as s:
        names = await rack(s, 4)
        await s.beat("m0", "m1")
        await s.clock.advance("10s")
        await s.beat("m2")
        await s.clock.advance("175s")
        assert chat.screen["m1"].startswith("🔴 berlin: 2 of 4 offline")
        await s.monitor.acknowledge("m0", "Eva")
        await s.clock.advance("1s")
        assert chat.screen["m1"].splitlines()[-1] == "Ack: Eva 12:03 (m0)"
        assert chat.buttons["m1"] == ["Ack all", "Mute berlin 1 h"]
        await s.clock.advance("20s")
        shown = chat.screen["m1"].splitlines()
        assert shown[0].startswith("🔴 berlin: 3 of 4 offline")
        assert shown[-1] == "Ack: Eva 12:03 (m0)"
        for name in names[1:3]:
            await s.monitor.acknowledge(name, "Tom")
        await s.clock.advance("1s")
        assert chat.screen["m1"].splitlines()[-2:] == ["Ack: Eva 12:03 (m0)", "Ack: Tom 12:03 (m1, m2)"]
        assert chat.buttons["m1"] == ["Mute berlin 1 h"]
        assert (len(chat.sent), chat.sounds) == (1, 1)


async def test_one_word_for_all_of_a_group_names_nobody(tmp_path: Path) -> None:
    chat = Editable()
    async with scene("sqlite", tmp_path, told=chat) as s:
        names = await rack(s, 20)
        await s.beat(*names)
        await s.clock.advance("4m")
        for name in names:
            await s.monitor.acknowledge(name, "Eva")
        await s.clock.advance("1s")
        assert chat.screen["m1"].splitlines()[-1] == "Ack: Eva 12:04"
        assert len(chat.screen) == 1


@pytest.mark.parametrize("count", [1, 3])
async def test_after_a_restart_the_message_is_composed_from_what_is_written_down(tmp_path: Path, count: int) -> None:
    chat = Editable()
    async with scene("sqlite", tmp_path, told=chat) as s:
        names = await rack(s, count)
        await s.beat(*names)
        await s.clock.advance("4m")
        before, clock = chat.screen["m1"], s.clock
    async with scene("sqlite", tmp_path, told=chat, clock=clock) as s:
        await s.clock.advance("2h")
        for name in names:
            await s.monitor.acknowledge(name, "Eva")
        await s.clock.advance("1s")
        after = chat.screen["m1"].splitlines()
        assert after[-1] == "Ack: Eva 14:04"
        assert [line for line in before.splitlines() if not line.startswith("More are late")] == after[:-1]
        assert (len(chat.sent), len(chat.screen)) == (1, 1)


async def test_a_group_whose_number_doubled_is_whole_after_a_restart(tmp_path: Path) -> None:
    chat = Editable()
    async with scene("sqlite", tmp_path, told=chat) as s:
        names = await rack(s, 6)
        await s.beat(*names[:2])
        await s.clock.advance("60s")
        await s.beat(*names[2:])
        await s.clock.advance("5m")
        assert chat.screen["m2"].startswith("🔴 berlin: 6 of 6 offline")
        clock = s.clock
    async with scene("sqlite", tmp_path, told=chat, clock=clock) as s:
        await s.monitor.acknowledge("m5", "Eva")
        await s.clock.advance("1s")
        after = chat.screen["m2"].splitlines()
        assert after[0].startswith("🔴 berlin: 6 of 6 offline")
        assert after[-1] == "Ack: Eva 12:06 (m5)"


async def test_an_error_and_its_reminder_show_it_and_promise_no_other(tmp_path: Path) -> None:
    chat = Editable()
    async with scene("sqlite", tmp_path, told=chat, offline_after="3m") as s:
        await prefer(s, Preferences(repeat_every=3600))
        await s.monitor.watch("pump", offline_after="never")
        await s.beat("pump", report={"status": "error", "message": "stuck"})
        await s.beat("web")
        await s.clock.advance("65m")
        for machine in ("pump", "web"):
            await s.monitor.acknowledge(machine, "Eva")
        await s.clock.advance("1s")
        shown = [text.splitlines() for text in chat.screen.values()]
        assert [lines[0] for lines in shown if lines[-1] == "Ack: Eva 13:05"] == [
            "🟠 pump: stuck",
            "🔴 web still offline: 1 h 3 min",
        ]
        (reminder,) = [lines for lines in shown if "still offline" in lines[0]]
        assert reminder[1] == "Since 12:00."


async def test_neither_quiet_hours_nor_a_list_of_events_hold_it_back(tmp_path: Path) -> None:
    chat = Editable()
    async with scene("sqlite", tmp_path, told=chat) as s:
        await prefer(s, Preferences(events=("machine.offline",), quiet=Quiet("13:00", "14:00", "UTC")))
        await s.beat("web")
        await s.clock.advance("70m")
        await s.monitor.acknowledge("web", "Eva")
        await s.clock.advance("1s")
        assert chat.screen["m1"].splitlines()[-1] == "Ack: Eva 13:10"


async def test_what_cannot_be_changed_is_told_nothing_and_the_reason_is_kept(tmp_path: Path) -> None:
    chat, late = Chat(), Editable()
    async with scene("sqlite", tmp_path, notify={"plain": chat, "late": late}, told=chat) as s:
        await prefer(s, Preferences(notify_after=7200), "late")
        await s.beat("web")
        await s.clock.advance("4m")
        await s.monitor.acknowledge("web", "Eva")
        await s.clock.advance("1m")
        assert len(chat.sent) == 1
        rows = {row["reason"] for row in await s.sql.notifications()}
        assert "it cannot change what it has said" in rows
        now = s.clock.now()
        facts = await s.sql.account("web", now, now, now)
        told = story(facts, s.monitor.described(facts.standing, now), Asked(now, now), When(now, UTC))
        words = [line.strip() for line in printed(as_dict(told), When(now, UTC)).splitlines()]
        assert "plain  code  not shown: it cannot change what it has said" in words
        await s.clock.advance("3h")
        assert late.screen["m1"].splitlines()[-1] == "Ack: Eva 12:04", "what is told late says it at once"
        assert len(late.sent) == 1


async def test_what_is_over_is_left_as_it_is_and_a_message_that_is_gone_harms_nothing(tmp_path: Path) -> None:
    chat = Editable()
    async with scene("sqlite", tmp_path, told=chat) as s:
        await s.beat("web", "db")
        await s.clock.advance("10m")
        chat.deaf = True
        await s.monitor.acknowledge("web", "Eva")
        await s.clock.advance("1m")
        chat.deaf = False
        assert (await reasons(s)).get("machine.acknowledged web") is None
        await s.beat("web")
        await s.clock.advance("10s")
        assert chat.sent[-1].text.splitlines()[0].startswith("🟡 2 machines") or "back" in chat.sent[-1].text
        assert all(row["state"] != "dead" for row in await s.sql.notifications())
