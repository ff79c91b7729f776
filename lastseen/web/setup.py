"""The way in for the first admin."""

from __future__ import annotations

from typing import Final

from lastseen.errors import Conflict, LastseenError
from lastseen.log import get_logger
from lastseen.manage import people
from lastseen.manage.office import Office
from lastseen.manage.who import Who

SERVER: Final = Who("lastseen serve", "admin")

_log = get_logger()


async def offer(office: Office) -> None:
    """Write a one-time link to the log as long as nobody is an admin: whoever reads the log may be the first."""
    try:
        if await people.needs_setup(office):
            link = await people.setup_link(office.of(SERVER))
            _log.warning("setup_link", url=link["url"], hint="open it to become the first admin, once, within 24 h")
    except Conflict:
        return  # somebody was faster
    except LastseenError as error:
        _log.warning("setup_link_not_made", error=str(error))
