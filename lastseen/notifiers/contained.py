"""What keeps a plugin's faults its own: what it raises, how long it holds the event loop, a thread if it asks for one.

Not to be had in one process: a plugin that never gives the loop back stops everything. `docs/write-a-notifier.md` says
what is promised.
"""

from __future__ import annotations

import asyncio
import inspect
import signal
import threading
from collections.abc import Awaitable, Callable, Generator
from functools import cache
from typing import Any

from lastseen.clock import SystemClock, rest
from lastseen.log import get_logger

STALL = 0.5
"""Seconds for which one step of a plugin may hold the event loop before it is named."""

STUCK = 5.0
"""Seconds after which it is named while it still holds the loop: it may never give it back."""

LOOK = 1.0
"""Seconds between two looks of the thread that does so."""

THREADS = 4
"""Threads of one blocking notifier; one that hangs keeps its own."""

_log = get_logger()
_monotonic = SystemClock().monotonic


def own_fault(error: BaseException, in_code: bool = False) -> bool:
    """Whether this is the plugin's own trouble, and not ours to go on with: that we are being cancelled, the end of a
    coroutine, Ctrl-C. What a function of the program itself (`in_code`) raises to end the program does."""
    if isinstance(error, BaseExceptionGroup):
        return all(own_fault(one, in_code) for one in error.exceptions)
    if isinstance(error, asyncio.CancelledError):
        task = asyncio.current_task()
        return task is not None and not task.cancelling()
    if isinstance(error, KeyboardInterrupt):
        return not in_code and signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    if isinstance(error, SystemExit):
        return not in_code
    return not isinstance(error, GeneratorExit)


class watched:  # noqa: N801  (it is used as a verb: `await watched(send(…), "ops")`)
    """Awaits the same, and names the channel in the log if one step of it held the event loop for too long."""

    def __init__(self, awaitable: Awaitable[Any], channel: str) -> None:
        self._awaitable, self._channel = awaitable, channel

    def __await__(self) -> Generator[Any, Any, Any]:
        inner = self._awaitable.__await__()
        step: Callable[[], Any] = lambda: next(inner)  # noqa: E731
        me = threading.get_ident()
        _start_watching()
        while True:
            began = _monotonic()
            _holding[me] = (self._channel, began)
            try:
                waits_for = step()
            except StopIteration as end:
                return end.value
            finally:
                _holding.pop(me, None)
                self._took(_monotonic() - began)
            try:
                sent = yield waits_for
            except BaseException as error:  # noqa: BLE001  (whatever it is, it is for the inner one)
                step = _throw(inner, error)
            else:
                step = _send(inner, sent)

    def _took(self, seconds: float) -> None:
        if seconds >= STALL:
            _blocks(self._channel, seconds)


_blockers: dict[str, float] = {}
"""By channel: the most seconds for which it held the loop since that was asked."""


def take_blockers() -> dict[str, float]:
    """By channel: the most seconds for which it held up everything since this was asked before, in this process."""
    return {channel: _blockers.pop(channel, 0.0) for channel in list(_blockers)}


def _blocks(channel: str, seconds: float) -> None:
    _blockers[channel] = max(_blockers.get(channel, 0.0), seconds)
    _log.error("notifier_blocks", channel=channel, seconds=round(seconds, 1))


_holding: dict[int, tuple[str, float]] = {}
"""By thread: the channel whose step runs there now, and since when."""


@cache
def _start_watching() -> threading.Thread:
    """One thread, for as long as the program runs: whoever holds the loop for ever cannot be named by the loop."""
    thread = threading.Thread(target=_watch, name="plugin watch", daemon=True)
    thread.start()
    return thread


def _watch() -> None:
    named: tuple[str, float] | None = None
    while True:
        rest(LOOK)
        for held in list(_holding.values()):
            channel, since = held
            if held != named and _monotonic() - since >= STUCK:
                named = held
                _blocks(channel, _monotonic() - since)


def _send(inner: Any, value: Any) -> Callable[[], Any]:
    return lambda: next(inner) if value is None else inner.send(value)


def _throw(inner: Any, error: BaseException) -> Callable[[], Any]:
    if not hasattr(inner, "throw"):  # an iterator of somebody's own

        def again() -> Any:
            raise error

        return again
    return lambda: inner.throw(error)


def off_the_loop(notifier: Any) -> Any:
    """The notifier itself, or, where it says `blocking = True`, one that runs its `send` in a thread."""
    if getattr(notifier, "blocking", False) is not True:
        return notifier
    if inspect.iscoroutinefunction(notifier.send):
        raise TypeError("blocking = True runs send in a thread: write `def send`, without async")
    return OffTheLoop(notifier)


class OffTheLoop:
    """A notifier whose plain `send` runs in threads; all else is the notifier's own.

    The threads are its own and end with the program, so one that hangs holds up neither others nor the end.
    """

    def __init__(self, notifier: Any) -> None:
        self._notifier = notifier
        self._free = asyncio.Semaphore(THREADS)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._notifier, name)

    async def send(self, message: Any) -> Any:
        await self._free.acquire()
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()
        threading.Thread(target=self._run, args=(message, loop, answer), name="notifier", daemon=True).start()
        return await answer

    def _run(self, message: Any, loop: asyncio.AbstractEventLoop, answer: asyncio.Future[Any]) -> None:
        outcome, error = None, None
        try:
            outcome = self._notifier.send(message)
        except BaseException as raised:  # noqa: BLE001  (it is raised again where it is waited for)
            error = raised

        def landed() -> None:
            self._free.release()
            if answer.done():  # it was not waited for any longer
                return
            if error is None:
                answer.set_result(outcome)
            elif isinstance(error, Exception) and not isinstance(error, StopIteration):
                answer.set_exception(error)
            else:  # a future takes none of these, and the loop would end by some
                answer.set_exception(RuntimeError(f"the notifier raised {type(error).__name__}"))

        try:
            loop.call_soon_threadsafe(landed)
        except RuntimeError:
            return  # the loop is closed: nobody waits
