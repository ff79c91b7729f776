"""What happened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lastseen.errors import UnknownMachine
from lastseen.manage.machines import id_in
from lastseen.manage.office import Office


async def listed(
    office: Office, machine: str | None = None, type_: str | None = None, limit: int = 100
) -> list[dict[str, Any]]:
    """Newest first. Digits are tried as a slug, then as an id. Removed machines have a history too. Raises
    UnknownMachine."""
    found: Sequence[Mapping[str, Any]]
    try:
        found = await office.store.events(machine, type_, limit)
    except UnknownMachine:
        number = None if machine is None else id_in(machine)
        if number is None:
            raise
        found = await office.store.events(number, type_, limit)
    return [dict(event) for event in found]
