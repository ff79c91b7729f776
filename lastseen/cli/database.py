"""`lastseen db`: the database and its schema."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from lastseen.cli import compact, copying
from lastseen.cli.output import Json, answer, print_json
from lastseen.cli.session import note, office, run, session, settings
from lastseen.errors import ConfigurationError

if TYPE_CHECKING:
    from lastseen.storage.secrets import Rotated

app = typer.Typer(help="The database: make it, upgrade it, check it, move it.", no_args_is_help=True)
app.command("copy")(copying.copy)
app.command("reopen")(copying.reopen)
app.command("compact")(compact.compact)


def _target() -> tuple[Path | str, str]:
    """The database's file, or the address of its server; and what it is called where others may read it."""
    from lastseen.datadir import database_file
    from lastseen.storage.upgrade import SERVERS

    url = settings().database
    file = database_file(url)
    if file is not None:
        return file.expanduser(), str(file.expanduser())
    if not url.startswith(SERVERS):
        raise ConfigurationError(
            "LASTSEEN_DATABASE_URL names no database: write sqlite:///path/to/lastseen.db or postgresql://host/name"
        )
    return url, "the database server"


@app.command()
def upgrade(as_json: Json = False) -> None:
    """Make the database, or bring it up to date. A copy of a database file is made first."""
    from lastseen.datadir import check_folder, prepare_folder
    from lastseen.storage.upgrade import upgrade as bring_up

    target, name = _target()
    if isinstance(target, Path):
        folder = settings().data_dir
        if target.parent == folder:
            prepare_folder(folder)
        elif not target.parent.is_dir():
            raise ConfigurationError(f"there is no folder {target.parent} to make the database in")
        check_folder(target.parent, target)
    done = bring_up(target)
    if done.before not in (None, done.after):
        note("db.upgrade", {"from": done.before, "to": done.after})
    if as_json:
        print_json({"database": name, "before": done.before, "after": done.after, "copy": _text(done.copy)})
    elif done.before == done.after:
        typer.echo(f"{name} is up to date ({done.after})")
    else:
        typer.echo(f"{name}: {done.before or 'new'} → {done.after}")
        if done.copy is not None:
            typer.echo(f"The file as it was: {done.copy}")


@app.command()
def current(as_json: Json = False) -> None:
    """Print the database's schema revision."""
    from lastseen.storage.upgrade import current as revision_of

    target, name = _target()
    revision = revision_of(target)
    answer(as_json, {"database": name, "revision": revision}, revision or "none")


@app.command()
def check(as_json: Json = False) -> None:
    """Exit with 0 when this program can use the database as it is."""
    from lastseen.storage.upgrade import check as checked

    target, name = _target()
    revision = checked(target)
    answer(as_json, {"database": name, "revision": revision, "ok": True}, f"{name} fits ({revision})")


@app.command("rotate-key")
def rotate_key(as_json: Json = False) -> None:
    """Encrypt all secrets with a new key: with one that is made now, or with the first of LASTSEEN_SECRET_KEY.

    A server that uses the key file goes on meanwhile. One that is given LASTSEEN_SECRET_KEY must know the first key
    before this is run.
    """
    done = run(_rotated)
    if as_json:
        facts = {"place": done.place, "secrets": done.secrets, "keys": list(done.used), "dropped": done.dropped}
        print_json(facts)
        return
    typer.echo(f"{done.secrets} secrets are encrypted with the first key of {done.place}")
    if done.dropped:
        typer.echo(f"Older keys that are gone from there: {done.dropped}. Backups made before need them.")
    elif len(done.used) == 1:
        typer.echo(
            "It is the only one. To replace it, write a new key before it, with a comma between, and run this again"
        )
    else:
        for number, count in enumerate(done.used, 1):
            typer.echo(f"  key {number}: {count} secrets were encrypted with it")
        typer.echo("The keys after the first may now be removed from the setting. Backups made before need them.")


async def _rotated() -> Rotated:
    from lastseen.storage.beside import alone
    from lastseen.storage.sql import SqlStore

    async with session() as monitor:
        store = alone(monitor.store)
        if not isinstance(store, SqlStore):
            raise ConfigurationError("this store encrypts nothing: there is no key to replace")
        return await office(monitor).do(store.rotate_secrets(), "db.rotate-key", "database")


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
