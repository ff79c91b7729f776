"""How often keys were refused: known ones in their table by the hour, unknown ones together in one text of `meta`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, delete, func, select

from lastseen.model.story import RefusedCount, RefusedFor, RefusedKey, UnknownKeys
from lastseen.model.texts import cleaned
from lastseen.storage import dialect as sql
from lastseen.storage.rows import api_keys, machines, refusals
from lastseen.storage.sqltools import chunks, dumped, loaded, meta_value, most, set_meta

KEPT_FOR = timedelta(days=30)
"""How long a count is kept."""

MOST = 50_000
"""Counts that are kept; beyond that the oldest hours go, only this hour stays whole."""

UNKNOWN = "unknown_keys"
HOURS = 48
"""Hours in which requests with unknown keys were counted, that are kept."""


def keep(connection: Connection, refused: Sequence[RefusedCount], now: datetime) -> None:
    """`Refusals.keep_refusals`."""
    newest = connection.execute(select(func.max(refusals.c.hour))).scalar()
    known = _known(connection, {one.digest for one in refused if one.digest is not None})
    unknown = []
    for one in refused:
        row = known.get(one.digest or "")
        reason = None if row is None else _reason(row, one)
        if row is None or reason is None:
            unknown.append(one)
        else:
            _add(connection, row.id, reason, one)
    if unknown:
        _add_unknown(connection, unknown)
    if newest is None or any(one.hour > newest for one in refused):
        _prune(connection, now)  # once an hour: it reads, and the one writer has other work


def _known(connection: Connection, digests: set[str]) -> dict[str, Any]:
    query = select(
        *(api_keys.c.id, api_keys.c.digest, api_keys.c.revoked_at, api_keys.c.expires_at),
        *(machines.c.enabled, machines.c.deleted_at),
    ).outerjoin(machines, machines.c.id == api_keys.c.machine_id)
    rows: list[Any] = []
    for some in chunks(sorted(digests)):
        rows += connection.execute(query.where(api_keys.c.digest.in_(some)))
    return {row.digest: row for row in rows}


def _reason(row: Any, refused: RefusedCount) -> RefusedFor | None:
    """None: nothing is wrong with this key now, so it was not known when it was refused."""
    if row.revoked_at is not None or row.deleted_at is not None:
        return RefusedFor.REVOKED
    if row.expires_at is not None and row.expires_at <= refused.last_at:
        return RefusedFor.EXPIRED
    return RefusedFor.DISABLED if refused.disabled or row.enabled is False else None


def _add(connection: Connection, key_id: int, reason: RefusedFor, one: RefusedCount) -> None:
    put = sql.insert(refusals).values(
        key_id=key_id,
        hour=one.hour,
        reason=reason.value,
        count=one.count,
        first_at=one.first_at,
        last_at=one.last_at,
    )
    more = {
        "count": refusals.c.count + put.excluded.count,
        "first_at": sql.least(refusals.c.first_at, put.excluded.first_at),
        "last_at": sql.greatest(refusals.c.last_at, put.excluded.last_at),
    }
    connection.execute(put.on_conflict_do_update(index_elements=["key_id", "hour", "reason"], set_=more))


def _add_unknown(connection: Connection, unknown: Iterable[RefusedCount]) -> None:
    kept = loaded(meta_value(connection, UNKNOWN) or "{}")
    hours = Counter(kept.get("hours", {}))
    last, address = kept.get("last_at", ""), kept.get("address", "")
    for one in unknown:
        hours[one.hour.isoformat()] += one.count
        if one.last_at.isoformat() >= last:
            last, address = one.last_at.isoformat(), cleaned(one.address) or address
    newest = dict(sorted(hours.items())[-HOURS:])
    set_meta(connection, UNKNOWN, dumped({"hours": newest, "last_at": last, "address": address}))


def _prune(connection: Connection, now: datetime) -> None:
    connection.execute(delete(refusals).where(refusals.c.hour < now - KEPT_FOR))
    newest = select(refusals.c.hour).order_by(refusals.c.hour.desc())
    last = connection.execute(newest.limit(1).offset(MOST)).scalar()
    if last is not None:
        this = connection.execute(newest.limit(1)).scalar()
        connection.execute(delete(refusals).where(refusals.c.hour <= last, refusals.c.hour < this))


def unknown_keys(connection: Connection, since: datetime) -> UnknownKeys:
    """`Refusals.unknown_keys`."""
    kept = loaded(meta_value(connection, UNKNOWN) or "{}")
    begun = since.replace(minute=0, second=0, microsecond=0)
    counts = [n for hour, n in kept.get("hours", {}).items() if datetime.fromisoformat(hour) >= begun]
    if not sum(counts):
        return UnknownKeys()
    return UnknownKeys(sum(counts), datetime.fromisoformat(kept["last_at"]), kept["address"])


def refused_keys(connection: Connection, since: datetime, limit: int) -> list[RefusedKey]:
    """`Refusals.refused_keys`."""
    return [as_refused(row) for row in connection.execute(by_key(since, None).limit(most(limit)))]


def by_key(since: datetime, until: datetime | None) -> Select[Any]:
    """The keys that were refused then, the newest first. Read by the index of the hours."""
    last = func.max(refusals.c.last_at)
    query = (
        select(
            *(api_keys.c.id.label("key_id"), refusals.c.reason, func.sum(refusals.c.count).label("times")),
            *(func.min(refusals.c.first_at).label("first_at"), last.label("last_at")),
            *(api_keys.c.scope, api_keys.c.hint, api_keys.c.label, api_keys.c.machine_id),
            *(api_keys.c.revoked_at, api_keys.c.expires_at, machines.c.slug, machines.c.deleted_at),
        )
        .join(api_keys, api_keys.c.id == refusals.c.key_id)
        .outerjoin(machines, machines.c.id == api_keys.c.machine_id)
        .where(refusals.c.hour >= since.replace(minute=0, second=0, microsecond=0), refusals.c.last_at >= since)
        .group_by(
            api_keys.c.id, refusals.c.reason, machines.c.id
        )  # by its own key_id, and SQLite reads all of it in that order
        .order_by(last.desc())
    )
    return query if until is None else query.where(refusals.c.hour <= until, refusals.c.first_at <= until)


def as_refused(row: Any, replaced: bool = False) -> RefusedKey:
    reason = RefusedFor(row.reason)
    ended = {RefusedFor.REVOKED: row.revoked_at, RefusedFor.EXPIRED: row.expires_at}.get(reason)
    return RefusedKey(
        key_id=row.key_id,
        scope=row.scope,
        hint=row.hint,
        label=row.label,
        machine=row.slug,
        reason=reason,
        count=row.times,
        first_at=row.first_at,
        last_at=row.last_at,
        ended_at=ended,
        replaced=replaced,
        removed=row.deleted_at is not None,
    )
