"""What comes from another program: one transaction for each machine, channel, silence and key.

That something was brought is a row in `meta`: `arrived:` and its mark, with the kind of row it became and its id. So a
second arrival is known whatever it is called by then, and what was removed here since does not come back.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, text

from lastseen.errors import Conflict
from lastseen.model import Beat, Disable, Pause, Said, Status, Watch
from lastseen.model.arrival import (
    Arrived,
    Arriving,
    ArrivingChannel,
    ArrivingKey,
    ArrivingMachine,
    ArrivingSilence,
    Stood,
)
from lastseen.protocols import Decide
from lastseen.storage import sql_channels, sql_keys, sql_record, sql_wishes
from lastseen.storage.rows import api_keys, channels, machines, silences
from lastseen.storage.secrets import SecretBox
from lastseen.storage.sql_cases import cases, find_ids, standings
from lastseen.storage.sql_settle import declare, obey_order
from lastseen.storage.sql_verdicts import Decided, write_verdicts
from lastseen.storage.sqltools import meta_value, set_meta
from lastseen.words import say

_PREFIX = "arrived:"
_HEARD = frozenset({Stood.UP, Stood.DOWN})


def arrived(connection: Connection, what: Arriving) -> Arrived:
    """`Arrivals.arrived`."""
    kind, _, number = (meta_value(connection, _PREFIX + what.mark) or "").partition(":")
    if kind:
        return _here(connection, kind, int(number))
    if isinstance(what, ArrivingMachine):
        if find_ids(connection, [what.slug]):
            raise Conflict(say("there is a machine {slug!r} already", slug=what.slug))
        for key in what.keys:
            _unused(connection, key)
    elif isinstance(what, ArrivingChannel):
        sql_channels.name_is_free(connection, what.name)
    elif isinstance(what, ArrivingKey):
        _unused(connection, what)
    return Arrived()


def _here(connection: Connection, kind: str, row_id: int) -> Arrived:
    row: Any
    if kind == "machine":
        row = connection.execute(select(machines.c.slug, machines.c.deleted_at).where(machines.c.id == row_id)).first()
    elif kind == "channel":
        row = connection.execute(select(channels.c.name, channels.c.deleted_at).where(channels.c.id == row_id)).first()
    elif kind == "key":
        row = connection.execute(select(api_keys.c.label, api_keys.c.revoked_at).where(api_keys.c.id == row_id)).first()
    else:
        name = connection.execute(select(silences.c.name).where(silences.c.id == row_id)).scalar()
        row = None if name is None else (name, None)
    return Arrived(row_id, "", gone=True) if row is None else Arrived(row_id, row[0], gone=row[1] is not None)


def _unused(connection: Connection, key: ArrivingKey) -> None:
    if connection.execute(select(api_keys.c.id).where(api_keys.c.digest == key.digest)).scalar() is not None:
        raise Conflict(say("its {scope} key belongs to something else here already", scope=key.scope))


def bring(
    connection: Connection, box: SecretBox, slugs: sql_record.Slugs, what: Arriving, decide: Decide, now: datetime
) -> Arrived:
    """`Arrivals.bring`."""
    before = arrived(connection, what)
    if before.id is not None:
        return before
    if isinstance(what, ArrivingMachine):
        done, kind = _machine(connection, box, slugs, what, decide, now), "machine"
    elif isinstance(what, ArrivingChannel):
        done, kind = _channel(connection, box, what, now), "channel"
    elif isinstance(what, ArrivingSilence):
        added = sql_wishes.add(connection, what.silence, now)
        done, kind = Arrived(added.id, added.name), "silence"
    else:
        done, kind = _key(connection, box, what, None, now), "key"
    set_meta(connection, _PREFIX + what.mark, f"{kind}:{done.id}")
    return done


def _channel(connection: Connection, box: SecretBox, what: ArrivingChannel, now: datetime) -> Arrived:
    made = sql_channels.add(connection, box, what.type, what.name, what.config, what.secrets, what.lane, now)
    sql_wishes.prefer(connection, made.uid, what.prefs, None, now)
    if what.off is not None:
        sql_channels.switch(connection, made.uid, False, what.off, now)
    return Arrived(made.id, made.name)


def _key(connection: Connection, box: SecretBox, what: ArrivingKey, machine_id: int | None, now: datetime) -> Arrived:
    called = {slug: _machine_of(connection, mark) for slug, mark in what.slugs.items()}
    defaults = {**what.defaults, **({"slugs": called} if called else {})}
    shown = what.text if what.scope in ("ping", "push") else None
    new = sql_keys.New(
        what.scope, what.digest, what.hint, now, machine_id, what.label, None, False, defaults, shown
    )  # fmt: skip
    made = sql_keys.add(connection, box, new)
    return Arrived(made.id, made.label)


def _machine_of(connection: Connection, mark: str) -> int:
    """0, which no machine is: it was not brought."""
    return int((meta_value(connection, _PREFIX + mark) or "machine:0").partition(":")[2])


def _machine(
    connection: Connection,
    box: SecretBox,
    slugs: sql_record.Slugs,
    what: ArrivingMachine,
    decide: Decide,
    now: datetime,
) -> Arrived:
    """As it stood: an outage goes on from its last heartbeat; one that was up has its full threshold from now."""
    since = min(what.last_seen or now, now) if what.stood is Stood.DOWN else now
    machine_id = declare(connection, what.slug, since, _free_id(connection, what.id))
    obey_order(connection, machine_id, Watch(what.changes), decide, now)
    for key in what.keys:
        _key(connection, box, key, machine_id, now)
    if what.last_seen is not None:
        _was_heard(connection, slugs, machine_id, what, decide, now)
    if what.stood in (Stood.PAUSED, Stood.PAUSED_UNTIL_PING):
        obey_order(connection, machine_id, Pause(what.stood is Stood.PAUSED), decide, now)
    elif what.stood is Stood.DISABLED:
        obey_order(connection, machine_id, Disable(), decide, now)
    return Arrived(machine_id, what.slug)


def _was_heard(
    connection: Connection,
    slugs: sql_record.Slugs,
    machine_id: int,
    what: ArrivingMachine,
    decide: Decide,
    now: datetime,
) -> None:
    """Its last heartbeat, never later than now; where it was down and is not by its silence, that one said so."""
    at = min(what.last_seen or now, now)

    def hear(said: Said) -> None:
        sql_record.record(connection, slugs, [Beat(machine_id, at, said)], now)
        case = cases(connection, [machine_id], now)[machine_id]
        write_verdicts(connection, [Decided(case, decide(case))], now)

    hear(Said.ALIVE)
    if what.stood is Stood.DOWN and standings(connection, [machine_id])[machine_id].liveness.status is Status.ONLINE:
        hear(Said.ERROR)


def _free_id(connection: Connection, wanted: int | None) -> int | None:
    """The id it had, unless a machine has it or had it."""
    if wanted is None or wanted < 1:
        return None
    taken: Any = connection.execute(select(machines.c.id).where(machines.c.id == wanted)).scalar()
    if taken is not None:
        return None
    if connection.dialect.name == "postgresql":  # SQLite's counter follows by itself
        name = "pg_get_serial_sequence('machines', 'id')"
        connection.execute(text(f"SELECT setval({name}, greatest(nextval({name}), :id))"), {"id": wanted})
    return wanted
