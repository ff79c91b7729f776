"""The statements of the hot path in SQLite's dialect: `dialect.Dialect` says what they are."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table

_MOVE_ON = """
UPDATE liveness SET heard = heard | ?2, last_seen = max(
  coalesce(last_seen, ''), substr(replace(replace(pulse.value, 'T', ' '), 'Z', '.000000'), 1, 26))
FROM json_each(?1) AS pulse WHERE liveness.machine_id = CAST(pulse.key AS INTEGER)
"""
_THERE = "SELECT machine_id FROM json_each(?) AS asked CROSS JOIN liveness ON machine_id = asked.value"
_FLAGS = """
SELECT (SELECT value FROM meta WHERE key = 'slugs_version'), EXISTS (SELECT 1 FROM liveness WHERE status <> 'online'),
  EXISTS (SELECT 1 FROM liveness WHERE expect_at IS NOT NULL)
"""
_TROUBLED = f"SELECT machine_id, status {_THERE.removeprefix('SELECT machine_id')} WHERE status <> 'online'"
_CALM = """
SELECT liveness.machine_id FROM json_each(?) AS asked CROSS JOIN liveness ON liveness.machine_id = asked.value
JOIN machines ON machines.id = liveness.machine_id
WHERE status = 'online' AND goodbye_at IS NULL AND run_due_at IS NULL AND kind <> 'job'
  AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.machine_id = liveness.machine_id AND runs.ended_at IS NULL)
  AND NOT EXISTS (SELECT 1 FROM reports WHERE reports.machine_id = liveness.machine_id AND pending)
"""
_DUE = "min(coalesce(check_at, ?2), ?2)"
"""Who is due stays so from its first word: one that speaks often would be put off with each, and where several nodes
listen, which decide a second late, it would never be its turn."""

_MARK_BACK = f"""
UPDATE liveness SET back_at = coalesce(back_at, pulse.value), check_at = {_DUE}
FROM json_each(?1) AS pulse WHERE liveness.machine_id = CAST(pulse.key AS INTEGER)
"""  # noqa: S608
_EXPECTING = f"{_THERE} WHERE expect_at IS NOT NULL"
_EXPECT = f"""
UPDATE liveness SET expect_at = said.value ->> 2, check_at = CASE
    WHEN status IN ('online', 'error') AND (expect_at IS NOT NULL OR said.value ->> 3 >= coalesce(last_seen, ''))
    THEN {_DUE} ELSE check_at END
FROM json_each(?1) AS said
WHERE liveness.machine_id = said.value ->> 0 AND said.value ->> 1 >= coalesce(last_seen, '')
"""  # noqa: S608
_HEARD_OF = """
UPDATE liveness SET heard = heard | pulse.value
FROM json_each(?1) AS pulse WHERE liveness.machine_id = CAST(pulse.key AS INTEGER)
"""
_NOTE_PRESENCE = """
UPDATE liveness SET present = word.value
FROM json_each(?1) AS word WHERE liveness.machine_id = CAST(word.key AS INTEGER) AND liveness.status = 'paused'
"""
_LOOK_NOW = f"UPDATE liveness SET check_at = {_DUE} WHERE machine_id IN (SELECT value FROM json_each(?1))"  # noqa: S608
_SIGNAL = """
INSERT INTO reports (machine_id, source_id, at, said_at, kind, body, run_id, exit_code, pending)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_BODIES = """
INSERT INTO latest_reports (machine_id, at, body)
SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?) WHERE TRUE
ON CONFLICT (machine_id) DO UPDATE SET at = excluded.at, body = excluded.body WHERE excluded.at >= latest_reports.at
"""
_IDS = (
    "SELECT slug, m.id FROM json_each(?) AS asked CROSS JOIN machines AS m ON slug = asked.value AND deleted_at IS NULL"
)


def _raw(connection: Connection) -> Any:
    """The driver's connection, for the statements that every batch needs."""
    return connection.connection.dbapi_connection


def flags(connection: Connection) -> tuple[str, bool, bool]:
    """One statement: each one more costs a busy event loop beside it a turn with the interpreter's lock."""
    row = _raw(connection).execute(_FLAGS).fetchone()
    return str(row[0]), bool(row[1]), bool(row[2])


def hold(connection: Connection, ids: Callable[[], Sequence[int]]) -> tuple[bool, bool] | None:
    return None


def ids_of(connection: Connection, slugs: Sequence[str]) -> dict[str, int]:
    return dict(connection.exec_driver_sql(_IDS, (json.dumps(slugs),)).fetchall())


def move_on(connection: Connection, pulses: str, bits: int) -> int:
    touched: int = _raw(connection).execute(_MOVE_ON, (pulses, bits)).rowcount
    return touched


def there(connection: Connection, ids: str) -> frozenset[int]:
    return frozenset(row[0] for row in connection.exec_driver_sql(_THERE, (ids,)))


def troubled(connection: Connection, ids: str) -> dict[int, str]:
    return dict(connection.exec_driver_sql(_TROUBLED, (ids,)).fetchall())


def calm(connection: Connection, ids: str) -> frozenset[int]:
    return frozenset(row[0] for row in connection.exec_driver_sql(_CALM, (ids,)))


def mark_back(connection: Connection, pulses: str, now: str) -> None:
    connection.exec_driver_sql(_MARK_BACK, (pulses, now))


def expecting(connection: Connection, ids: str) -> set[int]:
    return {row[0] for row in connection.exec_driver_sql(_EXPECTING, (ids,))}


def expect(connection: Connection, rows: str, now: str) -> None:
    connection.exec_driver_sql(_EXPECT, (rows, now))


def heard_of(connection: Connection, bits: str) -> None:
    connection.exec_driver_sql(_HEARD_OF, (bits,))


def note_presence(connection: Connection, words: str) -> None:
    connection.exec_driver_sql(_NOTE_PRESENCE, (words,))


def look_now(connection: Connection, ids: str, now: str) -> None:
    connection.exec_driver_sql(_LOOK_NOW, (ids, now))


def keep_signals(connection: Connection, signals: list[tuple[Any, ...]]) -> None:
    connection.exec_driver_sql(_SIGNAL, signals)


def keep_bodies(connection: Connection, bodies: str) -> None:
    connection.exec_driver_sql(_BODIES, (bodies,))


def hold_lane(connection: Connection, name: str) -> None:
    """There is one writer at a time."""


def time(connection: Connection) -> datetime | None:
    return None


def hint(connection: Connection, sender: str) -> None:
    """The others look now and then."""


def event_counts(connection: Connection, machines: Sequence[int]) -> dict[int, int]:
    return {}


def still_at(connection: Connection, counts: Mapping[int, int]) -> frozenset[int] | None:
    return None


def reserve_ids(connection: Connection, table: Table, count: int) -> range:
    """Ids of the next rows. There is one writer at a time, and its transaction ends before the next begins; rows that
    take these ids move the table's counter on."""
    found = connection.exec_driver_sql("SELECT seq FROM sqlite_sequence WHERE name = ?", (table.name,)).scalar() or 0
    return range(found + 1, found + 1 + count)


def horizon(connection: Connection) -> None:
    """There is one writer at a time."""


def ended_below(connection: Connection) -> int:
    return 0
