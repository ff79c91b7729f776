"""The way in for the first admin."""

from __future__ import annotations

import sys
from typing import Final

from lastseen.errors import Conflict, LastseenError
from lastseen.log import get_logger
from lastseen.manage import people
from lastseen.manage.office import Office
from lastseen.manage.who import Who

SERVER: Final = Who("lastseen serve", "admin")

FIRST: Final = """
  Open this in a browser to begin, once, within 24 hours. Whoever does becomes the first admin:

      {url}

"""
"""Somebody sits there, and is not to look for it among the lines of a log."""

_log = get_logger()


async def offer(office: Office) -> None:
    """Write a one-time link to the log as long as nobody is an admin: whoever reads the log may be the first."""
    try:
        if await people.needs_setup(office):
            link = await people.setup_link(office.of(SERVER))
            if sys.stdout.isatty():
                sys.stdout.write(FIRST.format(url=link["url"]))
                return
            _log.warning("setup_link", url=link["url"], hint="open it to become the first admin, once, within 24 h")
    except Conflict:
        return  # somebody was faster
    except LastseenError as error:
        _log.warning("setup_link_not_made", error=str(error))
