"""Connecting a chat: somebody sends `/start CODE` to the bot, and the command line learns the chat's id."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lastseen.clock import Clock, SystemClock
from lastseen.errors import ConfigurationError
from lastseen.notifiers.telegram import telegram_library
from lastseen.notifiers.texts import BAD_LINK, connected

if TYPE_CHECKING:
    from lastseen.notifiers.telegram_bot import BotLine

POLL = 20
"""Seconds for which one call waits for messages."""

PAUSE = 2.0
"""Seconds between two calls when Telegram cannot be reached."""

_START = re.compile(r"/start(?:@\w+)?(?:\s+(\S+))?\s*")


@dataclass(frozen=True, slots=True)
class Started:
    """The chat that was connected; `title` is a group's title or a person's name."""

    chat_id: int
    title: str
    thread_id: int | None = None


def new_code() -> str:
    """What to send after /start: hard to guess, easy to copy, legal in a link."""
    return secrets.token_hex(4)


async def bot_name(token: str, api_url: str | None = None) -> str:
    """The bot's user name, for a link `https://t.me/NAME?start=CODE`. ConfigurationError when the token is wrong."""
    library = telegram_library()
    line = library.BotLine(token, api_url)
    try:
        name: str = await line.name()
        return name
    except library.TelegramError as error:
        raise _explained(library, error) from None
    finally:
        await line.close()


async def wait_for_start(
    token: str,
    code: str,
    *,
    name: str,
    machines: int,
    api_url: str | None = None,
    timeout: float = 600.0,
    clock: Clock | None = None,
) -> Started:
    """Poll the bot until somebody sends `/start CODE`; that chat is answered, and so are wrong codes.

    `name` is the channel's and `machines` how many it hears of, for the answer. Raises ConfigurationError, with what
    to do, when the token is wrong, when another program polls the bot, and after `timeout` seconds.
    """
    library, clock = telegram_library(), clock or SystemClock()
    line, deadline, after = library.BotLine(token, api_url), clock.monotonic() + timeout, 0
    try:
        while (left := deadline - clock.monotonic()) > 0:
            updates = await _updates(library, line, after, min(POLL, max(1, int(left))), clock)
            for update in updates:
                after = update.update_id + 1
                started = await _answer(library, line, update, code, connected(name, machines))
                if started is not None:
                    await _updates(library, line, after, 0, clock)  # so that it is not read again
                    return started
    finally:
        await line.close()
    raise ConfigurationError(f"nobody sent /start {code} within {timeout / 60:.0f} min; try again")


async def _updates(library: Any, line: BotLine, after: int, wait: int, clock: Clock) -> Any:
    try:
        return await line.updates(after, wait)
    except library.TelegramError as error:
        problem = _explained(library, error)
        if isinstance(error, library.InvalidToken | library.Conflict):
            raise problem from None
        await clock.sleep(PAUSE)
        return ()


async def _answer(library: Any, line: BotLine, update: Any, code: str, welcome: str) -> Started | None:
    """A chat that sent the code is told so; one that sent another that it has expired. Other messages are left."""
    message = update.message
    found = _START.fullmatch(message.text or "") if message is not None else None
    if found is None or found[1] is None:
        return None
    right = secrets.compare_digest(found[1].encode(), code.encode())
    thread = message.message_thread_id if message.is_topic_message else None
    try:
        await line.say(message.chat.id, welcome if right else BAD_LINK, thread=thread)
    except library.TelegramError as error:
        if right:
            raise ConfigurationError(f"cannot write to that chat: {library.meaning(error).reason}") from None
    if not right:
        return None
    return Started(message.chat.id, message.chat.title or message.chat.full_name or str(message.chat.id), thread)


def _explained(library: Any, error: Exception) -> ConfigurationError:
    if isinstance(error, library.InvalidToken):
        return ConfigurationError("the bot token is wrong: copy it again from @BotFather")
    if isinstance(error, library.Conflict):
        return ConfigurationError("another program polls this bot: stop it meanwhile, or give the chat with --chat-id")
    return ConfigurationError(f"Telegram: {library.meaning(error).reason}")
