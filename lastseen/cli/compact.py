"""`lastseen db compact`: the room of deleted rows goes back to the disk."""

from __future__ import annotations

import typer

from lastseen.cli.output import Json, print_json
from lastseen.cli.session import settings
from lastseen.errors import ConfigurationError


def compact(as_json: Json = False) -> None:
    """Give the room of deleted rows back to the disk. No server may run, and twice the file's size must be free.

    Without it the file does not shrink, and new rows take that room.
    """
    from lastseen.datadir import check_folder, database_file, serve_lock
    from lastseen.storage.compact import compact as write_anew

    file = database_file(settings().database)
    if file is None:
        raise ConfigurationError("a database server gives room back by itself (PostgreSQL: autovacuum)")
    check_folder(file.parent, file)
    with serve_lock(file):
        before, after = write_anew(file)
    if as_json:
        print_json({"database": str(file), "before": before, "after": after})
    else:
        typer.echo(f"{file}: {before / 1e6:,.1f} MB → {after / 1e6:,.1f} MB")
