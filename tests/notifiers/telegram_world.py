"""A monitor in virtual time whose bot speaks over real HTTP to the stand-in of the Bot API, and what may go wrong."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from lastseen import HeartbeatMonitor
from lastseen.notifiers import telegram_bot
from lastseen.notifiers.telegram import Telegram
from lastseen.notifiers.tools import Tools
from lastseen.testing import FakeClock, RecordingNotifier
from lastseen.testing.http_server import Answer
from tests.scenarios.harness import rows
from tests.standins.telegram import TOKEN, BotApi
from tests.standins.telegram_line import Line

CHAT = -7
SISTER = -8
OFFLINE = "🔴 pump offline since 12:00"
READ_TIMEOUT = telegram_bot.READ_TIMEOUT


@dataclass
class World:
    """A monitor with two chats of a bot and another channel, and the line to the Bot API."""

    line: Line
    clock: FakeClock
    chat: Telegram
    sister: Telegram
    other: RecordingNotifier
    monitor: HeartbeatMonitor
    path: Path
    patch: pytest.MonkeyPatch

    @property
    def api(self) -> BotApi:
        return self.line.api

    @property
    def heard(self) -> list[str]:
        """The first lines of what is in the chat, in their order; and wherever it went."""
        return [sent.text.partition("\n")[0] for sent in self.api.messages if sent.chat_id != SISTER]

    @property
    def told_elsewhere(self) -> list[str]:
        return [message.event.type for message in self.other.messages if message.event.type != "machine.online"]

    @property
    def row(self) -> tuple[Any, ...]:
        """Of the alert: its state, the failures of its channel and whether that is on, what its last attempt met, and
        the seconds from there until the channel is asked again."""
        return rows(self.path, ROW)[-1]

    @property
    def attempts(self) -> int:
        """Of the chat."""
        return int(rows(self.path, ATTEMPTS)[0][0])

    async def hurry(self, wait: float) -> None:
        """How long an answer is waited for, in real time."""
        self.patch.setattr(telegram_bot, "READ_TIMEOUT", wait)
        self.patch.setattr(telegram_bot, "CONNECT_TIMEOUT", wait)
        await self.hang_up()

    async def hang_up(self) -> None:
        """The next calls make lines of their own."""
        await self.chat.close()
        await self.sister.close()


ROW = """
SELECT n.state, s.failures, c.enabled, a.detail, round((julianday(s.ready_at) - julianday(a.finished_at)) * 86400, 2)
FROM notifications n JOIN channels c ON c.id = n.channel_id JOIN channel_state s ON s.channel_id = c.id
JOIN delivery_attempt_items i ON i.notification_id = n.id JOIN delivery_attempts a ON a.id = i.attempt_id
JOIN events e ON e.id = n.event_id
WHERE c.name = 'chat' AND a.finished_at IS NOT NULL AND e.type = 'machine.offline' ORDER BY a.id
"""
ATTEMPTS = "SELECT count(*) FROM delivery_attempts a JOIN channels c ON c.id = a.channel_id WHERE c.name = 'chat'"
LEFT = "SELECT DISTINCT state FROM notifications WHERE state NOT IN ('delivered', 'skipped')"
"""The first heartbeat is skipped: it is told to nobody."""


@contextlib.asynccontextmanager
async def living(folder: Path, patch: pytest.MonkeyPatch, tls: bool = False) -> AsyncIterator[World]:
    clock, other = FakeClock(), RecordingNotifier()
    api = BotApi(chats=(CHAT, SISTER), monotonic=clock.monotonic)
    async with Line(api, folder, patch, tls) as line, httpx.AsyncClient() as http:
        chat, sister = (
            Telegram(Telegram.Config(token=SecretStr(TOKEN), chat_id=one, api_url=line.url), Tools(http, clock))
            for one in (CHAT, SISTER)
        )
        path = folder / "lastseen.db"
        notify = {"chat": chat, "sister": sister, "other": other}
        async with HeartbeatMonitor(f"sqlite:///{path}", notify=notify, clock=clock) as monitor:
            await monitor.heartbeat("pump")
            await clock.advance("1m")
            yield World(line, clock, chat, sister, other, monitor, path, patch)


Step = Callable[[World], Awaitable[Any] | None]


async def do(step: Step, world: World) -> None:
    done = step(world)
    if inspect.isawaitable(done):
        await done


# -- what may go wrong


def always(*given: Any, **changes: Any) -> Step:
    return lambda world: setattr(world.api, "otherwise", Answer(*given, **changes))


def error(code: int, description: str, **parameters: Any) -> Answer:
    body: dict[str, Any] = {"ok": False, "error_code": code, "description": description}
    return Answer.of_json({**body, "parameters": parameters} if parameters else body, code)


def refuses(code: int, description: str, **parameters: Any) -> Step:
    return lambda world: setattr(world.api, "otherwise", error(code, description, **parameters))


def loses(answer: Answer) -> Step:
    """It does what it was asked, and then answers this."""
    return lambda world: world.api.lost.append(answer)


def hurried(step: Step) -> Step:
    async def begins(world: World) -> None:
        await world.hurry(0.4)
        await do(step, world)

    return begins


async def patient_again(world: World) -> None:
    world.api.otherwise = None
    await world.hurry(READ_TIMEOUT)


def shows(kind: str) -> Step:
    async def changes(world: World) -> None:
        world.line.certificate(kind)
        await world.hang_up()

    return changes


def well(world: World) -> None:
    world.api.otherwise = None


def becomes(state: str, moved_to: int | None = None) -> Step:
    return lambda world: world.api.state(CHAT, state, moved_to)
