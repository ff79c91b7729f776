"""The statements of the hot path in PostgreSQL's dialect: `dialect.Dialect` says what they are.

Everybody who writes several rows of liveness locks them first, by rising id: sorting the values alone leaves the order
to the planner, and two batches then wait for each other. A condition on what another transaction may change stands in
the statement that locks the row, or in a later one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table

_VERSION = "SELECT value FROM meta WHERE key = 'slugs_version'"
_HOLD = """
WITH held AS MATERIALIZED (
  SELECT status, expect_at FROM liveness WHERE machine_id = ANY(%s) ORDER BY machine_id FOR NO KEY UPDATE
)
SELECT coalesce(bool_or(status <> 'online'), FALSE), coalesce(bool_or(expect_at IS NOT NULL), FALSE) FROM held
"""
_MOVE_ON = """
UPDATE liveness SET heard = heard | %s, last_seen = greatest(last_seen, pulse.value::timestamptz)
FROM json_each_text(%s::json) AS pulse WHERE liveness.machine_id = pulse.key::int
"""
HINTS = "lastseen"
"""The name that NOTIFY goes by."""

_ASKED = "ANY(translate(%s, '[]', '{}')::int[])"
_THERE = f"SELECT machine_id FROM liveness WHERE machine_id = {_ASKED}"  # noqa: S608  (all of constants)
_TROUBLED = f"""
WITH asked AS MATERIALIZED (SELECT machine_id, status FROM liveness WHERE machine_id = {_ASKED})
SELECT machine_id, status FROM asked WHERE status <> 'online'
"""  # noqa: S608  (by the ids: the index of what is troubled would be read in full, and the ids compared with each row)
_CALM = f"""
SELECT machine_id FROM liveness JOIN machines ON machines.id = machine_id
WHERE machine_id = {_ASKED} AND status = 'online' AND goodbye_at IS NULL AND run_due_at IS NULL AND kind <> 'job'
  AND NOT EXISTS (SELECT FROM runs WHERE runs.machine_id = liveness.machine_id AND runs.ended_at IS NULL)
  AND NOT EXISTS (SELECT FROM reports WHERE reports.machine_id = liveness.machine_id AND pending)
"""  # noqa: S608
_DUE = "least(check_at, %s::timestamptz)"
"""Who is due stays so from its first word: one that speaks often would be put off with each, and where several nodes
listen, which decide a second late, it would never be its turn. LEAST leaves NULL out."""

_MARK_BACK = f"""
UPDATE liveness SET back_at = coalesce(back_at, pulse.value::timestamptz), check_at = {_DUE}
FROM json_each_text(%s::json) AS pulse WHERE liveness.machine_id = pulse.key::int
"""  # noqa: S608
_EXPECTING = f"{_THERE} AND expect_at IS NOT NULL"
_EXPECT = f"""
UPDATE liveness SET expect_at = said.expect_at, check_at = CASE
    WHEN status IN ('online', 'error')
      AND (liveness.expect_at IS NOT NULL OR said.said_at >= coalesce(last_seen, '-infinity'))
    THEN {_DUE} ELSE check_at END
FROM (
  SELECT (value ->> 0)::int AS machine_id, (value ->> 1)::timestamptz AS at, (value ->> 2)::timestamptz AS expect_at,
    (value ->> 3)::timestamptz AS said_at
  FROM json_array_elements(%s::json)
) AS said
WHERE liveness.machine_id = said.machine_id AND said.at >= coalesce(last_seen, '-infinity')
"""  # noqa: S608
_HEARD_OF = """
UPDATE liveness SET heard = heard | pulse.value::bigint
FROM json_each_text(%s::json) AS pulse WHERE liveness.machine_id = pulse.key::int
"""
_NOTE_PRESENCE = """
UPDATE liveness SET present = word.value::boolean
FROM json_each_text(%s::json) AS word WHERE liveness.machine_id = word.key::int AND liveness.status = 'paused'
"""
_LOOK_NOW = f"UPDATE liveness SET check_at = {_DUE} WHERE machine_id = {_ASKED}"  # noqa: S608
_SIGNAL = """
INSERT INTO reports (machine_id, source_id, at, said_at, kind, body, run_id, exit_code, pending)
VALUES (%s, %s, %s::timestamptz, %s::timestamptz, %s, %s, %s, %s, %s)
"""
_BODIES = """
INSERT INTO latest_reports (machine_id, at, body)
SELECT (value ->> 0)::int, (value ->> 1)::timestamptz, value ->> 2 FROM json_array_elements(%s::json)
ON CONFLICT (machine_id) DO UPDATE SET at = excluded.at, body = excluded.body WHERE excluded.at >= latest_reports.at
"""
_IDS = "SELECT slug, id FROM machines WHERE slug = ANY(%s) AND deleted_at IS NULL"
_HOLD_LANE = "SELECT FROM leases WHERE name = %s FOR NO KEY UPDATE"
_EVENT_COUNTS = "SELECT machine_id, event_seq FROM liveness WHERE machine_id = ANY(%s)"
_STILL_AT = """
SELECT machine_id FROM liveness JOIN unnest(%s::int[], %s::int[]) AS known(id, event_count) ON machine_id = known.id
WHERE event_seq = event_count FOR SHARE OF liveness SKIP LOCKED
"""
_HORIZON = "SELECT pg_current_xact_id()::text::bigint"
_ENDED_BELOW = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
_RESERVE = f"""
WITH mine AS MATERIALIZED ({_HORIZON} AS number)
SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM mine, generate_series(1, %s) WHERE number IS NOT NULL
"""  # noqa: S608


def _all(connection: Connection, statement: str, *values: Any) -> list[Any]:
    rows: list[Any] = _do(connection, statement, *values).fetchall()
    return rows


def _do(connection: Connection, statement: str, *values: Any) -> Any:
    """On the driver's own connection: these are needed for every batch."""
    raw: Any = connection.connection.dbapi_connection
    return raw.execute(statement, values)


def flags(connection: Connection) -> tuple[str, bool, bool]:
    found = _all(connection, _VERSION)
    return str(found[0][0]) if found else "None", True, True


def hold(connection: Connection, ids: Callable[[], Sequence[int]]) -> tuple[bool, bool] | None:
    row = _all(connection, _HOLD, list(ids()))[0]
    return row[0], row[1]


def ids_of(connection: Connection, slugs: Sequence[str]) -> dict[str, int]:
    """A slug is ASCII. What the server would not even take as text (NUL, half of a surrogate pair) is nobody's."""
    return dict(_all(connection, _IDS, [slug for slug in slugs if slug.isascii() and "\0" not in slug]))


def move_on(connection: Connection, pulses: str, bits: int) -> int:
    touched: int = _do(connection, _MOVE_ON, bits, pulses).rowcount
    return touched


def there(connection: Connection, ids: str) -> frozenset[int]:
    return frozenset(row[0] for row in _all(connection, _THERE, ids))


def troubled(connection: Connection, ids: str) -> dict[int, str]:
    return dict(_all(connection, _TROUBLED, ids))


def calm(connection: Connection, ids: str) -> frozenset[int]:
    return frozenset(row[0] for row in _all(connection, _CALM, ids))


def mark_back(connection: Connection, pulses: str, now: str) -> None:
    _do(connection, _MARK_BACK, now, pulses)


def expecting(connection: Connection, ids: str) -> set[int]:
    return {row[0] for row in _all(connection, _EXPECTING, ids)}


def expect(connection: Connection, rows: str, now: str) -> None:
    _do(connection, _EXPECT, now, rows)


def heard_of(connection: Connection, bits: str) -> None:
    _do(connection, _HEARD_OF, bits)


def note_presence(connection: Connection, words: str) -> None:
    _do(connection, _NOTE_PRESENCE, words)


def look_now(connection: Connection, ids: str, now: str) -> None:
    _do(connection, _LOOK_NOW, now, ids)


def keep_signals(connection: Connection, signals: list[tuple[Any, ...]]) -> None:
    raw: Any = connection.connection.dbapi_connection
    with raw.cursor() as cursor:
        cursor.executemany(_SIGNAL, signals)


def keep_bodies(connection: Connection, bodies: str) -> None:
    _do(connection, _BODIES, bodies)


def hold_lane(connection: Connection, name: str) -> None:
    _do(connection, _HOLD_LANE, name)


def time(connection: Connection) -> datetime | None:
    moment: datetime = _all(connection, "SELECT clock_timestamp()")[0][0]
    return moment


def hint(connection: Connection, sender: str) -> None:
    _do(connection, f"SELECT pg_notify('{HINTS}', %s)", sender)


def event_counts(connection: Connection, machines: Sequence[int]) -> dict[int, int]:
    return dict(_all(connection, _EVENT_COUNTS, list(machines)))


def still_at(connection: Connection, counts: Mapping[int, int]) -> frozenset[int] | None:
    return frozenset(row[0] for row in _all(connection, _STILL_AT, list(counts), list(counts.values())))


def reserve_ids(connection: Connection, table: Table, count: int) -> Sequence[int]:
    return sorted(row[0] for row in _all(connection, _RESERVE, table.name, count))


def horizon(connection: Connection) -> int:
    """A transaction's number is given when it first asks for it, or writes. Ours is given now: those that have ids of
    rows had theirs before (`reserve_ids`)."""
    number: int = _all(connection, _HORIZON)[0][0]
    return number


def ended_below(connection: Connection) -> int:
    number: int = _all(connection, _ENDED_BELOW)[0][0]
    return number
