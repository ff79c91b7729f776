"""Which bots are read: that of the settings, and those of the channels that are there. Followed while it runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import tzinfo
from typing import TYPE_CHECKING

import anyio

from lastseen.bot.desk import TYPE, Bot, Desk, Tokens
from lastseen.bot.poller import Poller
from lastseen.errors import PluginError, StoreUnavailable
from lastseen.log import get_logger
from lastseen.protocols import Channels, Invites, Notes

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

    from lastseen.monitor.heartbeat import HeartbeatMonitor

LOOK_EVERY = 2.0
"""Seconds between two looks at the channels."""

_log = get_logger()


class Bots:
    """Reads the bots of one monitor. Making it opens nothing. `token`: of the bot that new channels use."""

    def __init__(
        self, monitor: HeartbeatMonitor, token: str | None, api_url: str | None = None, zone: tzinfo | None = None
    ) -> None:
        self._monitor, self._token, self._api_url, self._zone = monitor, token, api_url, zone
        self._tokens = Tokens(monitor.store)
        self._reading: dict[Bot, anyio.CancelScope] = {}
        self.pollers: dict[str, Poller] = {}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """They are read for as long."""
        store = self._monitor.store
        if not (isinstance(store, Channels) and isinstance(store, Invites) and isinstance(store, Notes)):
            yield
            return
        async with anyio.create_task_group() as group:
            group.start_soon(self._follow, group)
            try:
                yield
            finally:
                group.cancel_scope.cancel()

    async def _follow(self, group: TaskGroup) -> None:
        while True:
            try:
                await self.look(group)
            except StoreUnavailable:
                pass  # whoever writes tells of it
            except PluginError as error:
                _log.warning("bot_not_read", bot="", reason=str(error))
                return
            except Exception as error:  # noqa: BLE001  (nothing else is to notice)
                _log.error("bot_failed", bot="", error=repr(error))
            await anyio.sleep(LOOK_EVERY)

    async def look(self, group: TaskGroup) -> None:
        """Read what is wanted and is not read yet, and nothing else. Raises StoreUnavailable, PluginError."""
        wanted = set((await self._wanted()).values())
        for bot in [bot for bot in self._reading if bot not in wanted]:
            self._reading.pop(bot).cancel()
        for bot in wanted - self._reading.keys():
            desk = Desk(self._monitor, bot, self._zone, self._tokens)
            scope = self._reading[bot] = anyio.CancelScope()
            group.start_soon(self._read, Poller(desk, self._monitor.node), scope)

    async def _wanted(self) -> dict[str, Bot]:
        """By the bot's id; of several tokens of one bot that of the settings, or of the newest channel, of those that
        everybody shares if there are any: nobody else says by which token, or where, a bot is read that is not theirs
        alone."""
        found: dict[str, Bot] = {}
        known = [one for one in await self._monitor.store.channels() if one.type == TYPE]  # type: ignore[attr-defined]
        for channel in sorted(known, key=lambda one: one.owner_id is None):
            token = await self._tokens.of(channel)
            api_url = channel.config.get("api_url")
            if token and (channel.owner_id is None or not api_url):
                bot = Bot(token, api_url or self._api_url)
                found[bot.id] = bot
        if self._token:
            bot = Bot(self._token, self._api_url)
            found[bot.id] = bot
        return found

    async def _read(self, poller: Poller, scope: anyio.CancelScope) -> None:
        self.pollers[poller.desk.bot.id] = poller
        with scope:
            try:
                await poller.run()
            finally:
                if self.pollers.get(poller.desk.bot.id) is poller:
                    del self.pollers[poller.desk.bot.id]
                with anyio.CancelScope(shield=True):
                    await poller.desk.close()
