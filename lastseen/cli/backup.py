"""`lastseen backup` and `lastseen restore`: everything in one file, and back."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lastseen.cli.output import Json, answer, local, print_json, rfc3339
from lastseen.cli.session import settings
from lastseen.errors import ConfigurationError

if TYPE_CHECKING:
    from lastseen.storage.archive import Manifest
    from lastseen.storage.filling import Progress
    from lastseen.storage.restore import Restored


def backup(
    file: Annotated[Path, typer.Argument(help="The file to write. There must be none of this name yet.")],
    without_key: Annotated[
        bool, typer.Option("--without-key", help="Leave out the key of the secrets, and keep it somewhere else.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Write everything into one file: the database as it is at one moment, and the key of its secrets.

    A server goes on meanwhile. Whoever has the file can read all secrets in it: only you may read it.
    """
    from lastseen.clock import SystemClock
    from lastseen.storage.backup import back_up, count_rows
    from lastseen.storage.snapshot import snapshot

    chosen = settings()
    _check_access(chosen.database)
    with snapshot(chosen.database) as (connection, revision), bar("Backup", count_rows, connection) as progress:
        now = SystemClock().wall()
        done = back_up(connection, revision, file, lambda: _keys(chosen, without_key), now, progress)
    facts = {"file": str(file), "bytes": done.size, **_facts(done.manifest)}
    if as_json:
        print_json(facts)
        return
    rows = sum(done.manifest.rows.values())
    typer.echo(f"{file}: {rows:,} rows, {done.size / 1e6:,.1f} MB, as of {local(done.manifest.taken_at)}")
    typer.echo(_about_keys(chosen, done.manifest, without_key))


def restore(
    file: Annotated[Path, typer.Argument(help="What `lastseen backup` wrote.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Take the place of what is there; it is kept beside it.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Only look whether the file is whole, and what it is.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Make the database that LASTSEEN_DATABASE_URL names from a backup. No server may run on it.

    The time since the backup counts as one in which nobody was heard: no machine is blamed for it. What waited to be
    told then is cancelled.
    """
    from lastseen.storage.archive import Archive

    with Archive(file) as archive:
        if check:
            about = archive.manifest
            text = f"{file} is whole: {sum(about.rows.values()):,} rows, as of {local(about.taken_at)}"
            answer(as_json, {"file": str(file), **_facts(about)}, text)
            return
        done = _restored(archive, replace)
    if as_json:
        print_json({"file": str(file), **_facts(archive.manifest), **_result(done)})
    else:
        _say(archive.manifest, done)


def _restored(archive: Any, replace: bool) -> Restored:
    from lastseen.clock import SystemClock
    from lastseen.datadir import check_folder, database_file, prepare_folder, serve_lock
    from lastseen.storage.restore import restore as bring_back

    chosen = settings()
    target = database_file(chosen.database)
    if target is None:
        return _restored_to_server(archive, replace)
    if target.parent == chosen.data_dir:
        prepare_folder(chosen.data_dir)
    elif not target.parent.is_dir():
        raise ConfigurationError(f"there is no folder {target.parent} to make the database in")
    check_folder(target.parent, target)
    with serve_lock(target), bar("Restore", sum, archive.manifest.rows.values()) as progress:
        now = SystemClock().wall()
        return bring_back(archive, target, now, key_text=_given_keys(chosen), replace=replace, progress=progress)


def _restored_to_server(archive: Any, replace: bool) -> Restored:
    from lastseen.cli.copying import key_file_of, name_of
    from lastseen.clock import SystemClock
    from lastseen.datadir import prepare_folder

    chosen = settings()
    name, given = name_of(chosen.database), _given_keys(chosen)  # says it where the driver is not installed
    from lastseen.storage.restore_postgres import restore as bring_back

    if given is None and archive.manifest.keys:
        prepare_folder(chosen.data_dir)
    with bar("Restore", sum, archive.manifest.rows.values()) as progress:
        return bring_back(
            *(archive, chosen.database, name, SystemClock().wall()),
            key_text=given,
            key_file=key_file_of(chosen.database),
            replace=replace,
            progress=progress,
        )


def _given_keys(chosen: Any) -> str | None:
    given: str | None = None if chosen.secret_key is None else chosen.secret_key.get_secret_value()
    return given


def _check_access(url: str) -> None:
    """Reading a database leaves files beside it, too."""
    from lastseen.datadir import check_folder, database_file

    file = database_file(url)
    if file is not None:
        check_folder(file.parent, file)


def _keys(chosen: Any, without: bool) -> str | None:
    """Those in the key file. What is given by LASTSEEN_SECRET_KEY is kept where that is kept."""
    from lastseen.cli.copying import key_file_of

    if without or chosen.secret_key is not None:
        return None
    try:
        return key_file_of(chosen.database).read_text()
    except FileNotFoundError:
        return None


def _facts(about: Manifest) -> dict[str, Any]:
    return {
        "version": about.version,
        "revision": about.revision,
        "taken_at": rfc3339(about.taken_at),
        "keys": about.keys,
        "rows": about.rows,
    }


def _result(done: Restored) -> dict[str, Any]:
    return {
        "database": done.database,
        "schema": done.revision,
        "cancelled": done.cancelled,
        "locked": done.locked,
        "before": done.before,
    }


def _about_keys(chosen: Any, about: Manifest, without: bool) -> str:
    if about.keys:
        return "The key of the secrets is in it: keep it where only you can read it."
    if chosen.secret_key is not None:
        return "The key of the secrets is not in it: it is the one in LASTSEEN_SECRET_KEY."
    return "The key of the secrets is not in it." if without else "There is no key yet: nothing is encrypted."


def _say(about: Manifest, done: Restored) -> None:
    machines, channels = about.rows.get("machines", 0), about.rows.get("channels", 0)
    typer.echo(
        f"{done.database}: {done.rows:,} rows as of {local(about.taken_at)} ({machines} machines, {channels} channels)"
    )
    if done.revision != about.revision:
        typer.echo(f"Its schema was brought up to date: {about.revision} → {done.revision}")
    if done.cancelled:
        typer.echo(f"{done.cancelled} notifications that waited then are cancelled: restored")
    if done.locked:
        typer.echo(f"{done.locked} secrets cannot be read: the key that encrypted them is not here", err=True)
    if done.before is not None:
        typer.echo(f"What was there before: {done.before}")
    typer.echo("Nobody is blamed for the time since: it counts as one in which nobody could be heard.")


@contextmanager
def bar(label: str, count: Any, what: Any) -> Iterator[Progress | None]:
    """A progress bar on standard error, where a person looks at that."""
    if not sys.stderr.isatty():
        yield None
        return
    with typer.progressbar(length=count(what), label=label, file=sys.stderr) as bar:
        yield lambda _, rows: bar.update(rows)
