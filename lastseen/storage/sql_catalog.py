"""Machines and kinds as people see them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, and_, delete, func, select, update

from lastseen.errors import Conflict, InvalidInput, NotFound
from lastseen.model import Kind, Standing, Status
from lastseen.model.insight import Roll
from lastseen.model.texts import refuse_unfit
from lastseen.storage import dialect as sql
from lastseen.storage.rows import as_kind, kinds, liveness, machines
from lastseen.storage.sql_cases import standings
from lastseen.storage.sqltools import bounded, meta_value, most, seconds, set_meta
from lastseen.words import say, say_many

USUAL = "default"
"""The kind of what is of no other."""

NEEDED = (USUAL, "job")
"""Kinds that mean something to the program."""

WATCHED = (Status.ONLINE.value, Status.ERROR.value)


def listed(connection: Connection, after: int, limit: int, kind: str | None, group: str | None) -> list[Standing]:
    query = select(machines.c.id).where(machines.c.id > bounded(after), machines.c.deleted_at.is_(None))
    if kind is not None:
        query = query.where(machines.c.kind == kind)
    if group is not None:
        query = query.where(machines.c.group_name == group)
    ids: Sequence[int] = connection.execute(query.order_by(machines.c.id).limit(most(limit))).scalars().all()
    return list(standings(connection, ids).values())


def all_kinds(connection: Connection) -> list[Kind]:
    return [as_kind(row.name, row.offline_after_s, row.every_s) for row in connection.execute(select(kinds))]


def set_kind(connection: Connection, kind: Kind, now: datetime) -> Kind:
    refuse_unfit(name=kind.name)
    if not kind.name.strip():
        raise InvalidInput(say("must not be empty"), "name")
    values = {"offline_after_s": seconds(kind.offline_after), "every_s": seconds(kind.every)}
    put = sql.insert(kinds).values(name=kind.name, **values)
    connection.execute(put.on_conflict_do_update(index_elements=["name"], set_=values))
    concerned = select(machines.c.id).where(machines.c.kind == kind.name, machines.c.deleted_at.is_(None))
    _look_at(connection, concerned, now)
    return kind


def remove_kind(connection: Connection, name: str) -> None:
    """`Catalog.remove_kind`. Machines that were removed are kept as of the usual kind; one that comes in meanwhile is
    refused by the schema, or refuses this."""
    if name in NEEDED:
        raise Conflict(say("the kind {name!r} is always there", name=name))
    there = select(func.count()).select_from(machines).where(machines.c.kind == name, machines.c.deleted_at.is_(None))
    count = connection.execute(there).scalar() or 0
    if count:
        raise Conflict(
            say_many(
                "1 machine is of the kind {name!r}: another must be given first",
                "{n} machines are of the kind {name!r}: another must be given first",
                count,
                name=name,
            )
        )
    gone = update(machines).where(machines.c.kind == name, machines.c.deleted_at.is_not(None))
    connection.execute(gone.values(kind=USUAL))
    if not connection.execute(delete(kinds).where(kinds.c.name == name)).rowcount:
        raise NotFound(say("there is no kind {name!r}", name=name))


def default_threshold(connection: Connection, offline_after: timedelta, now: datetime) -> None:
    """Looked at again are those that have no threshold of their own or of their kind."""
    before, value = meta_value(connection, "default_offline_after_s"), str(offline_after.total_seconds())
    if before == value:
        return
    set_meta(connection, "default_offline_after_s", value)
    if before is None:
        return
    concerned = (
        select(machines.c.id)
        .join(kinds, kinds.c.name == machines.c.kind)
        .where(
            machines.c.offline_after_s.is_(None),
            machines.c.every_s.is_(None),
            kinds.c.offline_after_s.is_(None),
            kinds.c.every_s.is_(None),
        )
    )
    _look_at(connection, concerned, now)


def _look_at(connection: Connection, concerned: Select[Any], now: datetime) -> None:
    watched = and_(liveness.c.machine_id.in_(concerned), liveness.c.status.in_(WATCHED))
    in_order = select(liveness.c.machine_id).where(watched).order_by(liveness.c.machine_id)
    locked = in_order.with_for_update(key_share=True).cte("locked")
    connection.execute(
        update(liveness).where(liveness.c.machine_id.in_(select(locked.c.machine_id))).values(check_at=now)
    )


def roll(connection: Connection, group: str, names: int) -> Roll:
    """`Catalog.roll`."""
    mine = and_(machines.c.group_name == group, machines.c.deleted_at.is_(None), liveness.c.status != "paused")
    joined = select(func.count()).select_from(machines).join(liveness, liveness.c.machine_id == machines.c.id)
    total = connection.execute(joined.where(mine)).scalar() or 0
    there = select(machines.c.name).join(liveness, liveness.c.machine_id == machines.c.id)
    shared = machines.c.owner_id.is_(None)
    online = there.where(mine, shared, liveness.c.status == "online")
    up = connection.execute(online.order_by(machines.c.id).limit(names))
    return Roll(total, tuple(up.scalars()))
