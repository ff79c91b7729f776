"""Telegram, by python-telegram-bot's `Bot`."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Self

import httpx
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from lastseen.clock import Clock, SystemClock
from lastseen.errors import ConfigurationError, PluginError
from lastseen.model import Action, Delivered, Message, Outcome, Rejected, Retry, Scope
from lastseen.notifiers.telegram_limits import limits_of
from lastseen.words import say

if TYPE_CHECKING:
    from lastseen.notifiers.telegram_bot import BotLine
    from lastseen.notifiers.tools import Tools

CANNOT_EDIT = Rejected("cannot be edited", Scope.NOTIFICATION)
BUTTON = 64
"""Bytes that a button holds. https://core.telegram.org/bots/api#inlinekeyboardbutton"""

PATIENCE = 5.0
"""Seconds that a send waits for its turn in a chat; beyond it is tried again later, and holds up no other chat."""


def telegram_library() -> ModuleType:
    """What speaks to Telegram, or a PluginError that says how to get it."""
    try:
        from lastseen.notifiers import telegram_bot
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "telegram":
            raise
        raise PluginError("Telegram needs a package: install it with: pip install lastseen[telegram]") from None
    return telegram_bot


class Telegram:
    """Sends to one Telegram chat."""

    class Config(BaseModel):
        """Which bot, and which chat."""

        model_config = ConfigDict(extra="forbid", frozen=True)

        token: SecretStr = Field(description="the bot's token, from @BotFather")
        chat_id: int = Field(description="the chat's id; negative for groups")
        thread_id: int | None = Field(default=None, description="a topic in the chat")
        silent: bool = Field(default=False, description="never make a sound")
        api_url: str | None = Field(default=None, description="another Bot API server")

        @field_validator("token")
        @classmethod
        def _looks_like_one(cls, value: SecretStr) -> SecretStr:
            if not re.fullmatch(r"\d+:[A-Za-z0-9_-]+", value.get_secret_value()):
                raise ValueError(say("must be a bot's token as @BotFather gives it: digits, a colon, letters"))
            return value

    operators_fields = frozenset({"api_url"})
    max_batch = 4096
    schedule = "chat"
    timeout = 15.0
    label = "Telegram"

    def __init__(self, config: Config, tools: Tools | None = None) -> None:
        """Opens nothing. PluginError if python-telegram-bot is not installed."""
        self._library = telegram_library()
        self.config = config
        self._api_url = config.api_url or (tools.servers.get("telegram") if tools is not None else None)
        self._clock: Clock = tools.clock if tools is not None else SystemClock()
        bot = config.token.get_secret_value().partition(":")[0]
        self.lane = f"telegram:{bot}"
        self._limits = limits_of(f"{self._api_url}/{bot}", self._clock)
        self.host = httpx.URL(self._api_url).host if self._api_url else "api.telegram.org"
        self._chat = config.chat_id
        self._line: BotLine | None = None

    @classmethod
    def from_env(
        cls,
        chat_id: int,
        *,
        thread_id: int | None = None,
        silent: bool = False,
        environ: Mapping[str, str] = os.environ,
    ) -> Self:
        """With TELEGRAM_BOT_TOKEN (or the file that TELEGRAM_BOT_TOKEN_FILE names) and LASTSEEN_TELEGRAM_API_URL."""
        token, file = environ.get("TELEGRAM_BOT_TOKEN"), environ.get("TELEGRAM_BOT_TOKEN_FILE")
        if not token and file:
            token = Path(file).read_text().strip()
        if not token:
            raise ConfigurationError("set TELEGRAM_BOT_TOKEN to the bot's token, as @BotFather gives it")
        api_url = environ.get("LASTSEEN_TELEGRAM_API_URL") or None
        return cls(
            cls.Config(token=SecretStr(token), chat_id=chat_id, thread_id=thread_id, silent=silent, api_url=api_url)
        )

    async def send(self, message: Message) -> Outcome:
        """One message in the chat, when it is its turn. A chat that has moved is followed."""
        too_early = await self._turn()
        if too_early is not None:
            return too_early
        answer = await self._say(message)
        if isinstance(answer, self._library.ChatMigrated):
            self._chat = answer.new_chat_id
            answer = await self._say(message, reply=False)
        if isinstance(answer, Exception):
            return self._meaning(answer)
        moved = {"chat_id": self._chat} if self._chat != self.config.chat_id else None
        return Delivered(receipt=answer, moved=moved)

    async def edit(self, receipt: str, message: Message) -> Outcome:
        """Put this message in the place of the one with that receipt, when it is its turn. Rejected where that one is
        gone or too old: then it may be sent."""
        number = _message_id(receipt)
        if number is None:
            return CANNOT_EDIT
        too_early = await self._turn()
        if too_early is not None:
            return too_early
        answer = await self._plainly(message, functools.partial(self._change, number, message))
        if not isinstance(answer, Exception) or self._library.is_unchanged(answer):
            return Delivered(receipt=receipt)
        if self._library.cannot_be_changed(answer) or isinstance(answer, self._library.ChatMigrated):
            return CANNOT_EDIT
        return self._meaning(answer)

    async def close(self) -> None:
        if self._line is not None:
            await self._line.close()
            self._line = None

    async def _turn(self) -> Retry | None:
        """Return when it is our turn. Retry: that is too long to wait for; nothing was sent, and nothing is wrong."""
        now = self._clock.monotonic()
        until = self._limits.until(self._chat, now)
        waits = None
        if until <= 0 or not self._clock.virtual:  # nobody may wait while virtual time stands still
            waits = self._limits.in_chat(self._chat, now, PATIENCE)
        if waits is None:
            after = timedelta(seconds=until)
            return Retry("waits for Telegram's limit of messages in one chat", Scope.NOTIFICATION, after, unsaid=True)
        await self._pause(waits)
        await self._pause(self._limits.of_all(self._clock.monotonic()))
        return None

    async def _pause(self, seconds: float) -> None:
        if seconds > 0:
            await self._clock.sleep(seconds)

    async def _say(self, message: Message, reply: bool = True) -> Any:
        """The message's id, or the exception."""
        return await self._plainly(message, functools.partial(self._send, message, reply))

    async def _plainly(self, message: Message, call: Callable[[BotLine, str, bool], Awaitable[Any]]) -> Any:
        """What Telegram cannot parse is said again in plain text, at once."""
        answer = await self._call(call, message.html, True)
        if isinstance(answer, Exception) and self._library.is_parse_error(answer):
            answer = await self._call(call, message.text, False)
        return answer

    async def _call(self, call: Callable[[BotLine, str, bool], Awaitable[Any]], text: str, html: bool) -> Any:
        """Its answer, or the library's exception."""
        if self._line is None:
            line: BotLine = self._library.BotLine(self.config.token.get_secret_value(), self._api_url)
            self._line = line
        try:
            return await call(self._line, text, html)
        except self._library.TelegramError as error:
            return error

    async def _send(self, message: Message, reply: bool, line: BotLine, text: str, html: bool) -> str:
        return await line.say(
            self._chat,
            text,
            html=html,
            silent=self.config.silent or not message.loud,
            thread=self.config.thread_id,
            reply_to=_message_id(message.reply_to) if reply else None,
            buttons=buttons(message.actions),
        )

    async def _change(self, number: int, message: Message, line: BotLine, text: str, html: bool) -> None:
        await line.change(self._chat, number, text, html=html, buttons=buttons(message.actions))

    def _meaning(self, error: Exception) -> Outcome:
        outcome: Outcome = self._library.meaning(error, self._limits.busy(self._clock.monotonic()))
        return outcome


def buttons(actions: Sequence[Action]) -> list[tuple[str, str]]:
    """Labels, and what comes back to the bot when they are pressed: `ack machine:17`. What does not fit is left out."""
    words = [(one.label, one.target if one.kind == "open" else f"{one.kind} {one.target}") for one in actions]
    return [(label, word) for label, word in words if "://" in word or len(word.encode()) <= BUTTON]


def _message_id(receipt: str | None) -> int | None:
    return int(receipt) if receipt is not None and receipt.isdecimal() else None
