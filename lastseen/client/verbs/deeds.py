"""Who did what."""

from __future__ import annotations

from lastseen.client.remote import Remote
from lastseen.client.shapes_people import Deed


async def listed(
    server: Remote, limit: int = 100, before: int | None = None, subject: str | None = None, by: str | None = None
) -> list[Deed]:
    """The newest first."""
    return [one async for one in server.pages(Deed, "audit", limit=limit, before=before, subject=subject, by=by)]
