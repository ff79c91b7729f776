"""Ways in as rows, what they call machines, and what is told of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Row,
    and_,
    bindparam,
    delete,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    update,
)

from lastseen.errors import Conflict, InvalidInput, NotFound
from lastseen.model import BlindReason, Event, Source, Watch, slugify
from lastseen.model.insight import Muster, Stranger
from lastseen.model.texts import cleaned, refuse_unfit
from lastseen.protocols import Decide, Tell
from lastseen.storage import dialect as sql
from lastseen.storage.rows import (
    blind_periods,
    events,
    listeners,
    liveness,
    machine_identities,
    machines,
    sources,
    strangers,
)
from lastseen.storage.secrets import SecretBox
from lastseen.storage.sql_cases import all_channels, told_of
from lastseen.storage.sql_settle import declare, obey_order
from lastseen.storage.sql_verdicts import write_events, write_notifications
from lastseen.storage.sqltools import chunks, dumped, loaded, several
from lastseen.words import say

SOURCES = 63
"""Bits of `liveness.heard`."""

REMOVED = "removed"
"""The kind of a source that is no more. Its row stays for what was heard on it."""

STRANGERS = 200
"""Names that are kept of each source and kind."""

LONGEST = 200

# --- rows -------------------------------------------------------------------------------------------------------------


_LISTED = select(sources).where(sources.c.kind != REMOVED).order_by(sources.c.id)


def listed(connection: Connection) -> list[Source]:
    return [_as_source(row) for row in connection.execute(_LISTED)]


def _as_source(row: Row[Any]) -> Source:
    return Source(row.id, row.name, row.kind, loaded(row.config))


def hold(connection: Connection, name: str) -> None:
    """Nobody removes it until this is committed. Raises NotFound."""
    _row(connection, name, held=True)


def _row(connection: Connection, name: str, held: bool = False) -> Row[Any]:
    there = select(sources).where(sources.c.name == name, sources.c.kind != REMOVED)
    row = connection.execute(there.with_for_update(read=True) if held else there).first()
    if row is None:
        raise NotFound(say("there is no source {name!r}", name=name))
    return row


def source_id(connection: Connection, name: str, kind: str = "code") -> int:
    """The id of the source by this name; its row is made if there is none."""
    found: int | None = connection.execute(select(sources.c.id).where(sources.c.name == name)).scalar()
    return _insert(connection, kind, name, "{}", None) if found is None else found


def add(
    connection: Connection, box: SecretBox, kind: str, name: str, config: Mapping[str, Any], secrets: Mapping[str, str]
) -> Source:
    refuse_unfit(name=name)
    if not name.strip() or len(name) > LONGEST:
        raise InvalidInput(say("must be 1 to {longest} characters", longest=LONGEST), "name")
    if connection.execute(select(sources.c.id).where(sources.c.name == name)).first() is not None:
        raise Conflict(say("there is a source {name!r} already", name=name))
    _insert(connection, kind, name, dumped(config), box.seal(connection, secrets) if secrets else None)
    return _as_source(_row(connection, name))


def _insert(connection: Connection, kind: str, name: str, config: str, sealed: str | None) -> int:
    values = {"name": name, "kind": kind, "config": config, "secrets": sealed}
    taken = set(connection.execute(select(sources.c.id)).scalars())
    free = next((bit for bit in range(SOURCES) if bit not in taken), None)
    if free is not None:
        connection.execute(insert(sources).values(id=free, **values))
        return free
    again = _forgotten(connection)
    if again is None:
        raise InvalidInput(say("there are {sources} sources already: remove one", sources=SOURCES), "source")
    connection.execute(update(sources).where(sources.c.id == again).values(**values))
    return again


def _forgotten(connection: Connection) -> int | None:
    """A removed source that no machine was heard on any more: its id is free for another."""
    ids = connection.execute(select(sources.c.id).where(sources.c.kind == REMOVED).order_by(sources.c.id)).scalars()
    for bit in ids.all():
        heard = (liveness.c.heard.op("|")(liveness.c.heard_before)).op(">>")(bit).op("&")(1) == 1
        if connection.execute(select(liveness.c.machine_id).where(heard).limit(1)).first() is None:
            return int(bit)
    return None


def change(
    connection: Connection, box: SecretBox, name: str, config: Mapping[str, Any], secrets: Mapping[str, str] | None
) -> Source:
    row = _row(connection, name)
    values: dict[str, Any] = {"config": dumped(config)}
    if secrets is not None:
        values["secrets"] = box.seal(connection, secrets) if secrets else None
    connection.execute(update(sources).where(sources.c.id == row.id).values(**values))
    return _as_source(_row(connection, name))


def remove(connection: Connection, name: str, now: datetime) -> None:
    row = _row(connection, name)
    if row.id == 0:
        raise InvalidInput(say("is always there"), "name")
    gone = {"kind": REMOVED, "name": f"{name} (removed {now:%Y-%m-%d %H:%M:%S.%f})", "config": "{}", "secrets": None}
    connection.execute(update(sources).where(sources.c.id == row.id).values(**gone))
    for table in (listeners, machine_identities, strangers):
        connection.execute(delete(table).where(table.c.source_id == row.id))
    still = and_(blind_periods.c.source_id == row.id, blind_periods.c.ended_at.is_(None))
    ended = sql.greatest(blind_periods.c.started_at, bindparam("now", type_=blind_periods.c.ended_at.type))
    connection.execute(update(blind_periods).where(still).values(ended_at=ended), {"now": now})


def secrets_of(connection: Connection, box: SecretBox, name: str) -> dict[str, str]:
    row = _row(connection, name)
    return {} if row.secrets is None else box.unseal(row.secrets)


# --- what a source calls machines -------------------------------------------------------------------------------------

_NAMES = (machine_identities.c.external_id, machine_identities.c.machine_id, machine_identities.c.ignored)
_NAMED = select(*_NAMES).where(
    machine_identities.c.source_id == bindparam("source"), machine_identities.c.external_id.in_(several())
)


def identify(connection: Connection, source: int, names: Sequence[str] | None) -> dict[str, int | None]:
    if names is None:
        rows = connection.execute(select(*_NAMES).where(machine_identities.c.source_id == source)).all()
        return {name: None if ignored else machine_id for name, machine_id, ignored in rows}
    found: dict[str, int | None] = {}
    for some in chunks(names):
        for name, machine_id, ignored in connection.execute(_NAMED, {"source": source, "several": some}).all():
            found[name] = None if ignored else machine_id
    return found


def attach(
    connection: Connection, source: int, name: str, changes: Mapping[str, Any] | None, decide: Decide, now: datetime
) -> tuple[int | None, list[Event]]:
    known = identify(connection, source, [name])
    if name in known:
        return known[name], []
    machine_id, made = _by_hand(connection, name), []
    if machine_id is None:
        if changes is None:
            return None, []
        slug = _free_slug(connection, slugify(name) or "machine")
        machine_id = declare(connection, slug, now)
        made = obey_order(connection, machine_id, Watch({"name": name[:LONGEST], **changes}), decide, now)
    connection.execute(insert(machine_identities).values(source_id=source, external_id=name, machine_id=machine_id))
    connection.execute(delete(strangers).where(strangers.c.source_id == source, strangers.c.name == name))
    return machine_id, made


def _by_hand(connection: Connection, name: str) -> int | None:
    """A machine whose slug is this name and that no source has a name for: somebody has declared it for this."""
    unnamed = select(machine_identities.c.machine_id).where(machine_identities.c.machine_id == machines.c.id)
    query = select(machines.c.id).where(machines.c.slug == name, machines.c.deleted_at.is_(None), ~unnamed.exists())
    found: int | None = connection.execute(query).scalar()
    return found


def _free_slug(connection: Connection, wanted: str) -> str:
    """The slug, or the first of `slug-2`, `slug-3` that nobody has."""
    stem = wanted[: LONGEST - 8]
    near = or_(machines.c.slug == wanted, machines.c.slug.like(f"{stem.replace('_', '|_')}-%", escape="|"))
    taken = set(connection.execute(select(machines.c.slug).where(near, machines.c.deleted_at.is_(None))).scalars())
    if wanted not in taken:
        return wanted
    return next(slug for slug in (f"{stem}-{number}" for number in range(2, len(taken) + 3)) if slug not in taken)


def detach(connection: Connection, source: int, name: str) -> None:
    row = and_(machine_identities.c.source_id == source, machine_identities.c.external_id == name)
    connection.execute(delete(machine_identities).where(row, machine_identities.c.ignored.is_(False)))


# --- strangers --------------------------------------------------------------------------------------------------------

_put = sql.insert(strangers)
_COUNT = _put.on_conflict_do_update(
    index_elements=["source_id", "kind", "name"],
    set_={
        "heard": strangers.c.heard + _put.excluded.heard,
        "last_at": sql.greatest(strangers.c.last_at, _put.excluded.last_at),
        "detail": _put.excluded.detail,
    },
)


def keep_strangers(connection: Connection, source: int, heard: Sequence[Stranger]) -> None:
    for one in heard:
        name, detail = cleaned(one.name)[:LONGEST], cleaned(one.detail)[:LONGEST]
        values = {"kind": one.kind, "name": name, "detail": detail, "heard": one.heard}
        times = {"first_at": one.first_at, "last_at": one.last_at}
        connection.execute(_COUNT, {"source_id": source, **values, **times})
    for kind in {one.kind for one in heard}:
        of_this = and_(strangers.c.source_id == source, strangers.c.kind == kind)
        newest = select(strangers.c.name).where(of_this).order_by(strangers.c.last_at.desc()).limit(STRANGERS)
        connection.execute(delete(strangers).where(of_this, strangers.c.name.not_in(newest)))


# --- what is told of sources ------------------------------------------------------------------------------------------


def announce(connection: Connection, event: Event, tell: Tell) -> bool:
    if event.incident not in (None, event.uid):
        began = select(events.c.id).where(events.c.uid == event.incident)
        if connection.execute(began).first() is None:
            return False
    new, ids = write_events(connection, [event])
    if not new:
        return False
    told = told_of(connection, [event.incident] if event.incident else [])
    rows = tell(all_channels(connection), frozenset(told.get(event.incident or "", ())))
    write_notifications(connection, rows, ids)
    return True


def muster(connection: Connection, source: int | None, since: datetime | None, names: int) -> Muster:
    watched: list[ColumnElement[bool]] = [liveness.c.status.in_(["online", "error"])]
    if source is not None:
        bit = literal(source, Integer)  # PostgreSQL shifts by an integer alone, not by what is as wide as the set
        watched.append(
            liveness.c.heard.op("|")(liveness.c.heard_before).op(">>")(bit).op("&")(literal_column("1")) == 1
        )
    held = connection.execute(select(func.count()).where(*watched)).scalar() or 0
    if since is None:
        return Muster(held)
    unheard = (*watched, liveness.c.check_at.is_not(None), liveness.c.last_seen < since)
    waiting = connection.execute(select(func.count()).where(*unheard)).scalar() or 0
    told = select(machines.c.name).join(liveness).where(*unheard, machines.c.owner_id.is_(None))
    some = told.order_by(liveness.c.last_seen.desc()).limit(names)
    return Muster(held, waiting, tuple(connection.execute(some).scalars()))


def blind_since(connection: Connection, source: int) -> datetime | None:
    link = and_(blind_periods.c.source_id == source, blind_periods.c.reason == BlindReason.LINK.value)
    query = select(func.min(blind_periods.c.started_at)).where(link, blind_periods.c.ended_at.is_(None))
    found: datetime | None = connection.execute(query).scalar()
    return found
