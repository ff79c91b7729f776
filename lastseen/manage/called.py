"""Machines by what people call them, where a field of a page asks for one."""

from __future__ import annotations

from typing import Final

from lastseen.errors import UnknownMachine
from lastseen.manage.machines import find
from lastseen.manage.office import Office
from lastseen.model.directory import Sought
from lastseen.protocols import Directory

SOME: Final = 1000
"""Machines in whose names a text is looked for."""


async def called(office: Office, text: str) -> str:
    """The slug of the machine that is meant: by its slug or id, or by a name that no other has which who asks may see.
    What fits none stays as it is."""
    try:
        return (await find(office, text)).machine.slug
    except UnknownMachine:
        pass
    if not isinstance(office.store, Directory):
        return text
    some = await office.store.seek(Sought(text=text, seen_by=office.who.seen_by, limit=SOME))
    same = [one.machine.slug for one in some if one.machine.name.casefold() == text.casefold()]
    return same[0] if len(same) == 1 else text
