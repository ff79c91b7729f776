"""SQLite: one writer thread and a few readers that never wait for it.

Write transactions begin by polling `BEGIN IMMEDIATE`: SQLite's own busy handler backs off so far that a process beside
a busy writer starves.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Connection, Engine, NullPool, create_engine, event

from lastseen import counters
from lastseen.clock import SystemClock, rest
from lastseen.errors import ConfigurationError, StoreUnavailable
from lastseen.storage.schema import is_current
from lastseen.storage.translate import translated, translating
from lastseen.storage.visitors import is_visit
from lastseen.storage.witness import Keep, forget, told
from lastseen.storage.workers import Work, Workers

if TYPE_CHECKING:
    from lastseen.storage.secrets import SecretBox
    from lastseen.storage.sql import SqlStore

T = TypeVar("T")

_monotonic = SystemClock().monotonic
READERS, VISITORS = 3, 2
TOGETHER = 64
"""Writes that may share one commit."""

POLL = 0.0005
"""Seconds between two tries to become the one who writes."""

PATIENCE = 30.0
"""Seconds until that is given up."""

WRITER = {
    "page_size": "1024",  # of a new file. A batch touches about one page a machine: small ones are fewer bytes to log
    "journal_mode": "WAL",
    "synchronous": "FULL",
    "foreign_keys": "ON",
    "cache_size": "-65536",  # KiB: the narrow table of a big fleet stays in memory
    "wal_autocheckpoint": "40000",  # pages, 40 MB: many updates of one page are written back once
    "temp_store": "MEMORY",
}
WRITE, READ = "BEGIN IMMEDIATE", "BEGIN"
READER = {"query_only": "ON", "cache_size": "-2048"}


def open_sqlite(url: str, *, migrate: str = "auto", secrets: SecretBox | None = None) -> SqlStore:
    """The store in the file of `sqlite:///relative/path` or `sqlite:////absolute/path`. Nothing is opened yet.

    `migrate`: "auto" makes and upgrades the database when it is opened; "check" only looks whether it fits.
    """
    from lastseen.storage.secrets import SecretBox
    from lastseen.storage.sql import SqlStore

    path = sqlite_path(url)
    box = secrets or SecretBox.beside(path)
    return SqlStore(SqliteDatabase(path, migrate), box)


def sqlite_path(url: str) -> Path:
    """The file that a `sqlite:` URL names."""
    rest = url.removeprefix("sqlite:")
    path = rest[3:] if rest.startswith("///") else rest
    if not path or path.startswith(("//", ":memory:")) or "?" in path:
        raise ConfigurationError(
            f"{url!r} names no file: write sqlite:///relative/path or sqlite:////absolute/path, or memory: for a store "
            "without a file"
        )
    return Path(path).expanduser()


class SqliteDatabase:
    """The file, its threads, and what is special to SQLite about them."""

    def __init__(self, path: Path, migrate: str = "auto") -> None:
        if migrate not in ("auto", "check"):
            raise ConfigurationError(f'migrate must be "auto" or "check", not {migrate!r}')
        self.path, self._migrate = path, migrate
        self.on_rollback: Callable[[], None] = lambda: None
        self.keep_deeds: Keep = forget
        self._writer: Workers | None = None
        self._readers: Workers | None = None
        self._visitors: Workers | None = None

    async def open(self) -> None:
        if self._writer is not None:
            return
        await asyncio.to_thread(self._prepare)
        self._writer = Workers("writer", 1, self._session, polite=True, together=TOGETHER)
        self._readers = Workers("reader", READERS, self._reading)
        self._visitors = Workers("visitor", VISITORS, self._reading)

    def _prepare(self) -> None:
        if self._is_current():
            return
        from lastseen.storage import upgrade  # with Alembic: for what has to be done, or refused

        (upgrade.upgrade if self._migrate == "auto" else upgrade.check)(self.path)

    def _is_current(self) -> bool:
        if not self.path.exists():
            return False
        with translating(), self._engine.connect() as connection, connection.begin():
            return is_current(connection, self.path)

    @property
    def file(self) -> Path:
        return self.path

    @cached_property
    def _engine(self) -> Engine:
        """Of all who read: what one of them has compiled is there for the others."""
        return reader_engine(self.path)

    def _reading(self) -> SqliteSession:
        return SqliteSession(self.path, self._engine, READ)

    def _session(self) -> SqliteSession:
        return SqliteSession(self.path, writer_engine(self.path), WRITE, self.on_rollback)

    async def close(self) -> None:
        everybody = self._readers, self._visitors, self._writer
        self._readers = self._visitors = self._writer = None
        for workers in everybody:  # the writer last: it is the one that checkpoints
            if workers is not None:
                await workers.close()

    async def write(self, work: Work[T]) -> T:
        return await told(work, self._running(self._writer).run, self.keep_deeds)

    async def write_beside(self, work: Work[T]) -> T:
        return await self._running(self._writer).run(work)

    record = write_beside  # there is one writer at a time
    sender = ""

    async def hints(self, hinted: Callable[[], None]) -> None:
        """Nobody tells: processes on one file look now and then."""

    async def read(self, work: Work[T]) -> T:
        """Sees one state of the database throughout, at least as new as the last write that returned."""
        return await self._running(self._visitors if is_visit() else self._readers).run(work)

    async def sizes(self) -> dict[str, int]:
        """Bytes of the file, and of its write-ahead log."""
        files = {"database": self.path, "wal": self.path.with_name(f"{self.path.name}-wal")}
        return {kind: file.stat().st_size for kind, file in files.items() if file.exists()}

    def _running(self, workers: Workers | None) -> Workers:
        if workers is None:
            raise StoreUnavailable("the store is not open")
        return workers


class SqliteSession:
    """One thread's connection. A file that is deleted or replaced under it is found out before it is used again: what
    is written into a file without a name is lost."""

    def __init__(self, path: Path, engine: Engine, begin: str, on_rollback: Callable[[], None] = lambda: None) -> None:
        self._path, self._engine, self._begin, self._on_rollback = path, engine, begin, on_rollback
        self._connection: Connection | None = None
        self._file: tuple[int, int] | None = None

    def run(self, work: Work[T]) -> T:
        try:
            if self._connection is not None and _identity(self._path) != self._file:
                self.close()
                self._on_rollback()
            if self._connection is None:
                self._file = _identity(self._path)
                self._connection = self._engine.connect()
            return self._in_transaction(self._connection, work)
        except Exception as error:
            self._on_rollback()
            ours = translated(error)
            if ours is None:
                raise
            if isinstance(ours, StoreUnavailable):
                counters.STORE_ERRORS.inc("write" if self._begin == WRITE else "read")
            self.close()  # whatever state it is in: the next transaction has a connection without a past
            raise ours from error

    def _in_transaction(self, connection: Connection, work: Work[T]) -> T:
        """Begun and ended on the driver's own connection: SQLAlchemy's part in it would cost as much as a batch of
        heartbeats. Where the work uses SQLAlchemy, that joins the transaction it finds."""
        raw: Any = connection.connection.dbapi_connection
        patiently(raw.execute, self._begin)
        try:
            result = work(connection)
            if connection.in_transaction():
                connection.commit()
            else:
                raw.execute("COMMIT")
        except BaseException:
            if connection.in_transaction():
                connection.rollback()
            elif raw.in_transaction:
                raw.execute("ROLLBACK")
            raise
        return result

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except (sqlite3.Error, OSError):
                connection.invalidate()


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file that is; None: there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def writer_engine(path: Path, pragmas: dict[str, str] = WRITER) -> Engine:
    return _engine(path, pragmas, WRITE)


def reader_engine(path: Path) -> Engine:
    return _engine(path, READER, READ)


def _engine(path: Path, pragmas: dict[str, str], begin: str) -> Engine:
    def connect() -> sqlite3.Connection:
        uri = f"{path.absolute().as_uri()}?mode=rw"  # never makes a file: only an upgrade does
        connection = sqlite3.connect(uri, uri=True, timeout=0, isolation_level=None, check_same_thread=False)
        try:
            for name, value in pragmas.items():
                patiently(connection.execute, f"PRAGMA {name}={value}")
        except BaseException:
            connection.close()
            raise
        return connection

    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool, hide_parameters=True)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        raw: Any = connection.connection.dbapi_connection
        if not raw.in_transaction:
            patiently(raw.execute, begin)

    return engine


def patiently(step: Callable[..., T], *args: Any) -> T:
    """Do it as soon as no other connection stands in the way; the last refusal is raised after PATIENCE seconds."""
    give_up: float | None = None
    while True:
        try:
            return step(*args)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise
            give_up = give_up or _monotonic() + PATIENCE
            if _monotonic() > give_up:
                raise
        rest(POLL)
