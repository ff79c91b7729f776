"""A bot without a chat: its token is kept by a channel that is off, until a chat was connected."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from lastseen.bot.desk import TYPE, Bot

if TYPE_CHECKING:
    from lastseen.bot.desk import Desk

NO_CHAT: Final = 0
"""No chat has this id."""

REASON: Final = "it keeps the bot's token until a chat is connected"


async def keep(store: Any, bot: Bot, name: str, now: datetime) -> None:
    """Under the bot's user name. Kept already: nothing is changed."""
    called = f"@{name}"
    if any(channel.name == called for channel in await store.channels()):
        return
    made = await store.add_channel(TYPE, called, {"chat_id": NO_CHAT}, {"token": bot.token}, bot.lane, now)
    await store.switch_channel(made.uid, False, REASON, now)


async def forget(desk: Desk) -> None:
    """What was connected keeps the token from now on."""
    for channel in await desk.mine(NO_CHAT):
        await desk.store.remove_channel(channel.uid, desk.clock.now())
