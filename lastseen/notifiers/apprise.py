"""Apprise: what a hundred services are reached by. https://github.com/caronc/apprise

It is not asynchronous, waits by itself between two messages, and its services may hang. So each address has one thread
at a time, of its own; when a call does not come back in time the next has another, and there are few of them.
"""

from __future__ import annotations

import asyncio
import importlib.util
from collections import OrderedDict
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING

import anyio.to_thread
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from lastseen.errors import PluginError
from lastseen.model import Delivered, Message, Outcome, Retry, Scope
from lastseen.words import say

if TYPE_CHECKING:
    from lastseen.notifiers.apprise_line import Line
    from lastseen.notifiers.tools import Tools

PATIENCE = 20.0
"""Seconds for one message to one service, its own waiting included."""

MOST = 20
"""Addresses of one channel."""

REMEMBERED = 200
"""Messages of which it is remembered who has them already."""


def apprise_library() -> ModuleType:
    """What speaks to the services, or a PluginError that says how to get it. Importing it takes half a second."""
    if importlib.util.find_spec("apprise") is None:
        raise PluginError("Apprise needs a package: install it with: pip install lastseen[apprise]")
    from lastseen.notifiers import apprise_line

    return apprise_line


def addresses(text: str) -> list[str]:
    """Each on a line of its own, or with spaces between; what begins with # is left out."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    return list(dict.fromkeys(" ".join(lines).split()))


class Apprise:
    """Sends by Apprise: its addresses reach some hundred services."""

    class Config(BaseModel):
        """To which services. The addresses hold passwords and tokens: all of them is a secret."""

        model_config = ConfigDict(extra="forbid", frozen=True)

        urls: SecretStr = Field(description="Apprise's addresses (discord://…), with spaces or line breaks between")

        @field_validator("urls")
        @classmethod
        def _some(cls, value: SecretStr) -> SecretStr:
            given = addresses(value.get_secret_value())
            if not 1 <= len(given) <= MOST:
                raise ValueError(say("must be 1 to {most} addresses such as discord://id/token", most=MOST))
            for number, url in enumerate(given, 1):
                if "://" not in url:
                    raise ValueError(say("number {number} is no address such as discord://id/token", number=number))
            return value

    max_batch = 4096
    schedule = "chat"
    timeout = PATIENCE + 5
    label = "Apprise"
    operators_only = True
    """Nothing guards where its services connect to: channels of it are written by the command line."""

    def __init__(self, config: Config, tools: Tools | None = None) -> None:
        """Opens nothing. PluginError if apprise is not installed."""
        if importlib.util.find_spec("apprise") is None:
            apprise_library()
        self.config = config
        self._urls = addresses(config.urls.get_secret_value())
        self._lines: Sequence[Line] | None = None
        self._have: OrderedDict[tuple[str, ...], set[int]] = OrderedDict()

    async def start(self) -> None:
        """Load the services, in a thread. InvalidInput says which address is none that Apprise knows."""
        if self._lines is None:
            self._lines = await anyio.to_thread.run_sync(_lines, self._urls)

    async def send(self, message: Message) -> Outcome:
        """To every service that does not have it yet, all at once. It is delivered when all of them have it."""
        await self.start()
        lines = self._lines or ()
        key = (message.id, *sorted(event.uid for event in message.events))
        have = self._have.setdefault(key, set())
        self._have.move_to_end(key)
        while len(self._have) > REMEMBERED:
            self._have.popitem(last=False)
        missing = [number for number in range(len(lines)) if number not in have]
        answers = await asyncio.gather(*(self._say(lines[number], message, have, number) for number in missing))
        failed = [reason for reason in answers if reason is not None]
        if not failed:
            return Delivered()
        part = f" ({len(failed)} of {len(lines)} addresses)" if len(lines) > 1 else ""
        return Retry(failed[0] + part, Scope.NOTIFICATION if have else Scope.CHANNEL)

    async def _say(self, line: Line, message: Message, have: set[int], number: int) -> str | None:
        """None, or why it has not got it. What arrives after all is not sent again."""
        try:
            async with asyncio.timeout(PATIENCE):
                return await line.say(message, lambda: have.add(number))
        except TimeoutError:
            return f"{line.name}: no answer within {PATIENCE:g} s"


def _lines(urls: Sequence[str]) -> Sequence[Line]:
    library = apprise_library()
    return [library.Line(url, number) for number, url in enumerate(urls, 1)]
