"""`lastseen watch`: how everything stands, live in a terminal."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lastseen.cli.options import group_typed
from lastseen.cli.output import print_json
from lastseen.cli.session import do, run
from lastseen.cli.where import There, remote, there
from lastseen.clock import SystemClock
from lastseen.errors import InvalidInput

if TYPE_CHECKING:
    from lastseen.cli.watch_screen import Watched
    from lastseen.client.remote import Remote
    from lastseen.manage.office import Office

TIMEOUT = 10.0
"""Seconds for an answer of a server: whoever looks on is to see soon that it is away."""

Lines = Annotated[
    bool, typer.Option("--json", help="Print each change as a line of JSON; with --once, how all stands as one value.")
]


def watch(
    group: Annotated[
        str | None, typer.Option(help="Only machines of this group.", callback=group_typed, show_default=False)
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Print how all stands, and end.")] = False,
    as_json: Lines = False,
) -> None:
    """Watch all machines live, what is wrong first. q ends it."""

    drawn = not as_json and not once and sys.stdout.isatty() and sys.stdin.isatty()

    async def look(watched: Watched) -> None:
        if group is not None and not sum((await watched.board())["counts"].values()):
            raise InvalidInput(f"no machine is in it: {group!r}", "--group")
        if drawn:
            await _show(watched)
        elif as_json:
            await (_as_json(watched) if once else _lines(watched))
        else:
            await _print(watched)

    chosen = there()
    try:
        if chosen is None:
            do(lambda office: look(Here(office, group)))
        else:
            run(_from_there, chosen, group, look, drawn)
    except KeyboardInterrupt:
        return  # how it is ended where there are no keys
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # whoever read it has gone: nothing is wrong


class Here:
    """What is watched where the database is."""

    def __init__(self, office: Office, group: str | None) -> None:
        self._office, self._group = office, group

    def now(self) -> datetime:
        return self._office.monitor.clock.now()

    async def board(self) -> Mapping[str, Any]:
        from lastseen.manage import watching

        return await watching.board(self._office, self._group)

    def changes(self) -> AbstractAsyncContextManager[AsyncIterator[Mapping[str, Any]]]:
        from lastseen.manage import watching

        return watching.changes(self._office, self._group)


class Elsewhere:
    """What is watched by a server: times are by its clock."""

    def __init__(self, server: Remote, group: str | None) -> None:
        self._server, self._group, self._ahead = server, group, timedelta()

    def now(self) -> datetime:
        return SystemClock().now() + self._ahead

    async def board(self) -> Mapping[str, Any]:
        from lastseen.client.verbs import watching

        found = await watching.board(self._server, self._group)
        self._ahead = datetime.fromisoformat(found["at"]) - SystemClock().now()
        return found

    def changes(self) -> AbstractAsyncContextManager[AsyncIterator[Mapping[str, Any]]]:
        from lastseen.client.verbs import watching

        return watching.changes(self._server, self._group)


async def _from_there(
    chosen: There, group: str | None, look: Callable[[Watched], Awaitable[None]], drawn: bool
) -> None:
    """What is drawn says by itself that the server is away."""
    async with remote(chosen, timeout=TIMEOUT, warn=(lambda text: None) if drawn else _warn) as server:
        await look(Elsewhere(server, group))


def _warn(text: str) -> None:
    typer.echo(f"lastseen: {text}", err=True)


async def _as_json(watched: Watched) -> None:
    print_json(await watched.board())


async def _lines(watched: Watched) -> None:
    async with watched.changes() as changes:
        async for change in changes:
            sys.stdout.write(json.dumps(change, ensure_ascii=False) + "\n")
            sys.stdout.flush()


async def _print(watched: Watched) -> None:
    from rich.console import Console

    from lastseen.cli.watch_view import Shown, table

    board = await watched.board()
    console = Console(width=None if sys.stdout.isatty() else 400)
    console.print(table(Shown(board, watched.now()), console.width))


async def _show(watched: Watched) -> None:
    from rich.console import Console

    from lastseen.cli.watch_screen import Screen

    await Screen(watched, Console()).run()
