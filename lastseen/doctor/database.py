"""The database: there, whole, of this version, and not growing out of hand."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from lastseen.doctor.finding import Checked, Finding, Severity
from lastseen.doctor.subject import Subject
from lastseen.errors import DatabaseOutdated, DatabaseTooNew, LastseenError
from lastseen.storage import health, upgrade

MB = 1_000_000
BIG_WAL = 200 * MB
"""Bytes; the log is written back at 40 MB, if nobody keeps reading an old state."""

RESTORE = (
    "stop the server and restore a copy (`lastseen db upgrade` leaves one beside the file); or try "
    "`sqlite3 lastseen.db .recover`"
)


async def database(subject: Subject) -> Checked:
    path = subject.site.database
    if path is None:
        trouble = Finding(Severity.BAD, "database.unreadable", subject.trouble) if subject.trouble else None
        return Checked("a database server", (trouble,) if trouble else ())
    if not path.exists():
        gone = Finding(
            Severity.BAD,
            "database.missing",
            f"there is no database at {path}",
            "`lastseen db upgrade` or `lastseen serve` makes it; is LASTSEEN_DATA_DIR the one that the server uses?",
        )
        return Checked("there is none", (gone,))
    try:
        found = await asyncio.to_thread(health.examine_file, path)
    except sqlite3.Error as error:
        return Checked("it cannot be read", (Finding(Severity.BAD, "database.broken", f"{path}: {error}", RESTORE),))
    revision, schema = await asyncio.to_thread(_schema, path)
    findings = [*_broken(path, found), *schema, *_wal(found)]
    if subject.trouble and not findings:
        findings.append(Finding(Severity.BAD, "database.unusable", subject.trouble))
    summary = f"schema {revision}, {found.size / MB:,.1f} MB, log {found.wal / MB:,.1f} MB"
    summary += {True: ", whole", False: ", not read to the end"}[found.complete] if not found.problems else ", damaged"
    return Checked(summary, tuple(findings))


def _schema(path: Path) -> tuple[str, list[Finding]]:
    try:
        return upgrade.check(path), []
    except DatabaseOutdated as error:
        do = "`lastseen db upgrade`, or restart the server: both make a copy first"
        return "old", [Finding(Severity.BAD, "database.outdated", str(error), do)]
    except DatabaseTooNew as error:
        return "too new", [Finding(Severity.BAD, "database.too_new", str(error), "install the newer lastseen here")]
    except LastseenError as error:
        return "unknown", [Finding(Severity.BAD, "database.unreadable", str(error), RESTORE)]


def _broken(path: Path, found: health.FileHealth) -> Iterator[Finding]:
    if found.problems:
        yield Finding(Severity.BAD, "database.broken", f"{path} is damaged: {'; '.join(found.problems)}", RESTORE)
    if not found.complete:
        what = f"reading every page takes more than {health.READ_FOR:g} s: the rest was not looked at"
        yield Finding(Severity.HINT, "database.big", what, "`sqlite3 lastseen.db 'PRAGMA quick_check'` reads all of it")
    if found.journal != "wal":
        what = f"the journal mode is {found.journal}, not wal: readers and the writer wait for each other"
        yield Finding(Severity.WARNING, "database.journal", what, "restart the server: it sets the mode")


def _wal(found: health.FileHealth) -> Iterator[Finding]:
    if found.wal > BIG_WAL:
        yield Finding(
            Severity.WARNING,
            "database.log",
            f"the write-ahead log has grown to {found.wal / MB:,.0f} MB: some program reads on and on",
            "end what has the file open (see `fuser -v lastseen.db`: a forgotten `sqlite3`?), restart the server",
        )
