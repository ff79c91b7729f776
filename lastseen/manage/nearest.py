"""What somebody may have meant who named a machine that is not there."""

from __future__ import annotations

import difflib

from lastseen.errors import NotFound, UnknownMachine
from lastseen.manage.office import Office
from lastseen.words import say

MOST_NAMES = 20_000
"""Slugs and names that are compared: beyond that it would take longer than it is worth."""

PAGE = 1000


async def meant(office: Office, error: UnknownMachine) -> NotFound:
    """The same error, with the slugs that look like what was asked for, if there are any."""
    near = [] if isinstance(error.machine, int) else await _near(office, error.machine)
    return NotFound(say("{error}: did you mean {near}?", error=error, near=" or ".join(near))) if near else error


async def _near(office: Office, text: str) -> list[str]:
    """Slugs that look like it, or whose machine is called so."""
    names: dict[str, str] = {}
    after = 0
    while len(names) < MOST_NAMES:
        page = await office.store.machines(after, PAGE)
        for one in page:
            if office.who.sees(one.machine.owner):
                names[one.machine.name.casefold()] = names[one.machine.slug.casefold()] = one.machine.slug
        if len(page) < PAGE:
            break
        after = page[-1].machine.id
    alike = difflib.get_close_matches(text.casefold(), list(names), n=3, cutoff=0.6)
    return list(dict.fromkeys(names[name] for name in alike))
