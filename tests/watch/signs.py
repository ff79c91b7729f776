"""The signs of a monitor that is well."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from lastseen.monitor.health import Signs

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
WELL = Signs(
    now=NOW,
    running=True,
    looked_at=NOW - timedelta(seconds=20),
    look_every=timedelta(seconds=30),
    planned=NOW + timedelta(seconds=3),
    written_at=NOW - timedelta(seconds=4),
    write_every=timedelta(seconds=5),
)


def ago(span: timedelta) -> datetime:
    return NOW - span
