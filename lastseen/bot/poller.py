"""Reading one bot: by long polling, so no public address is needed; by one process of all, by a lease in the store.

Where it stands is kept in the store, so that what was read is not read again after a restart, and nothing is missed:
an update is confirmed to Telegram (by asking for those after it) once it has been worked on. Telegram counts on from
anywhere after a week without updates, so a number is used once and not for long.
https://core.telegram.org/bots/api#getupdates
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import Any

import anyio

from lastseen.bot import words
from lastseen.bot.commands import Commands
from lastseen.bot.desk import Desk
from lastseen.bot.joining import Door
from lastseen.bot.presses import Presses
from lastseen.bot.updates import Moved, Pressed, Said, number_of, read
from lastseen.errors import StoreUnavailable
from lastseen.log import get_logger
from lastseen.monitor.duty import LOOK_AGAIN, Hold, held

WAIT = 25
"""Seconds for which one call waits for updates."""

LEASE = timedelta(seconds=30)
SHORTEST, LONGEST = 1.0, 60.0
"""Seconds between two calls when Telegram cannot be reached, from the first to the last."""

ELSEWHERE = 60.0
"""Seconds until it is tried again where another program reads the bot: each call of ours ends one of its."""

WRONG_TOKEN = 300.0
GOOD_FOR = timedelta(days=5)

_log = get_logger()


class Poller:
    """Reads one bot for as long as it runs. `trouble` is what keeps it from that, "" for nothing.
    `working`: something that was read is being worked on."""

    def __init__(self, desk: Desk, owner: str) -> None:
        self.desk, self._owner = desk, owner
        self.trouble = ""
        self.working = False
        self._pause = SHORTEST
        self._hold: Hold | None = None
        door = Door(desk)
        self._door, self._commands = door, Commands(desk, door)
        self._presses = Presses(desk, self._commands)

    @property
    def lease(self) -> str:
        """Of the lease that whoever reads it has."""
        return f"poller:{self.desk.bot.id}"

    async def run(self) -> None:
        """Read until cancelled."""
        while True:
            try:
                async with self._held() as hold:
                    if hold is not None:
                        await self._read()
            except StoreUnavailable:
                pass  # whoever writes tells of it
            except Exception as error:  # noqa: BLE001  (nothing else is to notice; it is tried again)
                _log.error("bot_failed", bot=self.desk.bot.id, error=self.desk.library.redact(repr(error)))
            await self.desk.clock.sleep(LOOK_AGAIN)

    @asynccontextmanager
    async def _held(self) -> AsyncIterator[Hold | None]:
        store = self.desk.store
        async with held(store, self.desk.clock, self.lease, self._owner, LEASE) as hold:
            self._hold = hold
            try:
                yield hold
            finally:
                with anyio.CancelScope(shield=True), anyio.move_on_after(LOOK_AGAIN), suppress(StoreUnavailable):
                    if hold is not None and self.trouble:
                        await store.keep_note(f"{self.lease}:trouble", "")  # whoever reads it next has its own

    # -- reading

    async def _read(self) -> None:
        after = await self._place()
        while self._hold is None or self._hold.good:
            try:
                await self._introduce()
                raw = await self.desk.line.updates(after, WAIT)
            except self.desk.library.TelegramError as error:
                await self._rest(error)
                continue
            await self._tell("")
            self.working = True
            try:
                after = await self._work(raw if isinstance(raw, list) else [], after)
            finally:
                self.working = False

    async def _introduce(self) -> None:
        if not self.desk.name:
            name = await self.desk.line.name()
            await self.desk.line.offer(words.COMMANDS)
            self.desk.name = name
            _log.info("bot_read", bot=self.desk.bot.id, name=name)

    async def _work(self, raw: Sequence[Any], after: int) -> int:
        """From where to ask for more; 0: what was asked for is confirmed."""
        if not raw:
            return 0
        before = after
        for one in raw:
            number = number_of(one)
            if self._hold is not None and not self._hold.good:
                return after  # we were stopped, and another process may have been given the same
            if number is None or number < after:
                continue
            try:
                acted = await self._take(one)
            except StoreUnavailable:
                await self.desk.clock.sleep(LOOK_AGAIN)
                return after
            after = number + 1
            if acted:
                await self._keep_place(after)
        if after > before:
            await self._keep_place(after)
        else:
            await self.desk.clock.sleep(SHORTEST)  # nothing of it had a number: it comes again
        return after

    async def _take(self, raw: Any) -> bool:
        """One update; what is wrong with it harms nothing else. True: something was changed."""
        try:
            match read(raw):
                case Said() as said:
                    return await self._commands.take(said)
                case Pressed() as pressed:
                    return await self._presses.take(pressed)
                case Moved() as moved:
                    return await self._door.moved(moved)
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001  (the next one is somebody else's)
            _log.error("bot_failed", bot=self.desk.bot.id, error=self.desk.library.redact(repr(error)))
        return False

    # -- how far

    async def _place(self) -> int:
        kept = await self.desk.store.note(f"{self.lease}:after") or ""
        number, _, at = kept.partition(" ")
        if not number.isdecimal() or self.desk.clock.now() - datetime.fromisoformat(at) > GOOD_FOR:
            return 0
        return int(number)

    async def _keep_place(self, after: int) -> None:
        await self.desk.store.keep_note(f"{self.lease}:after", f"{after} {self.desk.clock.now().isoformat()}")

    # -- trouble

    async def _rest(self, error: Exception) -> None:
        """Say once what is wrong, and wait as long as is good."""
        library = self.desk.library
        pause, self._pause = self._pause, min(self._pause * 2, LONGEST)
        reason = library.meaning(error).reason
        if isinstance(error, library.Conflict):
            webhook = "webhook" in str(error).lower()
            pause, reason = ELSEWHERE, A_WEBHOOK if webhook else ANOTHER
        elif isinstance(error, library.InvalidToken):
            pause = WRONG_TOKEN
        elif isinstance(error, library.FloodWait):
            pause = max(error.seconds, SHORTEST)
        await self._tell(reason)
        await self.desk.clock.sleep(pause)

    async def _tell(self, trouble: str) -> None:
        if trouble == self.trouble:
            return
        self.trouble, bot = trouble, self.desk.bot.id
        if trouble:
            _log.warning("bot_not_read", bot=bot, reason=trouble)
        else:
            self._pause = SHORTEST
            _log.info("bot_read_again", bot=bot)
        await self.desk.store.keep_note(f"{self.lease}:trouble", trouble)


ANOTHER = "409, another program reads this bot: it and lastseen take each other's messages away"
A_WEBHOOK = "409, a webhook is set for this bot, so another program reads it: give lastseen a bot of its own"
