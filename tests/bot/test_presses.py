"""The buttons under alerts."""

from __future__ import annotations

import re
from typing import Any

import pytest

from lastseen.model import Action
from lastseen.monitor.heartbeat import HeartbeatMonitor
from lastseen.notifiers.telegram import buttons
from tests.bot.conftest import Site
from tests.standins.telegram import Sent
from tests.support import eventually


@pytest.fixture
async def alert(site: Site) -> Sent:
    await site.connect(7)
    await site.machines("db-01", name="Main <db>")
    await site.lost("db-01")
    return await site.alert("🔴 Main")


async def toast(site: Site, press: str) -> str:
    return (await eventually(lambda: [text for number, text in site.api.toasts if number == press]))[0]


async def reads(site: Site, alert: Sent) -> Sent:
    return await eventually(lambda: (now := site.api.latest(alert.message_id)) != alert and now)


async def test_ack_stops_the_reminders_and_says_so_in_the_alert(site: Site, alert: Sent) -> None:
    assert alert.buttons == (("Ack", "ack machine:1"), ("Mute 1 h", "mute machine:1"))
    assert await toast(site, site.api.press(alert.message_id, "Ack", who="Eva")) == "Reminders stopped for Main <db>."
    assert (await site.store.liveness(["db-01"]))["db-01"].outage.acked_by == "Eva"
    after = await reads(site, alert)
    assert re.fullmatch(re.escape(alert.text) + r"\nAck: Eva \d\d:\d\d", after.text)
    assert after.entities == alert.entities
    assert [label for label, _ in after.buttons] == ["Mute 1 h"]


async def test_the_other_chats_see_it_too_and_hear_no_new_message(site: Site) -> None:
    await site.connect(7)
    await site.connect(8, "family")
    await site.machines("db-01")
    await site.lost("db-01")
    here, there = await eventually(lambda: len(both := alerts(site, "db-01")) == 2 and both)
    before = len(site.api.messages)
    site.api.press(here.message_id, "Ack", who="Eva")
    for one in (here, there):
        after = await reads(site, one)
        assert re.fullmatch(re.escape(one.text) + r"\nAck: Eva \d\d:\d\d", after.text)
        assert [label for label, _ in after.buttons] == ["Mute 1 h"]
    assert len(site.api.messages) == before


def alerts(site: Site, name: str) -> list[Sent]:
    return [one for one in site.api.messages if one.text.startswith(f"🔴 {name} ")]


async def test_what_was_muted_before_is_still_said_when_somebody_acknowledges(site: Site, alert: Sent) -> None:
    site.api.press(alert.message_id, "Mute 1 h", who="Eva")
    muted = await reads(site, alert)
    site.api.press(alert.message_id, "Ack", who="Tom")
    after = await reads(site, muted)
    assert [line[:5] for line in after.text.splitlines()[-2:]] == ["Ack: ", "🔕 Mai"]
    assert after.buttons == ()


async def test_a_command_beside_the_server_is_shown_in_the_chats(site: Site, alert: Sent) -> None:
    beside = HeartbeatMonitor(site.store)
    async with beside.opened():
        await beside.acknowledge("db-01", "root")
    assert (await reads(site, alert)).text.splitlines()[-1].startswith("Ack: root ")


async def test_mute_silences_the_machine_for_this_chat(site: Site, alert: Sent) -> None:
    said = await toast(site, site.api.press(alert.message_id, "Mute 1 h"))
    assert re.fullmatch(r"Main <db> muted until .*\d\d:\d\d\.", said)
    (silence,) = await site.store.silences(site.monitor.clock.now())
    assert silence.matcher.names == ("db-01",)
    assert silence.matcher.channels == ((await site.store.channels())[0].uid,)
    after = await reads(site, alert)
    assert "🔕 Main <db> muted until" in after.text
    assert [label for label, _ in after.buttons] == ["Ack"]


async def test_pressing_again_says_it_again_and_who_was_first_stays(site: Site, alert: Sent) -> None:
    site.api.press(alert.message_id, "Ack", who="Eva")
    after = await reads(site, alert)
    shown = {
        **site.api._message(alert.message_id, site.api.chats[7], after.text),
        "entities": list(after.entities),
        "reply_markup": {"inline_keyboard": [[{"text": "Ack", "callback_data": "ack machine:1"}]]},
    }
    assert "Reminders stopped" in await toast(site, site.api.press_raw(shown, "ack machine:1", who="Tom"))
    await site.read()
    assert site.api.latest(alert.message_id) == after
    assert re.findall(r"^Ack: .*", after.text, re.M) == [after.text.splitlines()[-1]]


async def test_who_is_not_connected_is_refused(site: Site, alert: Sent) -> None:
    press = site.api.press(alert.message_id, "Ack", who="Mallory", forwarded_to=66)
    assert await toast(site, press) == "This chat is not connected."
    assert (await site.store.liveness(["db-01"]))["db-01"].outage.acked_by is None


async def test_what_is_back_or_gone_is_said_to_be(site: Site, alert: Sent) -> None:
    await site.machines("db-01")
    assert await toast(site, site.api.press(alert.message_id, "Ack")) == "Main <db> is well again."
    await site.monitor.forget("db-01")
    assert await toast(site, site.api.press(alert.message_id, "Ack")) == "That is not watched any more."


@pytest.mark.parametrize(
    "data", ["", "ack", "ack machine:", "ack machine:99", "burn machine:1", "mute group:", "\0", "x" * 64]
)
async def test_what_no_button_of_ours_says_does_nothing(site: Site, alert: Sent, data: str) -> None:
    shown = site.api._message(alert.message_id, site.api.chats[7], alert.text)
    assert await toast(site, site.api.press_raw(shown, data)) == "That is not watched any more."
    assert site.api.latest(alert.message_id) == alert
    assert await site.store.silences(site.monitor.clock.now()) == []


@pytest.mark.parametrize("trouble", ["delete", "age"])
async def test_a_message_that_cannot_be_changed_is_left_and_the_press_counts(
    site: Site, alert: Sent, trouble: str
) -> None:
    press = {"delete": lambda: site.api.delete(alert.message_id), "age": lambda: site.api.age(alert.message_id, 49)}
    shown: dict[str, Any] = site.api._message(alert.message_id, site.api.chats[7], alert.text)
    press[trouble]()
    assert "Reminders stopped" in await toast(site, site.api.press_raw(shown, "ack machine:1"))
    await site.read()
    assert site.api.edits == []
    assert "offline since" in await site.ask(7, "/status db-01")


async def test_a_group_is_acknowledged_and_muted_as_one(site: Site) -> None:
    await site.connect(7)
    await site.machines("db-01", "web-1", group="berlin")
    await site.machines("lte-1")
    await site.lost("db-01", "web-1")
    alert = await site.alert("🔴 berlin")
    assert [label for label, _ in alert.buttons] == ["Ack all", "Mute berlin 1 h"]
    assert await toast(site, site.api.press(alert.message_id, "Ack all")) == "Reminders stopped for db-01, web-1."
    assert "berlin muted until" in await toast(site, site.api.press(alert.message_id, "Mute berlin 1 h"))
    found = await site.store.liveness(["db-01", "web-1"])
    assert {one.outage.acked_by for one in found.values()} == {"Ada"}


def test_a_button_that_does_not_fit_is_left_out() -> None:
    wide, page = "group:" + "ü" * 40, "https://status.example.org/machines/" + "x" * 60
    offered = (Action("ack", "Ack", "machine:1"), Action("mute", "Mute", wide), Action("open", "Open", page))
    assert buttons(offered) == [("Ack", "ack machine:1"), ("Open", page)]
