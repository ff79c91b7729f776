"""A real server that reads a bot of the stand-in's Bot API, and what people do to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from lastseen.bot.joining import digest, new_code
from tests.server.conftest import Served, a_server
from tests.standins.telegram import TOKEN, BotApi, Sent
from tests.support import eventually

BOT = TOKEN.partition(":")[0]


@dataclass
class Site:
    """A server and its bot."""

    api: BotApi
    served: Served

    @property
    def monitor(self) -> Any:
        return self.served.app.monitor

    @property
    def store(self) -> Any:
        return self.served.other

    async def invite(self, name: str = "ops", hours: float = 24, **wishes: Any) -> str:
        now, code = self.monitor.clock.now(), new_code()
        await self.store.add_invite(digest(BOT, code), name, wishes, now + timedelta(hours=hours), now)
        return code

    async def connect(self, chat: int = 7, name: str = "ops", thread: int | None = None, **wishes: Any) -> Any:
        """The channel of a chat that opened an invitation."""
        code = await self.invite(name, **wishes)
        said = await self.ask(chat, f"/start {code}", thread)
        assert said.startswith("✅ Connected"), said
        return next(one for one in await self.store.channels() if one.name == name)

    async def ask(self, chat: int, text: str, thread: int | None = None, **who: Any) -> str:
        """What the bot answers."""
        before = len(self.api.messages)
        self.api.say(chat, text, thread, **who)
        sent = await eventually(lambda: [one for one in self.api.messages[before:] if one.chat_id == chat])
        return sent[0].text

    async def ignored(self, chat: int, text: str) -> None:
        """It is read, and nothing is said to it."""
        before = len(self.api.messages)
        self.api.say(chat, text)
        await self.read()
        assert [one for one in self.api.messages[before:] if one.chat_id == chat] == []

    async def read(self) -> None:
        """Everything that was said is worked on."""
        await eventually(lambda: not self.api.unread and self.api.polled)

    async def machines(self, *slugs: str, **given: Any) -> None:
        """They were heard now."""
        for slug in slugs:
            await self.monitor.watch(slug, **{"offline_after": "1h", **given})
            await self.monitor.heartbeat(slug)
        await eventually(lambda: self._all(slugs, "online"))

    async def lost(self, *slugs: str) -> None:
        for slug in slugs:
            await self.monitor.goodbye(slug)
        await eventually(lambda: self._all(slugs, "offline"))

    async def _all(self, slugs: tuple[str, ...], status: str) -> bool:
        await self.monitor.sweep()
        found = await self.monitor.statuses(slugs)
        return {one.status for one in found.values()} == {status}

    async def alert(self, words: str) -> Sent:
        """A message that was sent by itself."""
        return (await eventually(lambda: [one for one in self.api.messages if words in one.text], timeout=60))[-1]


@asynccontextmanager
async def a_site(folder: Path, api: BotApi, **given: Any) -> AsyncIterator[Site]:
    settings = {
        "telegram_bot_token": SecretStr(TOKEN),
        "telegram_api_url": api.url,
        "goodbye_grace": "0s",
        "timezone": "UTC",
        **given,
    }
    async with a_server(folder, **settings) as served:
        yield Site(api, served)


@pytest.fixture
async def api(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[BotApi]:
    monkeypatch.setattr("lastseen.bot.poller.LOOK_AGAIN", 0.05)
    monkeypatch.setattr("lastseen.bot.poller.SHORTEST", 0.05)
    monkeypatch.setattr("lastseen.bot.bots.LOOK_EVERY", 0.05)
    async with BotApi().serving() as api:
        yield api


@pytest.fixture
async def site(tmp_path: Path, api: BotApi) -> AsyncIterator[Site]:
    async with a_site(tmp_path, api) as site:
        await eventually(lambda: api.polled)
        yield site
