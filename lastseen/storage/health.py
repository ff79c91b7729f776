"""The database as a file: whole or not, how big, and how long a write takes. For `doctor`."""

from __future__ import annotations

import os
import sqlite3
import statistics
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from lastseen.clock import SystemClock

READ_FOR = 30.0
"""Seconds that reading every page may take; a database that is bigger is read in part."""

STEPS = 10_000
"""Instructions of SQLite's between two looks at the clock."""

_monotonic = SystemClock().monotonic


@dataclass(frozen=True, slots=True)
class FileHealth:
    """`problems`: what SQLite says is broken; `complete`: it came to an end in time. Sizes in bytes."""

    problems: tuple[str, ...]
    complete: bool
    journal: str
    size: int
    wal: int


def examine_file(path: Path, seconds: float = READ_FOR) -> FileHealth:
    """Read every page. Raises sqlite3.Error where it is no database, or cannot be opened."""
    wal = path.with_name(f"{path.name}-wal")
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5)) as connection:
        (journal,) = connection.execute("PRAGMA journal_mode").fetchone()
        give_up = _monotonic() + seconds
        connection.set_progress_handler(lambda: _monotonic() > give_up, STEPS)
        try:
            said = [str(row[0]) for row in connection.execute("PRAGMA quick_check(5)")]
            complete = True
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
                raise
            said, complete = [], False
    problems = tuple(line for line in said if line != "ok")
    return FileHealth(problems, complete, journal, path.stat().st_size, wal.stat().st_size if wal.exists() else 0)


def fsync_seconds(folder: Path, rounds: int = 7) -> float:
    """How long it takes until a few written bytes are safe on the disk: the median of some tries."""
    spans = []
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".lastseen-doctor-") as file:
        for _ in range(rounds):
            os.write(file.fileno(), b"x" * 4096)
            began = _monotonic()
            os.fsync(file.fileno())
            spans.append(_monotonic() - began)
    return statistics.median(spans)


def filesystem(place: Path) -> str | None:
    """The type of the file system that holds this folder; None where that cannot be told."""
    try:
        lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    best, kind = -1, None
    target = place.resolve()
    for line in lines:
        before, _, after = line.partition(" - ")
        mount = before.split(" ")[4].replace("\\040", " ")
        if target.is_relative_to(mount) and len(mount) >= best:
            best, kind = len(mount), after.split(" ")[0]
    return kind
