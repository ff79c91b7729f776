"""What spares time in the tests and changes nothing that they look at."""

from __future__ import annotations

import gc
import os
import sqlite3
import ssl
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import certifi
from alembic import command
from httpx._config import create_ssl_context
from httpx._transports import default
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from sqlalchemy import Connection, Engine, create_engine, event

from lastseen.manage import passwords
from lastseen.storage import postgres, sqlite, tables_io, upgrade

END = "-----END CERTIFICATE-----\n"


def trust_few() -> Callable[[], None]:
    """Every client that is made reads all the authorities of the public Internet, 150 of them, and no test goes there:
    here it reads one. Whoever needs another names its file. To be called at the end: it removes that file."""
    file = tempfile.NamedTemporaryFile("w", suffix=".pem")  # noqa: SIM115  (open until the tests are over)
    file.write(Path(certifi.where()).read_text().partition(END)[0] + END)
    file.flush()
    certifi.where = lambda: file.name
    return file.close


def share_contexts() -> None:
    """Every client makes a context for TLS, also those that never use one, which takes ten milliseconds: here those
    that are all alike are one."""

    @cache
    def alike(verify: bool, trust_env: bool, *_: str | None) -> ssl.SSLContext:
        return create_ssl_context(verify, None, trust_env)

    def context(verify: Any = True, cert: Any = None, trust_env: bool = True) -> ssl.SSLContext:
        if not isinstance(verify, bool) or cert is not None:
            return create_ssl_context(verify, cert, trust_env)
        named = (os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR")) if trust_env else None
        return alike(verify, trust_env, named or certifi.where(), os.environ.get("SSLKEYLOGFILE"))

    default.create_ssl_context = context  # type: ignore[attr-defined]


def collect_less() -> None:
    """As the server does: what is there from the beginning, here all the tests, stays, and is not looked at again each
    time garbage is collected, which otherwise takes a fifth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


def hash_lightly() -> None:
    """Passwords are hashed as in the product, with next to nothing to do; one test looks at how much that is."""
    hasher = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1),))
    nobodys = hasher.hash("nobody's")
    passwords._hasher, passwords._nobodys = (lambda: hasher), (lambda: nobodys)  # type: ignore[assignment]


def migrate_once() -> None:
    """Every migration, one after the other, takes longer than many a test: a new SQLite database is given what they
    led to the first time. Transactions, checks and what is there already go the way of any upgrade."""
    upgrade.command = SimpleNamespace(upgrade=_as_before)  # type: ignore[assignment]


@contextmanager
def all_migrations() -> Iterator[None]:
    """One by one, for tests of the migrations themselves."""
    before = upgrade.command
    upgrade.command = command
    try:
        yield
    finally:
        upgrade.command = before


def compile_once() -> None:
    """Every store that is opened asks what its database can do, and compiles each of its statements, for each of its
    threads: here what the first has found out, and what any has compiled, is there for all of this process."""
    for each in (postgres, sqlite):
        each.create_engine = partial(_engine, {}, {})  # type: ignore[attr-defined]


def _engine(known: dict[str, Engine], compiled: dict[Any, Any], url: str, *, creator: Any, **given: Any) -> Engine:
    first = known.get(url)
    if first is None:
        made = create_engine(url, creator=creator, execution_options={"compiled_cache": compiled}, **given)
        event.listen(made, "connect", lambda *_: known.setdefault(url, made))  # after it has asked
        return made
    pool = first.pool.recreate()
    pool._creator = creator
    hide = first.hide_parameters
    return Engine(pool, first.dialect, first.url, hide_parameters=hide, execution_options={"compiled_cache": compiled})


def look_once() -> None:
    """Backups, restores and copies find out from the database what its tables are, statement by statement: those that
    are made alike are looked at once."""
    look, known = tables_io.shapes, dict[Any, list[tables_io.Shape]]()

    def shapes(connection: Connection) -> list[tables_io.Shape]:
        made = _MADE_SO[connection.dialect.name]
        key = tuple(tuple(map(tuple, connection.exec_driver_sql(statement))) for statement in made)
        if key not in known:
            known[key] = look(connection)
        return list(known[key])

    tables_io.shapes = shapes


_MADE_SO = {
    "sqlite": ("SELECT name, sql FROM sqlite_master ORDER BY name",),
    "postgresql": (
        "SELECT relname, relkind::text, attnum, attname, atttypid::int, atttypmod "
        "FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid "
        "WHERE relnamespace = current_schema()::regnamespace AND attnum > 0 ORDER BY relname, attnum",
        "SELECT one.relname, contype::text, conkey::text, other.relname, confkey::text "
        "FROM pg_constraint JOIN pg_class one ON one.oid = conrelid LEFT JOIN pg_class other ON other.oid = confrelid "
        "WHERE connamespace = current_schema()::regnamespace ORDER BY 1, 2, 3, 4, 5",
    ),
}
"""All that the shapes of tables are read from."""


def _as_before(config: Any, revision: str) -> None:
    connection = config.attributes["connection"]
    folders = config.get_main_option("version_locations")
    usual = upgrade.alembic_config(None).get_main_option("version_locations")
    empty = connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar() == 0
    if empty and folders == usual and revision == upgrade.head():
        for statement in _statements():
            connection.exec_driver_sql(statement)
    else:
        command.upgrade(config, revision)


@cache
def _statements() -> list[str]:
    """What makes a database that is like a migrated one."""
    with tempfile.TemporaryDirectory() as folder, all_migrations():
        path = Path(folder) / "new.db"
        upgrade.upgrade(path)
        connection = sqlite3.connect(path)
        try:
            return [each for each in connection.iterdump() if each not in ("BEGIN TRANSACTION;", "COMMIT;")]
        finally:
            connection.close()
