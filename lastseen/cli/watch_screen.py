"""The terminal of `lastseen watch`: drawn every second, at each change, key and change of its size."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from datetime import datetime
from typing import Any, Protocol

import anyio
from rich.console import Console
from rich.live import Live

from lastseen.cli.watch_view import RECENT, Shown, picture
from lastseen.errors import LastseenError

TICK = 1.0
LOOK_EVERY = 2.0
"""Seconds between two looks at all machines: heartbeats are no changes, and are seen by this alone."""

UP, DOWN, PAGE_UP, PAGE_DOWN = ("\x1b[A", "k"), ("\x1b[B", "j"), ("\x1b[5~",), ("\x1b[6~", " ")


_KEYS = re.compile(r"\x1b\[[0-9;]*[A-Za-z~]|.", re.DOTALL)


class Watched(Protocol):
    """What is looked at: here a database, and whatever else says the same."""

    def now(self) -> datetime: ...

    async def board(self) -> Mapping[str, Any]:
        """`watching.board`."""

    def changes(self) -> AbstractAsyncContextManager[AsyncIterator[Mapping[str, Any]]]:
        """`watching.changes`."""


class Screen:
    def __init__(self, watched: Watched, console: Console) -> None:
        self._watched, self._console = watched, console
        self._board: Mapping[str, Any] | None = None
        self._recent: deque[Mapping[str, Any]] = deque(maxlen=RECENT)
        self._top, self._trouble = 0, ""
        self._stir, self._look_now = asyncio.Event(), asyncio.Event()
        self._ended = False

    async def run(self) -> None:
        """Until somebody ends it."""
        self._board = await self._watched.board()  # what is wrong from the start is told like any other error
        with (
            keys(self._pressed),
            resized(self._stir.set),
            Live(console=self._console, screen=True, auto_refresh=False) as live,
        ):
            async with anyio.create_task_group() as group:
                group.start_soon(self._follow)
                group.start_soon(self._look)
                while not self._ended:
                    self._draw(live)
                    self._stir.clear()
                    with anyio.move_on_after(TICK):
                        await self._stir.wait()
                group.cancel_scope.cancel()

    def _draw(self, live: Live) -> None:
        width, height = self._console.size
        board = self._board or {"counts": {}, "machines": []}
        self._top = max(min(self._top, len(board["machines"]) - 1), 0)
        shown = Shown(board, self._watched.now(), tuple(self._recent), self._top, self._trouble)
        live.update(picture(shown, width, height), refresh=True)

    async def _look(self) -> None:
        while True:
            with anyio.move_on_after(LOOK_EVERY):
                await self._look_now.wait()
            self._look_now.clear()
            try:
                self._board, self._trouble = await self._watched.board(), ""
            except LastseenError as error:
                self._trouble = f"not up to date: {error}"
            self._stir.set()

    async def _follow(self) -> None:
        while True:
            with suppress(LastseenError):  # `_look` says so
                async with self._watched.changes() as changes:
                    async for change in changes:
                        self._recent.appendleft(change)
                        self._look_now.set()
            await asyncio.sleep(LOOK_EVERY)

    def _pressed(self, key: str) -> None:
        page = max(self._console.size.height - 10, 1)
        moves = {UP: -1, DOWN: 1, PAGE_UP: -page, PAGE_DOWN: page}
        self._top += sum(by for keys, by in moves.items() if key in keys)
        self._ended = self._ended or key in ("q", "Q", "\x03", "\x04")
        self._stir.set()


@contextmanager
def keys(pressed: Callable[[str], None]) -> Iterator[None]:
    """Each key as it is pressed, where somebody sits at a terminal that can say so."""
    try:
        import termios
        import tty

        fd = sys.stdin.fileno()
        before = termios.tcgetattr(fd)
    except (ImportError, OSError, ValueError, termios.error):
        yield
        return
    import os

    loop = asyncio.get_running_loop()
    tty.setcbreak(fd)

    def read() -> None:
        for key in _KEYS.findall(os.read(fd, 256).decode(errors="replace")) or ["q"]:  # nothing: nobody is there
            pressed(key)

    loop.add_reader(fd, read)
    try:
        yield
    finally:
        loop.remove_reader(fd)
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


@contextmanager
def resized(told: Callable[[], None]) -> Iterator[None]:
    number = getattr(signal, "SIGWINCH", None)
    if number is None:
        yield
        return
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(number, told)
    try:
        yield
    finally:
        loop.remove_signal_handler(number)
