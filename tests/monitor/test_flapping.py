"""A machine that comes and goes is no pager storm: one message, quiet, and one that says what became of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lastseen.errors import InvalidInput
from lastseen.model import BlindPeriod, BlindReason, Matcher, Preferences
from lastseen.monitor.deadline import Rules
from lastseen.testing import RecordingNotifier
from tests.monitor.cases import Scene, scene
from tests.monitor.comings import flap, stays_up, watched
from tests.monitor.people import Chat, prefer, reasons, silence


def firsts(chat: Chat) -> list[str]:
    return [message.text.splitlines()[0] for message in chat.sent]


async def history(s: Scene) -> list[str]:
    return [row["type"].removeprefix("machine.") for row in reversed(await s.sql.events(limit=500))]


async def test_six_changes_in_half_an_hour_are_one_message_and_then_it_is_quiet(tmp_path: Path) -> None:
    chat = Chat()
    async with watched(tmp_path, chat) as s:
        await flap(s, 3)
        before = len(chat.sent)
        assert "flapping: 6 changes in 30 min" in chat.sent[-1].text
        assert chat.sent[-1].text.splitlines()[1] == "I stay quiet until it holds still for 30 min. Now: online."
        assert chat.sent[-1].loud
        await flap(s, 10)
        assert len(chat.sent) == before
        assert (await history(s)).count("offline") == 13, "each outage is in the history all the same"


async def test_its_status_says_since_when_it_flaps(tmp_path: Path) -> None:
    async with watched(tmp_path, Chat()) as s:
        await flap(s, 2)
        assert (await s.monitor.status("ap")).flapping_since is None
        await flap(s, 1)
        shown = (await s.monitor.status("ap")).as_dict()
        assert (shown["status"], shown["flapping_since"]) == ("online", "2026-01-01T12:07:20Z")
        await stays_up(s, 31)
        assert (await s.monitor.status("ap")).flapping_since is None


async def test_the_last_word_is_that_it_is_steady_and_how_it_was(tmp_path: Path) -> None:
    chat = Chat()
    async with watched(tmp_path, chat) as s:
        await flap(s, 7)
        told = len(chat.sent)
        await stays_up(s, 29)
        assert len(chat.sent) == told
        await stays_up(s, 2)
        assert len(chat.sent) == told + 1
        first, second = chat.sent[-1].text.splitlines()
        assert first == "🟢 ap steady: online for 30 min"
        assert second == "14 changes, 18 min offline in total, 12:01–12:18."
        assert not chat.sent[-1].loud
        await s.clock.advance("3m")
        assert chat.sent[-1].text.startswith("🔴 ap offline since"), "from here on it is told as ever"


async def test_if_it_ends_offline_that_is_the_alert_and_its_recovery_is_told(tmp_path: Path) -> None:
    chat = Chat()
    async with watched(tmp_path, chat) as s:
        await flap(s, 4)
        told = len(chat.sent)
        await s.clock.advance("35m")
        assert len(chat.sent) == told + 1
        assert chat.sent[-1].text.splitlines()[0].endswith(", after 9 changes")
        assert chat.sent[-1].text.startswith("🔴 ap offline since ")
        assert chat.sent[-1].loud
        await s.beat("ap")
        await s.clock.advance("10s")
        assert firsts(chat)[-1].startswith("🟢 ap back after ")
        assert len(chat.sent) == told + 2


async def test_an_offline_that_ends_the_flapping_is_told_again_until_someone_acknowledges_it(tmp_path: Path) -> None:
    chat = Chat()
    async with watched(tmp_path, chat) as s:
        await prefer(s, Preferences(repeat_every=3600))
        await flap(s, 4)
        await s.clock.advance("35m")
        told = len(chat.sent)
        await s.clock.advance("61m")
        assert [line[:20] for line in firsts(chat)[told:]] == ["🔴 ap still offline: "[:20]]
        await s.monitor.acknowledge("ap", "eva")
        await s.clock.advance("5h")
        assert len(chat.sent) == told + 1


async def test_programs_hear_every_change_and_both_words_about_flapping(tmp_path: Path) -> None:
    hook = RecordingNotifier()
    async with watched(tmp_path, hook) as s:
        await flap(s, 4)
        await stays_up(s, 31)
        types = [line.split()[0].removeprefix("machine.") for line in s.types]
        assert types == [*["offline", "online"] * 3, "flapping", "offline", "online", "steady"]


async def test_a_channel_that_does_not_hear_of_flapping_hears_every_change(tmp_path: Path) -> None:
    chat = Chat()
    async with watched(tmp_path, chat) as s:
        await prefer(s, Preferences(events=("machine.offline", "machine.online")))
        await flap(s, 6)
        assert len([line for line in firsts(chat) if "offline since" in line]) == 6


async def test_one_that_wants_flapping_is_told_how_it_ended(tmp_path: Path) -> None:
    chat = Chat()
    async with watched(tmp_path, chat) as s:
        await prefer(s, Preferences(events=("machine.offline", "machine.flapping")))
        await flap(s, 4)
        await s.clock.advance("35m")
        assert "offline since" in firsts(chat)[-1]
        assert "after 9 changes" in firsts(chat)[-1]


async def test_each_change_that_was_not_told_says_why(tmp_path: Path) -> None:
    async with watched(tmp_path, Chat()) as s:
        await flap(s, 5)
        assert (await reasons(s))["machine.offline ap"] == "it flaps: one message says so"


async def test_flapping_within_a_silence_is_told_only_if_it_lasts_longer(tmp_path: Path) -> None:
    chat = Chat()
    async with watched(tmp_path, chat) as s:
        await silence(s, Matcher(names=("ap",)), 60)
        await flap(s, 4)
        assert chat.sent == []
        await stays_up(s, 60)
        assert chat.sent == [], "it was steady before the silence ended"
        await silence(s, Matcher(names=("ap",)), 20, "again")
        await flap(s, 4)
        assert chat.sent == []
        await flap(s, 8)
        assert "flapping: 6 changes" in chat.sent[-1].text


async def test_slow_changes_are_told_one_by_one(tmp_path: Path) -> None:
    chat = Chat()
    async with watched(tmp_path, chat) as s:
        for _ in range(6):
            await s.clock.advance("2m")
            await s.beat("ap")
            await stays_up(s, 13)
        assert not [line for line in firsts(chat) if "flapping" in line]
        assert len([line for line in firsts(chat) if "offline since" in line]) == 6


async def test_the_end_of_what_was_told_is_told_whatever_holds_the_rest_back(tmp_path: Path) -> None:
    """Its alert was muted by its own button; the flapping that began then was never told."""
    chat = Chat()
    async with watched(tmp_path, chat) as s:
        await flap(s, 2)
        await s.clock.advance("90s")
        assert "offline since" in firsts(chat)[-1]
        await silence(s, Matcher(names=("ap",)), 60)
        await s.beat("ap")
        await stays_up(s, 90)
        assert "ap back after" in chat.sent[-1].text


async def test_a_channel_that_is_switched_on_later_hears_each_change_and_the_end(tmp_path: Path) -> None:
    chat, late = Chat(), Chat()
    async with scene("sqlite", tmp_path, told=chat, notify={"ops": chat, "late": late}, offline_after="1m") as s:
        uid = {channel.name: channel.uid for channel in await s.sql.channels()}["late"]
        await s.sql.switch_channel(uid, False, "not yet", s.clock.now())
        s.monitor.dispatcher.reload()
        await s.beat("ap")
        await flap(s, 4)
        assert late.sent == []
        await s.sql.switch_channel(uid, True, None, s.clock.now())
        s.monitor.dispatcher.reload()
        told = len(chat.sent)
        await flap(s, 3)
        assert len(chat.sent) == told
        assert len([line for line in firsts(late) if "offline since" in line]) == 3
        await s.clock.advance("35m")
        assert "after " in firsts(late)[-1]


async def test_switched_off_while_something_flaps_tells_every_change_again(tmp_path: Path) -> None:
    async with watched(tmp_path, Chat()) as s:
        await flap(s, 4)
    again = Chat()
    async with scene("sqlite", tmp_path, told=again, offline_after="1m", flapping="off") as s:
        await s.beat("ap")
        await flap(s, 4)
        assert len([line for line in firsts(again) if "offline since" in line]) >= 3
        assert (await s.monitor.status("ap")).flapping_since is None


@pytest.mark.parametrize("order", ["pause", "forget"])
async def test_what_was_held_back_is_not_told_of_a_machine_that_is_watched_no_more(tmp_path: Path, order: str) -> None:
    chat = Chat()
    async with watched(tmp_path, chat) as s:
        await silence(s, Matcher(names=("ap",)), 60)
        await flap(s, 4)
        await getattr(s.monitor, order)("ap")
        await s.clock.advance("2h")
        assert not [line for line in firsts(chat) if "flapping" in line]


async def test_changes_before_a_pause_are_not_counted_after_it(tmp_path: Path) -> None:
    chat = Chat()
    async with watched(tmp_path, chat) as s:
        await flap(s, 4)
        await s.monitor.pause("ap")
        await s.clock.advance("5m")
        await s.monitor.resume("ap")
        await stays_up(s, 3)
        await s.clock.advance("2m")
        assert "offline since" in firsts(chat)[-1], "that is an outage, and told at once"


async def test_who_pauses_it_has_taken_it_in_hand(tmp_path: Path) -> None:
    chat = Chat()
    async with watched(tmp_path, chat) as s:
        await flap(s, 4)
        told = len(chat.sent)
        await s.monitor.pause("ap")
        await s.clock.advance("2h")
        assert len(chat.sent) == told
        row = (await s.monitor.store.liveness(["ap"]))["ap"].liveness
        assert row.flapping_since is None


async def test_an_access_point_that_flaps_with_its_group_is_one_message(tmp_path: Path) -> None:
    chat, names = Chat(), [f"cam-{n}" for n in range(12)]
    async with scene("sqlite", tmp_path, told=chat, offline_after="1m") as s:
        for name in names:
            await s.monitor.watch(name, group="berlin")
        await s.beat(*names)
        await flap(s, 3, *names)
        await s.clock.advance("1m")
        flapping = [message for message in chat.sent if "flapping" in message.text]
        assert len(flapping) == 1
        assert flapping[0].text.startswith("🟠 12 flapping: cam-")


async def test_time_in_which_nobody_listened_is_not_steady(tmp_path: Path) -> None:
    chat = Chat()
    async with watched(tmp_path, chat) as s:
        await flap(s, 4)
        told = len(chat.sent)
        begin = s.clock.now()
        await stays_up(s, 29)
        await s.sql.mark(0, s.monitor.node, s.clock.now(), [BlindPeriod(0, begin, s.clock.now(), BlindReason.STALLED)])
        await stays_up(s, 20)
        assert len(chat.sent) == told
        await stays_up(s, 11)
        assert "steady" in chat.sent[-1].text


async def test_it_goes_on_flapping_over_a_restart(tmp_path: Path) -> None:
    chat = Chat()
    async with watched(tmp_path, chat) as s:
        await flap(s, 4)
    again = Chat()
    async with scene("sqlite", tmp_path, told=again, offline_after="1m") as s:
        await s.beat("ap")
        await flap(s, 3)
        assert again.sent == []
        await stays_up(s, 31)
        assert firsts(again) == ["🟢 ap steady: online for 30 min"]


@pytest.mark.parametrize("written", ["6", "1/30m", "6/0s", "x/30m", "6/", "-6/1m", "", "999999999999/1m"])
def test_a_setting_that_means_nothing_is_refused(written: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Rules.read("2m", "10s", written)
    assert caught.value.field == "flapping"


async def test_off_tells_every_change(tmp_path: Path) -> None:
    chat = Chat()
    async with watched(tmp_path, chat, flapping="off") as s:
        await flap(s, 8)
        assert len([line for line in firsts(chat) if "offline since" in line]) == 8
