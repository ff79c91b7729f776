"""PostgreSQL 15 or newer: threads with a connection each, as for SQLite, and many writers at once.

Three kinds of transactions, each with threads of its own. A batch of heartbeats locks the rows it touches. Ordinary
work (settling, taking, finishing, leases, marks) goes on beside all others of its kind, on any number of nodes, by row
locks. What people change is done alone: it waits for the work under way and holds up what comes, which makes it as
simple as with SQLite's one writer. A lock that the server keeps for us tells the two apart (`pg_advisory_xact_lock`).
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Connection, Engine, NullPool, create_engine

from lastseen import counters
from lastseen.errors import ConfigurationError, StoreUnavailable
from lastseen.storage.dialect_postgres import HINTS, hint
from lastseen.storage.schema import is_current
from lastseen.storage.translate import translated, translating
from lastseen.storage.visitors import is_visit
from lastseen.storage.witness import Keep, forget, told
from lastseen.storage.workers import Work, Workers

if TYPE_CHECKING:
    import psycopg

    from lastseen.storage.secrets import SecretBox
    from lastseen.storage.sql import SqlStore

T = TypeVar("T")

OLDEST = 150000
"""The oldest server, as libpq counts versions."""

READERS, VISITORS, RECORDERS, OTHERS = 3, 2, 2, 3
TOGETHER = 16
"""Pieces of ordinary work that may share one commit."""

AGAIN = ("40P01", "40001")
"""Deadlock, serialization failure: nothing of the transaction happened, and it may be done again."""

TRIES = 8

RULES = 0x6C617374
"""The number of the lock: shared by ordinary work, held alone by what changes the rules."""

ALONE, SHARED = f"pg_advisory_xact_lock({RULES})", f"pg_advisory_xact_lock_shared({RULES})"

HELD = "15s"
"""How long a node that stands still in the middle of a transaction (its computer was stopped, or is gone) may keep the
others from what it has locked. Shorter than they wait for a lock, and than a lane's lease."""

PLACE = "the database"
"""How errors call it: its address may have a password in it."""

CONNECT_TIMEOUT = 10
UNHEARD = 15.0
"""Seconds after which a connection is lost on which nothing of ours arrives: packets that are dropped without a word
are else sent again at ever longer intervals, and it stands still for as long again when the line is back."""

LISTEN_AGAIN = 2.0
"""Seconds until it is tried again to hear what other processes tell."""

SETTINGS = {
    "TimeZone": "UTC",
    "DateStyle": "ISO",  # the driver reads no other
    "client_encoding": "UTF8",
    "default_transaction_isolation": "read committed",  # what is read after a lock is as it is then
    "statement_timeout": "60s",
    "lock_timeout": "30s",
    "idle_in_transaction_session_timeout": "60s",
    "plan_cache_mode": "auto",
}


def open_postgres(url: str, *, migrate: str = "auto", secrets: SecretBox | None = None) -> SqlStore:
    """The store in the database of `postgresql://user:password@host/name`, or any other address that libpq knows.
    Nothing is opened yet.

    `migrate`: "auto" makes and upgrades the tables when it is opened; "check" only looks whether they fit. `secrets`:
    what encrypts the secrets of channels; every process on this database needs the same key. Without it, whatever has
    a secret is refused. Raises ConfigurationError.
    """
    from lastseen.storage.secrets import SecretBox
    from lastseen.storage.sql import SqlStore

    return SqlStore(PostgresDatabase(url, migrate), secrets or SecretBox(key_text=""))


class PostgresDatabase:
    """The database, its threads, and what is special to PostgreSQL about them."""

    def __init__(self, url: str, migrate: str = "auto") -> None:
        if migrate not in ("auto", "check"):
            raise ConfigurationError(f'migrate must be "auto" or "check", not {migrate!r}')
        self._url, self._migrate = dsn(url), migrate
        self.on_rollback: Callable[[], None] = lambda: None
        self.keep_deeds: Keep = forget
        self._pools: dict[str, Workers] = {}
        self.sender = str(uuid.uuid4())
        self.held = HELD

    async def open(self) -> None:
        if self._pools:
            return
        await asyncio.to_thread(self._prepare)
        self._pools = {
            "read": Workers("reader", READERS, lambda: self._session(reading=True)),
            "visit": Workers("visitor", VISITORS, lambda: self._session(reading=True)),
            "alone": Workers("writer", 1, lambda: self._session(lock=ALONE)),
            "work": Workers("worker", OTHERS, lambda: self._session(lock=SHARED), together=TOGETHER),
            "record": Workers("recorder", RECORDERS, self._session),
        }

    def _prepare(self) -> None:
        with transaction(self._url) as connection:
            if is_current(connection, PLACE):
                return
        from lastseen.storage import upgrade_postgres  # with Alembic: for what has to be done, or refused

        (upgrade_postgres.upgrade if self._migrate == "auto" else upgrade_postgres.check)(self._url)

    def _session(self, *, reading: bool = False, lock: str | None = None) -> PostgresSession:
        return PostgresSession(self._engines[reading], lock, reading, self._undone)

    @cached_property
    def _engines(self) -> Mapping[bool, Engine]:
        """Of all who read, and of all others: what one of them has compiled is there for the rest."""
        held = {"idle_in_transaction_session_timeout": self.held}
        return {reading: engine(self._url, reading=reading, **held) for reading in (True, False)}

    def _undone(self) -> None:
        self.on_rollback()

    @property
    def file(self) -> Path | None:
        return None

    async def close(self) -> None:
        pools, self._pools = self._pools, {}
        for workers in pools.values():
            await workers.close()

    async def write(self, work: Work[T]) -> T:
        def hinting(connection: Connection) -> T:
            result = work(connection)
            hint(connection, self.sender)
            return result

        return await told(hinting, self._pool("alone").run, self.keep_deeds)

    async def write_beside(self, work: Work[T]) -> T:
        return await self._pool("work").run(work)

    async def record(self, work: Work[T]) -> T:
        return await self._pool("record").run(work)

    async def read(self, work: Work[T]) -> T:
        """Sees one state of the database throughout, at least as new as the last write that returned."""
        return await self._pool("visit" if is_visit() else "read").run(work)

    async def hints(self, hinted: Callable[[], None]) -> None:
        """On a connection of its own, which is made again when it is lost. It is only a hint that is missed."""
        driver = _driver()
        while True:
            try:
                async with await driver.AsyncConnection.connect(
                    **_parameters(self._url), autocommit=True
                ) as connection:
                    await connection.execute(f"LISTEN {HINTS}")
                    hinted()
                    async for notice in connection.notifies():
                        if notice.payload != self.sender:
                            hinted()
            except (driver.Error, OSError):
                await asyncio.sleep(LISTEN_AGAIN)

    async def sizes(self) -> Mapping[str, int]:
        """Bytes of the database."""
        return {"database": await self.read(_size)}

    def _pool(self, name: str) -> Workers:
        if name not in self._pools:
            raise StoreUnavailable("the store is not open")
        return self._pools[name]


def _size(connection: Connection) -> int:
    return int(connection.exec_driver_sql("SELECT pg_database_size(current_database())").scalar_one())


class InDoubt(StoreUnavailable):
    """The connection was lost while the transaction was being committed. Whoever asked knows whether to ask again."""


class PostgresSession:
    """One thread's connection. What the server ended is begun again on a new one, once; so is a deadlock's victim."""

    def __init__(
        self,
        engine: Engine,
        lock: str | None = None,
        reading: bool = False,
        on_rollback: Callable[[], None] = lambda: None,
    ) -> None:
        self._engine, self._lock, self._reading, self._on_rollback = engine, lock, reading, on_rollback
        self._connection: Connection | None = None

    def run(self, work: Work[T]) -> T:
        """Raises only errors of ours, and those of `work`."""
        for left in reversed(range(TRIES)):
            stale = self._connection is not None
            try:
                if self._connection is None:
                    self._connection = self._engine.connect()
                return self._in_transaction(self._connection, work)
            except Exception as error:
                self._on_rollback()
                if left and (_may_be_repeated(error) or self._was_lost(error, stale)):
                    self._close_broken()
                    continue
                ours = translated(error)
                if ours is None:
                    self._close_broken()
                    raise
                if isinstance(ours, StoreUnavailable):
                    counters.STORE_ERRORS.inc("read" if self._reading else "write")
                self.close()
                raise ours from error
        raise AssertionError("unreachable")

    def _in_transaction(self, connection: Connection, work: Work[T]) -> T:
        """Begun by the driver with the first statement. Where the work uses SQLAlchemy, that joins it."""
        raw: Any = connection.connection.dbapi_connection
        try:
            if self._lock is not None:
                raw.execute(f"SELECT {self._lock}")
            result = work(connection)
            _commit(connection, raw)
        except BaseException:
            _roll_back(connection, raw)
            raise
        return result

    def _was_lost(self, error: Exception, stale: bool) -> bool:
        """The connection was, and with it whatever had been done: a new one may do."""
        return self._reading if isinstance(error, InDoubt) else stale and self._broken()

    def _broken(self) -> bool:
        if self._connection is None or self._connection.invalidated or self._connection.closed:
            return True
        raw: Any = self._connection.connection.dbapi_connection
        return raw is None or raw.closed or raw.broken

    def _close_broken(self) -> None:
        if self._broken():
            self.close()

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()
            connection.close()


def _commit(connection: Connection, raw: Any) -> None:
    try:
        if connection.in_transaction():
            connection.commit()
        else:
            raw.commit()
    except Exception as error:
        if raw.closed or raw.broken:
            raise InDoubt("the connection was lost during COMMIT: it may have happened or not") from error
        raise


def _roll_back(connection: Connection, raw: Any) -> None:
    try:
        if connection.in_transaction():
            connection.rollback()
        if raw is not None and not raw.closed:
            raw.rollback()
    except Exception:  # noqa: BLE001  (what broke the transaction is told; this connection is not used again)
        connection.invalidate()


def _may_be_repeated(error: BaseException) -> bool:
    origin = getattr(error, "orig", None) or error
    return getattr(origin, "sqlstate", None) in AGAIN


def dsn(url: str) -> str:
    """The address as libpq wants it. Raises ConfigurationError, which never repeats it: a password may be in it."""
    scheme, found, rest = url.partition("://")
    if scheme not in ("postgres", "postgresql") or not found or not rest:
        raise ConfigurationError("write the database as postgresql://user:password@host:5432/name")
    driver = _driver()
    try:
        driver.conninfo.conninfo_to_dict(f"postgresql://{rest}")
    except driver.ProgrammingError as error:
        raise ConfigurationError(f"the address of the database cannot be read: {_safe(error)}") from None
    return f"postgresql://{rest}"


def place(url: str) -> str:
    """What a database is called where others may read it: its host and name, and no password."""
    found = _driver().conninfo.conninfo_to_dict(dsn(url))
    return f"postgresql://{found.get('host', '')}/{found.get('dbname', '')}"


def _safe(error: Exception) -> str:
    """What libpq says as far as it quotes nothing: that is a piece of the address, of the password for instance."""
    words = str(error).partition('"')[0].strip().rstrip(":")
    return f"{words} (in a user's name or a password @ is written %40, / %2F, : %3A and % %25)"


def _driver() -> Any:
    try:
        import psycopg
        import psycopg.conninfo
    except ImportError:
        raise ConfigurationError(
            "PostgreSQL needs the driver psycopg: install it with `pip install 'lastseen[postgres]'`"
        ) from None
    return psycopg


def connect(url: str, *, autocommit: bool = False, settings: Mapping[str, str] = SETTINGS) -> psycopg.Connection[Any]:
    """A connection of the driver's own. Raises psycopg.OperationalError, ConfigurationError."""
    connection: psycopg.Connection[Any] = _driver().connect(**_parameters(url), autocommit=True)
    try:
        if connection.info.server_version < OLDEST:
            raise ConfigurationError(
                f"this is PostgreSQL {connection.info.parameter_status('server_version')}: 15 or newer is needed"
            )
        connection.execute("; ".join(f"SET {name} = '{value}'" for name, value in settings.items()))
        connection.autocommit = autocommit
    except BaseException:
        connection.close()
        raise
    return connection


def _parameters(url: str) -> dict[str, Any]:
    defaults = {"connect_timeout": CONNECT_TIMEOUT, "application_name": "lastseen", "keepalives_idle": 30}
    defaults |= {"keepalives_interval": 10, "keepalives_count": 3, "tcp_user_timeout": int(UNHEARD * 1000)}
    return {**defaults, **_driver().conninfo.conninfo_to_dict(url)}


@contextmanager
def transaction(url: str, *, files: bool = True) -> Iterator[Connection]:
    """`files`: OSError, too, comes out as an error of the store."""
    opened = engine(dsn(url))
    try:
        with translating(files=files), opened.connect() as connection, connection.begin():
            yield connection
    finally:
        opened.dispose()


def engine(url: str, *, reading: bool = False, **settings: str) -> Engine:
    """`settings`: other ones than SETTINGS."""

    def made() -> Any:
        connection = connect(url, settings={**SETTINGS, **settings})
        if reading:
            connection.isolation_level = _driver().IsolationLevel.REPEATABLE_READ
            connection.read_only = True
        return connection

    return create_engine(
        "postgresql+psycopg://", creator=made, poolclass=NullPool, paramstyle="format", hide_parameters=True
    )
