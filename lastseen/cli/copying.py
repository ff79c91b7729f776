"""`lastseen db copy` and `lastseen db reopen`: moving to another database."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lastseen.cli.output import Json, answer, print_json
from lastseen.cli.session import settings
from lastseen.errors import ConfigurationError

if TYPE_CHECKING:
    from lastseen.storage.copying import Copied

Url = Annotated[str, typer.Argument(help="A database: sqlite:///path/to/lastseen.db or postgresql://user@host/name.")]


def copy(source: Url, target: Url, as_json: Json = False) -> None:
    """Copy everything from one database into another, empty one, and move there. No server may run on either.

    What was cut off goes on where it was when the same command is run again. What was written is read again and
    compared. Afterwards the old database refuses to serve: two that serve would alert twice.
    """
    from lastseen.cli.backup import bar
    from lastseen.clock import SystemClock
    from lastseen.datadir import database_file, serve_lock
    from lastseen.storage import copying

    names = name_of(source), name_of(target)
    with ExitStack() as stack:
        files = [database_file(url) for url in (source, target)]
        if files[0] is not None and not files[0].exists():
            raise ConfigurationError(f"there is no database at {files[0]}")
        if files[1] is not None:
            from lastseen.storage.upgrade import created

            stack.enter_context(created(files[1]))
        for file in files:
            stack.enter_context(serve_lock(file))
        progress = stack.enter_context(bar("Copy", lambda url: _rows(url), source))
        done = copying.copy(source, target, names, SystemClock().wall(), progress)
    kept = _keep_keys(source, target)
    if as_json:
        facts = {"source": names[0], "target": names[1], "rows": dict(done.rows), "written": done.written}
        print_json({**facts, "key_file": None if kept is None else str(kept)})
    else:
        _say(done, names, kept)


def _keep_keys(source: str, target: str) -> Path | None:
    """Put the key of the secrets where one node looks for it beside the new database, unless there is one. Its place;
    None: there is none to keep, or it is given by LASTSEEN_SECRET_KEY."""
    from lastseen.datadir import prepare_folder
    from lastseen.storage.secrets import parse_keys, write_keys

    keys, place, folder = key_file_of(source), key_file_of(target), settings().data_dir
    if settings().secret_key is not None or not keys.exists():
        return None
    if not place.exists():
        if place.parent == folder:
            prepare_folder(folder)
        write_keys(place, parse_keys(keys.read_text()))
    return place


def key_file_of(url: str) -> Path:
    from lastseen.compose import SERVER_KEY
    from lastseen.datadir import database_file
    from lastseen.storage.secrets import key_file

    file = database_file(url)
    place: Path = settings().data_dir / SERVER_KEY if file is None else key_file(file)
    return place


def reopen(database: Url, as_json: Json = False) -> None:
    """Take back that a database was moved elsewhere, so that it may be served again."""
    from lastseen.clock import SystemClock
    from lastseen.storage import copying

    said = copying.reopen(database, SystemClock().wall())
    name = name_of(database)
    text = f"{name} was {said}; it may be served again" if said else f"{name} was not moved anywhere"
    answer(as_json, {"database": name, "was": said}, text)


def _rows(url: str) -> int:
    from lastseen.storage import copying

    return copying.count(url)


def _say(done: Copied, names: tuple[str, str], kept: Path | None) -> None:
    if not done.rows:
        typer.echo(f"{names[1]} was whole already; {names[0]} now says that it was moved")
    else:
        again = " (begun by an earlier run)" if done.resumed else ""
        typer.echo(f"{names[0]} → {names[1]}: {done.total:,} rows, read again and equal{again}")
    typer.echo("The old database refuses to serve from now on. Set LASTSEEN_DATABASE_URL to the new one.")
    if kept is not None:
        typer.echo(f"The key of its secrets is in {kept}. Where there are several nodes: LASTSEEN_SECRET_KEY for each.")


def name_of(url: str) -> str:
    """What it is called where others may read it: no password."""
    from lastseen.datadir import database_file
    from lastseen.storage.upgrade import SERVERS

    file = database_file(url)
    if file is not None:
        return str(file)
    if not url.startswith(SERVERS):
        raise ConfigurationError("write a database as sqlite:///path/to/lastseen.db or postgresql://host/name")
    from lastseen.storage.postgres import place

    return place(url)
