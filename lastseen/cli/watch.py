"""`lastseen watch`: how everything stands, live in a terminal."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lastseen.cli.output import print_json
from lastseen.cli.session import do

if TYPE_CHECKING:
    from lastseen.manage.office import Office

Lines = Annotated[
    bool, typer.Option("--json", help="Print each change as a line of JSON; with --once, how all stands as one value.")
]


def watch(
    group: Annotated[str | None, typer.Option(help="Only machines of this group.", show_default=False)] = None,
    once: Annotated[bool, typer.Option("--once", help="Print how all stands, and end.")] = False,
    as_json: Lines = False,
) -> None:
    """Watch all machines live, what is wrong first. q ends it."""

    async def look(office: Office) -> None:
        here = Here(office, group)
        if as_json:
            await (_as_json(here) if once else _lines(here))
        elif once or not (sys.stdout.isatty() and sys.stdin.isatty()):
            await _print(here)
        else:
            await _show(here)

    try:
        do(look)
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


async def _as_json(here: Here) -> None:
    print_json(await here.board())


async def _lines(here: Here) -> None:
    async with here.changes() as changes:
        async for change in changes:
            sys.stdout.write(json.dumps(change, ensure_ascii=False) + "\n")
            sys.stdout.flush()


async def _print(here: Here) -> None:
    from rich.console import Console

    from lastseen.cli.watch_view import Shown, table

    board = await here.board()
    console = Console(width=None if sys.stdout.isatty() else 400)
    console.print(table(Shown(board, here.now()), console.width))


async def _show(here: Here) -> None:
    from rich.console import Console

    from lastseen.cli.watch_screen import Screen

    await Screen(here, Console()).run()
