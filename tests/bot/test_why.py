"""`/why` in a chat: the words of `lastseen why`."""

from __future__ import annotations

from lastseen.model import Matcher, Preferences
from tests.bot.conftest import Site
from tests.support import eventually


async def test_a_chat_is_told_why(site: Site) -> None:
    await site.connect(7)
    await site.machines("db-01", "web-1")
    await site.lost("db-01")
    await eventually(lambda: delivered(site))
    lines = (await site.ask(7, "/why db-01")).splitlines()
    assert lines[0].startswith("🔴 db-01 OFFLINE since ")
    assert [line for line in lines if line.endswith("noticed: it said goodbye")]
    assert [line for line in lines if line.startswith("– ops: told ")]
    lines = (await site.ask(7, "/why")).splitlines()
    assert lines[0].startswith("🔴 db-01 OFFLINE since ")


async def delivered(site: Site) -> bool:
    return any(row["state"] == "delivered" for row in await site.store.notifications())


async def test_a_machine_that_is_well_and_a_time_that_is_over(site: Site) -> None:
    await site.connect(7)
    await site.machines("db-01")
    lines = (await site.ask(7, "/why db-01")).splitlines()
    assert lines[0].startswith("🟢 db-01 online, heard ")
    assert "Nobody is told: nothing is wrong. Limit 1 h." in lines
    lines = (await site.ask(7, "/why db-01 2026-01-01T03:12")).splitlines()
    assert lines[0] == "🟢 db-01 was not there yet at 2026-01-01 03:12, now online"
    assert any(line.startswith("Nobody was told: it was added ") for line in lines)
    assert not any("nothing happened" in line for line in lines)


async def test_it_asks_of_whom_where_that_is_not_clear(site: Site) -> None:
    await site.connect(7)
    await site.machines("db-01", "cam")
    assert (await site.ask(7, "/why")).endswith("Nothing is wrong now.")
    await site.lost("db-01", "cam")
    assert (await site.ask(7, "/why")).endswith("Not as they should be: cam, db-01.")
    assert "Did you mean db-01?" in await site.ask(7, "/why db-1")


async def test_a_chat_is_told_nothing_of_machines_that_it_does_not_hear_of(site: Site) -> None:
    channel = await site.connect(7)
    await site.machines("db-01", "cam-1")
    await site.store.prefer(
        channel.uid, Preferences(machines=Matcher(names=("cam-*",))), None, site.monitor.clock.now()
    )
    assert "I know no machine" in await site.ask(7, "/why db-01")
    assert (await site.ask(7, "/why cam-1")).startswith("🟢 cam-1 online")


async def test_a_long_story_is_cut_to_what_a_message_holds(site: Site) -> None:
    await site.connect(7)
    for number in range(60):
        await site.store.code_channel(f"{'x' * 70}{number}", f"code:{number}", site.monitor.clock.now())
    await site.machines("db-01")
    await site.lost("db-01")
    said = await site.ask(7, "/why db-01")
    assert said.startswith("🔴 db-01 OFFLINE")
    assert len(said) <= 4096
    assert said.splitlines()[-1].startswith("… and ")


async def is_at_fault(site: Site) -> bool:
    await site.monitor.sweep()
    return (await site.store.liveness(["pump"]))["pump"].liveness.status == "error"


async def test_what_a_machine_says_is_words_and_nothing_else(site: Site) -> None:
    await site.connect(7)
    await site.machines("pump")
    await site.monitor.heartbeat("pump", {"status": "error", "message": "<b>\u202eevil</b>\n/stop"})
    await eventually(lambda: is_at_fault(site))
    said = await site.ask(7, "/why pump")
    assert "it reported an error: <b>evil</b> /stop" in said
    assert site.api.refused == []


async def test_somebodys_chat_is_told_how_many_of_others_were_told_and_not_who(site: Site) -> None:
    await site.connect(7)
    now = site.monitor.clock.now()
    ada, ben = [(await site.store.add_user(name, "member", None, now)).id for name in ("ada", "ben")]
    (chat,) = await site.store.channels()
    await site.store.give_channel(chat.uid, ada, now)
    await site.store.add_channel("console", "bens-screen", {}, {}, "bens", now, ben)
    await site.store.add_channel("console", "everybodys", {}, {}, "all", now)
    site.monitor.dispatcher.reload()
    await site.machines("db-01")
    await site.lost("db-01")

    async def told() -> str:
        said = await site.ask(7, "/why db-01")
        assert "1 channel of others" in said
        assert "everybodys" in said
        return said

    assert "bens-screen" not in await eventually(told)
