"""A site that goes dark: few messages, few sounds, and every machine in one of them."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.monitor.cases import Scene, scene
from tests.monitor.people import Chat, Editable


@asynccontextmanager
async def site(folder: Path, chat: Chat, count: int = 37, others: int = 3) -> AsyncIterator[Scene]:
    """Machines of one group, of which the last few have a power supply of their own."""
    async with scene("sqlite", folder, notify={"ops": chat}, told=chat, offline_after="2m") as s:
        for n in range(count + others):
            await s.monitor.watch(f"m{n}", group="berlin")
        yield s


async def goes_dark(s: Scene, count: int, seed: int, spread: float = 60, others: int = 3) -> None:
    """Heartbeats come once a minute, each machine's at a moment of its own; then the power fails."""
    moments = sorted((random.Random(seed * 1000 + n).uniform(0, spread), n) for n in range(count))
    at = 0.0
    for moment, n in moments:
        await s.clock.advance(f"{moment - at:.3f}s")
        at = moment
        await s.beat(f"m{n}")
    for _ in range(8):
        await s.beat(*(f"m{n}" for n in range(count, count + others)))
        await s.clock.advance("60s")


@pytest.mark.parametrize("seed", range(3))
async def test_37_machines_whose_deadlines_scatter_over_a_minute_sound_twice_at_most(tmp_path: Path, seed: int) -> None:
    chat = Editable()
    async with site(tmp_path, chat) as s:
        await goes_dark(s, 37, seed)
        assert chat.sounds <= 2
        assert len(chat.sent) <= 2
        last = list(chat.screen.values())[-1].splitlines()
        assert last[0].startswith("🔴 berlin: 37 of 40 offline since ")
        assert last[1] == "Probably one cause: line, power or switch."
        assert last[3] == "Still up: m37, m38, m39"
        assert await undelivered(s) == []


@pytest.mark.parametrize("seed", range(2))
async def test_a_chat_that_cannot_edit_gets_a_summary_after_a_minute(tmp_path: Path, seed: int) -> None:
    chat = Chat()
    async with site(tmp_path, chat) as s:
        await goes_dark(s, 37, seed)
        assert chat.sounds <= 2
        assert len(chat.sent) <= 3
        assert "berlin: 37 of 40 offline" in chat.sent[-1].text
        assert await undelivered(s) == []


async def test_those_who_fall_silent_in_one_moment_are_one_message(tmp_path: Path) -> None:
    chat = Editable()
    async with site(tmp_path, chat) as s:
        await s.beat(*(f"m{n}" for n in range(37)))
        await s.clock.advance("121s")
        assert chat.sent == [], "2 s for the others"
        await s.clock.advance("5m")
        assert (len(chat.sent), chat.sounds, chat.edits) == (1, 1, 0)
        assert chat.sent[0].text.splitlines()[2] == "m0, m1, m2, m3, m4, m5 and 31 more"
        assert len({event.machine for event in chat.sent[0].events}) == 37


async def test_recoveries_are_gathered_and_those_still_missing_named(tmp_path: Path) -> None:
    chat = Editable()
    async with site(tmp_path, chat) as s:
        await s.beat(*(f"m{n}" for n in range(37)))
        await s.clock.advance("10m")
        await s.beat(*(f"m{n}" for n in range(30)))
        await s.clock.advance("10s")
        assert len(chat.sent) == 2
        told = chat.sent[1]
        assert (told.loud, told.reply_to) == (False, "m1")
        assert told.text.splitlines()[0] == "🟡 berlin: 30 of 37 back, 7 still offline"
        assert told.text.splitlines()[2] == "m30, m31, m32, m33, m34, m35 and 1 more"
        await s.beat(*(f"m{n}" for n in range(36)))
        await s.clock.advance("10s")
        assert chat.screen["m2"].splitlines()[0] == "🟡 berlin: 36 of 37 back, 1 still offline"
        assert chat.screen["m2"].splitlines()[-1] == "m36"
        await s.beat(*(f"m{n}" for n in range(37)))
        await s.clock.advance("10s")
        assert chat.screen["m2"].startswith("🟢 berlin: all 37 back after 10 min")
        assert len(chat.sent) == 2
        assert await undelivered(s) == []


async def test_who_flaps_is_called_that_and_neither_back_nor_silent(tmp_path: Path) -> None:
    chat = Editable()
    async with site(tmp_path, chat, count=4, others=0) as s:
        for _ in range(2):
            await s.beat("m0")
            await s.clock.advance("150s")
        await s.keep_beating([f"m{n}" for n in range(4)], minutes=7)
        await s.clock.advance("130s")
        assert list(chat.screen.values())[-1].startswith("🔴 berlin: 4 of 4 offline")
        await s.beat("m0")
        await s.clock.advance("10s")
        assert (await s.monitor.status("m0")).flapping_since is not None
        await s.clock.advance("140s")
        assert (await s.monitor.status("m0")).status == "offline"
        await s.beat("m1", "m2")
        await s.clock.advance("10s")
        shown = storm(chat)
        assert shown[0] == "🟡 berlin: 2 of 4 back, 1 still offline, 1 flapping"
        assert shown[1].endswith("Still silent:")
        assert shown[2:] == ["m3", "Flapping: m0"]
        await s.beat("m1", "m2", "m3")
        await s.clock.advance("10s")
        assert storm(chat)[0] == "🟡 berlin: 3 of 4 back, 1 flapping"


async def test_who_was_paused_or_removed_meanwhile_is_not_called_silent(tmp_path: Path) -> None:
    chat = Editable()
    async with site(tmp_path, chat, count=4, others=0) as s:
        await s.beat(*(f"m{n}" for n in range(4)))
        await s.clock.advance("3m")
        await s.monitor.pause("m2")
        await s.monitor.forget("m3")
        await s.beat("m0")
        await s.clock.advance("10s")
        shown = chat.screen["m2"].splitlines()
        assert shown[0] == "🟡 berlin: 1 of 4 back, 1 still offline, 1 paused, 1 removed"
        assert shown[2:] == ["m1", "Paused: m2", "Removed: m3"]
        await s.beat("m0", "m1")
        await s.clock.advance("10s")
        shown = chat.screen["m2"].splitlines()
        assert shown[0] == "🟢 berlin: 2 of 4 back, 1 paused, 1 removed"
        assert not [line for line in shown if "silent" in line]


async def test_one_machine_is_told_of_as_ever_and_two_sites_apart(tmp_path: Path) -> None:
    chat = Editable()
    async with site(tmp_path, chat, count=2) as s:
        await s.monitor.watch("lone", group="rome")
        await s.beat("m0", "m1", "lone")
        await s.clock.advance("3m")
        assert sorted(text.splitlines()[0][:20] for text in chat.screen.values()) == [
            "🔴 berlin: 2 of 5 off"[:20],
            "🔴 lone offline since"[:20],
        ]


async def test_a_machine_that_goes_again_is_news_and_sounds(tmp_path: Path) -> None:
    chat = Editable()
    async with site(tmp_path, chat) as s:
        for _ in range(2):
            await s.beat("m0")
            await s.clock.advance("2m4s")
        assert [message.text[0] for message in chat.sent] == ["🔴", "🟢", "🔴"]
        assert (chat.sounds, chat.edits) == (2, 0)
        await s.beat("m1")
        await s.clock.advance("121s")
        await s.beat("m0", "m1")
        await s.clock.advance("4s")
        assert await undelivered(s) == []


async def test_a_first_message_that_failed_still_sounds_when_it_comes(tmp_path: Path) -> None:
    chat = Editable()
    chat.fail = 2
    async with site(tmp_path, chat) as s:
        await goes_dark(s, 37, seed=1)
        assert 1 <= chat.sounds <= 3
        assert await undelivered(s) == []
        assert {e.machine for m in chat.sent for e in m.events} <= {f"m{n}" for n in range(37)}


async def test_what_cannot_be_edited_any_more_is_said_anew(tmp_path: Path) -> None:
    chat = Editable()
    chat.deaf = True
    async with site(tmp_path, chat) as s:
        await goes_dark(s, 37, seed=2)
        assert "37 of 40" in chat.sent[-1].text
        assert await undelivered(s) == []


async def test_whoever_sends_after_a_restart_knows_nothing_of_it_and_loses_nothing(tmp_path: Path) -> None:
    first, second = Editable(), Editable()
    async with site(tmp_path, first) as s:
        await s.beat(*(f"m{n}" for n in range(20)))
        await s.clock.advance("60s")
        await s.beat(*(f"m{n}" for n in range(20, 37)))
        await s.clock.advance("65s")
        clock = s.clock
        assert "20 of 40" in first.sent[-1].text
    async with scene("sqlite", tmp_path, clock=clock, notify={"ops": second}, told=second, offline_after="2m") as s:
        await s.clock.advance("5m")
        assert "17 of 40" in second.sent[0].text
        await s.beat(*(f"m{n}" for n in range(37)))
        await s.clock.advance("10s")
        assert await undelivered(s) == []


async def test_a_webhook_gets_each_at_once_and_alone(tmp_path: Path) -> None:
    hook = Chat()
    hook.max_batch = 1
    async with site(tmp_path, hook) as s:
        await s.beat(*(f"m{n}" for n in range(37)))
        await s.clock.advance("120s")
        assert [len(message.events) for message in hook.sent] == [1] * 37


def storm(chat: Chat) -> list[str]:
    """The newest message about the group, line by line."""
    return [text for text in chat.screen.values() if "berlin: " in text][-1].splitlines()


async def undelivered(s: Scene) -> list[str]:
    rows = await s.sql.notifications(limit=1000)
    return [f"{row['state']}: {row['reason']}" for row in rows if row["state"] not in ("delivered", "skipped")]
