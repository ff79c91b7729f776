"""A program that sends what is in a database, and kills itself with SIGKILL at a point of that:
DATABASE KIND URL SECRET POINT TIME

KIND: webhook (SECRET: what it signs with) or telegram (SECRET: the bot's token). POINT: one of POINTS, or never; TIME:
it dies the first (1), the second … time that it gets there. It ends at SIGTERM.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import anyio
import structlog
from pydantic import SecretStr

from lastseen import HeartbeatMonitor
from lastseen.notifiers.telegram import Telegram
from lastseen.notifiers.webhook import Webhook
from lastseen.storage.sqlite import open_sqlite

POINTS = (
    "take, before COMMIT",
    "take, after COMMIT",
    "finish, before BEGIN",
    "finish, before COMMIT",
    "finish, after COMMIT",
)
CHANNEL, CHAT = "pager", 1
PROGRAM = "from tests.scenarios.dying import run; run()"

_in: ContextVar[str] = ContextVar("in", default="")
"""The store's method in which something is written."""


class Death:
    """Comes at the point, at its time."""

    def __init__(self, point: str, times: int) -> None:
        self.point, self.left = point, times

    def at(self, point: str) -> None:
        if point == self.point:
            self.left -= 1
            if not self.left:
                os.kill(os.getpid(), signal.SIGKILL)

    def haunt(self, store: Any) -> None:
        """Wrap the methods of the store, and what they do within their transactions."""
        take, finish, write = store.take, store.finish, store.database.write_beside

        async def dying_take(*given: Any) -> Any:
            _in.set("take")
            attempts = await take(*given)
            _in.set("")
            if attempts:
                self.at("take, after COMMIT")
            return attempts

        async def dying_finish(*given: Any) -> Any:
            self.at("finish, before BEGIN")
            _in.set("finish")
            kept = await finish(*given)
            _in.set("")
            self.at("finish, after COMMIT")
            return kept

        async def dying_write(work: Callable[[Any], Any]) -> Any:
            method = _in.get()

            def dying_work(connection: Any) -> Any:
                done = work(connection)
                if getattr(done, "attempts", done):  # something was taken
                    self.at(f"{method}, before COMMIT")
                return done

            return await write(dying_work if method else work)

        store.take, store.finish, store.database.write_beside = dying_take, dying_finish, dying_write


def notifier(kind: str, url: str, secret: str) -> Webhook | Telegram:
    if kind == "webhook":
        return Webhook(Webhook.Config(url=url, secret=SecretStr(secret)))
    return Telegram(Telegram.Config(token=SecretStr(secret), chat_id=CHAT, api_url=url))


async def main(database: str, kind: str, url: str, secret: str, point: str, times: str) -> None:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    store = open_sqlite(f"sqlite:///{database}")
    Death(point, int(times)).haunt(store)
    notify = {CHANNEL: notifier(kind, url, secret)}
    # under its name the next one takes up at once what this one leaves behind
    async with HeartbeatMonitor(store, notify=notify, offline_after="never", flapping="off", node="mortal"):
        with anyio.open_signal_receiver(signal.SIGTERM) as told:
            await anext(told)


def run() -> None:
    asyncio.run(main(*sys.argv[1:]))
