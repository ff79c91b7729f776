"""Lists a page at a time: by keyset, so that the last page costs what the first does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Text,
    and_,
    case,
    exists,
    func,
    literal,
    or_,
    select,
    tuple_,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction

from lastseen.clock import rfc3339
from lastseen.errors import UnknownMachine
from lastseen.model import MachineRef, Standing, Status
from lastseen.model.directory import BY_STATUS, NEVER_SEEN, Count, Leaf, Sought
from lastseen.model.directory import folded as folded_text
from lastseen.storage.rows import (
    blind_periods,
    channels,
    events,
    latest_reports,
    liveness,
    machine_tags,
    machines,
    notifications,
    outages,
)
from lastseen.storage.sql_cases import standings
from lastseen.storage.sql_history import as_event_printed, is_of_others, machine_id_of
from lastseen.storage.sql_replay import named
from lastseen.storage.sqltools import GREATEST_NUMBER, is_id, most, visible

SEARCHED = (machines.c.slug, machines.c.name, machines.c.hostname, machines.c.description)


class folded(GenericFunction[str]):  # noqa: N801  (as a SQL function is named)
    """As `model.directory.folded`, in a collation that orders by code point."""

    type = Text()
    inherit_cache = True


@compiles(folded, "sqlite")
def _in_sqlite(element: folded, compiler: Any, **options: Any) -> str:
    return f"lower{compiler.process(element.clause_expr, **options)}"


@compiles(folded, "postgresql")
def _in_postgres(element: folded, compiler: Any, **options: Any) -> str:
    return f'lower({compiler.process(element.clause_expr, **options)} COLLATE "C")'


_RANK = case(
    *((liveness.c.status == status.value, rank) for rank, status in enumerate(BY_STATUS)), else_=len(BY_STATUS)
)
_SEEN = func.coalesce(liveness.c.last_seen, literal(NEVER_SEEN, liveness.c.last_seen.type))
_NAME = folded(machines.c.name)

ORDERS: Mapping[str, Sequence[ColumnElement[Any]]] = {
    "name": (_NAME, machines.c.id),
    "status": (_RANK, _NAME, machines.c.id),
    "last_seen": (_SEEN, machines.c.id),
    "status_since": (liveness.c.status_since, machines.c.id),
    "group": (folded(machines.c.group_name), _NAME, machines.c.id),
}
"""By the names of `model.directory.SORTS`; each as `place_of` has it."""


def seek(connection: Connection, sought: Sought) -> list[Standing]:
    """`Directory.seek`."""
    ids: Sequence[int] = connection.execute(_found(sought)).scalars().all()
    return list(standings(connection, ids).values())


def census(connection: Connection, sought: Sought) -> list[Count]:
    """`Directory.census`."""
    by = machines.c.group_name, liveness.c.status, machines.c.enabled
    query = (
        select(*by, func.count().label("many"))
        .join(liveness, liveness.c.machine_id == machines.c.id)
        .where(machines.c.deleted_at.is_(None), *_filters(sought))
        .group_by(*by)
    )
    found = connection.execute(query)
    return [Count(row.group_name, Status(row.status), bool(row.enabled), row.many) for row in found]


def latest_report(connection: Connection, machine: int) -> tuple[datetime, str] | None:
    """`Annals.latest_report`."""
    query = select(latest_reports.c.at, latest_reports.c.body).where(latest_reports.c.machine_id == machine)
    row = connection.execute(query).first()
    return None if row is None else (row.at, row.body)


def _found(sought: Sought) -> Select[Any]:
    order = ORDERS[sought.sort]
    query = (
        select(machines.c.id)
        .join(liveness, liveness.c.machine_id == machines.c.id)
        .where(machines.c.deleted_at.is_(None), *_filters(sought))
    )
    if sought.after is not None:
        places = tuple_(*(literal(value, column.type) for value, column in zip(sought.after, order, strict=True)))
        query = query.where(tuple_(*order) < places if sought.descending else tuple_(*order) > places)
    return query.order_by(*(one.desc() if sought.descending else one for one in order)).limit(most(sought.limit))


def _filters(sought: Sought) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if sought.statuses:
        found.append(liveness.c.status.in_([status.value for status in sought.statuses]))
    if sought.kinds:
        found.append(machines.c.kind.in_(sought.kinds))
    if sought.groups:
        found.append(machines.c.group_name.in_(sought.groups))
    if sought.tags:
        tagged = and_(machine_tags.c.machine_id == machines.c.id, machine_tags.c.tag.in_(sought.tags))
        found.append(exists().where(tagged))
    if sought.text:
        part = folded_text(sought.text)
        found.append(or_(*(folded(column).contains(part, autoescape=True) for column in SEARCHED)))
    if sought.ids:
        found.append(machines.c.id.in_([one for one in sought.ids if is_id(one)]))
    if sought.called:
        found.append(or_(machines.c.slug.in_(sought.called), machines.c.name.in_(sought.called)))
    if sought.enabled is not None:
        found.append(machines.c.enabled.is_(sought.enabled))
    if sought.seen_by is not None:
        found.append(visible(machines.c.owner_id, sought.seen_by))
    return found


# --- what happened ----------------------------------------------------------------------------------------------------

_its = channels.alias("its_channel")
_closing = events.alias("closing")


def happened(connection: Connection, leaf: Leaf) -> list[dict[str, Any]]:
    """`Annals.happened`."""
    query = select(events, machines.c.slug).outerjoin(machines, machines.c.id == events.c.machine_id)
    if leaf.types:
        query = query.where(events.c.type.in_(leaf.types))
    return [as_event_printed(row) for row in _page(connection, query, leaf, events, events.c.at)]


_OUTAGES = (
    select(outages, machines.c.slug, events.c.incident_id)
    .join(machines, machines.c.id == outages.c.machine_id)
    .join(events, events.c.id == outages.c.opened_by)
)


def outages_of(connection: Connection, leaf: Leaf) -> list[dict[str, Any]]:
    """`Annals.outages`."""
    return [_as_outage(row) for row in _page(connection, _OUTAGES, leaf, outages, outages.c.started_at)]


def outages_over(connection: Connection, since: datetime, seen_by: int | None, limit: int) -> list[dict[str, Any]]:
    """`Annals.outages_over`: by the events that ended them, which have an index of their times."""
    query = _OUTAGES.join(_closing, _closing.c.id == outages.c.closed_by)
    query = query.where(_closing.c.at >= since, outages.c.ended_at >= since)
    if seen_by is not None:
        query = query.where(~is_of_others(outages.c.machine_id, seen_by))
    rows = connection.execute(query.order_by(_closing.c.at.desc(), outages.c.id.desc()).limit(most(limit)))
    return [_as_outage(row) for row in rows]


def blind(connection: Connection, source: int, leaf: Leaf) -> list[dict[str, Any]]:
    """`Annals.blind`."""
    query = select(blind_periods).where(blind_periods.c.source_id == source)
    if leaf.before is not None:
        query = query.where(blind_periods.c.id < min(leaf.before, GREATEST_NUMBER))
    rows = connection.execute(query.order_by(blind_periods.c.id.desc()).limit(most(leaf.limit)))
    return [{"id": row.id, **_span(row), "reason": row.reason} for row in rows]


def _span(row: Any) -> dict[str, Any]:
    return {
        "started_at": rfc3339(row.started_at),
        "ended_at": rfc3339(row.ended_at),
        "seconds": None if row.ended_at is None else (row.ended_at - row.started_at).total_seconds(),
    }


def said(connection: Connection, leaf: Leaf) -> list[dict[str, Any]]:
    """`Annals.said`."""
    query = (
        select(notifications, channels.c.name, machines.c.slug, events.c.type)
        .join(channels, channels.c.id == notifications.c.channel_id)
        .join(events, events.c.id == notifications.c.event_id)
        .outerjoin(machines, machines.c.id == notifications.c.machine_id)
    )
    if leaf.state is not None:
        query = query.where(notifications.c.state == leaf.state.value)
    if leaf.channel is not None:
        query = query.where(notifications.c.channel_id == leaf.channel)
    ended = func.coalesce(notifications.c.finished_at, notifications.c.created_at)
    return [named(row) for row in _page(connection, query, leaf, notifications, ended)]


def _page(connection: Connection, query: Select[Any], leaf: Leaf, table: Any, at: ColumnElement[Any]) -> Sequence[Any]:
    """`table`: of which these are rows."""
    if leaf.machine is not None:
        query = query.where(table.c.machine_id == _seen(connection, leaf.machine, leaf.seen_by))
    if leaf.before is not None:
        query = query.where(table.c.id < min(leaf.before, GREATEST_NUMBER))
    if leaf.since is not None:
        query = query.where(at >= leaf.since)
    if leaf.until is not None:
        query = query.where(at < leaf.until)
    if leaf.seen_by is not None:
        query = query.where(~is_of_others(table.c.machine_id, leaf.seen_by))
        if "channel_id" in table.c:
            hidden = exists().where(_its.c.id == table.c.channel_id, ~visible(_its.c.owner_id, leaf.seen_by))
            query = query.where(~hidden)
    return connection.execute(query.order_by(table.c.id.desc()).limit(most(leaf.limit))).all()


def _seen(connection: Connection, ref: MachineRef, user: int | None) -> int:
    """Its id. Raises UnknownMachine, also for one that this user does not see."""
    machine = machine_id_of(connection, ref)
    if user is not None and connection.execute(select(is_of_others(literal(machine), user))).scalar():
        raise UnknownMachine(ref)
    return machine


def _as_outage(row: Any) -> dict[str, Any]:
    return {
        "id": row.id,
        "machine_id": row.machine_id,
        "machine": row.slug,
        **_span(row),
        "detected_at": rfc3339(row.detected_at),
        "reason": row.reason,
        "end_reason": row.end_reason,
        "incident_id": row.incident_id,
        "acknowledged_by": row.acked_by,
        "acknowledged_at": rfc3339(row.acked_at),
    }
