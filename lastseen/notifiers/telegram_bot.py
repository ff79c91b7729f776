"""Telegram's library, and what its exceptions mean. Imported when a bot is first used: it takes 0.2 s.

The bot's token is part of every address: no text from here leaves without being searched for it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import re
import warnings
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import httpx
import telegram
from telegram import Bot, InlineKeyboardButton, InlineKeyboardMarkup, LinkPreviewOptions, ReplyParameters
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Conflict,
    EndPointNotFound,
    Forbidden,
    InvalidToken,
    NetworkError,
    PassportDecryptionError,
    RetryAfter,
    TelegramError,
    TimedOut,
)
from telegram.request import HTTPXRequest

from lastseen.model import Outcome, Rejected, Retry, Scope, replace
from lastseen.notifiers.reach import unreached
from lastseen.notifiers.wording import one_line, shorten

__all__ = ["BotLine", "ChatMigrated", "Conflict", "FloodWait", "InvalidToken", "TelegramError", "is_parse_error"]

Buttons = Sequence[tuple[str, str]]
"""In one row: a label, and what comes back when it is pressed, or an address."""

PUBLIC = "https://api.telegram.org"
READ_TIMEOUT = 8.0
"""Seconds until the next bytes of an answer; all of it may take as long as that and connecting together."""

CONNECT_TIMEOUT = 5.0
LONGEST_ANSWER = 8 * 1024 * 1024
"""Bytes. A hundred updates with the longest texts are less."""

LONGEST_WAIT = 86_400.0
"""Seconds that a 429 may ask for; what waits so long looks again in between."""

_TOKEN = re.compile(r"\d+(?::|%3A)[A-Za-z0-9_-]{10,}", re.IGNORECASE)
_GONE = (
    "chat not found",
    "chat_id is empty",
    "chat_write_forbidden",
    "group chat was deactivated",
    "have no rights to send",
    "message thread not found",
    "need administrator rights",
    "not enough rights",
    "peer_id_invalid",
    "topic_closed",
    "topic_deleted",
    "user is deactivated",
    "user not found",
)
"""What a BadRequest says where this chat will have nothing, whatever the message is."""


class FloodWait(TelegramError):
    """429: the library's own exception for it warns about a coming change each time it is made or read."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"too many requests, retry after {seconds:g} s")
        self.seconds = seconds


class Stranger(TelegramError):
    """An error that the Bot API did not say: a proxy on the way, the page of a hotel. It decides nothing."""

    def __init__(self, code: int) -> None:
        super().__init__(f"{code}, but not by the Bot API: something on the way answers")


class _Request(HTTPXRequest):
    """As the library's, but says itself what 429 means, believes no refusal but the Bot API's, and reads neither for
    ever nor without an end."""

    async def do_request(self, *args: Any, **kwargs: Any) -> tuple[int, bytes]:
        read = kwargs.get("read_timeout")
        try:
            async with asyncio.timeout((read if isinstance(read, float | int) else READ_TIMEOUT) + CONNECT_TIMEOUT):
                code, body = await super().do_request(*args, **kwargs)
        except TimeoutError:
            raise TimedOut from None
        if code == 429:
            raise FloodWait(_seconds(body))
        if 400 <= code < 500 and not _is_the_apis(body):
            raise Stranger(code)
        return code, body

    @staticmethod
    def parse_json_payload(payload: bytes) -> Any:
        """Every answer of the Bot API has one of these. https://core.telegram.org/bots/api#making-requests"""
        said = HTTPXRequest.parse_json_payload(payload)
        if not isinstance(said, dict) or not {"result", "description"} & said.keys():
            raise TelegramError("Invalid server response")
        return said


class _Bounded(httpx.AsyncByteStream):
    """A body, up to where nobody would want more of it."""

    def __init__(self, body: Any) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = LONGEST_ANSWER
        async for chunk in self._body:
            left -= len(chunk)
            if left < 0:
                raise TelegramError("the answer has no end")
            yield chunk

    async def aclose(self) -> None:
        await self._body.aclose()


async def _bound(response: httpx.Response) -> None:
    """As it comes: what is packed could unfold to more than there is memory."""
    response.headers.pop("content-encoding", None)
    response.stream = _Bounded(response.stream)


def _is_the_apis(body: bytes) -> bool:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return isinstance(said, dict) and isinstance(said.get("description"), str)


def _seconds(body: bytes) -> float:
    try:
        seconds = float(json.loads(body)["parameters"]["retry_after"])
    except (ValueError, TypeError, LookupError, OverflowError, RecursionError):
        return 0.0
    return min(max(seconds, 0.0), LONGEST_WAIT) if not math.isnan(seconds) else 0.0


class BotLine:
    """One bot, as far as it is needed here."""

    def __init__(self, token: str, api_url: str | None) -> None:
        _keep_tokens_out_of_logs()
        base = (api_url or PUBLIC).rstrip("/")
        # the environment's proxies lead to the public server; a server of one's own is reached directly
        self._request = _Request(
            connection_pool_size=32,
            connect_timeout=CONNECT_TIMEOUT,
            read_timeout=READ_TIMEOUT,
            pool_timeout=READ_TIMEOUT,
            httpx_kwargs={
                "trust_env": base == PUBLIC,
                "headers": {"accept-encoding": "identity"},
                "event_hooks": {"response": [_bound]},
            },
        )
        self.bot = Bot(
            token,
            base_url=f"{base}/bot",
            base_file_url=f"{base}/file/bot",
            request=self._request,
            get_updates_request=self._request,
        )

    async def say(
        self,
        chat: int,
        text: str,
        *,
        html: bool = False,
        silent: bool = False,
        thread: int | None = None,
        reply_to: int | None = None,
        buttons: Buttons = (),
    ) -> str:
        """Send it; the id of the message that it became."""
        reply = None if reply_to is None else ReplyParameters(reply_to, allow_sending_without_reply=True)
        sent = await self.bot.send_message(
            chat,
            text,
            parse_mode="HTML" if html else None,
            disable_notification=silent,
            message_thread_id=thread,
            reply_parameters=reply,
            link_preview_options=LinkPreviewOptions(is_disabled=True),
            reply_markup=_keyboard(buttons),
        )
        return str(sent.message_id)

    async def change(self, chat: int, message: int, text: str, *, html: bool = False, buttons: Buttons = ()) -> None:
        """Put other words, and these buttons, in the place of what it said."""
        await self.bot.edit_message_text(
            text,
            chat,
            message,
            parse_mode="HTML" if html else None,
            link_preview_options=LinkPreviewOptions(is_disabled=True),
            reply_markup=_keyboard(buttons),
        )

    async def toast(self, press: str, text: str) -> None:
        """The word that whoever pressed a button sees for a moment."""
        await self.bot.answer_callback_query(press, text=text)

    async def offer(self, commands: Sequence[tuple[str, str]]) -> None:
        """What people are shown that they may say."""
        await self.bot.set_my_commands(commands)

    async def updates(self, after: int, wait: int) -> Any:
        """What people wrote and pressed since then, waited for up to so many seconds: JSON as it came. The library's
        own call fails as a whole where one of them is not as it expects, and none would be read any more."""
        asked = {
            "timeout": wait,
            "allowed_updates": '["message","callback_query"]',
            **({"offset": after} if after else {}),
        }
        return await self._request.post(
            f"{self.bot.base_url}/getUpdates?{urlencode(asked)}", read_timeout=wait + READ_TIMEOUT
        )

    async def name(self) -> str:
        """The bot's user name."""
        return (await self.bot.get_me()).username or ""

    async def close(self) -> None:
        await self._request.shutdown()


def _keyboard(buttons: Buttons) -> InlineKeyboardMarkup | None:
    if not buttons:
        return None
    row = [
        InlineKeyboardButton(label, url=word) if "://" in word else InlineKeyboardButton(label, callback_data=word)
        for label, word in buttons
    ]
    return InlineKeyboardMarkup([row])


def html_of(message: Mapping[str, Any]) -> str | None:
    """A message that came with an update, as the HTML it was sent as; None where it cannot be read."""
    try:
        return telegram.Message.de_json(dict(message)).text_html
    except (TypeError, ValueError, LookupError, AttributeError, OverflowError):
        return None


def is_parse_error(error: TelegramError) -> bool:
    return isinstance(error, BadRequest) and "can't parse entities" in str(error).lower()


def is_unchanged(error: TelegramError) -> bool:
    """It says that already."""
    return isinstance(error, BadRequest) and "message is not modified" in str(error).lower()


def cannot_be_changed(error: TelegramError) -> bool:
    """It was deleted, or is too old."""
    said = str(error).lower()
    return isinstance(error, BadRequest) and ("message to edit not found" in said or "can't be edited" in said)


# -- what errors mean. BadRequest and TimedOut are kinds of NetworkError: they come before it


def _flood(error: FloodWait, busy: bool) -> Outcome:
    scope = Scope.LANE if busy else Scope.CHANNEL
    return Retry(f"429, too many messages: wait {error.seconds:g} s", scope, timedelta(seconds=error.seconds))


def _retry_after(error: RetryAfter, busy: bool) -> Outcome:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wait = error.retry_after
    return _flood(FloodWait(wait.total_seconds() if isinstance(wait, timedelta) else wait), busy)


def _bad_request(error: BadRequest, busy: bool) -> Outcome:
    said = str(error).lower()
    return Rejected(
        f"400, {_said(error)}", Scope.CHANNEL if any(words in said for words in _GONE) else Scope.NOTIFICATION
    )


MEANING: tuple[tuple[type[TelegramError], Callable[[Any, bool], Outcome]], ...] = (
    (FloodWait, _flood),
    (RetryAfter, _retry_after),
    (ChatMigrated, lambda error, busy: Retry("the chat has a new id")),
    (Forbidden, lambda error, busy: Rejected(f"403, {_said(error)}", Scope.CHANNEL)),
    (InvalidToken, lambda error, busy: Retry("401, the bot token is wrong", Scope.CHANNEL)),
    (EndPointNotFound, lambda error, busy: Retry("404, the Bot API server does not know this call", Scope.LANE)),
    (Conflict, lambda error, busy: Retry("409, another program polls this bot")),
    (PassportDecryptionError, lambda error, busy: Rejected(_said(error))),
    (BadRequest, _bad_request),
    (TimedOut, lambda error, busy: Retry("no answer in time: perhaps it was delivered")),
    (NetworkError, lambda error, busy: Retry(f"cannot reach Telegram: {_said(error)}")),
    (TelegramError, lambda error, busy: Retry(_said(error))),
)


def meaning(error: TelegramError, busy: bool = False) -> Outcome:
    """What an exception of the library means for a notification. `busy`: the whole bot is near its limit."""
    meant = next(outcome(error, busy) for kind, outcome in MEANING if isinstance(error, kind))
    return replace(meant, unreached=True) if isinstance(meant, Retry) and unreached(error) else meant


def _said(error: TelegramError) -> str:
    """What the library says of it in one short line: no token, and no answer that could not be parsed."""
    said = str(error).partition(". Parsing the server response")[0]
    said = one_line(redact(said)).removeprefix("httpx.").rstrip(".: ")
    return shorten(said[:1].lower() + said[1:], 120) or type(error).__name__


def redact(text: str) -> str:
    return _TOKEN.sub("[token]", text)


class _Redaction(logging.Filter):
    """Bot tokens are in the addresses that these loggers write."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact(record.getMessage()), ()
        return True


_REDACTION = _Redaction()


def _keep_tokens_out_of_logs() -> None:
    """httpx writes every address at INFO: that is off unless somebody has set its level, and redacted in any case."""
    httpx = logging.getLogger("httpx")
    if httpx.level == logging.NOTSET:
        httpx.setLevel(logging.WARNING)
    for name in ("httpx", "telegram.Bot", "telegram.request.BaseRequest", "telegram.request.HTTPXRequest"):
        logging.getLogger(name).addFilter(_REDACTION)
