"""What connected chats may say, and what they hear."""

from __future__ import annotations

import re

import pytest

from lastseen.bot.commands import spoken
from lastseen.model import Matcher, Preferences
from tests.bot.conftest import Site
from tests.support import eventually


async def test_how_all_is_in_two_lines(site: Site) -> None:
    await site.connect(7)
    assert await site.ask(7, "/status") == "⚪ No machines yet\nAll channels work."
    await site.machines("db-01", "web-1")
    first, second = (await site.ask(7, "/status")).splitlines()
    assert first == "🟢 2 of 2 online"
    assert re.fullmatch(r"Quietest: db-01, \d+ s \(1 h allowed\)\. All channels work\.", second), second


async def test_what_is_wrong_has_a_line_each(site: Site) -> None:
    await site.connect(7)
    await site.machines("db-01", "web-1", "cam-1")
    await site.monitor.heartbeat("cam-1", {"status": "error", "message": "lens"})
    await site.lost("db-01")
    lines = (await site.ask(7, "/status")).splitlines()
    assert lines[0] == "🔴 1 offline · 🟠 1 error · 1 online"
    assert re.fullmatch(r"🔴 db-01 since \d\d:\d\d \(\d+ s\)", lines[1])
    assert re.fullmatch(r"🟠 cam-1 since \d\d:\d\d \(\d+ s\)", lines[2])


async def test_a_channel_that_its_far_end_switched_off_fails_as_on_the_pages(site: Site) -> None:
    await site.connect(7)
    quiet, away = await site.connect(8, "quiet"), await site.connect(9, "away")
    await site.store.switch_channel(quiet.uid, False, "too loud", site.monitor.clock.now())
    await site.machines("db-01")
    assert "All channels work." in await site.ask(7, "/status")
    site.api.state(9, "blocked")
    await site.lost("db-01")

    async def switched_off() -> bool:
        return any(one.uid == away.uid and not one.enabled for one in await site.store.channels())

    await eventually(switched_off)
    site.api.say(7, "/status")
    await site.alert("1 channel fails.")  # between what is told here of both


async def test_one_machine_and_its_last_outage(site: Site) -> None:
    await site.connect(7)
    await site.machines("db-01", name="Main database")
    assert (await site.ask(7, "/status db-01")).splitlines()[1:] == ["Limit 1 h · 100 % in 30 d"]
    await site.lost("db-01")
    said = (await site.ask(7, "/status main DATABASE")).splitlines()
    assert said[0].startswith("🔴 Main database offline since ")
    assert said[1].startswith("Last heartbeat ")
    await site.machines("db-01")
    said = (await site.ask(7, "/status db-01")).splitlines()
    assert re.fullmatch(r"🟢 db-01 online, heard \d+ s ago|🟢 Main database online, heard \d+ s ago", said[0])
    assert re.fullmatch(r"Limit 1 h · \d\d?\.\d\d % in 30 d", said[1])
    assert re.fullmatch(r"Last outage: \d\d:\d\d, \d+ s", said[2])


async def test_of_a_job_is_said_when_it_must_come_and_no_limit_that_does_not_hold(site: Site) -> None:
    await site.connect(7)
    await site.machines("backup", schedule="30 2 * * *", timezone="Europe/Berlin")
    assert "Quietest" not in await site.ask(7, "/status")
    said = (await site.ask(7, "/status backup")).splitlines()
    assert re.fullmatch(r"Must come by (.* )?\d\d:30 · 100 % in 30 d", said[1]), said


async def test_what_is_not_there_is_not_made_up(site: Site) -> None:
    await site.connect(7)
    await site.machines("db-01")
    assert await site.ask(7, "/status db-1") == "I know no machine, group or tag db-1. Did you mean db-01?"
    assert await site.ask(7, "/mute 2h mars") == "I know no machine, group or tag mars. /list shows them all."


async def test_somebodys_chat_asks_and_acknowledges_what_is_shared_and_what_is_theirs(site: Site) -> None:
    await site.connect(7)
    now, whose = site.monitor.clock.now(), {}
    for name in ("ada", "ben"):
        whose[name] = (await site.store.add_user(name, "member", None, now)).id
        await site.machines(f"{name}s", owner=whose[name])
    await site.machines("everybodys")
    owned = "UPDATE channels SET owner_id = ?"
    await site.store.database.write(lambda c: c.exec_driver_sql(owned, (whose["ada"],)))
    assert (await site.ask(7, "/status")).startswith("\U0001f7e2 2 of 2 online")
    assert (await site.ask(7, "/status bens")).startswith("I know no machine, group or tag bens.")
    await site.lost("adas", "bens", "everybodys")
    assert "bens" not in await site.ask(7, "/ack")
    assert (await site.store.liveness(["bens"]))["bens"].outage.acked_by is None


async def test_a_long_list_is_cut_with_a_count(site: Site) -> None:
    await site.connect(7)
    await site.machines(*(f"cam-{number:02}" for number in range(45)))
    await site.monitor.watch("new-1")
    (online, never) = (await site.ask(7, "/list")).splitlines()
    assert online.startswith("🟢 cam-00, cam-01, ")
    assert online.endswith(" and 5 more")
    assert never == "⚪ Never heard: new-1"
    for order, slug in ((site.monitor.disable, "cam-07"), (site.monitor.pause, "cam-08")):
        await order(slug)
        (_, *aside) = (await site.ask(7, "/list")).splitlines()
        assert f"⚪ {'Disabled' if slug == 'cam-07' else 'Paused'}: {slug}" in aside
    assert "Paused: 1. Disabled: 1. Never heard: 1." in await site.ask(7, "/status")
    assert (await site.ask(7, "/status cam-07")).startswith("⚪ cam-07 is disabled")


async def test_a_chat_asks_only_about_what_it_hears_of(site: Site) -> None:
    channel = await site.connect(7)
    await site.machines("db-01", "cam-1")
    only = Preferences(machines=Matcher(names=("cam-*",)))
    await site.store.prefer(channel.uid, only, None, site.monitor.clock.now())
    assert await site.ask(7, "/list") == "🟢 cam-1"
    assert "I know no machine" in await site.ask(7, "/status db-01")
    await site.lost("db-01")
    assert await site.ask(7, "/ack db-01") == "I know no machine, group or tag db-01. /list shows them all."


async def test_a_mute_holds_what_it_names_in_this_chat_and_lets_it_go(site: Site) -> None:
    await site.connect(7)
    await site.connect(8, "home")
    await site.machines("db-01", group="berlin")
    await site.machines("web-1")
    said = (await site.ask(7, "/mute 2h berlin")).splitlines()
    assert re.fullmatch(r"🔕 berlin muted until (\w+ )?\d\d:\d\d \(1 machine\)", said[0])
    assert said[1] == "What is still offline then will be told. /unmute"
    await site.lost("db-01")
    assert (await site.alert("db-01 offline")).chat_id == 8
    assert [one.chat_id for one in site.api.messages if "db-01 offline" in one.text] == [8]
    site.api.say(7, "/unmute")
    unmuted = (await site.alert("Unmuted")).text  # what was held may be told before it
    assert re.fullmatch(r"🔔 Unmuted\. Meanwhile: db-01 offline since .*\.", unmuted)
    await eventually(lambda: [one for one in site.api.messages if one.chat_id == 7 and "🔴 db-01" in one.text])
    assert await site.ask(7, "/unmute") == "Nothing is muted here."
    assert "🔕 http muted until" in await site.ask(7, "/mute 2h no group"), "as pages call it"


async def test_muting_again_replaces_the_first(site: Site) -> None:
    await site.connect(7)
    await site.machines("db-01", tags=("db",))
    for said in ("/mute 2h #db", "/mute db 3h", "/mute 1h db"):
        assert "🔕 db muted until" in await site.ask(7, said)
    silences = await site.store.silences(site.monitor.clock.now())
    assert [(one.name, one.created_by) for one in silences] == [("db muted by Ada", "Ada (Telegram)")]
    assert "🔕 Everything muted" in await site.ask(7, "/mute 1h")
    assert len(await site.store.silences(site.monitor.clock.now())) == 2


@pytest.mark.parametrize("text", ["", "berlin", "2", "31d", "-2h", "999999d", "2h2"])
async def test_a_mute_without_a_length_that_makes_sense_does_nothing(site: Site, text: str) -> None:
    await site.connect(7)
    assert "Say for how long" in await site.ask(7, f"/mute {text}")
    assert await site.store.silences(site.monitor.clock.now()) == []


def test_a_length_may_stand_before_or_after_what_it_is_for() -> None:
    assert spoken("2h big room")[1] == spoken("big room 2h")[1] == "big room"
    assert spoken("7 1h") == (spoken("1h")[0], "7")


async def test_acknowledging_says_of_what_and_by_whom(site: Site) -> None:
    await site.connect(7)
    assert await site.ask(7, "/ack") == "Nothing here is offline or in error."
    await site.machines("db-01", "web-1")
    await site.lost("db-01", "web-1")
    assert await site.ask(7, "/ack db-01", who="Eva") == "Reminders stopped for db-01."
    assert (await site.store.liveness(["db-01"]))["db-01"].outage.acked_by == "Eva"
    assert "Seen by Eva." in await site.ask(7, "/status db-01")
    assert await site.ask(7, "/ack") == "Reminders stopped for db-01, web-1."


async def test_who_has_seen_an_error_is_said_as_of_an_outage(site: Site) -> None:
    await site.connect(7)
    await site.machines("cam-1")
    await site.monitor.heartbeat("cam-1", {"status": "error", "message": "lens"})
    await site.alert("lens")
    assert "Seen by" not in await site.ask(7, "/status cam-1")
    assert await site.ask(7, "/ack", who="Eva") == "Reminders stopped for cam-1."
    assert "Seen by Eva." in await site.ask(7, "/status cam-1")
    assert (await site.ask(7, "/status")).splitlines()[1].endswith(", seen by Eva")


async def test_in_groups_commands_may_name_the_bot_and_others_are_left_alone(site: Site) -> None:
    await site.connect(-8)
    assert "No machines yet" in await site.ask(-8, "/status@LastSeen_Bot")
    await site.ignored(-8, "/status@another_bot")
    await site.ignored(-8, "what does /status say?")
    await site.ignored(-8, "/dance")


async def test_people_are_shown_what_they_may_say(site: Site) -> None:
    await site.connect(7)
    offered = [one["command"] for one in site.api.commands]
    assert offered == ["status", "list", "why", "mute", "unmute", "ack", "stop", "help"]
    assert [line.partition(" ")[0][1:] for line in (await site.ask(7, "/help")).splitlines()] == offered


async def test_names_from_outside_are_words_and_nothing_else(site: Site) -> None:
    await site.connect(7, "<b>ops</b>")
    await site.machines("evil", name="<i>x</i>&amp; \u202egnp.exe\u202c\n/stop " + "y" * 150)
    said = await site.ask(7, "/status evil")
    assert "<i>x</i>&amp; gnp.exe /stop yy" in said
    assert len(said) < 200
    assert "\u202e" not in said
    assert 'this chat is "<b>ops</b>"' in await site.ask(7, "/start")
    await site.lost("evil")
    long = "<b>" + "\u202e" * 10 + "🦊" * 200
    assert await site.ask(7, "/ack evil", who=long)
    acked = (await site.store.liveness(["evil"]))["evil"].outage.acked_by
    assert acked.startswith("<b>🦊")
    assert len(acked) <= 40
    assert site.api.refused == []
