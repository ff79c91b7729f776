"""One address of Apprise, and its threads. Imported when it is first used: the library takes half a second.

An address is made of secrets: whatever the library writes to its log is searched for its parts first.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import threading
import warnings
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import unquote

import apprise
from apprise.common import NotifyFormat, NotifyType, PersistentStoreMode

from lastseen.errors import InvalidInput
from lastseen.model import Message
from lastseen.notifiers.wording import one_line, shorten
from lastseen.words import say

STUCK = 3
"""Calls to one address that may hang before no other is begun."""

_QUOTED = 120
_SHORTEST = 4
_LOGGERS = ("apprise", "urllib3.connectionpool", "requests")
_PLAIN = frozenset({"http", "https", "text", "html", "true", "false", "post", "json", "form", "method", "format"})

Done = Callable[[], None]


class Line:
    """Sends to one address, one message after the other."""

    def __init__(self, url: str, number: int) -> None:
        """InvalidInput, which does not repeat it, where Apprise does not know such an address."""
        _scrubber.remember(url)
        self._url = url
        self._service = _service(url, number)
        self.name = str(self._service[0].service_name)
        self._turn = asyncio.Lock()
        self._stuck = 0

    async def say(self, message: Message, done: Done) -> str | None:
        """None when it has it, else why not. `done` is called when it has it, also after this was cancelled."""
        async with self._turn:
            if self._stuck >= STUCK:
                return f"{self.name}: {self._stuck} calls have not come back"
            call = _Call(self, message, done)
            try:
                return await call.answer
            except asyncio.CancelledError:
                if not call.over:
                    self._stuck += 1
                    self._service = _service(self._url, 1)  # that one has its own, which it may have locked
                raise

    def notify(self, message: Message) -> str | None:
        """In a thread: the message, and what went wrong."""
        title, text = message.title, message.text.partition("\n")[2]
        result = self._service.notify(
            body=text or title,
            title=title if text else "",
            notify_type=_kind(message),
            body_format=NotifyFormat.TEXT,
        )
        if result:
            return None
        said = [entry.message for entry in result.logs() if entry.level in ("WARNING", "ERROR", "CRITICAL")]
        return f"{self.name}: {_quote(said)}"

    def freed(self) -> None:
        """A call that was given up has come back."""
        self._stuck -= 1


class _Call:
    """A thread for one message; nobody waits for it at the end of the program."""

    def __init__(self, line: Line, message: Message, done: Done) -> None:
        self.over = False
        self._line, self._message, self._done = line, message, done
        self._loop = asyncio.get_running_loop()
        self.answer: asyncio.Future[str | None] = self._loop.create_future()
        threading.Thread(target=self._run, name=f"apprise {line.name}", daemon=True).start()

    def _run(self) -> None:
        try:
            reason = self._line.notify(self._message)
        except BaseException as error:  # noqa: BLE001  (a service may raise anything, and quote its address in it)
            reason = f"{self._line.name}: {type(error).__name__}"
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            self._loop.call_soon_threadsafe(self._end, reason)

    def _end(self, reason: str | None) -> None:
        self.over = True
        if reason is None:
            self._done()
        if self.answer.cancelled():
            self._line.freed()
        else:
            self.answer.set_result(reason)


def _service(url: str, number: int) -> Any:
    """One address as the library's own object: nothing on the disk, no redirects, no time-out or threads of its own."""
    asset = apprise.AppriseAsset(
        service_timeout=0,
        storage_mode=PersistentStoreMode.MEMORY,
        http_redirects=False,
        interpret_emojis=False,
        app_id="lastseen",
        app_desc="lastseen",
    )
    service = apprise.Apprise(asset=asset)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of some service among all, which are loaded here
        known = service.add(url) and len(service) == 1
    if not known:
        raise InvalidInput(say("number {number} is no address that Apprise knows", number=number), "urls")
    return service


def _kind(message: Message) -> NotifyType:
    if message.loud:
        return NotifyType.FAILURE
    return NotifyType.SUCCESS if message.event.type.endswith((".online", ".restored")) else NotifyType.INFO


def _quote(said: Iterable[str]) -> str:
    """The last that it said, which is the clearest."""
    last = one_line(_scrubber.clean(([*said] or ["not sent"])[-1]))
    return shorten(last.rstrip("."), _QUOTED)


class _Scrubber(logging.Filter):
    """Takes the parts of all addresses out of what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def remember(self, url: str) -> None:
        rest = url.partition("://")[2]
        found = {part for text in (rest, unquote(rest)) for part in re.split(r"[/:@?&=,;#\s]+", text)}
        self._parts |= {url, *(part for part in found if len(part) >= _SHORTEST and part.lower() not in _PLAIN)}
        longest_first = sorted(self._parts, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first)))

    def clean(self, text: str) -> str:
        return self._pattern.sub("[…]", text) if self._pattern is not None else text

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = self.clean(record.getMessage()), ()
        record.exc_info = record.exc_text = None
        return True


_scrubber = _Scrubber()
for _name in _LOGGERS:
    logging.getLogger(_name).addFilter(_scrubber)
    if logging.getLogger(_name).level == logging.NOTSET:
        logging.getLogger(_name).setLevel(logging.WARNING)
