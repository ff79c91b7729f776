"""What happened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from lastseen.errors import UnknownMachine
from lastseen.manage.cursors import cursor_of, page_of, place_in
from lastseen.manage.machines import find, id_in
from lastseen.manage.office import Office
from lastseen.model import MachineRef
from lastseen.model.directory import Leaf

ORDER = "id"


async def listed(
    office: Office, machine: str | None = None, type_: str | None = None, limit: int = 100
) -> list[dict[str, Any]]:
    """Newest first. Digits are tried as a slug, then as an id. Removed machines have a history too. Raises
    UnknownMachine."""
    leaf = Leaf(machine, types=() if type_ is None else (type_,), seen_by=office.who.seen_by, limit=limit)
    return [dict(event) for event in await _of_machine(office.store.happened, leaf)]


async def page(office: Office, leaf: Leaf, cursor: str | None = None) -> dict[str, Any]:
    """`{"items": […], "next": …}`, the newest first. Raises UnknownMachine, InvalidInput."""
    return await page_through(office, office.store.happened, leaf, cursor)


async def of_machine(
    office: Office, machine: MachineRef, limit: int = 100, cursor: str | None = None
) -> dict[str, Any]:
    """The same of one machine, of one that was removed too, by what it was called last. Raises UnknownMachine,
    InvalidInput."""
    return await page(office, Leaf(await _there_or_gone(office, machine), limit=limit), cursor)


async def outages(office: Office, machine: MachineRef, limit: int = 100, cursor: str | None = None) -> dict[str, Any]:
    """Of one machine, of one that was removed too, the newest first. Raises UnknownMachine, InvalidInput."""
    leaf = Leaf(await _there_or_gone(office, machine), limit=limit)
    return await page_through(office, office.store.outages, leaf, cursor)


async def _there_or_gone(office: Office, machine: MachineRef) -> MachineRef:
    """Its id; of what is not there what was said: the store knows by it what was removed, and who may see that."""
    try:
        return (await find(office, machine)).machine.id
    except UnknownMachine:
        return machine


async def page_through(office: Office, read: Any, leaf: Leaf, cursor: str | None) -> dict[str, Any]:
    """A page of what one method of `Annals` reads, of what who asks may see."""
    place = place_in(cursor, ORDER, True)
    before = None if place is None else place[0]
    asked = replace(leaf, before=before, limit=leaf.limit + 1, seen_by=office.who.seen_by)
    found = await _of_machine(read, asked)
    return page_of([dict(one) for one in found], leaf.limit, lambda last: cursor_of(ORDER, True, (last["id"],)))


async def _of_machine(read: Any, leaf: Leaf) -> Sequence[Mapping[str, Any]]:
    found: Sequence[Mapping[str, Any]]
    try:
        found = await read(leaf)
    except UnknownMachine:
        number = id_in(leaf.machine) if isinstance(leaf.machine, str) else None
        if number is None:
            raise
        found = await read(replace(leaf, machine=number))
    return found
