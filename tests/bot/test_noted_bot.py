"""What chats do is in the audit log, with who did it and in which chat."""

from __future__ import annotations

from typing import Any

from tests.bot.conftest import Site
from tests.support import eventually

Line = tuple[str, str, str, str, str]


async def noted(site: Site) -> list[tuple[Line, Any]]:
    """By chats, the oldest first."""
    return [
        ((deed.by, deed.verb, deed.subject, deed.through, deed.address), dict(deed.changed))
        for deed in reversed(await site.store.deeds())
        if deed.through == "telegram"
    ]


async def test_what_a_chat_does_is_written_down_with_who_did_it(site: Site) -> None:
    await site.machines("db-01")
    await site.ask(7, f"/start {await site.invite('ops')}", who="Eva")
    await site.ask(7, "/mute 2h db-01", who="Tom")
    await site.ask(7, "/mute 3h db-01", who="Tom")
    await site.ask(7, "/unmute", who="Eva")
    await site.ask(7, "/stop", who="Eva")
    await site.ask(7, "/start", who="Ada")
    here = ("telegram", "chat 7")
    muted = {"name": "db-01 muted by Tom", "machines": "db-01", "channels": ["ops"]}
    assert await noted(site) == [
        (("Eva", "channels.add", "channel ops", *here), {"type": "telegram"}),
        (("Tom", "silences.add", "silence 1", *here), muted),
        (("Tom", "silences.add", "silence 2", *here), muted),
        (("Tom", "silences.end", "silence 1", *here), {"name": "db-01 muted by Tom"}),
        (("Eva", "silences.end", "silence 2", *here), {"name": "db-01 muted by Tom"}),
        (("Eva", "channels.disable", "channel ops", *here), {}),
        (("Ada", "channels.enable", "channel ops", *here), {}),
    ]


async def test_an_ack_is_written_down_and_a_look_is_not(site: Site) -> None:
    await site.connect(7)
    await site.machines("db-01")
    await site.lost("db-01")
    alert = await site.alert("🔴 db-01")
    await site.ask(7, "/status", who="Eva")
    await site.ask(7, "/ack nothing", who="Eva")
    assert [line[1] for line, _ in await noted(site)] == ["channels.add"]
    site.api.press(alert.message_id, "Ack", who="Eva")
    await eventually(lambda: site.api.toasts)
    line, _ = (await noted(site))[-1]
    assert line == ("Eva", "machines.ack", "machine db-01", "telegram", "chat 7")
