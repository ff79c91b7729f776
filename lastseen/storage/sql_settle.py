"""Settling: due machines in, verdicts written. And the same for a person's order."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, update
from sqlalchemy.exc import InterfaceError, InternalError, OperationalError

from lastseen.errors import Conflict, InvalidInput, StoreUnavailable, UnknownMachine
from lastseen.log import get_logger
from lastseen.model import Case, Disable, Enable, Event, Machine, MachineRef, Order, Pause, Resume, Watch
from lastseen.model.names import check_slug
from lastseen.protocols import Decide
from lastseen.storage.fold import PARK, newborn, obey
from lastseen.storage.rows import kinds, liveness, liveness_values, machine_tags, machine_values, machines
from lastseen.storage.sql_cases import cases, find_ids, hold, standings, take_due
from lastseen.storage.sql_verdicts import Decided, write_verdicts
from lastseen.storage.sqltools import bump, chunks
from lastseen.storage.translate import one_of, translated
from lastseen.words import say

_FIRST_DUE = select(liveness.c.check_at).where(liveness.c.check_at.is_not(None)).order_by(liveness.c.check_at).limit(1)
_log = get_logger()


def next_check(connection: Connection) -> datetime | None:
    """`Store.next_check`. The condition is the index's own: without it all rows would be read."""
    moment: datetime | None = connection.execute(_FIRST_DUE).scalar()
    return moment


def settle(connection: Connection, decide: Decide, now: datetime, limit: int, *, back: bool) -> list[Event]:
    """`Store.settle`, in the caller's transaction."""
    ids = take_due(connection, now, limit, back=back)
    if not ids:
        return []
    decided, failed = _decided(cases(connection, ids, now), decide)
    try:
        with connection.begin_nested():
            committed = write_verdicts(connection, decided, now)
    except Exception as error:  # noqa: BLE001  (narrowed in the next line; what fails again is logged)
        _raise_if_unavailable(error)
        committed = _one_by_one(connection, decided, now, failed)
    _park(connection, failed, now)
    return committed


def _decided(given: Mapping[int, Case], decide: Decide) -> tuple[list[Decided], dict[int, str]]:
    decided: list[Decided] = []
    failed: dict[int, str] = {}
    for machine_id, case in given.items():
        try:
            decided.append(Decided(case, decide(case)))
        except Exception as error:  # noqa: BLE001  (one machine that cannot be decided stops no other; it is logged)
            failed[machine_id] = repr(error)
    return decided, failed


def _one_by_one(
    connection: Connection, decided: Sequence[Decided], now: datetime, failed: dict[int, str]
) -> list[Event]:
    """One of the verdicts cannot be written: find out which, and write the others."""
    committed: list[Event] = []
    for one in decided:
        try:
            with connection.begin_nested():
                committed += write_verdicts(connection, [one], now)
        except Exception as error:  # noqa: BLE001  (narrowed in the next line; the machine is parked and logged)
            _raise_if_unavailable(error)
            failed[one.machine_id] = repr(translated(error) or error)
    return committed


_NOBODYS_FAULT = (
    *(StoreUnavailable, OperationalError, InternalError, InterfaceError),
    *(sqlite3.OperationalError, sqlite3.InternalError, sqlite3.InterfaceError, OSError),
)


def _raise_if_unavailable(error: Exception) -> None:
    """A full disk is no verdict's fault, nor a connection that the server has ended, nor a deadlock, which the whole
    transaction is done again for."""
    if one_of(error, _NOBODYS_FAULT):
        raise error


def _park(connection: Connection, failed: Mapping[int, str], now: datetime) -> None:
    for machine_id, reason in failed.items():
        _log.error("machine_parked", machine_id=machine_id, error=reason)
    if failed:
        later = update(liveness).where(liveness.c.machine_id == bindparam("of_machine")).values(check_at=now + PARK)
        connection.execute(later, [{"of_machine": machine_id} for machine_id in failed])


# --- orders -----------------------------------------------------------------------------------------------------------


def order(connection: Connection, ref: MachineRef, given: Order, decide: Decide, now: datetime) -> list[Event]:
    """`Store.order`, in the caller's transaction."""
    machine_id = find_ids(connection, [ref]).get(ref)
    if isinstance(given, Watch):
        if machine_id is not None and given.expect == "new":
            raise Conflict(say("there is a machine {ref!r} already", ref=ref))
        if machine_id is None and given.expect != "known" and isinstance(ref, str):
            machine_id = declare(connection, ref, now)
    if machine_id is None:
        raise UnknownMachine(ref)
    return obey_order(connection, machine_id, given, decide, now)


def obey_order(connection: Connection, machine_id: int, given: Order, decide: Decide, now: datetime) -> list[Event]:
    """Do what was ordered about a machine that is there."""
    hold(connection, [machine_id])
    _obey(connection, standings(connection, [machine_id])[machine_id].machine, given)
    case = cases(connection, [machine_id], now, given)[machine_id]
    return write_verdicts(connection, [Decided(case, decide(case))], now)


def declare(connection: Connection, slug: str, now: datetime, its_id: int | None = None) -> int:
    """A new machine that nobody has looked at yet. Its id: the next one, or that which it comes with."""
    check_slug(slug)
    row: dict[str, Any] = {"uid": str(uuid.uuid4()), "slug": slug, "name": slug, "created_at": now}
    if its_id is not None:
        row["id"] = its_id
    machine_id: int = connection.execute(insert(machines).values(row)).inserted_primary_key[0]  # type: ignore[index]
    connection.execute(insert(liveness).values(machine_id=machine_id, **liveness_values(newborn(now))))
    return machine_id


def _obey(connection: Connection, machine: Machine, given: Order) -> None:
    """Write down what people changed about the machine."""
    changed = obey(machine, given)
    if isinstance(given, Disable | Enable | Pause | Resume):
        bump(connection, "keys_version")
    if changed == machine:
        return
    known = select(kinds.c.name).where(kinds.c.name == changed.kind)
    if changed.kind != machine.kind and connection.execute(known).scalar() is None:
        raise InvalidInput(
            say("there is no kind {kind!r}: make it with `lastseen kinds set`", kind=changed.kind), "kind"
        )
    row = update(machines).where(machines.c.id == machine.id)
    connection.execute(row.values(**machine_values(changed), version=machines.c.version + 1))
    if changed.tags != machine.tags:
        connection.execute(delete(machine_tags).where(machine_tags.c.machine_id == machine.id))
        for some in chunks(sorted(set(changed.tags))):
            connection.execute(insert(machine_tags), [{"machine_id": machine.id, "tag": tag} for tag in some])
