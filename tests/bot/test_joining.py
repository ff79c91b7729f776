"""Who may ask a bot: chats that were invited, and nobody else."""

from __future__ import annotations

import pytest

from tests.bot.conftest import Site
from tests.standins.telegram import TOKEN
from tests.support import eventually

EXPIRED = "This link has expired or was used. Get a new one: lastseen channels invite"


async def test_a_link_connects_the_chat_it_is_opened_in(site: Site) -> None:
    await site.machines("db-01", "web-1")
    site.api.open_link(7, await site.invite("ops", silent=True))
    sent = await site.alert("Connected")
    assert sent.text.splitlines() == [
        '✅ Connected: this chat is "ops"',
        "You hear when one of 2 machines goes silent or returns.",
        "/status /list /mute 2h /stop",
    ]
    (channel,) = await site.store.channels()
    assert (channel.name, channel.type, channel.config) == ("ops", "telegram", {"silent": True, "chat_id": 7})
    assert (await site.store.channel_secrets(channel.uid)) == {"token": TOKEN}
    await site.lost("db-01")
    alert = await site.alert("db-01 offline")
    assert (alert.chat_id, alert.silent) == (7, True)


async def test_a_group_and_a_topic_are_connected_where_it_was_said(site: Site) -> None:
    site.api.open_link(-8, await site.invite("ops"), thread=3)
    assert (await site.alert("Connected")).thread_id == 3
    (channel,) = await site.store.channels()
    assert channel.config == {"chat_id": -8, "thread_id": 3}
    await site.connect(-9, "home", thread_id=5)
    assert (await site.store.channels())[1].config == {"chat_id": -9, "thread_id": 5}


async def test_a_link_is_good_once(site: Site) -> None:
    code = await site.invite("ops")
    assert "Connected" in await site.ask(7, f"/start {code}")
    assert await site.ask(8, f"/start {code}") == EXPIRED
    assert len(await site.store.channels()) == 1


async def test_who_opens_the_link_twice_is_still_connected(site: Site) -> None:
    code = await site.invite("ops")
    assert "Connected" in await site.ask(7, f"/start {code}")
    assert 'this chat is "ops"' in await site.ask(7, f"/start {code}")
    assert 'this chat is "ops"' in await site.ask(7, "/start")
    assert len(await site.store.channels()) == 1


async def test_an_old_link_and_a_wrong_one_are_told_apart_from_nothing(site: Site) -> None:
    assert await site.ask(7, f"/start {await site.invite(hours=-1)}") == EXPIRED
    assert await site.ask(8, "/start nonsense") == EXPIRED
    assert await site.store.channels() == []


async def test_wrong_links_are_answered_a_few_times_a_day(site: Site) -> None:
    for _ in range(5):
        assert await site.ask(7, "/start nonsense") == EXPIRED
    await site.ignored(7, "/start nonsense")


async def test_strangers_hear_one_thing_once_a_day(site: Site) -> None:
    await site.machines("db-01")
    assert await site.ask(12345678, "/status") == "This is a private bot. Your chat id is 12345678."
    for text in ("/status db-01", "hello?", "/stop", "/mute 2h", "/ack db-01", "/start"):
        await site.ignored(12345678, text)


async def test_in_a_strange_group_only_what_is_said_to_the_bot_is_answered(site: Site) -> None:
    await site.ignored(-77, "what a day")
    await site.ignored(-77, "/status@another_bot")
    assert "private bot" in await site.ask(-77, "/status@lastseen_bot")


async def test_many_strangers_are_not_all_answered(site: Site) -> None:
    for chat in range(100, 140):
        site.api.say(chat, "/start")
    await site.read()
    assert len(site.api.messages) == 20


async def test_a_chat_that_stops_hears_nothing_more_and_may_come_back(site: Site) -> None:
    await site.connect(7)
    assert await site.ask(7, "/stop") == "Stopped. This chat hears nothing more.\n⚠️ Nobody else is told now."
    (channel,) = await site.store.channels()
    assert (channel.enabled, channel.disabled_by, channel.disabled_reason) == (
        False,
        "person",
        "stopped in its chat by Ada",
    )
    assert "private bot" in await site.ask(7, "/status")
    assert "Connected" in await site.ask(7, "/start")
    assert (await site.store.channels())[0].enabled


async def test_nobody_is_said_to_be_left_only_where_nobody_is(site: Site) -> None:
    await site.connect(7)
    await site.connect(8, "home")
    assert await site.ask(7, "/stop") == "Stopped. This chat hears nothing more."
    assert "Nobody else" in await site.ask(8, "/stop")


async def test_a_chat_that_was_switched_off_by_somebody_else_stays_so(site: Site) -> None:
    channel = await site.connect(7)
    await site.store.switch_channel(channel.uid, False, "too loud", site.monitor.clock.now())
    assert "private bot" in await site.ask(7, "/start")
    assert not (await site.store.channels())[0].enabled


async def test_who_blocked_the_bot_and_opens_it_again_is_told_again(site: Site) -> None:
    await site.machines("db-01")
    await site.connect(7)
    site.api.state(7, "blocked")
    await site.lost("db-01")
    await eventually(lambda: _disabled_by(site, "far_end"))
    site.api.state(7, "ok")
    assert "Connected" in await site.ask(7, "/start")
    assert (await site.store.channels())[0].enabled


async def _disabled_by(site: Site, whom: str) -> bool:
    return (await site.store.channels())[0].disabled_by == whom


async def test_a_name_that_was_taken_meanwhile_is_made_another(site: Site) -> None:
    first, second = await site.invite("ops"), await site.invite("ops")
    assert 'is "ops"' in await site.ask(7, f"/start {first}")
    assert 'is "ops-2"' in await site.ask(8, f"/start {second}")


async def test_a_group_that_moves_is_followed(site: Site) -> None:
    await site.connect(-8)
    site.api.migrate(-8, -1008)
    await site.read()
    assert (await site.store.channels())[0].config["chat_id"] == -1008
    assert "No machines yet" in await site.ask(-1008, "/list")


@pytest.mark.parametrize("payload", ["x" * 65, "a b", "ü", ""])
async def test_what_is_no_payload_never_arrives(site: Site, payload: str) -> None:
    site.api.open_link(7, payload)
    assert "private bot" in (await site.alert("")).text


async def test_a_link_that_was_used_does_not_bring_back_who_was_removed(site: Site) -> None:
    code = await site.invite("ops")
    await site.ask(7, f"/start {code}")
    (channel,) = await site.store.channels()
    await site.store.switch_channel(channel.uid, False, "too loud", site.monitor.clock.now())
    assert await site.ask(7, f"/start {code}") == EXPIRED
    assert not (await site.store.channels())[0].enabled
