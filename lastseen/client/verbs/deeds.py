"""Who did what."""

from __future__ import annotations

from lastseen.client.remote import Remote
from lastseen.client.shapes import Deed
from lastseen.errors import InvalidInput


async def listed(server: Remote, limit: int = 100, before: int | None = None, subject: str | None = None) -> list[Deed]:
    """The newest first. Raises InvalidInput for `before`: a server begins with the newest."""
    if before is not None:
        raise InvalidInput("works only where the database is", "before")
    return [one async for one in server.pages(Deed, "audit", limit=limit, subject=subject)]
