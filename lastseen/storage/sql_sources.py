"""Leases, and the marks of those who listen."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, func, or_, select, update

from lastseen.model import BlindPeriod, Lease
from lastseen.storage import dialect as sql
from lastseen.storage import sql_blind
from lastseen.storage.rows import leases, listeners
from lastseen.storage.sql_ways import hold, source_id

FORGOTTEN_AFTER = timedelta(days=7)
"""A listener that was not alive for so long is no longer listed, unless it is the one that heard last."""

# --- leases -----------------------------------------------------------------------------------------------------------


def lease(connection: Connection, name: str, owner: str, span: timedelta, now: datetime) -> Lease | None:
    others = select(leases.c.name).where(leases.c.name == name, leases.c.until > now, leases.c.owner != owner)
    if connection.execute(others).first() is not None:
        return None  # asked before it is locked: who holds it is not kept from its work
    put = sql.insert(leases).values(name=name, owner=owner, token=1, until=now + span)
    taken = put.on_conflict_do_update(
        index_elements=["name"],
        set_={"owner": put.excluded.owner, "token": leases.c.token + 1, "until": put.excluded.until},
        where=or_(leases.c.until <= now, leases.c.owner == owner),
    ).returning(leases.c.token)
    token = connection.execute(taken).scalar()
    return None if token is None else Lease(name, owner, token, now + span)


def renew(connection: Connection, held: Lease, span: timedelta, now: datetime) -> Lease | None:
    later = update(leases).where(leases.c.name == held.name, leases.c.owner == held.owner, leases.c.token == held.token)
    if connection.execute(later.values(until=now + span)).rowcount != 1:
        return None
    return Lease(held.name, held.owner, held.token, now + span, held.channels)


def release(connection: Connection, held: Lease, now: datetime) -> None:
    """The row stays, or the fence would begin again."""
    ours = update(leases).where(leases.c.name == held.name, leases.c.token == held.token, leases.c.until > now)
    connection.execute(ours.values(until=now))


# --- sources ----------------------------------------------------------------------------------------------------------


def listen(
    connection: Connection, name: str, node: str, now: datetime, of: str | None = None
) -> tuple[int, datetime | None]:
    """`heard_until` moves on with the first mark only: who dies in between leaves the gap as it is."""
    if of is not None:
        hold(connection, of)
    source = source_id(connection, name)
    heard = select(func.max(listeners.c.heard_until)).where(listeners.c.source_id == source)
    before: datetime | None = connection.execute(heard).scalar()
    put = sql.insert(listeners).values(
        source_id=source, node_id=node, listening_since=now, alive_at=now, heard_until=before or now
    )
    again = {"listening_since": now, "alive_at": now, "left_at": None}
    connection.execute(put.on_conflict_do_update(index_elements=["source_id", "node_id"], set_=again))
    old = delete(listeners).where(listeners.c.source_id == source, listeners.c.alive_at < now - FORGOTTEN_AFTER)
    if before is not None:
        old = old.where(listeners.c.heard_until < before)
    connection.execute(old)
    return source, before


def mark(
    connection: Connection, source: int, node: str, now: datetime, blind: Sequence[BlindPeriod]
) -> list[BlindPeriod]:
    put = sql.insert(listeners).values(
        source_id=source, node_id=node, listening_since=now, alive_at=now, heard_until=now
    )
    newest = {
        "alive_at": sql.greatest(listeners.c.alive_at, put.excluded.alive_at),
        "heard_until": sql.greatest(listeners.c.heard_until, put.excluded.heard_until),
    }
    connection.execute(put.on_conflict_do_update(index_elements=["source_id", "node_id"], set_=newest))
    return [written for period in blind for written in sql_blind.write(connection, period, node, now)]


def leave(connection: Connection, source: int, node: str, now: datetime) -> None:
    mark(connection, source, node, now, ())
    ours = update(listeners).where(listeners.c.source_id == source, listeners.c.node_id == node)
    connection.execute(ours.values(left_at=now))


def newest_mark(connection: Connection) -> datetime | None:
    newest: datetime | None = connection.execute(select(func.max(listeners.c.alive_at))).scalar()
    return newest
