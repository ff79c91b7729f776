"""Many machines, quickly: rows as a first heartbeat would have left them, written straight into the file."""

from __future__ import annotations

import sqlite3
import uuid
from datetime import datetime, timedelta
from pathlib import Path

import anyio

from lastseen.storage import open_store


def text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f")


async def migrated(path: Path) -> None:
    store = open_store(f"sqlite:///{path}")
    await store.open()  # type: ignore[attr-defined]
    await store.close()  # type: ignore[attr-defined]


def fill(
    path: Path, count: int, now: datetime, threshold: timedelta = timedelta(days=1), status: str = "online"
) -> None:
    """`count` machines that were heard at `now` and are looked at a threshold later."""
    if not path.exists():
        anyio.run(migrated, path)
    seen, due = text(now), text(now + threshold)
    check_at = due if status == "online" else None
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA foreign_keys=ON")
        db.executemany(
            "INSERT INTO machines (uid, slug, name, kind, group_name, hostname, description, enabled, resume_by_hand,"
            " created_at, version) VALUES (?, ?, ?, 'default', 'http', '', '', 1, 0, ?, 1)",
            ((str(uuid.UUID(int=n + 1, version=4)), f"m{n}", f"m{n}", seen) for n in range(count)),
        )
        db.execute(
            "INSERT INTO liveness (machine_id, last_seen, status, status_since, watch_from, check_at, heard,"
            " heard_before, event_seq) SELECT id, ?, ?, ?, ?, ?, 1, 1, 2 FROM machines",
            (seen if status == "online" else None, status, seen, seen, check_at),
        )
    db.close()
