"""The folder that everything lies in, and the lock that lets one server work on a database at a time."""

from __future__ import annotations

import fcntl
import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lastseen.errors import AlreadyServing, ConfigurationError


def database_file(url: str) -> Path | None:
    """The file of a SQLite URL; None for other databases."""
    if not url.startswith("sqlite:"):
        return None
    from lastseen.storage.sqlite import sqlite_path  # SQLAlchemy takes a while: only who opens a database pays

    return sqlite_path(url).absolute()


def prepare_folder(folder: Path) -> None:
    """Make the folder (0700) if there is none, and refuse one whose owner could not write what we would leave in it.

    Raises ConfigurationError with what to do.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"the data folder {folder} cannot be made ({error.strerror}): set LASTSEEN_DATA_DIR to one that can"
        ) from None
    check_folder(folder)


def check_folder(folder: Path, database: Path | None = None) -> None:
    """Refuse to leave files that the service cannot write, and say so early when we cannot write ours."""
    for path in (folder, database):
        if path is None or not path.exists():
            continue
        owner = path.stat().st_uid
        if os.geteuid() == 0 and owner != 0:
            name = _user(owner)
            raise ConfigurationError(
                f"{path} belongs to {name}, and files made by root could not be written by it: "
                f"run this as that user, for example with `sudo -u {name} lastseen …`"
            )
        if not os.access(path, os.W_OK | (os.X_OK if path.is_dir() else 0)):
            raise ConfigurationError(
                f"{path} belongs to {_user(owner)} and cannot be written by {_user(os.geteuid())}: "
                f"run this as {_user(owner)}, or set LASTSEEN_DATA_DIR to another folder"
            )


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"#{uid}"


@contextmanager
def serve_lock(database: Path | None) -> Iterator[bool]:
    """Hold the right to serve this database; True: nobody else serves it. A database that is no file has no lock.

    The kernel gives the lock back when its process ends, however that happens. Raises AlreadyServing.
    """
    if database is None:
        yield False
        return
    path = _lock_file(database)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be opened: {error.strerror}") from None
    try:
        _lock(descriptor, path, database)
        _tell_pid(descriptor)
        yield True
    finally:
        os.close(descriptor)  # the file stays: removing it could free a lock that a newer process holds


def _tell_pid(descriptor: int) -> None:
    """Our pid in the place of our predecessor's; where it listened stays until we say where we do."""
    _, _, url = os.pread(descriptor, 1000, 0).partition(b"\n")
    with suppress(OSError):  # a disk that is full: whoever serves is told by the lock
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode() + url, 0)


def tell_address(database: Path | None, url: str) -> None:
    """Whoever runs a command on this database may want to know where it is served. By the holder of its lock."""
    if database is not None:
        with suppress(OSError):
            _lock_file(database).write_text(f"{os.getpid()}\n{url}\n")


def served_at(database: Path) -> str | None:
    """Where this database is served, or was when it was served last."""
    try:
        _, _, url = _lock_file(database).read_text().partition("\n")
    except (OSError, UnicodeDecodeError):
        return None
    return url.strip() or None


def served_by(database: Path) -> tuple[bool | None, int | None]:
    """Whether a process holds the right to serve this database, and which. By the kernel's list of locks: trying the
    lock would turn away a server that starts at that moment. None: there is no such list here."""
    path = _lock_file(database)
    try:
        inode = str(path.stat().st_ino)
        pid = path.read_text().partition("\n")[0]
    except (OSError, UnicodeDecodeError):
        return False, None
    try:
        locks = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    except OSError:
        return None, None
    held = any(lock[1] == "FLOCK" and lock[5].rpartition(":")[2] == inode for lock in locks if len(lock) > 5)
    return held, int(pid) if held and pid.isdigit() else None


def _lock_file(database: Path) -> Path:
    return database.with_name(f"{database.name}.serve.lock")


def _lock(descriptor: int, path: Path, database: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pid = os.pread(descriptor, 32, 0).decode("ascii", "replace").partition("\n")[0] or "unknown"
        raise AlreadyServing(
            f"{database} is served already, by the process with pid {pid}: stop that one first"
        ) from None
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be locked ({error.strerror}): is it on a network drive?") from None
