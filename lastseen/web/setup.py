"""The way in for the first admin."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Final

from lastseen.errors import Conflict, LastseenError
from lastseen.ingest.auth import digest_of
from lastseen.log import get_logger
from lastseen.manage.office import Office
from lastseen.protocols import People, Sessions

LASTS: Final = timedelta(hours=24)
"""A one-time link is good for so long."""

_log = get_logger()


async def offer(office: Office) -> None:
    """Write a one-time link to the log as long as nobody is an admin: whoever reads the log may be the first. No part
    of it is stored, and it is worthless once somebody is."""
    store = office.store
    if not (isinstance(store, People) and isinstance(store, Sessions)):
        return
    token, now = secrets.token_urlsafe(32), office.monitor.clock.now()
    try:
        await store.add_link("setup", digest_of(token), None, now, now + LASTS)
    except Conflict:
        return
    except LastseenError as error:
        _log.warning("setup_link_not_made", error=str(error))
        return
    base = (office.base_url() or "").rstrip("/")
    _log.warning("setup_link", url=f"{base}/setup?token={token}", hint="open it once to become the first admin: 24 h")
