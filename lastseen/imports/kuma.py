"""Uptime Kuma: its push monitors with their tokens. https://github.com/louislam/uptime-kuma

Read are `monitor`, `heartbeat`, `tag`, `monitor_tag`, `notification`, `monitor_notification`, `maintenance` and
`monitor_maintenance` of a `kuma.db`, of versions from 1.18 to 2.x; columns that a version does not have yet are taken
for empty. What Kuma looks for by itself (HTTP, ping, …) cannot move: here machines report.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from lastseen.errors import ConfigurationError, InvalidInput
from lastseen.imports import kuma_channels
from lastseen.imports.plan import Coming, Hears, Names, Plan, tags_of
from lastseen.imports.services import Given
from lastseen.imports.tables import Row, Sqlite
from lastseen.imports.values import mark_of, moment, number, seconds, text, truth
from lastseen.ingest.auth import SHORTEST, digest_of, usable
from lastseen.model import Silence
from lastseen.model.arrival import ArrivingKey, ArrivingMachine, ArrivingSilence, Stood
from lastseen.monitor.calendar import read_zone
from lastseen.monitor.changes import checked

PROGRAM = "uptime-kuma"
PUSH, GROUP = "push", "group"
UP, DOWN = 1, 0
BUFFER = timedelta(seconds=1)
"""What Kuma itself waits beyond the interval."""

SECOND, YEAR = timedelta(seconds=1), timedelta(days=365)


class _Life(NamedTuple):
    """What its heartbeats say: when it was last up, and whether it is down now."""

    last_up: datetime | None
    is_down: bool


@dataclass(frozen=True, slots=True)
class _Context:
    tables: Sqlite
    groups: Mapping[Any, str]  # names of monitors of type group, by id
    tags: Mapping[Any, Sequence[str]]  # by monitor


def read(tables: Sqlite, given: Given, now: datetime) -> Plan:
    """Raises ConfigurationError where these are no tables of Uptime Kuma."""
    if not (tables.has("monitor") and tables.has("notification")):
        raise ConfigurationError("there are no tables monitor and notification: this is no database of Uptime Kuma")
    plan, names, marks = Plan(PROGRAM), Names(), dict[Any, str]()
    rows = list(tables.ask("SELECT * FROM monitor ORDER BY id"))
    context = _Context(tables, {r["id"]: text(r["name"], 100) for r in rows if r["type"] == GROUP}, _tags(tables))
    for row in rows:
        mark = _monitor(row, context, names, plan)
        if mark is not None:
            marks[row["id"]] = mark
    kuma_channels.read(tables, given, plan, marks)
    _maintenance(tables, plan, marks, now)
    return plan


def _tags(tables: Sqlite) -> Mapping[Any, Sequence[str]]:
    found: dict[Any, list[str]] = defaultdict(list)
    if tables.has("monitor_tag"):
        query = "SELECT monitor_id, name, value FROM monitor_tag JOIN tag ON tag.id = monitor_tag.tag_id"
        for row in tables.ask(query):
            name, value = text(row["name"], 100), text(row["value"], 100)
            found[row["monitor_id"]].append(f"{name}:{value}" if value else name)
    return found


def _monitor(row: Row, context: _Context, names: Names, plan: Plan) -> str | None:
    """Its mark; the machine goes into the plan. None: it cannot move."""
    name, kind = text(row["name"], 200) or f"monitor {row['id']}", str(row["type"])
    if kind == GROUP:
        return None
    token = str(row.get("push_token") or "")
    why = _cannot(row, kind, token)
    if why is None:
        try:
            changes = _changes(row, name, context)
        except InvalidInput as error:
            why = f"its {error}"
    if why is not None:
        plan.leave(f"{kind} monitor", name, why)
        return None
    mark, life = mark_of(PROGRAM, "monitor", token), _life(row["id"], context.tables)
    key = ArrivingKey("push", digest_of(token), token[:4], token, "from Uptime Kuma")
    stood = Stood.PAUSED if not truth(row["active"]) else _stood(life)
    what = ArrivingMachine(
        mark, names.slug(name, f"monitor-{row['id']}"), changes, (key,), None, life.last_up, stood
    )  # fmt: skip
    plan.machines.append(Coming(name, what, _notes(row)))
    return mark


def _cannot(row: Row, kind: str, token: str) -> str | None:
    if kind != PUSH:
        return "Uptime Kuma asks for it; lastseen asks nobody, machines report to it"
    if not token:
        return "it has no push address"
    if not usable(token):
        return f"its push token is no key here: that has {SHORTEST} to 200 characters of ASCII"
    if truth(row.get("upside_down")):
        return "it is upside down: here silence is never good news"
    return None


def _changes(row: Row, name: str, context: _Context) -> dict[str, Any]:
    """Raises InvalidInput where a field cannot be as it is there."""
    every = max(seconds(row["interval"], 60), SECOND)
    again = seconds(row.get("retry_interval")) or every
    limit = every + BUFFER + min(max(number(row.get("maxretries")), 0), 1000) * again
    said: dict[str, Any] = {
        "name": name,
        "description": text(row.get("description")),
        "tags": tags_of(context.tags.get(row["id"], ())),
        "every": every,
        "offline_after": min(limit, YEAR),
    }
    group = context.groups.get(row.get("parent"))
    return checked(said | ({"group": group} if group else {}))


def _life(monitor: Any, tables: Sqlite) -> _Life:
    """By the index on monitor and time: there may be millions of heartbeats."""
    newest = "SELECT time, status FROM heartbeat WHERE monitor_id = ? ORDER BY time DESC LIMIT 1"
    last = next(tables.ask(newest, monitor), None)
    if last is None:
        return _Life(None, False)
    up = "SELECT time FROM heartbeat WHERE monitor_id = ? AND status = ? ORDER BY time DESC LIMIT 1"
    heard = last if last["status"] == UP else next(tables.ask(up, monitor, UP), None)
    return _Life(None if heard is None else moment(heard["time"]), last["status"] == DOWN)


def _stood(life: _Life) -> Stood:
    if life.last_up is None:
        return Stood.NEW
    return Stood.DOWN if life.is_down else Stood.UP


def _notes(row: Row) -> tuple[str, ...]:
    if number(row.get("resend_interval")):
        return ("how often an alert is repeated is a channel's wish here: lastseen channels set --repeat-every",)
    return ()


# -- maintenance


def _maintenance(tables: Sqlite, plan: Plan, marks: Mapping[Any, str], now: datetime) -> None:
    if not (tables.has("maintenance") and tables.has("monitor_maintenance")):
        return
    concerned: dict[Any, set[str]] = defaultdict(set)
    for row in tables.ask("SELECT monitor_id, maintenance_id FROM monitor_maintenance"):
        if row["monitor_id"] in marks:
            concerned[row["maintenance_id"]].add(marks[row["monitor_id"]])
    servers = next(tables.ask("SELECT value FROM setting WHERE key = 'serverTimezone'"), {"value": None})["value"]
    for row in tables.ask("SELECT * FROM maintenance ORDER BY id"):
        if truth(row["active"]) and concerned[row["id"]]:
            zone = _zone(row.get("timezone"), str(servers or "UTC").strip('"'))
            _one_maintenance(row, zone, frozenset(concerned[row["id"]]), plan, now)


def _one_maintenance(row: Row, zone: ZoneInfo | None, concerned: frozenset[str], plan: Plan, now: datetime) -> None:
    """One span that is not over becomes a silence."""
    title, strategy = text(row["title"], 200) or f"maintenance {row['id']}", str(row["strategy"])
    if strategy != "single":
        plan.leave("maintenance", title, f"it is {strategy}: a silence here has one beginning and one end")
        return
    begin, end = _local(row.get("start_date"), zone), _local(row.get("end_date"), zone)
    if begin is None or end is None or zone is None:
        plan.leave("maintenance", title, "its beginning or its end cannot be read")
    elif end <= begin:
        plan.leave("maintenance", title, "it ends before it begins")
    elif end > now:
        mark = mark_of(PROGRAM, "maintenance", row["id"], title, begin, end)
        span = Silence(title, begin, end, created_by="Uptime Kuma")
        plan.silences.append(Coming(title, ArrivingSilence(mark, span), hears=Hears(marks=concerned)))


def _zone(name: Any, servers: str) -> ZoneInfo | None:
    try:
        return read_zone(servers if name == "SAME_AS_SERVER" else str(name or "UTC"))
    except InvalidInput:
        return None


def _local(value: Any, zone: ZoneInfo | None) -> datetime | None:
    """Kuma keeps the beginning and the end of a maintenance as a clock in its zone shows them."""
    found = moment(value)
    with contextlib.suppress(OverflowError):
        return None if found is None or zone is None else found.replace(tzinfo=zone).astimezone(UTC)
    return None
